"""The signal on its way through the layers: its distribution, its variance, and what the number format loses."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from vgx import theory
from vgx.activation import Activation, activations
from vgx.arguments import real_number, whole_number
from vgx.initializer import initializers
from vgx.network import Network
from vgx.registry import unknown_name

WIDTH = 128
DEEPEST = 50
N_NETS = 8
N_INPUTS = 16
SATURATED_BELOW = 0.01
PRECISIONS = {"float32": np.float32, "float16": np.float16}

BINS = np.concatenate([[-np.inf], np.linspace(-2.1, 2.1, 22), [np.inf]])
"""Edges of the bins in which activations are counted: 0.2 wide, the middle one around 0; the end bins take the rest."""

LEVELS = 20
"""A bin's share is given in twentieths of the fullest bin's."""


def signal_propagation(
    depth: int | Sequence[int],
    scale: float,
    activation: str,
    initializer: str,
    precision: str,
    *,
    n_nets: int = N_NETS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Send inputs through networks without biases and look at the signal after each layer.

    Networks are `WIDTH` wide; the inputs are Gaussian and scaled to a mean square of 1. Weights, activations and
    pre-activations are rounded to the number format; products are summed in float32, as graphics processors do.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers, at most 50.
    scale : float
        Multiplies the initializer's standard deviation.
    activation, initializer : str
        Names in the registries.
    precision : {"float32", "float16"}
        The number format.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Layer 1 first. ``counts``: how many activations lie in each of `BINS`, as `LEVELS` of the fullest bin's of the
        layer, shape (bins, depth). Of shape (depth,): ``median``, ``low``, ``high``: the mean square of the
        pre-activations, its median and 5th and 95th percentile over the networks; ``theory``: what mean-field theory
        predicts; ``flat``: share of units with a slope below 0.01; ``lost``: share of pre-activations that
        are exactly 0, too small for the format; ``overflowed``: share of activations that are inf or NaN. And
        ``sigma_w``: the weights' standard deviation times √width.
        For a sequence, lists by depth: the first layers of a deeper network are the shallower one.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if precision not in PRECISIONS:
        raise ValueError(unknown_name("precision", precision, PRECISIONS))
    phi, scale = activations[activation], real_number("scale", scale, least=0)
    depths = [whole_number("depth", each) for each in (depth if np.ndim(depth) else [depth])]
    if max(depths) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {max(depths)}")
    net, x = _draw(initializer, whole_number("n_nets", n_nets), seed)
    weights = net.truncated(max(depths)).rescaled(scale).weights
    rows = [_layer(z, h, phi) for z, h in signals(x, weights, phi, PRECISIONS[precision])]
    sigma_w = scale * initializers[initializer].std(WIDTH, WIDTH) * np.sqrt(WIDTH)
    columns = {name: np.stack([row[name] for row in rows], axis=-1) for name in rows[0]}
    columns["theory"] = variances(max(depths), activation, sigma_w)
    if not np.ndim(depth):
        return columns | {"sigma_w": sigma_w}
    return {name: [column[..., :each] for each in depths] for name, column in columns.items()} | {
        "sigma_w": [sigma_w] * len(depths)
    }


@lru_cache(maxsize=2)
def _draw(initializer: str, n_nets: int, seed: int) -> tuple[Network, np.ndarray]:
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=DEEPEST, width=WIDTH, activation="identity", initializer=initializer, n_nets=n_nets,
                         dtype=np.float32, rng=rng)  # fmt: skip
    x = rng.standard_normal((N_INPUTS, WIDTH))
    return net, x / np.sqrt(np.mean(x**2, axis=1, keepdims=True))


def signals(
    x: np.ndarray, weights: tuple[np.ndarray, ...], phi: Activation, dtype: type
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each layer's pre-activations and activations, both rounded to ``dtype`` and given as float32.

    Parameters
    ----------
    x : ndarray, shape (..., batch, fan_in)
    weights : sequence of ndarray, each (..., fan_in, fan_out)
    phi : Activation
    dtype : numpy.float32 or numpy.float16
    """

    def rounded(array: np.ndarray) -> np.ndarray:
        return array.astype(dtype).astype(np.float32)

    with np.errstate(all="ignore"):
        h = rounded(x)
        for W in weights:
            z = rounded(h @ rounded(W))
            h = rounded(phi.f(z))
            yield z, h


def _layer(z: np.ndarray, h: np.ndarray, phi: Activation) -> dict[str, np.ndarray]:
    """Summarize one layer, of shape (n_nets, batch, width)."""
    with np.errstate(all="ignore"):
        squares = np.mean(z.astype(np.float64) ** 2, axis=(-2, -1))
        flat = np.abs(phi.derivative(z)) < SATURATED_BELOW
        low, median, high = np.quantile(squares, [0.05, 0.5, 0.95])
    finite = np.isfinite(h)
    counts = np.histogram(h[finite], BINS)[0]
    return {
        "counts": np.rint(LEVELS * counts / max(1, counts.max())).astype(np.int8),
        "median": median,
        "low": low,
        "high": high,
        "flat": np.mean(flat & np.isfinite(z)),
        "lost": np.mean(z == 0),
        "overflowed": np.mean(~finite),
    }


def variances(depth: int, activation: str, sigma_w: float, *, q: float = 1.0) -> np.ndarray:
    """Predict the mean square of each layer's pre-activations for inputs of mean square ``q``, shape (depth,)."""
    predicted = np.empty(depth)
    with np.errstate(over="ignore"):
        predicted[0] = sigma_w**2 * q
        for layer in range(1, depth):
            predicted[layer] = theory.variance_map(predicted[layer - 1], activation=activation, sigma_w=sigma_w)
    return predicted
