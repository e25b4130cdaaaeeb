"""Six ways to scale a residual branch, and what each makes of the stream and of its gradient."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import sqrt

import numpy as np

from vgx import theory
from vgx.activation import activations
from vgx.arguments import whole_number
from vgx.gaussian import expectation
from vgx.network import Network, gradient_norms, norm_per_input
from vgx.registry import unknown_name

WIDTH = 128
MOST_BLOCKS = 50
N_NETS = 16
N_INPUTS = 64

WAYS = {
    "plain_sum": lambda blocks: (1.0, 1.0),
    "sum_/√2": lambda blocks: (1 / sqrt(2), 1 / sqrt(2)),
    "branch_/√L": lambda blocks: (1.0, 1 / sqrt(blocks)),
    "branch_/L": lambda blocks: (1.0, 1 / blocks),
    "branch_0": lambda blocks: (1.0, 0.0),
    "normalized_branch": lambda blocks: (1.0, 1.0),
}
"""What a block keeps of its input and how much of its branch it adds, given the number of blocks."""

NORMALIZED = "normalized_branch"


def branch_scale(
    way: str,
    blocks: int | Sequence[int],
    activation: str,
    *,
    width: int = WIDTH,
    n_nets: int = N_NETS,
    n_inputs: int = N_INPUTS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Follow the stream of residual networks from block to block, and its gradient back.

    A block is ``z -> skip * z + branch * (φ(z) W)``, or, normalized, ``z -> z + φ(norm(z)) W`` with batch
    normalization. Weights are normal, with σ_w the activation's gain: a branch has variance 1 where its input has. The
    stream starts with variance 1. No biases, float32. The cost is a random linear readout of the last activations.

    Parameters
    ----------
    way : str
        One of `WAYS`.
    blocks : int or sequence of int
        Number of blocks L, at most 50: one less than layers of weights, as the first layer makes the stream.
    activation : str
        A name in the registry.
    width, n_nets, n_inputs, seed : int
        Units, draws of the weights, the batch that is normalized, and the seed.

    Returns
    -------
    dict
        After 0, 1, ..., L blocks. ``variance``: the mean square of the stream, and ``gradient``: the squared norm of
        the gradient with respect to it over that at the end, of shape (3, L + 1): 5th percentile, median and 95th
        percentile over the networks; ``mean_variance``: the mean over the networks; ``variance_theory``,
        ``gradient_theory``: what mean-field theory predicts, (L + 1,). For a sequence, lists.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if way not in WAYS:
        raise ValueError(unknown_name("way", way, WAYS))
    counts = [whole_number("blocks", each) for each in (blocks if np.ndim(blocks) else [blocks])]
    if max(counts) > MOST_BLOCKS:
        raise ValueError(f"blocks must be at most {MOST_BLOCKS}, got {max(counts)}")
    sizes = [whole_number(name, size) for name, size in
             (("width", width), ("n_nets", n_nets), ("n_inputs", n_inputs))]  # fmt: skip
    draw = _draw(*sizes, seed)
    results = [_measured(way, count, activation, *draw) | predicted(way, count, activation) for count in counts]
    return {name: [each[name] for each in results] for name in results[0]} if np.ndim(blocks) else results[0]


@lru_cache(maxsize=1)
def _draw(width: int, n_nets: int, n_inputs: int, seed: int) -> tuple[Network, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=MOST_BLOCKS + 1, width=width, activation="identity", initializer="lecun_normal",
                         n_nets=n_nets, dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, n_inputs, width), dtype=np.float32)
    return net, x / np.sqrt(np.mean(x**2, axis=1, keepdims=True)), readout


def _measured(
    way: str, blocks: int, activation: str, net: Network, x: np.ndarray, readout: np.ndarray
) -> dict[str, np.ndarray]:
    phi, (skip, branch) = activations[activation], WAYS[way](blocks)
    norm = {"norm": "batch"} if way == NORMALIZED else {}
    net = replace(net.truncated(blocks + 1), activation=phi, scale=phi.gain, skip=skip, branch=branch, **norm)
    x = x / phi.gain
    trace = net.forward(x)
    squares = np.stack([np.mean(z.astype(np.float64) ** 2, axis=(-2, -1)) for z in trace.pre_activations], axis=-1)
    if norm:
        gradients = net.backward(trace, readout).pre_activations
        norms = np.stack([norm_per_input(gradient) for gradient in gradients], axis=-1)
    else:
        norms = gradient_norms(net, x, readout, [net.depth])[net.depth]
    return {
        "variance": np.quantile(squares, [0.05, 0.5, 0.95], axis=0),
        "mean_variance": squares.mean(axis=0),
        "gradient": np.quantile((norms / norms[:, -1:]) ** 2, [0.05, 0.5, 0.95], axis=0),
    }


def predicted(way: str, blocks: int, activation: str) -> dict[str, np.ndarray]:
    """Predict the stream's variance and the squared gradient, for large width and batch.

    Normalized, a branch sees variance 1 whatever the stream has, and adds σ_w² E[φ²] = 1 to the mean square: 1 + l.
    Its derivative is divided by the stream's standard deviation over the batch, whose square grows more slowly, by
    σ_w² Var[φ]: what a branch adds to all inputs alike is no variance over the batch.

    Returns
    -------
    dict
        ``variance_theory``, ``gradient_theory``: each of shape (blocks + 1,).
    """
    phi, (skip, branch) = activations[activation], WAYS[way](blocks)
    block = {"activation": activation, "sigma_w": phi.gain}
    if way == NORMALIZED:
        passed = np.arange(blocks + 1)
        over_batch = 1 + passed * (1 - (phi.gain * expectation(phi.f, 1.0)) ** 2)
        q, factors = 1.0 + passed, 1 + theory.chi(q=1.0, **block) / over_batch[:-1]
        gradient = np.append(np.cumprod(factors[::-1])[::-1], 1.0)
    else:
        block |= {"skip": skip, "branch": branch}
        q = np.ones(blocks + 1)
        for passed in range(blocks):
            q[passed + 1] = theory.variance_map(q[passed], **block)
        gradient = theory.gradient_profile(1.0, depth=blocks + 1, **block) ** 2
    return {"variance_theory": q, "gradient_theory": gradient}
