"""Where the variance map comes to rest, and where gradients then neither vanish nor explode."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from vgx.activation import Activation, activations
from vgx.arguments import real_array, real_number
from vgx.gaussian import expectation
from vgx.theory.maps import next_variance, variance_slope, variances

ROUNDING = 1e-13  # relative: quadrature's, with room
GRID = np.concatenate([[0.0], np.logspace(-12, 12, 24 * 40 + 1)])
RESOLVED = 1e8  # up to this q quadrature resolves the bends of φ
HALVINGS = 60  # of an interval between two points of the grid


@dataclass(frozen=True)
class CriticalPoint:
    """Weights that pass the mean squared gradient through a deep network unchanged: q stays, and χ = 1.

    Parameters
    ----------
    sigma_w : float
        σ_w, the standard deviation of the weights times √fan_in.
    q : float
        The variance of the pre-activations, from layer to layer the same.
    stable : bool
        Whether small deviations from q do not grow with depth. If they do, real networks move away from this point.
    """

    sigma_w: float
    q: float
    stable: bool


def fixed_point(
    *, activation: str | Activation, sigma_w: ArrayLike, sigma_b: ArrayLike = 0.0, start: ArrayLike = 1.0
) -> np.ndarray:
    """Find q*, the variance of the pre-activations to which the variance map leads with depth.

    The map V increases with q for every activation here, so that q moves one way, up to the next fixed point
    q = V(q), which may be 0 (the signal dies out) or inf (it grows without bound). With another ``start`` it may be
    another one: GELU and SiLU have two with some weights. ``variance_slope`` tells whether q* is stable.

    Parameters
    ----------
    activation : str or Activation
        φ.
    sigma_w, sigma_b : array_like
        Standard deviations of weights (times √fan_in) and biases, >= 0.
    start : array_like
        q in the first layer, >= 0 and finite; 0 stands for a signal that is infinitely small. All broadcast.

    Returns
    -------
    ndarray
        q*, to about 12 digits divided by the distance of the map's slope from 1. Beyond 1e12 it is inf.

    Raises
    ------
    ValueError
        If the activation is unknown, or a number is negative, NaN or infinite.

    References
    ----------
    B. Poole et al., Exponential expressivity in deep neural networks through transient chaos (2016), section 3.1.

    Examples
    --------
    >>> fixed_point(activation="tanh", sigma_w=[0.9, 1.5]).round(6)
    array([0.      , 0.793354])
    >>> fixed_point(activation="relu", sigma_w=np.sqrt([1, 2, 3]), sigma_b=[1, 0, 0]).round(6)
    array([ 2.,  1., inf])
    """
    phi = activations.resolve(activation)
    q, weight_variance, bias_variance = variances(real_array("start", start, least=0), sigma_w, sigma_b)
    shape, (q, weight_variance, bias_variance) = q.shape, (a.ravel() for a in (q, weight_variance, bias_variance))

    def moves(q: np.ndarray, signal: np.ndarray, pick: slice | tuple = slice(None)) -> np.ndarray:
        """Tell whether the map raises q (1), lowers it (-1) or leaves it."""
        by_weights = next_variance(signal, weight_variance[pick], 0.0) - q
        return np.sign(np.where(np.abs(by_weights) <= ROUNDING * q, 0.0, by_weights) + bias_variance[pick])

    direction = moves(q, _moments(phi, q)[0])
    on_grid = moves(GRID, _moments_on_grid(phi)[0], (slice(None), None))
    # where the direction is another one, further on: there the map comes to rest on the way
    is_ahead = (GRID - q[:, None]) * direction[:, None] >= 0
    is_end = is_ahead & (on_grid != direction[:, None])
    up, down = is_end.argmax(axis=1), len(GRID) - 1 - is_end[:, ::-1].argmax(axis=1)
    far = GRID[np.where(direction > 0, up, down)]
    near = np.where(direction > 0, np.maximum(q, GRID[up - 1]), np.minimum(q, GRID[(down + 1) % len(GRID)]))
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        is_before = moves(middle, _moments(phi, middle)[0]) == direction
        near, far = np.where(is_before, middle, near), np.where(is_before, far, middle)
    # near 0 the step may be lost in rounding before q is
    far = np.where((far < GRID[1]) & (bias_variance == 0) & (phi.f(0.0) == 0), 0.0, far)
    rest = np.where(is_end.any(axis=1), far, np.inf)
    return np.where(direction == 0, q, rest).reshape(shape)


def critical_point(*, activation: str | Activation, sigma_b: float = 0.0) -> CriticalPoint | None:
    """Find the weights' scale at which gradients neither vanish nor explode with depth: q = V(q) and χ = 1.

    A fixed point q belongs to σ_w² = (q - σ_b²)/E[φ²], so that χ - 1 is a function of q alone, whose zeros are sought
    for q - σ_b² from 1e-12 to 1e8.

    - Without biases, φ(0) = 0 makes q = 0 critical, with σ_w² = 1/E[φ′²]; the signal then dies out slower than
      exponentially (tanh), or explodes in the end (GELU: not stable).
    - Where χ does not depend on q (identity, ReLU, leaky ReLU) every q is critical without biases: the point has
      q = 1 for all of them. With biases q grows by σ_b² a layer: the point has q = inf.
    - Where there are several, which none of the book's activations has, it is the one with the smallest σ_w.

    Parameters
    ----------
    activation : str or Activation
        φ.
    sigma_b : float
        Standard deviation of the biases, >= 0.

    Returns
    -------
    CriticalPoint or None
        None where χ is 1 at no fixed point. Softplus: χ < 1 at every one, up to σ_w² = 2, where q* leaves for inf.

    Raises
    ------
    ValueError
        If the activation is unknown, or sigma_b is negative or not finite.

    References
    ----------
    S. S. Schoenholz et al., Deep information propagation (2016), section 3. Stability: D. A. Roberts, S. Yaida and
    B. Hanin, The principles of deep learning theory (2022), section 5.3.

    Examples
    --------
    >>> point = critical_point(activation="tanh", sigma_b=0.05**0.5)
    >>> round(point.sigma_w**2, 4), round(point.q, 4), point.stable
    (1.761, 0.57, True)
    >>> critical_point(activation="softplus")
    """
    from scipy.optimize import brentq

    phi = activations.resolve(activation)
    bias_variance = real_number("sigma_b", sigma_b, least=0) ** 2
    signal_at_1, slope = _moments(phi, 1.0)
    if np.ptp(_moments_on_grid(phi)[1]) <= ROUNDING * slope:  # piecewise linear
        if slope == 0:
            return None
        keeps_1 = bias_variance == 0 and abs(signal_at_1 / slope - 1) <= ROUNDING
        return CriticalPoint(float(slope**-0.5), 1.0 if keeps_1 else np.inf, True)

    def excess(log_q: ArrayLike) -> np.ndarray:
        """Compute χ - 1 where q = σ_b² + exp(log_q) is a fixed point."""
        q = bias_variance + np.exp(log_q)
        signal, slope = _moments(phi, q)
        return np.exp(log_q) * slope / signal - 1

    log_q = np.log(GRID[(GRID > 0) & (GRID <= RESOLVED)])
    on_grid = excess(log_q)
    log_q, on_grid = log_q[np.abs(on_grid) > ROUNDING], on_grid[np.abs(on_grid) > ROUNDING]
    crossings = np.flatnonzero(on_grid[1:] * on_grid[:-1] < 0)
    ends = [bias_variance + np.exp(brentq(excess, *log_q[i : i + 2], xtol=1e-14)) for i in crossings]
    points = [_critical(phi, q, bias_variance) for q in ends]
    slope = _moments(phi, 0.0)[1]
    if bias_variance == 0 and phi.f(0.0) == 0 and slope > 0:
        small = 1e-6  # the slope of the map is 1 at 0: what counts is which way it bends
        points.append(CriticalPoint(float(slope**-0.5), 0.0, bool(_moments(phi, small)[0] / slope <= small)))
    return min(points, key=lambda point: point.sigma_w, default=None)


def _critical(phi: Activation, q: float, bias_variance: float) -> CriticalPoint:
    sigma_w = float(np.sqrt((q - bias_variance) / _moments(phi, q)[0]))
    return CriticalPoint(sigma_w, float(q), bool(variance_slope(q, activation=phi, sigma_w=sigma_w) <= 1))


def _moments(phi: Activation, q: ArrayLike) -> np.ndarray:
    """Compute E[φ²] and E[φ′²], one under the other."""
    return expectation(lambda z: np.stack([phi.f(z), phi.derivative(z)]) ** 2, q)


@cache
def _moments_on_grid(phi: Activation) -> np.ndarray:
    return _moments(phi, GRID)
