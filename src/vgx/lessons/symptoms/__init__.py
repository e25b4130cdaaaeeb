"""Lesson 00: two symptoms of a network that doesn't learn, and where to look for the cause."""
