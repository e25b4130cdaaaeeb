"""What lesson 05 draws."""

from .draw_branch import branch_reading, branch_scale
from .draw_degradation import degradation, degradation_reading, percent_wrong
from .draw_highway import exponent_with_skips, gradient_highway, highway_reading
from .draw_paths import mean_length, paths, paths_reading
from .draw_shattering import more_or_less_alike, shattering, shattering_reading

__all__ = [
    "branch_reading", "branch_scale", "degradation", "degradation_reading", "exponent_with_skips",
    "gradient_highway", "highway_reading", "mean_length", "more_or_less_alike", "paths", "paths_reading",
    "percent_wrong", "shattering", "shattering_reading",
]  # fmt: skip
