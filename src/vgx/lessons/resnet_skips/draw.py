"""What lesson 05 draws."""

from .draw_paths import mean_length, paths, paths_reading
from .draw_shattering import more_or_less_alike, shattering, shattering_reading

__all__ = [
    "mean_length", "more_or_less_alike", "paths", "paths_reading", "shattering", "shattering_reading",
]  # fmt: skip
