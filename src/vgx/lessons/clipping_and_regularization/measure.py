"""What lesson 08 measures."""

from .measure_cliff import cliff, cliff_loss, wall
from .measure_clipped_training import clipped_training, train_clipped
from .measure_direction import angle, direction, predicted_angle
from .measure_weight_decay import weight_decay
from .measure_weight_decay_shown import decay_by_strength, half_life
from .measure_where import beside_the_right_place, where_to_clip

__all__ = [
    "angle",
    "beside_the_right_place",
    "cliff",
    "cliff_loss",
    "clipped_training",
    "decay_by_strength",
    "direction",
    "half_life",
    "predicted_angle",
    "train_clipped",
    "wall",
    "weight_decay",
    "where_to_clip",
]
