"""Lesson 07: normalization: what it forgives, what it makes explode, and why it helps."""
