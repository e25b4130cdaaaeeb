"""Activation functions φ, each with its derivative φ′ below it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps

import numpy as np

from vgx.gaussian import expectation
from vgx.registry import Registry

LEAKY_SLOPE = 0.01
SELU_SCALE = 1.0507009873554805  # λ and α of Klambauer et al. 2017
SELU_ALPHA = 1.6732632423543772

Elementwise = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Activation:
    """An activation function and its derivative, both elementwise.

    Both take real arrays of any shape, or numbers, and keep float32 and float64. NaN passes through, and
    ±inf gives the limit. At a kink the derivative is torch's: relu′(0) = 0.

    Parameters
    ----------
    name : str
        Its name in ``activations``.
    latex : str
        The formula of φ(z).
    f : callable
        φ.
    derivative : callable
        φ′, as a function of the pre-activation z.

    Examples
    --------
    >>> tanh = activations["tanh"]
    >>> tanh.f([0, 0.5]).round(6), tanh.derivative([0, 0.5]).round(6)
    (array([0.      , 0.462117]), array([1.      , 0.786448]))
    >>> round(tanh.gain, 6)
    1.592537
    """

    name: str
    latex: str
    f: Elementwise
    derivative: Elementwise

    @cached_property
    def gain(self) -> float:
        """1/√E[φ(z)²], z ~ N(0, 1): the weights' factor σ_w that keeps the mean square of the signal at 1."""
        return 1 / math.sqrt(expectation(lambda z: self.f(z) ** 2, 1.0))


def _elementwise(function: Elementwise) -> Elementwise:
    """Accept any real array or number (what is no float becomes float64); overflow is a result."""

    @wraps(function)
    def on_reals(z: np.ndarray) -> np.ndarray:
        z = np.asarray(z)
        if z.dtype.kind != "f":
            if z.dtype.kind not in "iub":
                raise ValueError(f"an activation takes real numbers, got {z.dtype} {z!r}")
            z = z.astype(np.float64)
        with np.errstate(over="ignore"):
            return function(z)

    return on_reals


@_elementwise
def _identity(z: np.ndarray) -> np.ndarray:
    return z.copy()


@_elementwise
def _identity_derivative(z: np.ndarray) -> np.ndarray:
    return np.clip(z, 1, 1)  # 1, but NaN for NaN


@_elementwise
def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))  # where exp(-z) overflows this is 0, as it should be


@_elementwise
def _sigmoid_derivative(z: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(z))  # not s (1 - s), which is 0 from z = 37 on
    return e / (1 + e) ** 2


@_elementwise
def _tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z)


@_elementwise
def _tanh_derivative(z: np.ndarray) -> np.ndarray:
    return (1 / np.cosh(z)) ** 2  # 1 - tanh² is rounded to 0 from |z| = 19 on; the derivative is not 0 there


@_elementwise
def _relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0)


@_elementwise
def _relu_derivative(z: np.ndarray) -> np.ndarray:
    return np.maximum(np.sign(z), 0)


@_elementwise
def _leaky_relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, LEAKY_SLOPE * z)


@_elementwise
def _leaky_relu_derivative(z: np.ndarray) -> np.ndarray:
    return np.maximum(np.sign(z), LEAKY_SLOPE)


@_elementwise
def _elu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0) + np.expm1(np.minimum(z, 0))


@_elementwise
def _elu_derivative(z: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(z, 0))


@_elementwise
def _selu(z: np.ndarray) -> np.ndarray:
    return SELU_SCALE * (np.maximum(z, 0) + SELU_ALPHA * np.expm1(np.minimum(z, 0)))


@_elementwise
def _selu_derivative(z: np.ndarray) -> np.ndarray:
    is_positive = np.maximum(np.sign(z), 0)
    return SELU_SCALE * (SELU_ALPHA * np.exp(np.minimum(z, 0)) - (SELU_ALPHA - 1) * is_positive)


@_elementwise
def _gelu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, -50) * _normal_cdf(z)  # Φ(-50) is 0: the clip spares -inf · 0


@_elementwise
def _gelu_derivative(z: np.ndarray) -> np.ndarray:
    clipped = np.clip(z, -50, 50)  # where the density is 0 already
    density = np.exp(-(clipped**2) / 2) / math.sqrt(2 * math.pi)
    return _normal_cdf(z) + clipped * density


def _normal_cdf(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(z)


@_elementwise
def _silu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, -800) * _sigmoid(z)  # sigmoid(-800) is 0: the clip spares -inf · 0


@_elementwise
def _silu_derivative(z: np.ndarray) -> np.ndarray:
    s = _sigmoid(z)
    return s * (1 + np.clip(z, -800, 800) * (1 - s))


@_elementwise
def _softplus(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


@_elementwise
def _softplus_derivative(z: np.ndarray) -> np.ndarray:
    return _sigmoid(z)


activations: Registry[Activation] = Registry(
    "activation",
    [
        Activation("identity", r"z", _identity, _identity_derivative),
        Activation("sigmoid", r"\frac{1}{1 + e^{-z}}", _sigmoid, _sigmoid_derivative),
        Activation("tanh", r"\tanh z", _tanh, _tanh_derivative),
        Activation("relu", r"\max(z, 0)", _relu, _relu_derivative),
        Activation("leaky_relu", r"\max(z, 0.01\,z)", _leaky_relu, _leaky_relu_derivative),
        Activation("elu", r"\max(z, 0) + e^{\min(z, 0)} - 1", _elu, _elu_derivative),
        Activation(
            "selu",
            r"\lambda\left[\max(z, 0) + \alpha\left(e^{\min(z, 0)} - 1\right)\right],"
            r"\quad \lambda \approx 1.0507,\ \alpha \approx 1.6733",
            _selu,
            _selu_derivative,
        ),
        Activation("gelu", r"\frac{z}{2}\left[1 + \mathrm{erf}\frac{z}{\sqrt 2}\right]", _gelu, _gelu_derivative),
        Activation("silu", r"\frac{z}{1 + e^{-z}}", _silu, _silu_derivative),
        Activation("softplus", r"\ln(1 + e^z)", _softplus, _softplus_derivative),
    ],
)
