"""What lesson 06 measures."""

from .measure_explosion import critical_radius, first_over_last
from .measure_powers import first_below_one, log_norm, peak_step, powers, shear_power
from .measure_through_time import gradient_through_time

__all__ = [
    "critical_radius", "first_below_one", "first_over_last", "gradient_through_time", "log_norm",
    "peak_step", "powers", "shear_power",
]  # fmt: skip
