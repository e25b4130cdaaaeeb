"""What lesson 04 measures."""

from .measure_born_dead import born_dead, dies_in_layer, draw_layer, exact_share
from .measure_cost import activation_cost
from .measure_dead_units import biased_network, dead_units, is_off
from .measure_neuron import neuron_gradient, one_neuron
from .measure_revival import revival
from .measure_selu import selu_constants, selu_growth

__all__ = [
    "activation_cost",
    "biased_network",
    "born_dead",
    "dead_units",
    "dies_in_layer",
    "draw_layer",
    "exact_share",
    "is_off",
    "neuron_gradient",
    "one_neuron",
    "revival",
    "selu_constants",
    "selu_growth",
]
