"""Lesson 03: which random weights let a signal and its gradient through a deep network."""
