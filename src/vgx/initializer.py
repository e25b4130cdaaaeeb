"""Distributions of initial weights: a draw of unit mean square times a standard deviation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vgx.arguments import generator, real_number, whole_number
from vgx.registry import Registry, unknown_name

Shape = tuple[int, ...]
DTYPES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}


@dataclass(frozen=True)
class Initializer:
    """How to draw the weights of a layer.

    The weights are a *unit draw*, with mean square 1, times ``scale * std(fan_in, fan_out)``: one unit draw
    serves many scales.

    Parameters
    ----------
    name : str
        Its name in ``initializers``.
    latex : str
        The distribution of a weight at scale 1; n_in and n_out are fan_in and fan_out.
    formula : callable
        (fan_in, fan_out) -> E[w²] at scale 1.
    unit : callable
        (shape, rng, dtype) -> array with mean square 1 (0 for ``zeros``).

    Examples
    --------
    >>> he = initializers["he_normal"]
    >>> he.variance(256, 128)
    0.0078125
    >>> he.sample((3, 256, 128), rng=np.random.default_rng(0), scale=0.5).shape
    (3, 256, 128)
    """

    name: str
    latex: str
    formula: Callable[[int, int], float]
    unit: Callable[[Shape, np.random.Generator, np.dtype], np.ndarray]

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Compute E[w²] at scale 1: the variance of a weight, as all but ``constant`` have mean 0.

        Parameters
        ----------
        fan_in, fan_out : int
            The layer's inputs and outputs, at least 1.

        Raises
        ------
        ValueError
            If one is not a whole number >= 1.
        """
        return self.formula(whole_number("fan_in", fan_in), whole_number("fan_out", fan_out))

    def std(self, fan_in: int, fan_out: int) -> float:
        """Compute the square root of ``variance``."""
        return math.sqrt(self.variance(fan_in, fan_out))

    def draw_unit(self, shape: Sequence[int], *, rng: np.random.Generator, dtype: DTypeLike = np.float64) -> np.ndarray:
        """Draw weights of mean square 1 in the shape of the distribution.

        Parameters
        ----------
        shape : sequence of int
            (..., fan_in, fan_out); leading axes are an ensemble.
        rng : numpy.random.Generator
            The source of randomness.
        dtype : dtype
            float64 or float32; float32 is drawn as such, about twice as fast, and is another draw.

        Raises
        ------
        ValueError
            If the shape has less than two axes or one is no whole number >= 1, or for another dtype or rng.
        """
        if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) < 2:
            raise ValueError(f"shape must be (..., fan_in, fan_out), got {shape!r}")
        shape = tuple(whole_number("an axis of shape", length) for length in shape)
        try:
            is_known = np.dtype(dtype) in DTYPES
        except TypeError:
            is_known = False
        if not is_known:
            raise ValueError(unknown_name("dtype", dtype, DTYPES.values()))
        return self.unit(shape, generator(rng), np.dtype(dtype))

    def sample(
        self,
        shape: Sequence[int],
        *,
        rng: np.random.Generator,
        scale: float = 1.0,
        dtype: DTypeLike = np.float64,
    ) -> np.ndarray:
        """Draw weights.

        Parameters
        ----------
        shape : sequence of int
            (..., fan_in, fan_out); leading axes are an ensemble.
        rng : numpy.random.Generator
            The source of randomness.
        scale : float
            Multiplies the standard deviation; finite, at least 0.
        dtype : dtype
            float64 or float32.

        Returns
        -------
        ndarray, shape (..., fan_in, fan_out)

        Raises
        ------
        ValueError
            If the scale is negative or not finite, or as in ``draw_unit``.
        """
        scale = real_number("scale", scale, least=0)
        weights = self.draw_unit(shape, rng=rng, dtype=dtype)
        with np.errstate(over="ignore"):  # a scale that overflows float32 gives inf: a result
            weights *= scale * self.std(*shape[-2:])
        return weights


# --- unit draws: mean square 1 ---


def _normal(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    return rng.standard_normal(shape, dtype)


def _uniform(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    draw = rng.random(shape, dtype)
    draw -= 0.5
    draw *= math.sqrt(12)
    return draw


def _truncated_normal(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    """Draw from N(0, 1) given |z| <= 2, then divide by the sd of that, 0.8796."""
    draw = rng.standard_normal(shape, dtype)
    while (is_outside := np.abs(draw) > 2).any():
        draw[is_outside] = rng.standard_normal(is_outside.sum(), dtype)
    density, inside = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    draw /= math.sqrt(1 - 4 * density / inside)
    return draw


def _orthogonal(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    """Draw orthonormal columns, or rows if fan_in < fan_out, times √max(fan_in, fan_out).

    References
    ----------
    F. Mezzadri, How to generate random matrices from the classical compact groups, Notices AMS 54 (2007).
    """
    *ensemble, fan_in, fan_out = shape
    long, short = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(rng.standard_normal((*ensemble, long, short), dtype))
    # QR is unique only up to the signs of R's diagonal: making them positive makes Q Haar-distributed
    q *= np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
    q *= math.sqrt(long)
    return q if fan_in >= fan_out else np.ascontiguousarray(q.swapaxes(-2, -1))


def _zeros(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    return np.zeros(shape, dtype)


def _ones(shape: Shape, rng: np.random.Generator, dtype: np.dtype) -> np.ndarray:
    return np.ones(shape, dtype)


# --- E[w²] at scale 1 ---


def _one(fan_in: int, fan_out: int) -> float:
    return 1.0


def _third(fan_in: int, fan_out: int) -> float:
    return 1 / 3


def _lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


def _xavier(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def _he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def _inverse_of_larger(fan_in: int, fan_out: int) -> float:
    return 1 / max(fan_in, fan_out)


def _zero(fan_in: int, fan_out: int) -> float:
    return 0.0


_XAVIER_LIMIT = r"\sqrt{\tfrac{6}{n_\text{in} + n_\text{out}}}"
_HE_LIMIT = r"\sqrt{\tfrac{6}{n_\text{in}}}"

initializers: Registry[Initializer] = Registry(
    "initializer",
    [
        Initializer("normal", r"\mathcal N(0, 1)", _one, _normal),
        Initializer("uniform", r"\mathcal U(-1, 1)", _third, _uniform),
        Initializer("lecun_normal", r"\mathcal N(0, \tfrac{1}{n_\text{in}})", _lecun, _normal),
        Initializer("xavier_normal", r"\mathcal N(0, \tfrac{2}{n_\text{in} + n_\text{out}})", _xavier, _normal),
        Initializer("xavier_uniform", rf"\mathcal U(-{_XAVIER_LIMIT}, {_XAVIER_LIMIT})", _xavier, _uniform),
        Initializer("he_normal", r"\mathcal N(0, \tfrac{2}{n_\text{in}})", _he, _normal),
        Initializer("he_uniform", rf"\mathcal U(-{_HE_LIMIT}, {_HE_LIMIT})", _he, _uniform),
        Initializer(
            "truncated_normal",
            r"\tfrac{z}{0.8796},\ z \sim \mathcal N(0, 1) \text{ given } |z| \le 2",
            _one,
            _truncated_normal,
        ),
        Initializer(
            "orthogonal",
            r"W^\top W = I \text{ if } n_\text{in} \ge n_\text{out}, \text{ else } W W^\top = I",
            _inverse_of_larger,
            _orthogonal,
        ),
        Initializer("zeros", r"0", _zero, _zeros),
        Initializer("constant", r"1", _one, _ones),
    ],
)
