"""What lesson 04 measures."""

from .measure_cost import activation_cost
from .measure_neuron import neuron_gradient, one_neuron
from .measure_selu import selu_constants, selu_growth

__all__ = [
    "activation_cost",
    "neuron_gradient",
    "one_neuron",
    "selu_constants",
    "selu_growth",
]
