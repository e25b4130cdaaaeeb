"""Lesson 01: how steep an activation is, where it is flat, and what a product of such slopes leaves."""
