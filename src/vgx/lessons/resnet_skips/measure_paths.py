"""The 2^L paths through a residual network: how much of the squared gradient comes back along those of each length."""

from functools import reduce

import numpy as np

from vgx import theory
from vgx.arguments import real_number, whole_number
from vgx.network import Network
from vgx.registry import unknown_name

WIDTH = 128
BATCH = 8
N_NETS = 20
INITIALIZERS = {"relu": "he_normal", "identity": "lecun_normal", "tanh": "lecun_normal"}
"""The weights whose branch has, for ReLU and identity, the variance of the stream that it reads, and its gradient."""


def paths(depth: int, branch: float, activation: str, *, n_nets: int = N_NETS, seed: int = 0) -> dict[str, np.ndarray]:
    """Split the gradient at the stream's beginning by the number of branches that it came through.

    Each network has L blocks z -> z + branch F(z), F(z) = φ(z) W, 128 wide, its own weights, 8 Gaussian inputs and a
    random readout.

    Parameters
    ----------
    depth : int
        Number of blocks L.
    branch : float
        β, at least 0.
    activation : {"relu", "identity", "tanh"}
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Of shape (L + 1,), path length 0 first. ``median``, ``low``, ``high``: share of the length in the sum of all
        lengths' squared norms, its median and 5th and 95th percentile over the networks. ``cross``, ``cross_low``,
        ``cross_high``: the same of what its cross terms with the other lengths add, in the same unit. ``binomial``:
        Binomial(L, β²/(1 + β²)). ``law``: what mean-field theory predicts (`length_law`).
        ``whole``, shape (3,): 5th, 50th and 95th percentile of the full squared gradient over the sum of the lengths'.

    Raises
    ------
    ValueError
        If the activation is unknown or a number is not allowed.

    References
    ----------
    Veit et al. (2016), Residual networks behave like ensembles of relatively shallow networks.
    """
    if activation not in INITIALIZERS:
        raise ValueError(unknown_name("activation", activation, INITIALIZERS))
    depth, branch = whole_number("depth", depth), real_number("branch", branch, least=0)
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=depth + 1, width=WIDTH, activation=activation, initializer=INITIALIZERS[activation],
                         skip=1.0, branch=branch, n_nets=whole_number("n_nets", n_nets), rng=rng)  # fmt: skip
    x = rng.standard_normal((n_nets, BATCH, WIDTH))
    by_length = gradient_by_length(net, x, rng.standard_normal((n_nets, 1, WIDTH)))
    whole = by_length.sum(axis=0)
    squares = np.sum(by_length**2, axis=(-2, -1))  # (L + 1, n_nets)
    total = squares.sum(axis=0)
    cross = np.sum(by_length * whole, axis=(-2, -1)) - squares
    low, median, high = np.quantile(squares / total, [0.05, 0.5, 0.95], axis=1)
    cross_low, cross_median, cross_high = np.quantile(cross / total, [0.05, 0.5, 0.95], axis=1)
    return {
        "median": median, "low": low, "high": high,
        "cross": cross_median, "cross_low": cross_low, "cross_high": cross_high,
        "binomial": _lengths(np.full(depth, branch**2 / (1 + branch**2))),
        "law": length_law(depth, branch, activation),
        "whole": np.quantile(np.sum(whole**2, axis=(-2, -1)) / total, [0.05, 0.5, 0.95]),
    }  # fmt: skip


def gradient_by_length(net: Network, x: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
    """Carry one gradient for each path length back through the blocks.

    With J the branch's backward step, the gradient is the product of all (I + t J), a polynomial in t, at t = 1: the
    coefficient of t^k sums the paths through k branches. A block turns the coefficients g_k into g_k + J g_(k-1).

    Parameters
    ----------
    net : Network
        With skip 1 and L + 1 layers, the first of which maps the inputs into the stream.
    x : ndarray, shape (..., batch, n_inputs)
    grad_output : ndarray, broadcasts to the last activations' shape
        Gradient of C, a function of each input, with respect to them.

    Returns
    -------
    ndarray, shape (L + 1, ..., batch, width)
        By path length; they add up to C's gradient with respect to the stream before the first block.
    """
    zs, dφ = net.forward(x).pre_activations, net.activation.derivative
    by_length = np.zeros((net.depth, *zs[-1].shape))
    by_length[0] = dφ(zs[-1]) * grad_output
    blocks = list(zip(zs, list(net.layers())[1:], strict=False))  # each with the stream that it reads
    for done, (z, (W, _, _, branch)) in enumerate(reversed(blocks)):
        by_length[1 : done + 2] += dφ(z) * (branch * (by_length[: done + 1] @ W.T))
    return by_length


def length_law(depth: int, branch: float, activation: str) -> np.ndarray:
    """Predict the shares: of the squared gradient, block l sends the share p_l = β²χ_l/(1 + β²χ_l) down its branch.

    χ_l is mean-field theory's factor of the branch. It is 1 for ReLU and identity with the weights of `INITIALIZERS`,
    and the law is Binomial(L, β²/(1 + β²)); tanh's is below 1, and falls as the stream grows.

    Returns
    -------
    ndarray, shape (depth + 1,)
        Probability that of `depth` independent coins with these p_l, k show heads.
    """
    sigma_w = np.sqrt(2) if activation == "relu" else 1.0
    q, odds = sigma_w**2, []
    for _ in range(depth):
        odds.append(branch**2 * theory.chi(activation=activation, sigma_w=sigma_w, q=q))
        q = q + branch**2 * theory.variance_map(q, activation=activation, sigma_w=sigma_w)
    return _lengths(np.array([each / (1 + each) for each in odds]))


def _lengths(p: np.ndarray) -> np.ndarray:
    """Multiply out ∏ (1 - p_l + p_l t): the coefficients, in ascending powers."""
    return reduce(np.convolve, ([1 - each, each] for each in p), np.ones(1))
