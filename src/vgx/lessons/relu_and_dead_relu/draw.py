"""What lesson 04 draws."""

from .draw_born_dead import born_dead, born_dead_reading
from .draw_dead_units import dead_units, dead_units_reading
from .draw_neuron import neuron_reading, one_neuron

__all__ = [
    "born_dead",
    "born_dead_reading",
    "dead_units",
    "dead_units_reading",
    "neuron_reading",
    "one_neuron",
]
