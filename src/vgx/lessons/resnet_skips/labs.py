"""The labs of lesson 05."""
