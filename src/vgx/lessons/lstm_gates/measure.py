"""What lesson 06 measures."""

from .measure_explosion import critical_radius, first_over_last
from .measure_gates import cell_at_birth, decay_per_step, gates, gru_jacobian, lstm_jacobian
from .measure_powers import first_below_one, log_norm, peak_step, powers, shear_power
from .measure_through_time import gradient_through_time
from .measure_who import answers_changed, effects, encoded, random_digits, readers, who_did_it
from .measure_who_shown import who_shown

__all__ = [
    "answers_changed", "cell_at_birth", "critical_radius", "decay_per_step", "effects", "encoded",
    "first_below_one", "first_over_last", "gates", "gradient_through_time", "gru_jacobian", "log_norm",
    "lstm_jacobian", "peak_step", "powers", "random_digits", "readers", "shear_power", "who_did_it", "who_shown",
]  # fmt: skip
