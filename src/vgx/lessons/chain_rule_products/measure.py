"""What lesson 02 measures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx import theory
from vgx.activation import activations
from vgx.arguments import whole_number
from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.network import Network, gradient_norms
from vgx.registry import unknown_name

from .measure_chain import chain_ratios, scalar_chain, unsaturated_window
from .measure_spread import log_ratio_moments, spread

__all__ = [
    "chain_ratios", "gradient_norm_by_layer", "log_ratio_moments", "neuron_bars", "scalar_chain", "spread",
    "unsaturated_window",
]  # fmt: skip

WIDTH = 128
DEEPEST = 50
N_NETS = 16
N_INPUTS = 32


def gradient_norm_by_layer(
    depth: int | Sequence[int],
    scale: float | Sequence[float],
    activation: str,
    initializer: str,
    *,
    n_nets: int = N_NETS,
    n_inputs: int = N_INPUTS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Gradient norm of each layer's pre-activations as a ratio to the last layer's, over draws of the weights.

    The networks are `WIDTH` wide, without biases, in float32 (a signal below 1e-35 counts as 0: a dead network);
    the inputs are standardized digits. The cost is a random linear readout of the last layer, a different one for each
    input. The norm of a layer is the L2 norm over its units, then the root mean square over the inputs.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers, at most 50.
    scale : float or sequence of float
        Multiplies the initializer's standard deviation.
    activation, initializer : str
        Names in the registries.
    n_nets, n_inputs, seed : int
        How many networks are drawn, how many digits they see, and from which seed.

    Returns
    -------
    dict
        ``median``, ``low``, ``high``: the median and the 5th and 95th percentile over the networks; ``theory``: what
        mean-field theory predicts. Each of shape (depth,), layer 1 first; for sequences, nested by depth, then scale.
    """
    depths = depth if np.ndim(depth) else [depth]
    scales = np.asarray(scale, dtype=float)
    net = _draw(initializer, n_nets, seed)
    net = replace(net, activation=activations[activation], scale=scales[..., None].astype(net.dtype))
    readout = np.random.default_rng((seed, 1)).standard_normal((n_inputs, WIDTH), dtype=np.float32)
    x = digits().x[:n_inputs]
    norms = gradient_norms(net, x, readout, depths)
    profiles = [_spread(norms[d]) | {"theory": _predicted(x, d, scales, activation, initializer)} for d in depths]
    return {name: [p[name] for p in profiles] for name in profiles[0]} if np.ndim(depth) else profiles[0]


@lru_cache(maxsize=1)
def _draw(initializer: str, n_nets: int, seed: int) -> Network:
    """Draw networks of the greatest depth: their first layers are the draw of any smaller depth, at any scale."""
    rng = np.random.default_rng(seed)
    return Network.sample(
        depth=DEEPEST, width=WIDTH, n_inputs=64, n_nets=n_nets,
        activation="identity", initializer=initializer, dtype=np.float32, rng=rng,
    )  # fmt: skip


def _spread(norms: np.ndarray) -> dict[str, np.ndarray]:
    """Summarize (..., n_nets, depth) over the networks."""
    with np.errstate(all="ignore"):
        last = norms[..., -1:]
        ratio = np.divide(
            norms, last, out=np.zeros_like(norms), where=last != 0
        )  # without a last gradient there is none
        low, median, high = np.quantile(ratio, [0.05, 0.5, 0.95], axis=-2)
    return {"median": median, "low": low, "high": high}


def _predicted(x: np.ndarray, depth: int, scales: np.ndarray, activation: str, initializer: str) -> np.ndarray:
    """Predict the profile, shape (..., depth): theory at the mean length of each quarter of the inputs."""
    std = initializers[initializer].std
    quarters = np.array_split(np.sort((x**2).sum(axis=1)), min(4, len(x)))
    length = np.array([quarter.mean() for quarter in quarters])
    profile = theory.gradient_profile(
        length * (scales[..., None] * std(x.shape[1], WIDTH)) ** 2,
        depth=depth,
        activation=activation,
        sigma_w=scales[..., None] * std(WIDTH, WIDTH) * np.sqrt(WIDTH),
    )
    with np.errstate(all="ignore"):
        return np.sqrt(np.mean(profile**2, axis=-2))


HIDDEN_WIDTH = 30
SHOWN = 6
RECIPES = {  # the initializer of the weights, the standard deviation of the biases
    "nielsen": ("lecun_normal", 1.0),
    "xavier_normal": ("xavier_normal", 0.0),
    "he_normal": ("he_normal", 0.0),
    "normal": ("normal", 1.0),
}


def neuron_bars(
    hidden: int, initializer: str, activation: str, draw: int, *, n_inputs: int = 1000, seed: int = 0
) -> dict[str, np.ndarray]:
    """Gradient of the cost with respect to each hidden bias of a digits classifier, before its first step.

    The network is 64-30-...-30-10, with sigmoid outputs and cross-entropy; pixels lie in [0, 1] and the gradient is
    the mean over the first ``n_inputs`` digits.

    Parameters
    ----------
    hidden : int
        Number of hidden layers, of 30 neurons each.
    initializer : str
        "nielsen" draws weights from N(0, 1/n_in) and biases from N(0, 1), "normal" both from N(0, 1); "xavier_normal"
        and "he_normal" have biases 0.
    activation : str
        Name of the hidden neurons' φ.
    draw : int
        Which network, from 1.

    Returns
    -------
    dict
        ``gradients``: |∂C/∂b| of the first six neurons, shape (hidden, 6). ``speeds``: ‖∂C/∂b‖ of each hidden layer,
        shape (hidden,). Layer 1 first.

    References
    ----------
    Nielsen (2015), Neural networks and deep learning, chapter 5.
    """
    if initializer not in RECIPES:
        raise ValueError(unknown_name("initializer", initializer, RECIPES))
    weights, bias_std = RECIPES[initializer]
    rng = np.random.default_rng((seed, whole_number("draw", draw)))
    hidden, options = whole_number("hidden", hidden), {"initializer": weights, "bias_std": bias_std, "rng": rng}
    data, n_inputs = digits(standardize=False), whole_number("n_inputs", n_inputs)
    x, y = data.x[:n_inputs] / 16, np.eye(10)[data.y[:n_inputs]]
    outputs = Network.sample(depth=1, width=10, n_inputs=HIDDEN_WIDTH, activation="sigmoid", **options)
    net = Network.sample(depth=hidden, width=HIDDEN_WIDTH, n_inputs=x.shape[1], activation=activation, **options)
    trace = net.forward(x)
    error = outputs.forward(trace.activations[-1]).activations[-1] - y  # ∂C/∂z of sigmoid with cross-entropy
    biases = np.array(net.backward(trace, error @ outputs.weights[0].T / len(x)).biases)
    return {"gradients": np.abs(biases[:, :SHOWN]), "speeds": np.linalg.norm(biases, axis=1)}
