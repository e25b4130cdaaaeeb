"""What lesson 03 measures."""

from .measure_jacobian import jacobian_stretch
from .measure_phase import phase_diagram
from .measure_signal import signal_propagation, signals, variances
from .measure_spread import gradient_spread, log_normal_law
from .measure_symmetry import small_network
from .measure_training import deep_relu_network, does_it_train
from .measure_weights import weight_distributions

__all__ = [
    "deep_relu_network", "does_it_train", "gradient_spread", "jacobian_stretch", "log_normal_law",
    "phase_diagram", "signal_propagation", "signals", "small_network", "variances", "weight_distributions",
]  # fmt: skip
