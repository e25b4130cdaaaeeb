"""Units that are off for one digit and units that are dead, off for all of them, layer by layer at birth."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import digits
from vgx.network import Network

WIDTH = 64
DEEPEST = 30
N_DRAWS = 20
FLAT_BELOW = 0.01
"""A unit is off for a digit if ``|φ′(z)|`` lies below: for relu it is 0 then; leaky_relu's 0.01 never lies below."""

DEAD_UNIT_AXES = {
    "depth": (5, 15, 30),
    "scale": (0.25, 0.5, 1.0, 2.0, 4.0),
    "bias": (-1.0, -0.1, 0.0, 0.1, 1.0),
    "activation": ("relu", "leaky_relu", "elu", "gelu", "silu"),
}


def dead_units(
    depth: int | Sequence[int], scale: float, bias: float, activation: str, *, n_draws: int = N_DRAWS, seed: int = 0
) -> dict[str, np.ndarray | list]:
    """Count the units that are off for a digit, and the dead ones: those that are off for every digit.

    Networks have He weights and `WIDTH` units a layer; the inputs are all 1797 digits, standardized. All biases are
    the same number: random ones around 0 leave half of the pairs off, whatever their size.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers, at most 30.
    scale : float
        Multiplies the weights' standard deviation.
    bias : float
        The bias of every unit.
    activation : str
        Name in the registry.
    n_draws, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Of shape (depth,), layer 1 first: ``dead``, ``low``, ``high``: the share of the layer's units that are dead,
        median, 5th and 95th percentile over the draws; ``off``: the share of pairs of a unit and a digit in which the
        unit is off, median. And ``network``: the share of all units that are dead, median.
        For a sequence, lists by depth: the first layers of a deeper network are the shallower one.

    Raises
    ------
    ValueError
        If the activation is unknown or a number not allowed.
    """
    depths = [whole_number("depth", each) for each in (depth if np.ndim(depth) else [depth])]
    if max(depths) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {max(depths)}")
    shares = []
    for draw in range(whole_number("n_draws", n_draws)):
        net = biased_network(max(depths), scale, bias, activation, rng=np.random.default_rng((seed, draw)))
        masks = is_off(net, digits().x)
        shares.append([(mask.all(axis=0).mean(), mask.mean()) for mask in masks])
    dead, pairs = np.moveaxis(shares, -1, 0)  # each (n_draws, depth)
    results = [_summary(dead[:, :each], pairs[:, :each]) for each in depths]
    if not np.ndim(depth):
        return results[0]
    return {name: [result[name] for result in results] for name in results[0]}


def biased_network(depth: int, scale: float, bias: float, activation: str, *, rng: np.random.Generator) -> Network:
    """Draw a network for digits: He weights times ``scale``, `WIDTH` units a layer, every bias the same number."""
    bias = real_number("bias", bias)
    net = Network.sample(depth=depth, width=WIDTH, activation=activation, initializer="he_normal",
                         scale=real_number("scale", scale, least=0), dtype=np.float32, rng=rng)  # fmt: skip
    sign = np.full(WIDTH, np.copysign(1, bias), np.float32)
    return replace(net, unit_biases=[sign] * depth, bias_std=abs(bias))


def is_off(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Say for each layer which unit is off for which input, a mask of shape (..., inputs, units)."""
    slope = net.activation.derivative
    return [np.abs(slope(z)) < FLAT_BELOW for z in net.forward(x).pre_activations]


def _summary(dead: np.ndarray, pairs: np.ndarray) -> dict[str, np.ndarray]:
    low, median, high = np.quantile(dead, [0.05, 0.5, 0.95], axis=0)
    columns = {"dead": median, "low": low, "high": high, "off": np.median(pairs, axis=0)}
    rounded = {name: column.astype(np.float16) for name, column in columns.items()}
    return rounded | {"network": np.float16(np.median(dead.mean(axis=1)))}
