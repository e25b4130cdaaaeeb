"""Lesson 04: why ReLU trains deep networks where sigmoid does not, and how its units die."""
