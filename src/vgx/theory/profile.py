"""The gradient of a deep network, layer by layer, and the depth over which it changes."""

import numpy as np
from numpy.typing import ArrayLike

from vgx.activation import Activation, activations
from vgx.arguments import whole_number
from vgx.gaussian import expectation
from vgx.theory.maps import chi, next_variance, of_block, variances
from vgx.theory.points import ROUNDING, fixed_point


def gradient_profile(
    q: ArrayLike,
    *,
    depth: int,
    activation: str | Activation,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike = 0.0,
    skip: float = 0.0,
    branch: float = 1.0,
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
    skip, branch : float
        What a block keeps of its input, and how much of its branch it adds.

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
    >>> gradient_profile(1.0, depth=4, activation="relu", sigma_w=np.sqrt(2), skip=1).round(6)
    array([2.828427, 2.      , 1.414214, 1.      ])
    """
    depth = whole_number("depth", depth)
    phi = activations.resolve(activation)
    q, weight_variance, bias_variance = variances(q, sigma_w, sigma_b)
    factors = np.ones((*q.shape, depth))
    with np.errstate(all="ignore"):
        for layer in range(depth - 1):
            signal, slope = expectation(lambda z: np.stack([phi.f(z), phi.derivative(z)]) ** 2, q)
            factors[..., layer] = of_block(np.ones_like(q), weight_variance * slope, skip, branch)
            q = of_block(q, next_variance(signal, weight_variance, bias_variance), skip, branch)
        # logarithms: a product of factors may leave the range of float64 and come back
        log_ratio = np.log(factors) / 2
        return np.exp(np.cumsum(log_ratio[..., ::-1], axis=-1)[..., ::-1])


def depth_scale(
    *, activation: str | Activation, sigma_w: ArrayLike, sigma_b: ArrayLike = 0.0, start: ArrayLike = 1.0
) -> np.ndarray:
    """Predict ξ = -1/ln χ(q*), the number of layers over which the mean squared gradient changes by the factor e.

    q* is the ``fixed_point``. Where ξ > 0 gradients vanish, where ξ < 0 they explode, over −ξ layers; at a critical
    point ξ is inf. Where χ < 1 it is also the depth over which two inputs grow alike.

    Parameters
    ----------
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0.
    start : array_like
        q in the first layer, as in ``fixed_point``. All broadcast.

    Returns
    -------
    ndarray
        ξ in layers.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is negative, NaN or infinite.

    References
    ----------
    S. S. Schoenholz et al., Deep information propagation (2016), sections 3 and 4.

    Examples
    --------
    >>> depth_scale(activation="relu", sigma_w=np.sqrt([1, 2, 4])).round(4)
    array([ 1.4427,     inf, -1.4427])
    """
    q = fixed_point(activation=activation, sigma_w=sigma_w, sigma_b=sigma_b, start=start)
    factor = chi(activation=activation, sigma_w=sigma_w, q=q)
    with np.errstate(divide="ignore"):
        log_factor = np.log(np.where(np.abs(factor - 1) < ROUNDING, 1.0, factor))
        return np.where(log_factor == 0, np.inf, -1 / log_factor)
