"""Weights as a draw of variance 1 and a standard deviation, so that one draw serves many scales."""

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True, eq=False)
class ScaledDraw:
    """Weights ``W = sd * unit``, never multiplied out: ``h @ W`` scales the product instead.

    Parameters
    ----------
    unit : ndarray, shape (..., fan_in, fan_out)
        A draw of variance 1, shared by all scales.
    sd : ndarray, shape (..., 1, 1)
        The standard deviation of the weights.
    """

    unit: np.ndarray
    sd: np.ndarray

    __array_ufunc__ = None  # an ndarray on the left of @ leaves the product to __rmatmul__

    @property
    def T(self) -> "ScaledDraw":
        """The transposed weights, shape (..., fan_out, fan_in)."""
        return ScaledDraw(self.unit.swapaxes(-1, -2), self.sd)

    def __rmatmul__(self, h: np.ndarray) -> np.ndarray:
        product = matmul(without_denormals(h), self.unit)
        shape = np.broadcast_shapes(product.shape, self.sd.shape)
        return np.multiply(product, self.sd, out=product if product.shape == shape else None)


def matmul(h: np.ndarray, w: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Compute ``h @ w``; networks that share their weights meet all their rows in one tall product.

    Parameters
    ----------
    h : ndarray, shape (..., batch, fan_in)
    w : ndarray, shape (..., fan_in, fan_out)
        The last of its leading axes that are 1 are shared; without any other, all networks share it.
    out : ndarray, optional
        Where to write the product, shape (..., batch, fan_out).
    """
    own = w.ndim - 2
    while own and w.shape[own - 1] == 1:
        own -= 1
    h = h.reshape((1,) * (w.ndim - h.ndim) + h.shape)
    first_row = h.ndim - w.ndim + own if own else 0
    lead, rows = h.shape[:first_row], h.shape[first_row:-1]
    shape = (*(np.broadcast_shapes(lead, w.shape[:own]) if own else ()), prod(rows), w.shape[-1])
    tall, w = h.reshape(*lead, prod(rows), h.shape[-1]), w.reshape(*w.shape[:own], *w.shape[-2:])
    if out is not None and out.flags.c_contiguous:
        np.matmul(tall, w, out=out.reshape(shape))
        return out
    product = np.matmul(tall, w).reshape(*shape[:-2], *rows, shape[-1])
    if out is not None:
        out[...] = product
    return product


def times(factor: float, array: np.ndarray) -> np.ndarray | float:
    """``factor * array``, where 0 means absent (0 * inf would be NaN) and 1 costs nothing."""
    if factor == 0:
        return 0.0
    return array if factor == 1 else factor * array


def without_denormals(h: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Round to multiples of 1e-35 (in float32): the denormal numbers below multiply 100 times as slowly."""
    offset = 1024 * np.finfo(h.dtype).tiny / np.finfo(h.dtype).eps
    rounded = np.add(h, offset, out=out)
    rounded -= offset
    return rounded
