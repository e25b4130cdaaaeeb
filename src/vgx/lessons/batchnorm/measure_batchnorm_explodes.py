"""What batch normalization does to the gradient at initialization, by batch size, with and without skips."""

from functools import lru_cache
from math import inf, sqrt

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.gaussian import expectation
from vgx.initializer import initializers
from vgx.network import Network, norm_per_input
from vgx.registry import unknown_name

WIDTH = 128
DEEPEST = 50
N_NETS = 8
LARGEST_BATCH = 64
SMALLEST_WITH_THEORY = 4
"""With three rows E[1/σ²] is infinite, and with two the way back has no direction left: there is no factor."""

WAYS = {
    "plain": lambda depth: (0.0, 1.0),
    "skip": lambda depth: (1.0, 1.0),
    "skip,_branch_/√L": lambda depth: (1.0, 1 / sqrt(depth)),
}
"""What a block keeps of its input and how much of its branch it adds, given the number of layers."""

BINS = np.linspace(-3.3, 3.3, 34)
"""Edges of the bins in which normalized values are counted: 0.2 wide, one around 0 and one around each of ±1."""


def batchnorm_explodes(
    depth: int, batch: int, activation: str, way: str, *, n_nets: int = N_NETS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Send the gradient back through deep networks with batch normalization before each activation.

    Networks are `WIDTH` wide, without biases, in float32. Weights are normal, with σ_w the activation's gain; the
    inputs are independent and Gaussian. A layer of the plain network is ``z -> φ(norm(z)) W``, one with a skip
    ``z -> z + branch * φ(norm(z)) W``. The cost is a random linear readout of the last activations.

    Parameters
    ----------
    depth : int
        Number of layers L, from 2 to 50.
    batch : int
        How many inputs are normalized together, from 2 to 64.
    activation : str
        A name in the registry.
    way : str
        One of `WAYS`.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        Layer 1 first. ``gradient``: ‖∂C/∂z_l‖ over the last layer's, z before the normalization, of shape (3, depth):
        5th percentile, median and 95th percentile over the networks. ``theory``, ``large_batch``: what `predicted`
        says for this batch and for an infinite one, (depth,). ``counts``: share of the normalized values of layer 1 in
        each of `BINS`.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    if way not in WAYS:
        raise ValueError(unknown_name("way", way, WAYS))
    depth, batch = whole_number("depth", depth, least=2), whole_number("batch", batch, least=2)
    for name, value, most in (("depth", depth, DEEPEST), ("batch", batch, LARGEST_BATCH)):
        if value > most:
            raise ValueError(f"{name} must be at most {most}, got {value}")
    phi, (skip, branch) = activations[activation], WAYS[way](depth)
    unit_weights, unit_biases, x, readout = _draw(whole_number("n_nets", n_nets), seed)
    net = Network(phi, initializers["lecun_normal"], unit_weights[:depth], unit_biases[:depth], phi.gain,
                  skip=skip, branch=branch, norm="batch")  # fmt: skip
    trace = net.forward(x[:batch] / phi.gain)
    norms = _norms(net.backward(trace, readout[:batch]).pre_activations)
    counts = np.histogram(trace.normalized[0], BINS)[0]
    return {
        "gradient": np.quantile(norms / norms[:, -1:], [0.05, 0.5, 0.95], axis=0),
        "theory": predicted(depth, batch, activation, way),
        "large_batch": predicted(depth, inf, activation, way),
        "counts": counts / trace.normalized[0].size,
    }


@lru_cache(maxsize=2)
def _draw(n_nets: int, seed: int) -> tuple:
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=DEEPEST, width=WIDTH, activation="identity", initializer="lecun_normal",
                         n_nets=n_nets, dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, LARGEST_BATCH, WIDTH), dtype=np.float32)
    return net.unit_weights, net.unit_biases, x, readout


def _norms(gradients: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack([norm_per_input(gradient) for gradient in gradients], axis=-1)


@lru_cache(maxsize=64)
def layer_law(activation: str, batch: float) -> tuple[float, float]:
    r"""Predict what one wide layer makes of signal and gradient under batch normalization with B rows.

    The B pre-activations of a unit, centred, are Gaussian, alike in all B - 1 directions. Normalized they lie
    anywhere on the sphere :math:`\sum \hat x = 0, \sum \hat x^2 = B`, and their length is independent of where: it
    enters the way back as :math:`E[1/\sigma^2] \propto B/(B - 3)`. With a, b for two of the rows,

    .. math::
        \text{slope} = \frac{(B-1) E[φ'^2] + E[φ'_a φ'_b] - E[(\hat x φ')^2] + E[\hat x_a φ'_a \hat x_b φ'_b]}{B - 3},
        \qquad \text{variance} = E[φ^2] - E[φ_a φ_b].

    Parameters
    ----------
    activation : str
        φ, by its name in the registry.
    batch : float
        B, a whole number from 4, or inf.

    Returns
    -------
    slope, variance : float
        E[φ′²] and Var φ for a batch of inf. Slope over variance is the factor of a plain layer on the *squared*
        gradient.

    Raises
    ------
    ValueError
        If the activation is unknown or the batch smaller than 4, where there is no such factor.

    References
    ----------
    G. Yang et al., A mean field theory of batch normalization (2019): the same law, in other words.

    Examples
    --------
    >>> slope, variance = layer_law("relu", np.inf)
    >>> round(slope / variance, 4), round(np.pi / (np.pi - 1), 4)
    (1.4669, 1.4669)
    """
    phi, batch = activations[activation], real_number("batch", batch, least=-inf) if batch != inf else inf
    if batch < SMALLEST_WITH_THEORY:
        raise ValueError(f"batch must be at least {SMALLEST_WITH_THEORY}, got {batch:g}")
    if batch == inf:
        mean, square = expectation(phi.f, 1.0), expectation(lambda z: phi.f(z) ** 2, 1.0)
        return float(expectation(lambda z: phi.derivative(z) ** 2, 1.0)), float(square - mean**2)
    one, other, weights = _two_rows(batch)
    h, slopes = (phi.f(one), phi.f(other)), (phi.derivative(one), phi.derivative(other))
    along = one * slopes[0], other * slopes[1]
    terms = ((batch - 1) * slopes[0] ** 2 + slopes[0] * slopes[1] - along[0] ** 2 + along[0] * along[1]) / (batch - 3)
    return float((terms @ weights).mean()), float(((h[0] ** 2 - h[0] * h[1]) @ weights).mean())


def _two_rows(batch: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place two of the rows of a unit: x̂_a and x̂_b, shape (angles, radii), and the weights of the radii.

    Two directions of a point on the sphere in B - 1 dimensions have a radius r with P(r² > t) = (1 - t)^((B-3)/2), and
    any angle.
    """
    nodes, weights = np.polynomial.legendre.leggauss(48)
    left = (1 + nodes) / 2  # its square is P(r² > t): Gauss-Legendre sees no logarithm then
    r = np.sqrt((batch - 1) * (1 - left ** (4 / (batch - 3))))
    theta = 2 * np.pi * (np.arange(2000)[:, None] + 0.5) / 2000
    return r * np.cos(theta), r * np.cos(theta - np.arccos(-1 / (batch - 1))), weights * left


def predicted(depth: int, batch: float, activation: str, way: str) -> np.ndarray:
    """Predict the gradient by layer over the last layer's, for large width.

    The step back to layer l multiplies the squared gradient by skip² + branch² σ_w² slope / v_l, where v_l is the
    variance of the stream over the batch, which itself grows by branch² σ_w² variance.

    Returns
    -------
    ndarray, shape (depth,)
        NaN for batches below 4.
    """
    if batch < SMALLEST_WITH_THEORY:
        return np.full(depth, np.nan)
    (slope, variance), (skip, branch) = layer_law(activation, batch), WAYS[way](depth)
    strength = (branch * activations[activation].gain) ** 2
    v = np.ones(depth)
    for layer in range(1, depth):
        v[layer] = skip**2 * v[layer - 1] + strength * variance
    factors = skip**2 + strength * slope / v[:-1]
    return np.sqrt(np.append(np.cumprod(factors[::-1])[::-1], 1.0))


def squared_gradient_factors(
    activation: str,
    *,
    norm: str | None = "batch",
    batch: int = 256,
    width: int = 512,
    depth: int = 12,
    n_nets: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Measure by what an interior layer multiplies the *squared* gradient on the way back.

    Gaussian inputs, He weights, no biases, float32; the gradient is that of z, before the normalization. The two layers
    at either end are left out, as the first has another input and the last another gradient than all others.

    Parameters
    ----------
    activation : str
        A name in the registry.
    norm : {"batch", "layer", "rms"} or None
    batch, width, depth, n_nets, seed : int
        Depth at least 6.

    Returns
    -------
    ndarray, shape (n_nets,)
        The geometric mean over the interior layers of each network; its square root is the factor of the norm.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    depth, rng = whole_number("depth", depth, least=6), np.random.default_rng(seed)
    net = Network.sample(depth=depth, width=width, activation=activation, initializer="he_normal", norm=norm,
                         n_nets=n_nets, dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, whole_number("batch", batch), width), dtype=np.float32)
    norms = _norms(net.backward(net.forward(x), readout).pre_activations)
    return (norms[:, 2] / norms[:, -3]) ** (2 / (depth - 5))
