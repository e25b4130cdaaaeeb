"""What lesson 03 draws and says about it."""

from .draw_phase import phase_diagram, phase_reading
from .draw_signal import signal_propagation, signal_reading
from .draw_training import does_it_train, training_reading, who_learns
from .draw_weights import weight_distributions, weights_reading

__all__ = [
    "does_it_train", "phase_diagram", "phase_reading", "signal_propagation", "signal_reading",
    "training_reading", "weight_distributions",
    "weights_reading", "who_learns",
]  # fmt: skip
