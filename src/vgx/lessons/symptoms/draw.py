"""What lesson 00 draws and says about it."""

from .draw_accuracies import accuracies, accuracies_reading, wins_in_percent
from .draw_circuits import and_gates, parity_circuit, parity_reading
from .draw_loss_curves import loss_curves, loss_reading, loss_word
from .draw_speeds import learning_speeds, speeds_reading

__all__ = [
    "accuracies",
    "accuracies_reading",
    "and_gates",
    "learning_speeds",
    "loss_curves",
    "loss_reading",
    "loss_word",
    "parity_circuit",
    "parity_reading",
    "speeds_reading",
    "wins_in_percent",
]
