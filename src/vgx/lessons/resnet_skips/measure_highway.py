"""The same weights with and without skips: how the gradient comes back, and how the signal gets there."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx import theory
from vgx.activation import activations
from vgx.arguments import real_array, real_number, whole_number
from vgx.initializer import initializers
from vgx.network import Network, gradient_norms

WIDTH = 128
DEEPEST = 50
N_NETS = 16
N_INPUTS = 16
HE = ("relu", "gelu")
"""Activations whose weights are drawn after He; those of the others after Xavier."""


def gradient_highway(
    depth: int | Sequence[int],
    scale: float | Sequence[float],
    activation: str,
    branch: float,
    *,
    n_nets: int = N_NETS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Gradient and signal by layer, of plain networks and of residual ones with the same weights.

    Networks are `WIDTH` wide, without biases, in float32; their weights are drawn after He or Xavier, as suits the
    activation, times ``scale``. The residual network's blocks are ``z -> z + branch * (φ(z) W)``, the plain network's
    layers ``z -> φ(z) W``; the first layer is the same. Inputs are Gaussian, of mean square 1. The cost is a random
    linear readout of the last activations, another one for each input.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers L, from 2 to 50.
    scale : float or sequence of float
        Multiplies the initializer's standard deviation, >= 0.
    activation : str
        A name in the registry.
    branch : float
        β, how much of its branch a block adds.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Layer 1 first. ``gradient``: ‖∂C/∂z_l‖ over the last layer's, and ``signal``: the root mean square of z_l, of
        shape (2, 3, depth): plain and residual; the 5th percentile, median and 95th percentile over the networks.
        ``gradient_theory``, ``signal_theory``: what mean-field theory predicts, (2, depth). ``sigma_w``: the weights'
        standard deviation times √width. For sequences, nested by depth, then scale.

    Raises
    ------
    ValueError
        If the activation is unknown or a number not allowed.
    """
    depths = [whole_number("depth", each, least=2) for each in (depth if np.ndim(depth) else [depth])]
    if max(depths) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {max(depths)}")
    scales, initializer = real_array("scale", scale, least=0), "he_normal" if activation in HE else "xavier_normal"
    blocks = [(0.0, 1.0), (1.0, real_number("branch", branch))]
    ways = [_profiles(tuple(depths), scales.tobytes(), scales.shape, activation, initializer, *block,
                      whole_number("n_nets", n_nets), seed) for block in blocks]  # fmt: skip
    sigma_w = scales * initializers[initializer].std(WIDTH, WIDTH) * np.sqrt(WIDTH)
    results = []
    for d in depths:
        predicted = [_predicted(d, activation, sigma_w, *block) for block in blocks]
        results.append(
            {
                "gradient": np.stack([way[d][0] for way in ways], axis=-3),
                "signal": np.stack([way[d][1] for way in ways], axis=-3),
                "gradient_theory": np.stack([gradient for gradient, _ in predicted], axis=-2),
                "signal_theory": np.stack([signal for _, signal in predicted], axis=-2),
                "sigma_w": sigma_w,
            }
        )
    return {name: [each[name] for each in results] for name in results[0]} if np.ndim(depth) else results[0]


@lru_cache(maxsize=8)
def _profiles(
    depths: tuple[int, ...],
    scales: bytes,
    shape: tuple[int, ...],
    activation: str,
    initializer: str,
    skip: float,
    branch: float,
    n_nets: int,
    seed: int,
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Measure gradient and signal, each (..., 3, depth); kept, as the plain one is asked for with every branch."""
    net, x, readout = _draw(initializer, n_nets, seed)
    scale = np.frombuffer(scales, np.float64).reshape(*shape, 1).astype(net.dtype)
    net = replace(net, activation=activations[activation], scale=scale, skip=skip, branch=branch)
    norms = gradient_norms(net, x, readout, depths)
    with np.errstate(all="ignore"):
        trace = net.truncated(max(depths)).forward(x)
        sizes = [np.sqrt(np.mean(z.astype(np.float64) ** 2, axis=(-2, -1))) for z in trace.pre_activations]
        signal = _over_networks(np.stack(sizes, axis=-1))
        return {d: (_over_networks(norms[d] / norms[d][..., -1:]), signal[..., :d]) for d in depths}


@lru_cache(maxsize=2)
def _draw(initializer: str, n_nets: int, seed: int) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=DEEPEST, width=WIDTH, activation="identity", initializer=initializer, n_nets=n_nets,
                         dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, N_INPUTS, WIDTH))
    return net, x / np.sqrt(np.mean(x**2, axis=1, keepdims=True)), readout


def _over_networks(values: np.ndarray) -> np.ndarray:
    """Summarize (..., n_nets, depth) as (..., 3, depth): 5th percentile, median, 95th percentile."""
    return np.moveaxis(np.quantile(values, [0.05, 0.5, 0.95], axis=-2), 0, -2)


def _predicted(
    depth: int, activation: str, sigma_w: np.ndarray, skip: float, branch: float
) -> tuple[np.ndarray, np.ndarray]:
    """Predict gradient and signal for inputs of mean square 1, each of shape (..., depth)."""
    block = {"activation": activation, "sigma_w": sigma_w, "skip": skip, "branch": branch}
    q = [sigma_w**2]
    for _ in range(depth - 1):
        q.append(theory.variance_map(q[-1], **block))
    return theory.gradient_profile(q[0], depth=depth, **block), np.sqrt(np.stack(q, axis=-1))
