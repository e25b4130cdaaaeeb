"""What lesson 06 draws."""

from .draw_gates import gates, gates_reading, gates_verdict, gradient_exponent
from .draw_memory import memory, memory_reading, who_adds
from .draw_powers import largest_norm, powers, powers_reading
from .draw_through_time import exponent_at_the_first_state, gradient_through_time, through_time_reading
from .draw_who import share_of_the_mark, who_did_it, who_reading

__all__ = [
    "exponent_at_the_first_state",
    "gates",
    "gates_reading",
    "gates_verdict",
    "gradient_exponent",
    "gradient_through_time",
    "largest_norm",
    "memory",
    "memory_reading",
    "powers",
    "powers_reading",
    "share_of_the_mark",
    "through_time_reading",
    "who_adds",
    "who_did_it",
    "who_reading",
]
