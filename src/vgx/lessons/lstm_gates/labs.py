"""The labs of lesson 06."""
