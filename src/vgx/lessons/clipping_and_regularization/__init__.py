"""Lesson 08: a gradient too long for its step: cut it short, or shrink the weights."""
