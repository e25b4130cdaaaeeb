"""What lesson 06 measures."""

from .measure_explosion import critical_radius, first_over_last
from .measure_gates import cell_at_birth, decay_per_step, gates, gru_jacobian, lstm_jacobian
from .measure_memory import adding_network, learn_to_add, memory, memory_with_others, runs_of, solved_after
from .measure_opening import opening
from .measure_powers import first_below_one, log_norm, peak_step, powers, shear_power
from .measure_through_time import factor_a_step, gradient_through_time
from .measure_who import answers_changed, effects, encoded, random_digits, readers, who_did_it
from .measure_who_shown import who_shown

__all__ = [
    "adding_network", "answers_changed", "cell_at_birth", "critical_radius", "decay_per_step", "effects",
    "encoded", "factor_a_step", "first_below_one", "first_over_last", "gates", "gradient_through_time", "gru_jacobian",
    "learn_to_add", "log_norm", "lstm_jacobian", "memory", "memory_with_others", "opening", "peak_step", "powers",
    "random_digits", "readers", "runs_of", "shear_power", "solved_after", "who_did_it", "who_shown",
]  # fmt: skip
