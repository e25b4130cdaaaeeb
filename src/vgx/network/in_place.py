"""φ and φ′ of large arrays together and in place: fresh memory costs more than the arithmetic.

`vgx.activations` says what is computed; the functions here compute the same, sharing what φ and φ′ have in common.
"""

import math
from collections.abc import Callable

import numpy as np

from vgx.activation import LEAKY_SLOPE, Activation, activations


def value_and_derivative(
    activation: Activation, z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray
) -> None:
    """Write φ(z) into `h` and φ′(z) into `slope`; `spare` is memory to work with."""
    in_place = _IN_PLACE.get(activation)
    if in_place:
        in_place(z, h, slope, spare)
    else:
        h[...], slope[...] = activation.f(z), activation.derivative(z)


def _sigmoid(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    np.exp(z, out=spare)
    np.add(spare, 1, out=slope)
    np.reciprocal(slope, out=slope)  # 1 - σ(z), without the rounding of 1 - h
    np.reciprocal(spare, out=h)
    h += 1
    np.reciprocal(h, out=h)
    slope *= h


def _tanh(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    np.tanh(z, out=h)
    np.subtract(1, h, out=slope)
    np.add(1, h, out=spare)
    slope *= spare  # (1 - h) (1 + h), as the square of a small h is a denormal number, and slow


def _relu(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    np.maximum(z, 0, out=h)
    np.sign(h, out=slope)


def _leaky_relu(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    np.multiply(z, LEAKY_SLOPE, out=h)
    np.maximum(z, h, out=h)
    np.sign(z, out=slope)
    np.maximum(slope, LEAKY_SLOPE, out=slope)


def _elu(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    np.minimum(z, 0, out=spare)
    np.exp(spare, out=slope)
    np.maximum(spare, -40, out=spare)  # where expm1 is -1 already, and slow below
    np.expm1(spare, out=spare)
    np.maximum(z, 0, out=h)
    h += spare


def _silu(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    _sigmoid(z, h, spare, slope)  # σ(z), and σ(z) (1 - σ(z)) in `spare`
    np.clip(z, -800, 800, out=slope)  # where σ′ is 0 already: the clip spares inf · 0
    spare *= slope
    np.add(h, spare, out=slope)
    np.maximum(z, -800, out=spare)
    h *= spare


def _gelu(z: np.ndarray, h: np.ndarray, slope: np.ndarray, spare: np.ndarray) -> None:
    from scipy.special import ndtr

    ndtr(z, out=h)
    np.clip(z, -50, 50, out=spare)  # where the density is 0 already: the clip spares inf · 0
    np.square(spare, out=slope)
    slope *= -0.5
    np.exp(slope, out=slope)
    slope *= 1 / math.sqrt(2 * math.pi)
    slope *= spare
    slope += h
    np.maximum(z, -50, out=spare)
    h *= spare


_IN_PLACE: dict[Activation, Callable[..., None]] = {
    activations[function.__name__[1:]]: function
    for function in (_sigmoid, _tanh, _relu, _leaky_relu, _elu, _silu, _gelu)
}
