"""What lesson 08 draws."""

from .draw_cliff import cliff, cliff_answer, cliff_reading
from .draw_clipped_training import clipped_training, clipped_training_reading, solved_runs
from .draw_direction import degrees_turned, direction, direction_reading
from .draw_weight_decay import least_that_survives, weight_decay, weight_decay_reading

__all__ = [
    "cliff",
    "cliff_answer",
    "cliff_reading",
    "clipped_training",
    "clipped_training_reading",
    "degrees_turned",
    "direction",
    "direction_reading",
    "least_that_survives",
    "solved_runs",
    "weight_decay",
    "weight_decay_reading",
]
