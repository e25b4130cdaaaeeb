"""Lesson 02: why the gradient of a deep network is a product, and what products do."""
