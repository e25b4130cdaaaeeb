"""What lesson 07 measures."""

from .measure_batchnorm_explodes import batchnorm_explodes, layer_law, squared_gradient_factors
from .measure_init_forgiven import init_forgiven, smallest_scale
from .measure_recentring import recentring
from .measure_train_and_eval import half_way, learn, mean_scatter, train_and_eval
from .measure_why_it_helps import why_it_helps
from .measure_why_it_helps_shown import why_shown

__all__ = [
    "batchnorm_explodes",
    "half_way",
    "init_forgiven",
    "layer_law",
    "learn",
    "mean_scatter",
    "recentring",
    "smallest_scale",
    "squared_gradient_factors",
    "train_and_eval",
    "why_it_helps",
    "why_shown",
]
