"""Batch statistics, which normalize in training, against running ones, which normalize afterwards."""

from functools import lru_cache
from math import log, sqrt
from typing import NamedTuple

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.normalization import batch_eval, normalizations, running_statistics
from vgx.registry import unknown_name

STEPS = 300
JUMP = 150
"""After which step the weights jump."""
SETTLED = 200
"""From which step on scatter is measured."""
WIDTH = 32
UNIT = 6
"""The unit that is drawn: of the first eight the one whose mean travels furthest while the network learns."""
RATE = 0.1

WEIGHTS = ("learning", "fixed", "jump")
TRAIN_AND_EVAL_AXES = {
    "batch": (1, 2, 4, 16, 64, 256),
    "momentum": (0.01, 0.03, 0.1, 0.3, 1.0),
    "weights": WEIGHTS,
}


class Learnt(NamedTuple):
    """A network digits → linear → batch normalization → ReLU → linear, on its way.

    Parameters
    ----------
    rows : ndarray, shape (steps, batch)
        The digits of each step, drawn independently, so that theory is exact.
    weights : ndarray, shape (steps + 1, 64, 32)
        W before each step, and after the last; with a batch of 1 nothing can be learnt, and W stays.
    gain, shift, readout : ndarray
        γ, β, shape (32,), and the last layer, (32, 10), after the last step.
    """

    rows: np.ndarray
    weights: np.ndarray
    gain: np.ndarray
    shift: np.ndarray
    readout: np.ndarray


def pixels() -> np.ndarray:
    """Return the digits as they are, over one number, their root mean square: a unit's mean is not 0."""
    x = digits(standardize=False).x
    return x / np.sqrt(np.mean(x**2))


@lru_cache(maxsize=len(TRAIN_AND_EVAL_AXES["batch"]))  # 5 MB each
def learn(batch: int, *, rate: float = RATE, decay: float = 0.0, steps: int = STEPS, seed: int = 0) -> Learnt:
    """Train by plain gradient descent.

    Parameters
    ----------
    batch : int
        Digits a step.
    rate : float
        η, the learning rate.
    decay : float
        λ, of the weights that are normalized: w ← w - η (g + λ w).
    steps : int
        How many.
    seed : int
        Of the weights and the batches.

    Returns
    -------
    Learnt

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    batch, steps = whole_number("batch", batch), whole_number("steps", steps)
    rate, decay = real_number("rate", rate, least=0), real_number("decay", decay, least=0)
    norm, relu = normalizations["batch"], activations["relu"]
    rng = np.random.default_rng(seed)
    x, targets = pixels(), np.eye(10)[digits().y]
    w, readout = (initializers["he_normal"].sample(shape, rng=rng) for shape in ((x.shape[1], WIDTH), (WIDTH, 10)))
    rows = rng.integers(len(x), size=(steps, batch))
    gain, shift, path = np.ones(WIDTH), np.zeros(WIDTH), [w] * (steps + 1)
    for step, chosen in enumerate(rows if batch > 1 else []):
        h, cache = norm.forward(x[chosen] @ w, gain=gain, shift=shift)
        a = relu.f(h)
        logits = a @ readout
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        to_logits = (odds / odds.sum(-1, keepdims=True) - targets[chosen]) / batch
        to_z, to_gain, to_shift = norm.backward(to_logits @ readout.T * relu.derivative(h), cache)
        readout = readout - rate * a.T @ to_logits
        w = w - rate * (x[chosen].T @ to_z + decay * w)
        gain, shift = gain - rate * to_gain, shift - rate * to_shift
        path[step + 1] = w
    return Learnt(rows, np.array(path), gain, shift, readout)


def train_and_eval(batch: int, momentum: float, weights: str, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Follow the statistics of the pre-activations z = x W that a layer of batch normalization is given.

    A batch of 1 has no variance, so there is nothing to run: NaN, where torch raises.

    Parameters
    ----------
    batch : int
        Digits a step.
    momentum : float
        m, in torch's convention: running ← (1 - m) running + m batch, from 0 and 1.
    weights : str
        "learning": the weights move, as the network learns with this batch. "fixed": they stay as drawn. "jump": as
        drawn up to step 150, then those after the last step.
    seed : int
        As in `learn`.

    Returns
    -------
    dict
        Of one unit, after each step, shape (300,): ``batch_mean``, ``batch_var`` (biased: what training divides by),
        ``running_mean``, ``running_var``, and over all digits ``true_mean``, ``true_var``. ``scatter``: root mean
        square over all units and the last 100 steps of the error of the batch's and of the running mean, in standard
        deviations; ``expected``: what `mean_scatter` predicts. ``gap``: root mean square difference of a digit's x̂
        in training, over batches with the last weights, from that in evaluation. ``accuracy``: of the network, by
        the statistics of such batches and by the running ones; NaN unless it has learnt.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if weights not in WEIGHTS:
        raise ValueError(unknown_name("weights", weights, WEIGHTS))
    learnt, x = learn(batch, seed=seed), pixels()
    start = {"learning": np.arange(STEPS), "fixed": np.zeros(STEPS, int),
             "jump": np.where(np.arange(STEPS) < JUMP, 0, STEPS)}[weights]  # fmt: skip
    path = learnt.weights[start]
    of_batch, running = _statistics(x, learnt.rows, path, momentum)
    truth = np.stack([x.mean(0) @ path, (path * (np.cov(x.T, ddof=0) @ path)).sum(1)])
    late = slice(SETTLED, None)
    errors = (np.stack([of_batch[0], running[0]])[:, late] - truth[0, late]) / np.sqrt(truth[1, late])
    kinds = {"batch": of_batch, "running": running, "true": truth}
    shown = {f"{kind}_{moment}": values[k, :, UNIT] for kind, values in kinds.items()
             for k, moment in enumerate(("mean", "var"))}  # fmt: skip
    return shown | {
        "scatter": np.sqrt(np.mean(errors**2, axis=(1, 2))),
        "expected": np.array(mean_scatter(batch, momentum)),
    } | _modes(learnt, path[-1], running[:, -1], weights, seed)  # fmt: skip


def _statistics(x: np.ndarray, rows: np.ndarray, path: np.ndarray, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance, shape (2, steps, units): of each batch, and the running ones after it."""
    of_batch, running = np.empty((2, 2, len(rows), path.shape[-1]))
    now = 0.0, 1.0
    for step, (chosen, w) in enumerate(zip(rows, path, strict=True)):
        z = x[chosen] @ w
        of_batch[:, step] = z.mean(0), z.var(0)
        now = running_statistics(z, *now, momentum=momentum) if len(chosen) > 1 else (np.nan, np.nan)
        running[0, step], running[1, step] = now
    return of_batch, running


def _modes(
    learnt: Learnt, w: np.ndarray, running: np.ndarray, weights: str, seed: int
) -> dict[str, np.ndarray | float]:
    """Compare the modes on the same digits: whole batches of them, in a new order."""
    batch = learnt.rows.shape[1]
    if batch == 1:
        return {"gap": np.nan, "accuracy": np.full(2, np.nan)}
    data = digits()
    order = np.random.default_rng([seed, 1]).permutation(len(data.y))[: len(data.y) // batch * batch]
    z = pixels()[order] @ w
    in_training = normalizations["batch"].forward(z.reshape(-1, batch, WIDTH))[0].reshape(z.shape)
    afterwards = batch_eval(z, *running)[0]
    accuracy = [np.mean(_classes(learnt, x_hat) == data.y[order]) for x_hat in (in_training, afterwards)]
    return {
        "gap": np.sqrt(np.mean((in_training - afterwards) ** 2)),
        "accuracy": np.array(accuracy if weights == "learning" else [np.nan, np.nan]),
    }


def _classes(learnt: Learnt, x_hat: np.ndarray) -> np.ndarray:
    return (activations["relu"].f(learnt.gain * x_hat + learnt.shift) @ learnt.readout).argmax(-1)


def mean_scatter(batch: int, momentum: float) -> tuple[float, float]:
    """Predict how far a batch's mean and the running mean are from the truth, in standard deviations of x.

    The running mean is Σ m (1 - m)^k times the batch mean k steps ago, so its variance is Σ m² (1 - m)^(2k) = m/(2 - m)
    of theirs: it averages (2 - m)/m batches. This is once the start is forgotten, and while nothing moves.

    Parameters
    ----------
    batch : int
        Independent values in a batch.
    momentum : float
        m, above 0, at most 1.

    Returns
    -------
    float, float

    Raises
    ------
    ValueError
        If a number is not allowed.

    Examples
    --------
    >>> mean_scatter(16, 0.4)
    (0.25, 0.125)
    """
    of_batch, momentum = 1 / sqrt(whole_number("batch", batch)), _share(momentum)
    return of_batch, of_batch * sqrt(momentum / (2 - momentum))


def half_way(momentum: float) -> float:
    """Compute after how many steps a running statistic has gone half the way after a jump: (1 - m)^k = 1/2.

    Parameters
    ----------
    momentum : float
        m, above 0, at most 1.

    Returns
    -------
    float
        k; about 0.7/m for small m.

    Raises
    ------
    ValueError
        If the momentum is not allowed.

    Examples
    --------
    >>> round(half_way(0.1), 1)
    6.6
    """
    momentum = _share(momentum)
    return -log(2) / log(1 - momentum) if momentum < 1 else 0.0


def _share(momentum: float) -> float:
    momentum = real_number("momentum", momentum, above=0)
    if momentum > 1:
        raise ValueError(f"momentum must be at most 1, got {momentum:g}")
    return momentum
