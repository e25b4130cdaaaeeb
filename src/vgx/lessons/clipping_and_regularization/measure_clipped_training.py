"""Training a recurrent network with its gradient clipped: limit against learning rate, on the adding problem."""

import math
from collections.abc import Sequence

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import adding_problem
from vgx.recurrent import RNN
from vgx.registry import unknown_name

LIMITS = {"none": math.inf, "0.03": 0.03, "0.1": 0.1, "0.3": 0.3, "1": 1.0, "3": 3.0, "10": 10.0}
RATES = (0.01, 0.03, 0.1, 0.3)
CLIPPED_TRAINING_AXES = {"rate": RATES, "limit": tuple(LIMITS)}
LAG, WIDTH, BATCH, MOMENTUM, MAX_STEPS = 20, 32, 32, 0.9, 4_000
"""Chosen, as `RATES` was, by trials with the seeds 100 to 102."""
LAST = 200  # steps over which the loss at the end is a mean: 6,400 sequences
LEARNED = 0.01  # a mean loss below it at the end
NAIVE = 1 / 6  # the mean squared error of who always answers 1
PERCENTILES = (50, 90, 99)
WINDOWS = np.unique(np.round(np.geomspace(1, MAX_STEPS, 44))).astype(int)[:-1]
"""The first training steps, counted from 1, of windows over which is averaged: about 12 in a factor of ten."""


def clipped_training(
    limit: str | Sequence[str], rate: float, *, n_seeds: int = 10, max_steps: int = MAX_STEPS
) -> dict[str, np.ndarray]:
    """Train recurrent networks on the adding problem, clip the norm of their gradient, and look at it before that.

    A tanh RNN of 32 units (W orthogonal, biases 0, other weights uniform between ±1/√fan_in) reads 20 steps, and its
    last state is read out linearly. Each training step sees 32 fresh sequences, so that the loss, their mean squared
    error, is that on unseen data. Stochastic gradient descent with momentum 0.9, v ← 0.9 v + g, θ ← θ - rate · v, where
    g is the clipped gradient of all parameters. In float32; a run ends when its gradient is no longer finite.

    Parameters
    ----------
    limit : str or sequence of str
        Of `LIMITS`: the greatest global norm of a gradient; "none": not clipped.
    rate : float
        The learning rate.
    n_seeds : int
        Runs, with the seeds 0, 1, ...: a seed decides the start and the sequences, the same at all limits and rates.
    max_steps : int
        Training steps.

    Returns
    -------
    dict
        By windows of training steps (see `WINDOWS`): ``loss``, shape (n_seeds, windows), its mean in the window,
        NaN from the window on in which a run ended; ``norm``, shape (3, windows): median, 90th percentile and largest
        of the gradient norms of all runs in the window, NaN if none is finite. ``percentiles``, shape (3,): 50th, 90th
        and 99th of the norms at all steps of all runs; ``mean``: their mean. For each run, shape (n_seeds,): ``last``,
        its mean loss over the last 200 steps; ``clipped``, the share of its steps at which the gradient was clipped;
        ``ended``, the steps that it made before it ended, inf if it did not. float32; for a sequence of limits with
        these as leading axis.

    Raises
    ------
    ValueError
        If there is no such limit or a number is not allowed.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, section 3.2.
    """
    names = [limit] if isinstance(limit, str) else list(limit)
    for name in names:
        if name not in LIMITS:
            raise ValueError(unknown_name("limit", name, LIMITS))
    limits = np.array([LIMITS[name] for name in names])
    losses, norms = train_clipped(limits, rate, n_seeds=n_seeds, max_steps=max_steps)
    each = [summary(*pair) for pair in zip(losses, norms, limits, strict=True)]
    return each[0] if isinstance(limit, str) else {name: np.stack([one[name] for one in each]) for name in each[0]}


def train_clipped(
    limits: np.ndarray, rate: float, *, n_seeds: int, max_steps: int, first_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Make the runs of `clipped_training`, side by side.

    Returns
    -------
    tuple of ndarray, shape (limits, n_seeds, max_steps)
        The loss at each step and the norm of its gradient, before it is clipped; inf or NaN where a run has ended.
    """
    rate, n_seeds = real_number("rate", rate, above=0), whole_number("n_seeds", n_seeds)
    max_steps = whole_number("max_steps", max_steps)
    seeds = range(first_seed, first_seed + n_seeds)
    starts = [start(np.random.default_rng([seed, 0])) for seed in seeds]
    rngs = [np.random.default_rng([seed, 1]) for seed in seeds]
    shape = (len(limits), n_seeds)
    theta = [np.broadcast_to(np.stack(parts), (*shape, *parts[0].shape)).copy() for parts in zip(*starts, strict=True)]
    velocity = [np.zeros_like(part) for part in theta]
    losses, norms = (np.full((*shape, max_steps), np.nan) for _ in range(2))
    with np.errstate(all="ignore"):  # of runs that overflow
        for step in range(max_steps):
            tasks = [adding_problem(BATCH, LAG, rng=rng, dtype=np.float32) for rng in rngs]
            x, y = np.stack([task.x for task in tasks], axis=1)[:, None], np.stack([task.y for task in tasks])
            losses[..., step], gradients = loss_and_gradients(theta, x, y)
            norms[..., step] = norm = np.sqrt(sum(np.square(g, dtype=float).sum((-2, -1)) for g in gradients))
            if not np.isfinite(norm).any():
                break
            shorter = np.minimum(1, limits[:, None] / norm).astype(np.float32)[..., None, None]
            for part, v, g in zip(theta, velocity, gradients, strict=True):
                v *= np.float32(MOMENTUM)
                v += shorter * g
                part -= np.float32(rate) * v
    return losses, norms


def start(rng: np.random.Generator) -> list[np.ndarray]:
    """Draw U, W, b of an `RNN`, and the weights and bias of its readout, in float32."""
    cell = RNN.sample(n_inputs=2, width=WIDTH, rng=rng, dtype=np.float32)
    weights = [rng.uniform(-1, 1, shape) / math.sqrt(shape[0]) for shape in ((2, WIDTH), (WIDTH, 1))]
    parts = weights[0], cell.recurrent_weights, cell.biases, weights[1], np.zeros((1, 1))
    return [part.astype(np.float32) for part in parts]


def loss_and_gradients(theta: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Compute the mean squared error of each network, and its gradient on the parameters, as `start` has them."""
    U, W, b, V, c = theta
    cell = RNN("tanh", U, W, b)
    trace = cell.forward(x)
    last = trace.states[-1]
    off = last @ V + c - y
    d = 2 * off / off.shape[-2]
    found = cell.backward(trace, last=d @ V.swapaxes(-2, -1))
    gradients = [found.input_weights, found.recurrent_weights, found.biases]
    return (off**2).mean((-2, -1)), [*gradients, last.swapaxes(-2, -1) @ d, d.sum(-2, keepdims=True)]


def summary(losses: np.ndarray, norms: np.ndarray, limit: float) -> dict[str, np.ndarray]:
    """Summarize the runs at one limit: see `clipped_training`."""
    alive = np.logical_and.accumulate(np.isfinite(norms) & np.isfinite(losses), axis=1)
    losses, norms = np.where(alive, losses, np.nan), np.where(alive, norms, np.nan)
    max_steps, steps = norms.shape[1], alive.sum(axis=1)
    cuts = [first - 1 for first in WINDOWS[1:] if first <= max_steps]
    by_window = [part[~np.isnan(part)] for part in np.split(norms, cuts, axis=1)]
    found = {
        "loss": np.stack([part.mean(axis=1) for part in np.split(losses, cuts, axis=1)], axis=1),
        "norm": np.array([np.percentile(part, [50, 90, 100]) if part.size else [np.nan] * 3 for part in by_window]).T,
        "percentiles": np.percentile(norms[alive], PERCENTILES),
        "mean": norms[alive].mean(),
        "last": losses[:, -LAST:].mean(axis=1),
        "clipped": (norms > limit).sum(axis=1) / steps,
        "ended": np.where(steps < max_steps, steps, np.inf),
    }
    return {name: np.asarray(value, np.float32) for name, value in found.items()}
