"""Expectations over a Gaussian, by quadrature: E[g(√q z)] with z ~ N(0, 1)."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

NODES_A_PANEL = 24
BLOCK = 4096  # variances at once: bounds the memory at about 20 MB an intermediate array


@cache
def _nodes_and_weights() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes on both sides of 0, the weights including the normal density."""
    # Every activation has its kink at 0, and at large q its whole bend there, 1/√q wide in z:
    # hence no panel crosses 0 and the panels shrink towards it, down to 4⁻⁸. Beyond 10 the density is 1e-22.
    edges = np.concatenate([[0.0], 4.0 ** np.arange(-8, 1), [3.0, 6.0, 10.0]])
    nodes, weights = np.polynomial.legendre.leggauss(NODES_A_PANEL)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (1 + nodes)).ravel()
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    w = (half * weights).ravel() * density
    return np.concatenate([-z[::-1], z]), np.concatenate([w[::-1], w])


def expectation(function: Callable[[np.ndarray], np.ndarray], variance: ArrayLike) -> np.ndarray:
    """Compute E[g(√q z)], z ~ N(0, 1), for each variance q.

    The relative error is below 1e-12 for q up to 1e8 where g is smooth apart from a kink or a jump at 0 and
    bends on the scale of 1, as activations, their derivatives and their squares do.

    Parameters
    ----------
    function : callable
        g, elementwise on a float64 array. It may return several arrays, stacked on leading axes.
    variance : array_like
        q >= 0, of any shape. 0 stands for the limit q → 0⁺, so that a jump at 0 gives the mean of its sides,
        and inf for the limit q → ∞. NaN gives NaN.

    Returns
    -------
    ndarray
        One expectation for each q, on leading axes for each g; inf where it overflows.

    Raises
    ------
    ValueError
        If a variance is negative.

    Examples
    --------
    >>> expectation(np.square, [1.0, 4.0]).round(12)
    array([1., 4.])
    """
    q = np.asarray(variance, dtype=np.float64)
    if (q < 0).any():
        raise ValueError(f"variance must hold numbers >= 0, got {variance!r}")
    z, weights = _nodes_and_weights()
    sd = np.sqrt(np.maximum(q, np.finfo(np.float64).tiny)).reshape(-1, 1)
    with np.errstate(all="ignore"):
        means = [function(sd[start : start + BLOCK] * z) @ weights for start in range(0, max(1, q.size), BLOCK)]
    means = np.concatenate(means, axis=-1) if len(means) > 1 else means[0]
    return means.reshape((*means.shape[:-1], *q.shape))
