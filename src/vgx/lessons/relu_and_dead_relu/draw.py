"""What lesson 04 draws."""

from .draw_neuron import neuron_reading, one_neuron

__all__ = [
    "neuron_reading",
    "one_neuron",
]
