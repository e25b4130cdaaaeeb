"""Lesson 06: the same matrix at every step: what time does to the gradient, and what gates do about it."""
