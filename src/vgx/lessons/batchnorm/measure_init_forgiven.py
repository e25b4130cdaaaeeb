"""What an initial scale does to signal and gradient, with and without normalization."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_array, whole_number
from vgx.gaussian import expectation
from vgx.initializer import initializers
from vgx.network import Network, gradient_norms
from vgx.registry import unknown_name

WIDTH = 128
DEEPEST = 50
N_NETS = 8
BATCH = 32
HE = ("relu", "gelu")
"""Activations whose weights are drawn after He; those of the others after Xavier."""

NORMALIZATIONS = {"none": None, "batch": "batch", "layer": "layer", "rms": "rms"}


def init_forgiven(
    depth: int | Sequence[int],
    scale: float | Sequence[float],
    activation: str,
    norm: str,
    *,
    eps: float = 1e-5,
    n_nets: int = N_NETS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Signal and gradient by layer, of networks whose weights are too small or too large by some factor.

    Networks are `WIDTH` wide, without biases, in float32; weights after He or Xavier, as suits the activation, times
    ``scale``. What is normalized is z, before the activation. `BATCH` Gaussian inputs of mean square 1. The cost is a
    random linear readout of the last activations, another one for each input.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers L, from 2 to 50.
    scale : float or sequence of float
        Multiplies the initializer's standard deviation, >= 0.
    activation : str
        A name in the registry.
    norm : {"none", "batch", "layer", "rms"}
    eps : float
        ε, which the normalization adds to the variance.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Layer 1 first. ``signal``: the root mean square of the activations, and ``gradient``: ‖∂C/∂z_l‖ over the last
        layer's (0 where that is 0), of shape (3, depth): 5th percentile, median and 95th percentile over the networks.
        ``smallest_scale``: that of `smallest_scale`, NaN without normalization. For sequences, nested by depth, then
        scale.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if norm not in NORMALIZATIONS:
        raise ValueError(unknown_name("norm", norm, NORMALIZATIONS))
    depths = [whole_number("depth", each, least=2) for each in (depth if np.ndim(depth) else [depth])]
    if max(depths) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {max(depths)}")
    scales = real_array("scale", scale, least=0)
    initializer = "he_normal" if activation in HE else "xavier_normal"
    net, x, readout = _draw(initializer, whole_number("n_nets", n_nets), seed)
    net = replace(net, activation=activations[activation], scale=scales[..., None].astype(net.dtype),
                  norm=NORMALIZATIONS[norm], norm_eps=eps)  # fmt: skip
    norms = gradient_norms(net, x, readout, depths)
    sigma_w = initializers[initializer].std(WIDTH, WIDTH) * np.sqrt(WIDTH)
    threshold = np.nan if norm == "none" else smallest_scale(activation, norm, sigma_w=sigma_w, eps=eps)
    with np.errstate(all="ignore"):
        hs = net.truncated(max(depths)).forward(x).activations
        signal = np.stack([np.sqrt(np.mean(h.astype(np.float64) ** 2, axis=(-2, -1))) for h in hs], axis=-1)
    results = [{"signal": _over_networks(signal[..., :d]), "gradient": _over_networks(_to_last(norms[d])),
                "smallest_scale": np.full(scales.shape, threshold)} for d in depths]  # fmt: skip
    return {name: [each[name] for each in results] for name in results[0]} if np.ndim(depth) else results[0]


@lru_cache(maxsize=2)
def _draw(initializer: str, n_nets: int, seed: int) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=DEEPEST, width=WIDTH, activation="identity", initializer=initializer, n_nets=n_nets,
                         dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, BATCH, WIDTH))
    return net, x / np.sqrt(np.mean(x**2, axis=1, keepdims=True)), readout


def _to_last(norms: np.ndarray) -> np.ndarray:
    """Divide by the last layer's norm: where that is 0, so is every other."""
    with np.errstate(all="ignore"):
        return np.where(norms[..., -1:] == 0, 0.0, norms / norms[..., -1:])


def _over_networks(values: np.ndarray) -> np.ndarray:
    """Summarize (..., n_nets, depth) as (..., 3, depth): 5th percentile, median, 95th percentile."""
    with np.errstate(all="ignore"):
        return np.moveaxis(np.quantile(values, [0.05, 0.5, 0.95], axis=-2), 0, -2)


def smallest_scale(activation: str, norm: str, *, sigma_w: float, eps: float = 1e-5) -> float:
    """Predict the scale below which ε beats the normalization, and the signal sinks with every layer.

    A small signal of mean square u² after the normalization becomes one of variance scale² σ_w² k u² before the next,
    and (scale² σ_w² k / ε) u² after it: it grows back to 1 if that factor is above 1, and decays if it is below. k is
    what φ keeps of a small signal: E[φ²]/u² for small u, or for "batch" the variance, Var φ / u². The latter holds
    while the inputs of a batch are alike in size: below the smallest scale, with ReLU, one of them outgrows the others
    within some thirty layers, and then all of E[φ²] is kept.

    Parameters
    ----------
    activation : str
        A name in the registry.
    norm : {"batch", "layer", "rms"}
    sigma_w : float
        The weights' standard deviation times √fan_in at scale 1.
    eps : float
        ε.

    Returns
    -------
    float
        √(ε/k)/σ_w; 0 for "layer" and "rms" if φ(0) is not 0, as there is a signal without any input then.

    Examples
    --------
    >>> round(smallest_scale("relu", "batch", sigma_w=np.sqrt(2)), 4)
    0.0038
    """
    if norm not in NORMALIZATIONS or norm == "none":
        raise ValueError(unknown_name("norm", norm, [name for name in NORMALIZATIONS if name != "none"]))
    phi, small = activations[activation], 1e-8
    if phi.f(0.0) and norm != "batch":
        return 0.0
    kept = expectation(lambda z: (phi.f(z) - phi.f(0.0)) ** 2, small)
    if norm == "batch":
        kept = kept - expectation(lambda z: phi.f(z) - phi.f(0.0), small) ** 2
    return float(np.sqrt(eps * small / kept) / sigma_w)
