"""From one layer to the next: the variance of the signal, the correlation of two inputs, the gradient."""

import numpy as np
from numpy.typing import ArrayLike

from vgx.activation import Activation, activations
from vgx.arguments import real_array, real_number
from vgx.gaussian import expectation, pair_expectation


def variance_map(
    q: ArrayLike,
    *,
    activation: str | Activation,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike = 0.0,
    skip: float = 0.0,
    branch: float = 1.0,
) -> np.ndarray:
    """Predict the next layer's q: skip² q + branch² (σ_w² E[φ(√q z)²] + σ_b²), z ~ N(0, 1).

    Without a skip the layer is z -> φ(z) W + b, with one the block z -> skip z + branch (φ(z) W + b) of `vgx.Network`.

    Parameters
    ----------
    q : array_like
        Variance of this layer's pre-activations, >= 0. inf is a value too.
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0. They broadcast with q.
    skip, branch : float
        What a block keeps of its input, and how much of its branch it adds.

    Returns
    -------
    ndarray
        Variance of the next layer's pre-activations, inf where it overflows.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is negative, NaN or (other than q) infinite.

    References
    ----------
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos (2016), eq. 3.

    Examples
    --------
    >>> variance_map([1.0, 4.0], activation="relu", sigma_w=np.sqrt(2)).round(12)
    array([1., 4.])
    >>> variance_map([1.0, 4.0], activation="relu", sigma_w=np.sqrt(2), skip=1).round(12)
    array([2., 8.])
    """
    phi = activations.resolve(activation)
    q, weight_variance, bias_variance = variances(q, sigma_w, sigma_b)
    end = next_variance(expectation(lambda z: phi.f(z) ** 2, q), weight_variance, bias_variance)
    return of_block(q, end, skip, branch)


def chi(
    *,
    activation: str | Activation,
    sigma_w: ArrayLike,
    q: ArrayLike,
    skip: float = 0.0,
    branch: float = 1.0,
) -> np.ndarray:
    """Predict χ = skip² + branch² σ_w² E[φ′(√q z)²], the factor a layer on the mean squared gradient.

    Going back through one layer of equal widths multiplies E‖∂L/∂(pre-activations)‖² by χ: below 1 gradients
    vanish, above 1 they explode. In a stack of finite width n the factor is χ (1 + a/n): at the fixed points that the
    tests simulate, 8 layers deep, a lies within ± 0.3, but 1.6 for softplus, whose activations have a mean far from 0.

    Parameters
    ----------
    activation : str or Activation
        φ.
    sigma_w : array_like
        Standard deviation of the weights times √fan_in, >= 0. Broadcasts with q.
    q : array_like
        Variance of the pre-activations at which φ′ is taken, >= 0; 0 stands for the limit q → 0⁺.
    skip, branch : float
        What a block keeps of its input, and how much of its branch it adds.

    Returns
    -------
    ndarray
        χ, of the broadcast shape.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is negative, NaN or (other than q) infinite.

    References
    ----------
    S. S. Schoenholz et al., Deep information propagation (2016), section 4.

    Examples
    --------
    >>> float(chi(activation="relu", sigma_w=1.0, q=1.0).round(12))
    0.5
    """
    phi = activations.resolve(activation)
    q, weight_variance, _ = variances(q, sigma_w, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        end = weight_variance * expectation(lambda z: phi.derivative(z) ** 2, q)
    return of_block(np.ones_like(end), end, skip, branch)


def variance_slope(q: ArrayLike, *, activation: str | Activation, sigma_w: ArrayLike) -> np.ndarray:
    """Predict the slope of the variance map, σ_w² E[φ(√q z) φ′(√q z) z]/√q: how much of a deviation in q is left.

    At a fixed point it tells the stability: below 1 a small deviation of q dies out, layer by layer, above 1 it grows.

    Parameters
    ----------
    q : array_like
        Variance of this layer's pre-activations, >= 0 and finite; 0 stands for the limit q → 0⁺.
    activation : str or Activation
        φ.
    sigma_w : array_like
        Standard deviation of the weights times √fan_in, >= 0. Broadcasts with q.

    Returns
    -------
    ndarray
        The derivative of ``variance_map`` with respect to q.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is negative, NaN or infinite.

    References
    ----------
    S. S. Schoenholz et al., Deep information propagation (2016), section 3.

    Examples
    --------
    >>> float(variance_slope(1.0, activation="relu", sigma_w=1.0).round(12))
    0.5
    """
    phi = activations.resolve(activation)
    q, weight_variance, _ = variances(real_array("q", q, least=0), sigma_w, 0.0)
    # small enough for the limit, but √q φ(0) φ′(0), which cancels between z and -z, must not drown what is left
    q = np.maximum(q, 1e-200 if phi.f(0.0) == 0 else 1e-8)
    with np.errstate(over="ignore", invalid="ignore"):
        return weight_variance * expectation(lambda z: phi.f(z) * phi.derivative(z) * z, q) / q


def correlation_map(
    correlation: ArrayLike,
    *,
    activation: str | Activation,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike = 0.0,
    q: ArrayLike,
) -> np.ndarray:
    """Predict the next layer's correlation of two inputs: (σ_w² E[φ(u) φ(v)] + σ_b²) / ``variance_map`` of q.

    u and v ~ N(0, q) are the pre-activations of one unit for two inputs, with correlation c. c = 1 stays 1, and at a
    fixed point q the slope there is ``chi``: where χ < 1 two inputs grow alike with depth, where χ > 1 they part.

    Parameters
    ----------
    correlation : array_like
        c in this layer, from -1 to 1.
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0.
    q : array_like
        Variance of the pre-activations for either input, >= 0 and finite; 0 stands for the limit q → 0⁺. All broadcast.

    Returns
    -------
    ndarray
        The correlation in the next layer; NaN where that layer's variance is 0.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is outside its range.

    References
    ----------
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos (2016), eq. 5.
    ReLU's map in closed form: Y. Cho and L. K. Saul, Kernel methods for deep learning (2009).

    Examples
    --------
    >>> correlation_map([0, 0.5, 1], activation="relu", sigma_w=np.sqrt(2), q=1.0).round(6)
    array([0.31831 , 0.608998, 1.      ])
    """
    phi = activations.resolve(activation)
    c = real_array("correlation", correlation)
    if (np.abs(c) > 1).any():
        raise ValueError(f"correlation must hold numbers from -1 to 1, got {correlation!r}")
    q, weight_variance, bias_variance = variances(real_array("q", q, least=0), sigma_w, sigma_b)
    # beyond these φ is as good as its limit, and φ² leaves the range of float64 further out
    q = np.clip(q, 1e-200, 1e100)
    with np.errstate(invalid="ignore"):
        covariance = weight_variance * pair_expectation(lambda u, v: phi.f(u) * phi.f(v), q, c) + bias_variance
        variance = next_variance(expectation(lambda z: phi.f(z) ** 2, q), weight_variance, bias_variance)
        return covariance / variance


def variances(q: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike) -> tuple[np.ndarray, ...]:
    """Check the three and square the standard deviations, in float64 and in one shape."""
    q = real_array("q", q, least=0, infinite=True).astype(np.float64)
    with np.errstate(over="ignore"):
        weight_variance = real_array("sigma_w", sigma_w, least=0).astype(np.float64) ** 2
        bias_variance = real_array("sigma_b", sigma_b, least=0).astype(np.float64) ** 2
    return np.broadcast_arrays(q, weight_variance, bias_variance)


def next_variance(signal: np.ndarray, weight_variance: np.ndarray, bias_variance: np.ndarray) -> np.ndarray:
    """Compute σ_w² E[φ²] + σ_b²; without weights nothing of an infinite signal arrives: not 0 · inf = NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(weight_variance == 0, 0.0, weight_variance * signal) + bias_variance


def of_block(stream: np.ndarray, end: np.ndarray, skip: float, branch: float) -> np.ndarray:
    """Compute skip² stream + branch² end: the cross term has mean 0, as the branch ends in weights of mean 0.

    A factor 0 leaves nothing of an infinite term: not 0 · inf = NaN.
    """
    terms = [(real_number("skip", skip) ** 2, stream), (real_number("branch", branch) ** 2, end)]
    with np.errstate(over="ignore", invalid="ignore"):
        return sum((factor * term for factor, term in terms if factor), np.zeros_like(end))
