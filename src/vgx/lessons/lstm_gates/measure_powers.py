"""Powers of a matrix whose eigenvalues are all ρ: its norm may grow long before they make it fall."""

import math
from functools import lru_cache

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.recurrent import recurrent_matrix

LAST = 100
STEPS = np.array([*range(21), 22, 24, 26, 28, *range(30, LAST + 1, 5)])
"""The powers that are measured: every one where lines bend."""
WIDTH = 64
N_DRAWS = 20


def powers(rho: float, k: float, t: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Follow ‖Wᵗ‖ (spectral norm) for W = [[ρ, k], [0, ρ]], and a state that starts at (0, 1).

    Parameters
    ----------
    rho, k : float
        ρ > 0, both eigenvalues and so the spectral radius, and k >= 0, how strongly the second unit feeds the first.
    t : int
        How many steps the state goes, at least 0.
    seed : int
        Of the Gaussian matrices.

    Returns
    -------
    dict
        At each of `STEPS`, ``norm``: ‖Wᵗ‖; ``radius``: ρᵗ, that of an orthogonal matrix times ρ; ``bound``: σ_maxᵗ;
        ``gaussian``, shape (3, len(STEPS)): 5th percentile, median and 95th percentile of ‖Wᵗ‖ over 20 Gaussian
        matrices of 64 units with spectral radius ρ. ``state``, shape (t + 1, 2): Wˢ (0, 1) for s = 0..t.
        ``at``, shape (3,): norm, radius and bound after t steps. ``peak``, shape (2,): the step at which the norm is
        largest, and the norm there; infinite where it grows without end. ``below``: the first step from which on the
        norm stays below 1; infinite where there is none.

    Raises
    ------
    ValueError
        If a number is not allowed.
    """
    rho, k, t = real_number("rho", rho, above=0), real_number("k", k, least=0), whole_number("t", t, least=0)
    peak = peak_step(rho, k)
    with np.errstate(over="ignore", under="ignore"):
        return {
            "norm": np.exp(log_norm(rho, k, STEPS)),
            "radius": rho ** STEPS.astype(float),
            "bound": np.exp(STEPS * log_norm(rho, k, 1)),
            "gaussian": rho ** STEPS.astype(float) * _gaussian_norms(seed),
            "state": shear_power(rho, k, np.arange(t + 1))[..., 1],
            "at": np.exp([log_norm(rho, k, t), t * math.log(rho), t * log_norm(rho, k, 1)]),
            "peak": np.array([peak, np.exp(log_norm(rho, k, peak)) if np.isfinite(peak) else np.inf]),
            "below": np.array(first_below_one(rho, k)),
        }


def shear_power(rho: float, k: float, t: int | np.ndarray) -> np.ndarray:
    """Return [[ρ, k], [0, ρ]] to the power t: [[ρᵗ, t k ρᵗ⁻¹], [0, ρᵗ]].

    Parameters
    ----------
    rho, k : float
    t : int or ndarray of int
        At least 0.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        inf where a number is too large for float64.

    Examples
    --------
    >>> shear_power(0.5, 4.0, 3).tolist()
    [[0.125, 3.0], [0.0, 0.125]]
    """
    t = np.asarray(t, dtype=float)
    with np.errstate(over="ignore", under="ignore"):
        diagonal = rho**t
        corner = t * k * rho ** (t - 1) if k else np.zeros_like(t)  # 0 times an overflown power is no number
    return np.stack([np.stack([diagonal, corner], -1), np.stack([np.zeros_like(t), diagonal], -1)], -2)


def log_norm(rho: float, k: float, t: float | np.ndarray) -> float | np.ndarray:
    """Return ln ‖Wᵗ‖ = t ln ρ + arsinh(t k / 2ρ), which neither overflows nor underflows.

    The two singular values of Wᵗ multiply to its determinant ρ²ᵗ, and their difference is its corner t k ρᵗ⁻¹.
    """
    return t * math.log(rho) + np.arcsinh(t * k / (2 * rho))


def peak_step(rho: float, k: float) -> float:
    """Return the whole step at which ‖Wᵗ‖ is largest: 0 where it never exceeds 1, infinite where it grows for ever.

    The derivative of `log_norm` is 0 at t = sqrt(1/ln²ρ − (2ρ/k)²), which for large k is −1/ln ρ. As `log_norm` is
    concave there is no second peak, and the whole step is a neighbour of this one.
    """
    if rho > 1 or (rho == 1 and k > 0):
        return math.inf
    if rho == 1 or k == 0:
        return 0.0
    top = math.floor(math.sqrt(max(math.log(rho) ** -2 - (2 * rho / k) ** 2, 0.0)))
    return float(max((top, top + 1), key=lambda t: log_norm(rho, k, t)))


def first_below_one(rho: float, k: float) -> float:
    """Return the first step from which on ‖Wᵗ‖ stays below 1; infinite where ρ is at least 1."""
    if rho >= 1:
        return math.inf
    above = int(peak_step(rho, k))  # the norm is at least 1 here, and falls from here on
    below = above + 1
    while log_norm(rho, k, below) >= 0:
        above, below = below, 2 * below
    while below - above > 1:
        middle = (above + below) // 2
        above, below = (middle, below) if log_norm(rho, k, middle) >= 0 else (above, middle)
    return float(below)


@lru_cache(maxsize=1)
def _gaussian_norms(seed: int) -> np.ndarray:
    W = recurrent_matrix("gaussian", WIDTH, radius=1.0, n_nets=N_DRAWS, rng=np.random.default_rng(seed))
    power, norms = np.broadcast_to(np.eye(WIDTH), W.shape), []
    for t in range(LAST + 1):
        if t in STEPS:
            norms.append(np.linalg.norm(power, 2, axis=(-2, -1)))
        power = power @ W
    return np.quantile(norms, [0.05, 0.5, 0.95], axis=1)
