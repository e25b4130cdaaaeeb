"""What lesson 04 draws."""

from .draw_born_dead import born_dead, born_dead_reading
from .draw_dead_units import dead_units, dead_units_reading
from .draw_depthwise import depthwise_reading, depthwise_vs_standard
from .draw_learning_rate import learning_rate_kills, learning_rate_reading
from .draw_neuron import ANSWERS, neuron_answer, neuron_reading, one_neuron

__all__ = [
    "ANSWERS",
    "born_dead",
    "born_dead_reading",
    "dead_units",
    "dead_units_reading",
    "depthwise_reading",
    "depthwise_vs_standard",
    "learning_rate_kills",
    "learning_rate_reading",
    "neuron_answer",
    "neuron_reading",
    "one_neuron",
]
