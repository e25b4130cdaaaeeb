"""What lesson 04 measures."""

from .measure_born_dead import born_dead, dies_in_layer, draw_layer, exact_share
from .measure_channels import born_dead_channels
from .measure_cost import activation_cost
from .measure_dead_by_rate import dead_by_rate
from .measure_dead_units import biased_network, dead_units, is_off
from .measure_depthwise import dead_channels, depthwise_vs_standard, small_convnet
from .measure_learning_rate import digit_network, idle_units, learning_rate_kills
from .measure_neuron import neuron_gradient, one_neuron
from .measure_revival import revival
from .measure_selu import selu_constants, selu_growth

__all__ = [
    "activation_cost",
    "biased_network",
    "born_dead",
    "born_dead_channels",
    "dead_by_rate",
    "dead_channels",
    "dead_units",
    "depthwise_vs_standard",
    "dies_in_layer",
    "digit_network",
    "draw_layer",
    "exact_share",
    "idle_units",
    "is_off",
    "learning_rate_kills",
    "neuron_gradient",
    "one_neuron",
    "revival",
    "selu_constants",
    "selu_growth",
    "small_convnet",
]
