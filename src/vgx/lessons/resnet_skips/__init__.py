"""Lesson 05: what the skip connection does to the gradient."""
