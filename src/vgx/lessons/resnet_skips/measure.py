"""What lesson 05 measures."""

from .measure_branch import branch_scale
from .measure_degradation import before_training, degradation, degradation_against_depth, degradation_network
from .measure_highway import gradient_highway
from .measure_paths import gradient_by_length, length_law, paths
from .measure_shattering import predicted_correlation, shattering

__all__ = [
    "before_training", "branch_scale", "degradation", "degradation_against_depth", "degradation_network",
    "gradient_by_length", "gradient_highway", "length_law", "paths", "predicted_correlation", "shattering",
]  # fmt: skip
