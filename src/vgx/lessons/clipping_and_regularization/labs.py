"""The labs of lesson 08."""
