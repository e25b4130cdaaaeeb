"""What lesson 00 measures."""

from .measure_accuracies import EPOCHS, HIDDEN, PUBLISHED, accuracies, accuracy_by_epoch
from .measure_circuits import gate_count, parity_circuit
from .measure_loss_curves import LOSS_CURVE_AXES, WORDS, loss_curves, verdict_of_state, verdicts
from .measure_probe import PLACES, probe_by_layer
from .measure_speeds import LONG_STEPS, N_DRAWS, PUBLISHED_SPEEDS, learning_speeds, long_training

__all__ = [
    "EPOCHS", "HIDDEN", "LONG_STEPS", "LOSS_CURVE_AXES", "N_DRAWS", "PLACES", "PUBLISHED", "PUBLISHED_SPEEDS", "WORDS",
    "accuracies", "accuracy_by_epoch", "gate_count", "learning_speeds", "long_training", "loss_curves",
    "parity_circuit", "probe_by_layer", "verdict_of_state", "verdicts",
]  # fmt: skip
