"""What lesson 08 draws."""

from .draw_cliff import cliff, cliff_answer, cliff_reading
from .draw_clipped_training import against_answering_1, clipped_training, clipped_training_reading
from .draw_direction import degrees_turned, direction, direction_reading
from .draw_weight_decay import least_that_survives, weight_decay, weight_decay_reading
from .draw_where import where_reading, where_to_clip, where_verdict

__all__ = [
    "against_answering_1",
    "cliff",
    "cliff_answer",
    "cliff_reading",
    "clipped_training",
    "clipped_training_reading",
    "degrees_turned",
    "direction",
    "direction_reading",
    "least_that_survives",
    "weight_decay",
    "weight_decay_reading",
    "where_reading",
    "where_to_clip",
    "where_verdict",
]
