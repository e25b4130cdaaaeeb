"""The lab: one spec of an interactive figure, shown live in a notebook and statically in the built book."""

from .controls import Choice, Predict, Slider, Toggle
from .display import static_rendering
from .spec import Lab

__all__ = ["Choice", "Lab", "Predict", "Slider", "Toggle", "static_rendering"]
