"""The labs of lesson 07."""
