"""The weights of one layer: how they are drawn, and how the matrix that they make stretches."""

import math
from functools import lru_cache

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.initializer import initializers
from vgx.registry import unknown_name

N_UNITS = 64
"""fan_out of every layer in `weight_distributions`."""

DISTRIBUTIONS = {  # the initializer that is drawn, and what it is multiplied by
    "normal": ("normal", 1.0),
    "uniform": ("uniform", 1.0),
    "truncated_normal": ("truncated_normal", 1.0),
    "xavier_normal": ("xavier_normal", 1.0),
    "xavier_uniform": ("xavier_uniform", 1.0),
    "he_normal": ("he_normal", 1.0),
    "he_uniform": ("he_uniform", 1.0),
    "pytorch_default": ("he_uniform", math.sqrt(1 / 6)),  # of variance 1/(3 fan_in)
    "orthogonal": ("orthogonal", 1.0),
    "constant": ("constant", 1.0),
    "zeros": ("zeros", 1.0),
}
_SHAPES = {"uniform": ("uniform", "xavier_uniform", "he_uniform"), "truncated_normal": ("truncated_normal",),
           "orthogonal": ("orthogonal",), "none": ("constant", "zeros")}  # fmt: skip
SHAPES = {name: shape for shape, names in _SHAPES.items() for name in names}
"""The shape of an initializer's distribution where it is not normal."""

EDGES = np.linspace(-4, 4, 33)
"""Edges of the bins in which weights are counted, in units of their root mean square."""

CUT = 2 / 0.8796256610342398
"""Where a truncated normal distribution of variance 1 ends."""

PLACES = np.sort(np.concatenate([np.linspace(-4, 4, 81), *((-d, d) for c in (math.sqrt(3), CUT)
                                                            for d in (c - 1e-6, c + 1e-6))]))  # fmt: skip
"""Where densities are computed: also on both sides of their jumps."""


def weight_distributions(
    distribution: str, fan_in: int, scale: float, draw: int, *, fan_out: int = N_UNITS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Draw the weights of one layer and compare them with what they are drawn from.

    Parameters
    ----------
    distribution : str
        A name in `DISTRIBUTIONS`.
    fan_in : int
        Inputs of the layer.
    scale : float
        Multiplies the standard deviation.
    draw : int
        Which draw, from 1.
    fan_out : int
        Units of the layer.

    Returns
    -------
    dict
        ``share``: density of the drawn weights in each of 32 bins, in units of the root mean square; ``density``: the
        density that they are drawn from, at `PLACES` (empty if there is none). ``std``: √E[w²]; ``drawn``: the draw's
        own √mean(w²); ``central``: the ends of the middle 95 % of the weights; ``largest``: the largest |w|.
        ``sigma_w``: ``std`` times √fan_in. ``singular``: singular values of the matrix, the largest first;
        ``predicted``: what large random matrices have there.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if distribution not in DISTRIBUTIONS:
        raise ValueError(unknown_name("distribution", distribution, DISTRIBUTIONS))
    fan_in, fan_out = whole_number("fan_in", fan_in), whole_number("fan_out", fan_out)
    draw, scale = whole_number("draw", draw), real_number("scale", scale, least=0)
    name, factor = DISTRIBUTIONS[distribution]
    rng = np.random.default_rng((seed, draw))
    unit = initializers[name].draw_unit((fan_in, fan_out), rng=rng)
    std = scale * factor * initializers[name].std(fan_in, fan_out)
    size = std * math.sqrt(fan_in * fan_out / min(fan_in, fan_out))  # root mean square of the singular values
    counts = np.histogram(unit, EDGES)[0]
    return {
        "share": counts / unit.size / np.diff(EDGES),
        "density": density(SHAPES.get(name, "normal"), max(fan_in, fan_out)),
        "std": std,
        "drawn": std * math.sqrt(np.mean(unit**2)),
        "central": std * np.quantile(unit, [0.025, 0.975]),
        "largest": std * np.abs(unit).max(),
        "sigma_w": std * math.sqrt(fan_in),
        "singular": std * np.linalg.svd(unit, compute_uv=False),
        "predicted": size * singular_values(fan_in, fan_out, SHAPES.get(name, "normal")),
    }


def density(shape: str, n: int) -> np.ndarray:
    """Compute a density of variance 1 at `PLACES`.

    Parameters
    ----------
    shape : {"normal", "uniform", "truncated_normal", "orthogonal", "none"}
    n : int
        The longer side of the matrix, which the density of an orthogonal one depends on.

    Returns
    -------
    ndarray
        Empty for "none".
    """
    x = PLACES
    if shape == "none":
        return np.empty(0)
    if shape == "uniform":
        return np.where(np.abs(x) < math.sqrt(3), 1 / math.sqrt(12), 0.0)
    if shape == "truncated_normal":
        sd = 2 / CUT
        inside = math.erf(math.sqrt(2)) * math.sqrt(2 * math.pi)
        return np.where(np.abs(x) < CUT, sd * np.exp(-((sd * x) ** 2) / 2) / inside, 0.0)
    if shape == "orthogonal":  # an entry of a random unit vector in n dimensions, times √n
        log_height = math.lgamma(n / 2) - math.lgamma((n - 1) / 2) - math.log(math.pi * n) / 2
        return np.exp(log_height) * np.maximum(1 - x**2 / n, 0) ** ((n - 3) / 2)
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


@lru_cache(maxsize=16)
def singular_values(fan_in: int, fan_out: int, shape: str = "normal") -> np.ndarray:
    """Predict the singular values of a random matrix, as ratios to their root mean square.

    Independent entries give the law of Marchenko and Pastur, between 1 - √c and 1 + √c with c the shorter side over the
    longer one; an orthogonal matrix has all equal, and one of equal entries a single one.

    Parameters
    ----------
    fan_in, fan_out : int
        The matrix's sides.
    shape : str
        As in `density`; "none" means equal entries.

    Returns
    -------
    ndarray, shape (min(fan_in, fan_out),)
        The quantiles (k - ½) / m, the largest first.

    References
    ----------
    V. A. Marčenko and L. A. Pastur (1967), Distribution of eigenvalues for some sets of random matrices.
    """
    m, n = sorted((fan_in, fan_out))
    if shape == "none":
        return np.append(math.sqrt(m), np.zeros(m - 1))
    if shape == "orthogonal":
        return np.ones(m)
    angle, c = np.linspace(0, math.pi, 4001), m / n
    square = 1 + c + 2 * math.sqrt(c) * np.cos(angle)  # falls from (1 + √c)² to (1 - √c)²
    height = np.where(square > 1e-9, np.sin(angle) ** 2 / np.maximum(square, 1e-9), 1.0)  # 0/0 where c = 1: the limit
    above = np.append(0, np.cumsum((height[1:] + height[:-1]) / 2))
    return np.sqrt(np.interp((np.arange(m) + 0.5) / m, above / above[-1], square))
