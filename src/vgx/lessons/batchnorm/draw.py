"""What lesson 07 draws."""

from .draw_batchnorm_explodes import batchnorm_explodes, explosion_reading, exponent_of_explosion
from .draw_init_forgiven import exponent_at_layer_1, init_forgiven, init_reading
from .draw_recentring import recentring, recentring_reading, still_saturated
from .draw_train_and_eval import train_and_eval, train_and_eval_reading
from .draw_why_it_helps import up_to_which_rate, why_it_helps, why_reading

__all__ = [
    "batchnorm_explodes",
    "explosion_reading",
    "exponent_at_layer_1",
    "exponent_of_explosion",
    "init_forgiven",
    "init_reading",
    "recentring",
    "recentring_reading",
    "still_saturated",
    "train_and_eval",
    "train_and_eval_reading",
    "up_to_which_rate",
    "why_it_helps",
    "why_reading",
]
