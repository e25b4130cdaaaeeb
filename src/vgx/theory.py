"""What mean-field theory predicts for wide random networks: how signals and gradients grow, layer by layer.

Weights have variance σ_w²/fan_in, biases σ_b², and q is the variance of a layer's pre-activations.
"""

import numpy as np
from numpy.typing import ArrayLike

from vgx.activation import Activation, activations
from vgx.arguments import real_array, whole_number
from vgx.gaussian import expectation


def variance_map(
    q: ArrayLike, *, activation: str | Activation, sigma_w: ArrayLike, sigma_b: ArrayLike = 0.0
) -> np.ndarray:
    """Predict the next layer's q: σ_w² E[φ(√q z)²] + σ_b², z ~ N(0, 1).

    Parameters
    ----------
    q : array_like
        Variance of this layer's pre-activations, >= 0. inf is a value too.
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0. They broadcast with q.

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
    """
    phi = activations.resolve(activation)
    q, weight_variance, bias_variance = _variances(q, sigma_w, sigma_b)
    return _next_variance(expectation(lambda z: phi.f(z) ** 2, q), weight_variance, bias_variance)


def chi(*, activation: str | Activation, sigma_w: ArrayLike, q: ArrayLike) -> np.ndarray:
    """Predict χ = σ_w² E[φ′(√q z)²], the factor a layer on the mean squared gradient.

    Going back through one layer of equal widths multiplies E‖∂L/∂(pre-activations)‖² by χ: below 1 gradients
    vanish, above 1 they explode.

    Parameters
    ----------
    activation : str or Activation
        φ.
    sigma_w : array_like
        Standard deviation of the weights times √fan_in, >= 0. Broadcasts with q.
    q : array_like
        Variance of the pre-activations at which φ′ is taken, >= 0; 0 stands for the limit q → 0⁺.

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
    q, weight_variance, _ = _variances(q, sigma_w, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return weight_variance * expectation(lambda z: phi.derivative(z) ** 2, q)


def gradient_profile(
    q: ArrayLike,
    *,
    depth: int,
    activation: str | Activation,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike = 0.0,
) -> np.ndarray:
    """Predict each layer's root mean square gradient as a ratio to the last layer's.

    The gradient is that with respect to the pre-activations; layer l has the ratio √(χ(q_l) ⋯ χ(q_{L-1})),
    where q_{l+1} is ``variance_map`` of q_l.

    Parameters
    ----------
    q : array_like
        q₁, the variance of the first layer's pre-activations, >= 0: for example one value an input.
    depth : int
        L, the number of layers, >= 1.
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0. They broadcast with q.

    Returns
    -------
    ndarray, shape (..., depth)
        Ratios, layer 1 first; the last is 1. 0 or inf where the ratio leaves the range of float64,
        NaN where it is 0 · inf.

    Raises
    ------
    ValueError
        If the depth or the activation is invalid, or a number is negative, NaN or (other than q) infinite.

    References
    ----------
    S. S. Schoenholz et al., Deep information propagation (2016), section 4.

    Examples
    --------
    >>> gradient_profile(1.0, depth=4, activation="relu", sigma_w=1.0).round(6)
    array([0.353553, 0.5     , 0.707107, 1.      ])
    """
    depth = whole_number("depth", depth)
    phi = activations.resolve(activation)
    q, weight_variance, bias_variance = _variances(q, sigma_w, sigma_b)
    factors = np.ones((*q.shape, depth))
    with np.errstate(all="ignore"):
        for layer in range(depth - 1):
            signal, slope = expectation(lambda z: np.stack([phi.f(z), phi.derivative(z)]) ** 2, q)
            factors[..., layer] = weight_variance * slope
            q = _next_variance(signal, weight_variance, bias_variance)
        # logarithms: a product of factors may leave the range of float64 and come back
        log_ratio = np.log(factors) / 2
        return np.exp(np.cumsum(log_ratio[..., ::-1], axis=-1)[..., ::-1])


def _variances(q: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike) -> tuple[np.ndarray, ...]:
    """Check the three and square the standard deviations, in float64 and in one shape."""
    q = real_array("q", q, least=0, infinite=True).astype(np.float64)
    with np.errstate(over="ignore"):
        weight_variance = real_array("sigma_w", sigma_w, least=0).astype(np.float64) ** 2
        bias_variance = real_array("sigma_b", sigma_b, least=0).astype(np.float64) ** 2
    return np.broadcast_arrays(q, weight_variance, bias_variance)


def _next_variance(signal: np.ndarray, weight_variance: np.ndarray, bias_variance: np.ndarray) -> np.ndarray:
    """Compute σ_w² E[φ²] + σ_b²; without weights nothing of an infinite signal arrives: not 0 · inf = NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(weight_variance == 0, 0.0, weight_variance * signal) + bias_variance
