"""Many small networks, trained from their first step: what lesson 00 measures of the two symptoms."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.datasets import digits
from vgx.initializer import initializers

if TYPE_CHECKING:
    from torch import nn

LOSS_CURVE_AXES = {
    "depth": (1, 2, 5, 10, 20),
    "scale": (0.3, 1.0, 1.4, 2.0, 4.0, 10.0),  # 1.4 is He's √2 for ReLU, to two digits
    "activation": ("sigmoid", "tanh", "relu"),
    "learning_rate": (0.01, 0.1, 1.0, 10.0),
}
WIDTH, N_DIGITS, BATCH = 32, 1024, 128
STEPS_PER_EPOCH = N_DIGITS // BATCH

CHANCE = math.log(10)
"""The cross-entropy of guessing: each of ten digits with probability 1/10."""

LOW = 0.5  # of CHANCE: below this the loss is no longer large
BOUNCE = 1.25  # the factor by which an oscillating loss climbs again
FALL = 0.05  # the share by which a loss that is not stuck still falls
WORDS = ("learns", "stuck", "oscillates", "overflows")


def loss_curves(
    depth: int,
    scale: float | Sequence[float],
    activation: str,
    learning_rate: float | Sequence[float],
    *,
    epochs: int = 32,
    n_seeds: int = 5,
) -> dict[str, np.ndarray]:
    """Train classifiers of digits from several seeds and keep the loss after each epoch.

    The network is 64-32-...-32-10 and ends linearly; weights begin as Xavier's normal ones times ``scale``, biases
    at 0. Plain stochastic gradient descent on 1,024 standardized digits, in mini-batches of 128: 8 steps an epoch.
    A seed decides the unit draw of the weights and the order of the digits: it is the same at all scales and rates.

    Parameters
    ----------
    depth : int
        Number of hidden layers, of 32 units each.
    scale : float or sequence of float
        Multiplies the standard deviation of the weights.
    activation : str
        'sigmoid', 'tanh' or 'relu'.
    learning_rate : float or sequence of float
    epochs, n_seeds : int

    Returns
    -------
    dict
        ``loss``: mean cross-entropy over all 1,024 digits, shape (n_seeds, epochs + 1), the first before the first
        step; not finite from where it overflowed; float32 kept to 3 digits. ``gradient_ratio``: before the first step,
        the norm of the cost's gradient with respect to the first hidden layer's biases over that of the last hidden
        layer's, on 128 digits; shape (n_seeds,). For sequences of scales and rates, with these as leading axes.
    """
    from vgx.training import train

    depth, n_seeds = whole_number("depth", depth), whole_number("n_seeds", n_seeds)
    scales = [real_number("scale", each, least=0) for each in np.atleast_1d(scale)]
    rates = [real_number("learning_rate", each, above=0) for each in np.atleast_1d(learning_rate)]
    units = [_unit_draw(depth, np.random.default_rng(seed)) for seed in range(n_seeds)]
    models = [_network(unit, each, activation) for each in scales for _ in rates for unit in units]
    data = digits()
    history = train(
        models,
        data.x[:N_DIGITS].astype(np.float32),
        data.y[:N_DIGITS],
        epochs=whole_number("epochs", epochs),
        batch_size=BATCH,
        learning_rate=[rate for _ in scales for rate in rates for _ in units],
        seeds=[*range(n_seeds)] * (len(scales) * len(rates)),
        gradient_on=BATCH,
        interruptible=False,
        progress=False,
    )
    start = history.bias_gradient_norm[:, 0, :depth]
    with np.errstate(all="ignore"):
        found = {"loss": _short(history.loss), "gradient_ratio": _short(start[:, 0] / start[:, -1])}
    leading = (*np.shape(scale), *np.shape(learning_rate), n_seeds)
    return {name: each.reshape(*leading, *each.shape[1:]) for name, each in found.items()}


def verdicts(loss: np.ndarray) -> np.ndarray:
    """Say in one word what each run did: the only place where the four words are defined.

    - *overflows*: a loss is not a finite number.
    - *learns*: in the last quarter of the run the loss never exceeds half of ln 10; or none of the other three.
    - *oscillates*: it does, and in the second half the loss climbs to 1.25 times a value that it had there before.
    - *stuck*: it does, doesn't oscillate, and falls by less than 5 % in the second half, up to the median of the last
      quarter. With what value is not asked: most are stuck at ln 10 = 2.30, which guessing gives.

    Parameters
    ----------
    loss : ndarray, shape (..., n)
        Curves of cross-entropy for ten classes, evenly spaced in time; at least 8 values.

    Returns
    -------
    ndarray of str, shape (...)
    """
    loss = np.asarray(loss, dtype=float)
    if loss.ndim < 1 or loss.shape[-1] < 8:
        raise ValueError(f"loss must have shape (..., n) with n >= 8, got {loss.shape}")
    half = loss[..., loss.shape[-1] // 2 :]
    quarter = half[..., half.shape[-1] // 2 :]
    with np.errstate(all="ignore"):
        overflows = ~np.isfinite(loss).all(axis=-1)
        low = quarter.max(axis=-1) <= LOW * CHANCE
        bounces = (half >= BOUNCE * np.minimum.accumulate(half, axis=-1)).any(axis=-1)
        falls = np.median(quarter, axis=-1) <= (1 - FALL) * half[..., 0]
    return np.select([overflows, low, bounces, ~falls], ["overflows", "learns", "oscillates", "stuck"], "learns")


def verdict_of_state(words: Sequence[str]) -> str:
    """Return the commonest word of several runs; of two that are equally common, the one nearer to 'overflows'."""
    words = list(words)
    return max(WORDS, key=lambda word: (words.count(word), WORDS.index(word)))


def _unit_draw(depth: int, rng: np.random.Generator) -> list[np.ndarray]:
    sizes = [64, *[WIDTH] * depth, 10]
    return [initializers["xavier_normal"].sample(shape, rng=rng) for shape in pairwise(sizes)]


def _network(weights: Sequence[np.ndarray], scale: float, activation: str) -> "nn.Sequential":
    import torch
    from torch import nn

    kinds = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
    if activation not in kinds:
        raise ValueError(f"activation must be one of {', '.join(kinds)}, got {activations[activation].name!r}")
    layers: list[nn.Module] = []
    for weight in weights:
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(scale * weight.T))
            linear.bias.zero_()
        layers += [linear, kinds[activation]()]
    return nn.Sequential(*layers[:-1])


def _short(values: np.ndarray) -> np.ndarray:
    """Keep 11 bits after the leading one: 3 digits, in half the bytes when compressed."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    kept = np.where(np.isfinite(values), (bits + 0x800) & 0xFFFFF000, bits)
    return kept.astype(np.uint32).view(np.float32)
