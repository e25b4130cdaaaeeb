"""The labs of lesson 04."""
