"""What lesson 01 measures."""

from collections.abc import Callable
from functools import cache
from math import inf, sqrt
from statistics import NormalDist

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.datasets import digits
from vgx.registry import unknown_name

STEEPEST = {
    "identity": (-inf, inf), "sigmoid": (0.0, 0.0), "tanh": (0.0, 0.0), "relu": (0.0, inf), "leaky_relu": (0.0, inf),
    "elu": (0.0, inf), "selu": (0.0, 0.0), "gelu": (sqrt(2), sqrt(2)), "silu": (2.399357280520, 2.399357280520),
    "softplus": (inf, inf),
}  # fmt: skip
"""Between which z each activation is steepest: from here to there; at infinity, where it only approaches that slope."""

SATURATED_BELOW = 0.01
"""A unit whose slope is smaller passes on less than a hundredth of a gradient."""

INPUTS = ("gaussian", "standardized digits", "raw digits")
N_UNITS = 64
N_PATHS = 1_000
DEEPEST = 50

Z_SHOWN = np.linspace(-12, 12, 97)
SLOPE_EDGES = np.arange(-6.25, 0.5, 0.25)
"""Edges of the bins of log₁₀ |φ′|; the first bin takes all below 10⁻⁶, and 0."""


# ------------------------------------------------------------------------------------------------ one unit


def activation_and_derivative(activation: str, position: float) -> dict[str, np.ndarray]:
    """Compute φ, φ′ and the tangent at one place.

    Parameters
    ----------
    activation : str
        A name in the registry.
    position : float
        z, where the tangent touches.

    Returns
    -------
    dict
        ``z``: 122 places from -6 to 6, two of them beside 0, so that a jump there stays a jump; ``f``, ``derivative``,
        ``tangent``: φ, φ′ and the tangent there; ``at``: z, φ(z) and φ′(z) at the position; ``maximum``: the greatest
        slope, and from which z to which z φ is so steep (±inf: without end, or only approached there).
    """
    phi, at = activations[activation], real_number("position", position)
    z = np.insert(np.linspace(-6, 6, 121), 61, 1e-9)
    value, slope = phi.f(at), phi.derivative(at)
    return {
        "z": z,
        "f": phi.f(z),
        "derivative": phi.derivative(z),
        "tangent": value + slope * (z - at),
        "at": np.array([at, value, slope]),
        "maximum": np.array([greatest_slope(activation), *STEEPEST[activation]]),
    }


def greatest_slope(activation: str) -> float:
    """Return the largest |φ′(z)| over all z, or the value that it approaches."""
    return float(activations[activation].derivative(STEEPEST[activation][1]))


def errors_against_autograd(n_points: int = 1001) -> dict[str, float]:
    """Compare every φ′ with torch's autograd, in float64.

    It imports torch, which takes a quarter of a gigabyte: a notebook calls it in a process of its own.

    Parameters
    ----------
    n_points : int
        Places from -8 to 8; an odd number of them has 0 among them, where the kinks are.

    Returns
    -------
    dict
        Name of the activation -> largest absolute difference.
    """
    import torch
    from torch.nn import functional

    def difference(name: str) -> float:
        x = torch.tensor(z, requires_grad=True)
        value = x * 1 if name == "identity" else getattr(functional, name)(x)
        value.sum().backward()
        return float(np.abs(activations[name].derivative(z) - x.grad.numpy()).max())

    z = np.linspace(-8, 8, whole_number("n_points", n_points))
    return {name: difference(name) for name in activations}


def errors_against_differences(n_points: int = 1000, step: float = 1e-5) -> dict[str, float]:
    """Compare every φ′ with central differences of φ, away from the kink at 0.

    Parameters
    ----------
    n_points : int
        Places from -8 to 8.
    step : float
        To either side, in units of z; the error of the differences is of the order of its square.

    Returns
    -------
    dict
        Name of the activation -> largest absolute difference.
    """
    h = real_number("step", step, above=0)
    z = np.linspace(-8, 8, whole_number("n_points", n_points))
    z = z[np.abs(z) > h]

    def difference(f: Callable, derivative: Callable) -> float:
        return float(np.abs((f(z + h) - f(z - h)) / (2 * h) - derivative(z)).max(initial=0))

    return {name: difference(phi.f, phi.derivative) for name, phi in activations.items()}


# ------------------------------------------------------------------------------------------------ one layer


def first_layer(inputs: str, std: float = 1.0, *, seed: int = 0) -> np.ndarray:
    """Draw the pre-activations z = x @ W of a first layer of 64 units, with weights of variance std²/64.

    Parameters
    ----------
    inputs : str
        What x is, 1797 examples of 64 numbers: 'gaussian' (independent, N(0, 1)), 'standardized digits' (each pixel
        with mean 0 and variance 1) or 'raw digits' (grey levels from 0 to 16).
    std : float
        σ_w, the scale of the weights.
    seed : int
        From which the weights are drawn, and Gaussian inputs.

    Returns
    -------
    ndarray, shape (1797, 64)
        z of every example and unit.

    Raises
    ------
    ValueError
        If there are no such inputs, or the scale is negative.
    """
    if inputs not in INPUTS:
        raise ValueError(unknown_name("inputs", inputs, INPUTS))
    sigma_w = real_number("std", std, least=0)
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((64, N_UNITS)) / 8
    x = rng.standard_normal((1797, 64)) if inputs == "gaussian" else digits(standardize=inputs != "raw digits").x
    return sigma_w * (x @ weights)


@cache
def _quantiles(inputs: str) -> np.ndarray:
    """Return 4096 equally likely values of z at σ_w = 1 and no bias: all that a distribution needs, in 32 kB."""
    shares = (np.arange(4096) + 0.5) / 4096
    if inputs == "gaussian":
        return np.array([NormalDist().inv_cdf(share) for share in shares])
    return np.quantile(first_layer(inputs), shares)


def saturation(activation: str, std: float, mean: float, inputs: str) -> dict[str, np.ndarray]:
    """Measure how the slopes φ′(z) of a first layer are distributed, and how many units are saturated.

    z = mean + std · (x @ W), with weights of variance 1/64: `first_layer` with a bias. For Gaussian inputs that is
    N(mean, std²) exactly, not a draw of it.

    Parameters
    ----------
    activation : str
        A name in the registry.
    std : float
        σ_w, the scale of the weights: for Gaussian inputs the standard deviation of z.
    mean : float
        The bias of all units.
    inputs : str
        'gaussian', 'standardized digits' or 'raw digits'.

    Returns
    -------
    dict
        ``z``, ``f``: 97 places and φ there; ``density``: of z, as a ratio to its peak; ``awake``: the least and the
        greatest z shown at which |φ′| >= 0.01; ``log_slope``, ``share``: centres of the bins of log₁₀ |φ′|, and the
        share of z in each; ``saturated``: the share of z with |φ′| < 0.01; ``mean_square``: E[φ′(z)²]; ``center``,
        ``spread``: mean and standard deviation of z.

    Raises
    ------
    ValueError
        If a name is unknown, or ``std`` is not positive.
    """
    phi = activations[activation]
    sigma_w, bias = real_number("std", std, above=0), real_number("mean", mean)
    if inputs not in INPUTS:
        raise ValueError(unknown_name("inputs", inputs, INPUTS))
    z = bias + sigma_w * _quantiles(inputs)
    slope = np.abs(phi.derivative(z))
    fine = np.linspace(Z_SHOWN[0], Z_SHOWN[-1], 2401)
    is_awake = np.abs(phi.derivative(fine)) >= SATURATED_BELOW
    with np.errstate(divide="ignore"):
        log_slope = np.clip(np.log10(slope), SLOPE_EDGES[0], SLOPE_EDGES[-1])
    return {
        "z": Z_SHOWN,
        "f": phi.f(Z_SHOWN),
        "density": _density(z),
        "awake": fine[is_awake][[0, -1]],
        "log_slope": (SLOPE_EDGES[:-1] + SLOPE_EDGES[1:]) / 2,
        "share": np.histogram(log_slope, SLOPE_EDGES)[0] / z.size,
        "saturated": np.mean(slope < SATURATED_BELOW),
        "mean_square": np.mean(slope**2),
        "center": z.mean(),
        "spread": z.std(),
    }


def _density(z: np.ndarray) -> np.ndarray:
    """Count sorted values in a window around each place shown, and divide by the largest count."""
    half = max(0.4, 0.2 * z.std())  # at least the distance of the places: no value falls between the windows
    counts = np.searchsorted(z, Z_SHOWN + half) - np.searchsorted(z, Z_SHOWN - half)
    return counts / max(1, counts.max())


# ------------------------------------------------------------------------------------------------ many layers


def derivative_product(
    activation: str, scale: float, depth: int, *, n_paths: int = N_PATHS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Multiply the slopes along paths through a deep network, the weights left out: ∏ |φ′(z_j)|, z_j ~ N(0, scale²).

    Parameters
    ----------
    activation : str
        A name in the registry.
    scale : float
        Standard deviation of every z.
    depth : int
        Number of slopes in a path, at most 50.
    n_paths, seed : int
        How many paths are drawn, and from which seed.

    Returns
    -------
    dict
        Arrays of shape (depth,), of the product of the first slope, of two, ...: ``median``, ``low``, ``high``: its
        median and its 5th and 95th percentile over the paths; ``bound``: what no path exceeds; ``alive``: the share of
        paths whose slopes are all different from 0 in float64.

    Raises
    ------
    ValueError
        If the activation is unknown, the scale not positive, or the depth not from 1 to 50.
    """
    phi = activations[activation]
    depth, n_paths = whole_number("depth", depth), whole_number("n_paths", n_paths)
    if depth > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {depth}")
    rng = np.random.default_rng(seed)
    z = real_number("scale", scale, above=0) * rng.standard_normal((depth, n_paths))
    slopes = np.abs(phi.derivative(z))
    with np.errstate(divide="ignore"):
        logs = np.cumsum(np.log10(slopes), axis=0)  # sums: the products leave the range of float64
    low, median, high = 10 ** np.quantile(logs, [0.05, 0.5, 0.95], axis=1, method="lower")
    return {
        "median": median,
        "low": low,
        "high": high,
        "bound": greatest_slope(activation) ** np.arange(1, depth + 1),
        "alive": np.mean(np.isfinite(logs), axis=1),
    }
