"""A saturated sigmoid layer, before and after normalization."""

from functools import cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number
from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.normalization import normalizations
from vgx.registry import unknown_name

WIDTH = 64
EDGES = np.arange(-15.75, 16, 0.5)
"""Edges of the bins of z; what lies beyond counts in the outermost ones."""
SATURATED_BELOW = 0.01  # as in lesson 01

NORMS = ("centre_and_scale", "centre_only")


@cache
def pre_activations(*, seed: int = 0) -> np.ndarray:
    """Return z = x W of the digits as they are, grey levels 0 to 16, for weights of variance 1/fan_in: (1797, 64)."""
    x = digits(standardize=False).x
    return x @ initializers["lecun_normal"].sample((x.shape[1], WIDTH), rng=np.random.default_rng(seed))


def recentring(scale: float, offset: float, norm: str, gain: float, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Measure the slopes of a layer of sigmoids as it is, and with its pre-activations normalized.

    Parameters
    ----------
    scale : float
        Of the weights, times that of variance 1/fan_in.
    offset : float
        What is added to every pre-activation: a bias that all units share.
    norm : str
        "centre_only": each unit's mean over the digits is subtracted; "centre_and_scale": and its standard deviation
        divides: batch normalization.
    gain : float
        γ, which multiplies what is normalized; β is 0.
    seed : int
        Of the weights.

    Returns
    -------
    dict
        For the layer before and after, in this order: ``density``, shape (2, 63): of all z, in the bins of `EDGES`;
        ``slope``, (2, 64): each unit's mean σ′ over the digits; ``mean_slope``, ``saturated``, (2,): over units and
        digits the mean σ′ and the share of z with σ′ < 0.01; ``spread``, (2, 2): standard deviation of the units'
        means, and root mean square of their standard deviations.

    Raises
    ------
    ValueError
        If the norm is unknown, or a number not allowed.
    """
    scale, gain = real_number("scale", scale, above=0), real_number("gain", gain, above=0)
    before = scale * pre_activations(seed=seed) + real_number("offset", offset)
    if norm == "centre_only":
        after = gain * (before - before.mean(0))
    elif norm == "centre_and_scale":
        after = normalizations["batch"].forward(before, gain=gain)[0]
    else:
        raise ValueError(unknown_name("norm", norm, NORMS))
    z = np.stack([before, after])
    slopes = activations["sigmoid"].derivative(z)
    binned = np.clip(z, EDGES[0], np.nextafter(EDGES[-1], 0))
    counts = np.stack([np.histogram(each, EDGES)[0] for each in binned])
    return {
        "density": counts / (z[0].size * np.diff(EDGES)),
        "slope": slopes.mean(1),
        "mean_slope": slopes.mean((1, 2)),
        "saturated": np.mean(slopes < SATURATED_BELOW, axis=(1, 2)),
        "spread": np.stack([z.mean(1).std(-1), np.sqrt(z.var(1).mean(-1))], axis=-1),
    }
