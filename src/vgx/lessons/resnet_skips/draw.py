"""What lesson 05 draws."""

from .draw_branch import branch_reading, branch_scale
from .draw_highway import exponent_with_skips, gradient_highway, highway_reading
from .draw_paths import mean_length, paths, paths_reading
from .draw_shattering import more_or_less_alike, shattering, shattering_reading

__all__ = [
    "branch_reading", "branch_scale", "exponent_with_skips", "gradient_highway", "highway_reading", "mean_length",
    "more_or_less_alike", "paths", "paths_reading", "shattering", "shattering_reading",
]  # fmt: skip
