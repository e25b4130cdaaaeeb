"""The recording of `weight_decay`, cut across: one network, one kind of decay, all strengths; and how fast decay is."""

import math

import numpy as np

from vgx.arguments import real_number
from vgx.grid import Grid
from vgx.registry import unknown_name

from .measure_weight_decay import DECAY_AXES, EPOCHS, KINDS

SHOWN = (0, 1, 10, 30)
"""The epochs that the lab shows."""

WEIGHT_DECAY_AXES = DECAY_AXES | {"kind": KINDS, "epoch": SHOWN}


def half_life(kind: str, strength: float, *, rate: float, weight: float = 1.0) -> float:
    """Return after how many steps of gradient descent a weight has halved, if nothing but the decay moves it.

    L2 multiplies the weight by 1 - ηλ each step, whatever its size; L1 takes ηλ from it each step.

    Parameters
    ----------
    kind : {"L2", "L1"}
    strength : float
        λ >= 0; at 0 it takes infinitely many steps.
    rate : float
        Step size η.
    weight : float
        Its size at the start, which matters for L1 only.

    Examples
    --------
    >>> round(half_life("L2", 5 / 50_000, rate=0.1))  # Nielsen's λ/n and η
    69314
    """
    if kind not in KINDS:
        raise ValueError(unknown_name("kind", kind, KINDS))
    step = real_number("rate", rate, above=0) * real_number("strength", strength, least=0)
    if step == 0:
        return math.inf
    if kind == "L1":
        return abs(real_number("weight", weight)) / 2 / step
    return math.log(0.5) / math.log1p(-step) if step < 1 else 1.0


def decay_by_strength(
    recording: Grid, depth: int, activation: str, scale: float, kind: str, epoch: int
) -> dict[str, np.ndarray]:
    """Return what was recorded after an epoch, by strength.

    Returns
    -------
    dict
        ``gradient``: the first hidden layer's gradient as a ratio to the last hidden one's, ``accuracy``, ``size``,
        ``largest``, ``radius``: as in `weight_decay`, shape (strengths, seeds), NaN where a run overflowed. ``start``:
        ratio of the gradients before training, and ``start_largest``: the largest singular value, shape (seeds,).
    """
    runs = recording(depth=depth, activation=activation, scale=scale)
    runs = {name: np.asarray(values[KINDS.index(kind)], float) for name, values in runs.items()}
    runs["gradient"] = 10.0 ** runs["gradient"]
    seen = {name: values[..., EPOCHS.index(epoch)] for name, values in runs.items()}
    return seen | {"start": runs["gradient"][0, :, 0], "start_largest": runs["largest"][0, :, 0]}
