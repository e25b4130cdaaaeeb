"""What lesson 05 measures."""

from .measure_branch import branch_scale
from .measure_highway import gradient_highway
from .measure_paths import gradient_by_length, length_law, paths
from .measure_shattering import predicted_correlation, shattering

__all__ = [
    "branch_scale", "gradient_by_length", "gradient_highway", "length_law", "paths", "predicted_correlation",
    "shattering",
]  # fmt: skip
