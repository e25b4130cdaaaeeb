"""What lesson 05 measures."""

from .measure_paths import gradient_by_length, length_law, paths
from .measure_shattering import predicted_correlation, shattering

__all__ = [
    "gradient_by_length", "length_law", "paths", "predicted_correlation", "shattering",
]  # fmt: skip
