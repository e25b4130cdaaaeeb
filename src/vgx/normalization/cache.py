"""What a forward pass leaves behind, and checks of what both passes are given."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np

BATCH, WIDTH = -2, -1  # axes


class Cache(NamedTuple):
    """What a forward pass leaves behind for its backward pass.

    Parameters
    ----------
    x_hat : ndarray, shape (..., batch, width)
        The normalized x, before gain and shift.
    std : ndarray, shape (..., 1, width) or (..., batch, 1)
        √(σ² + ε), what was divided by.
    gain : ndarray, shape (..., 1, width) or (1, 1)
    """

    x_hat: np.ndarray
    std: np.ndarray
    gain: np.ndarray


def standard_deviation(var: np.ndarray, eps: float) -> np.ndarray:
    """√(σ² + ε), but NaN where it overflows: a quotient by inf would be 0, and look like a signal that vanished."""
    std = np.sqrt(var + eps)
    return np.where(np.isinf(std), np.nan, std)


def checked(x: np.ndarray, **parameters: float | np.ndarray) -> list[np.ndarray]:
    """Return x, and its parameters with a batch axis, in its type."""
    x = _floats("x", x)
    if x.ndim < 2 or not x.shape[WIDTH]:
        raise ValueError(f"x must have the shape (..., batch, width), got {x.shape}")
    return [x, *(_with_batch_axis(name, value, x) for name, value in parameters.items())]


def _with_batch_axis(name: str, value: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    if name == "var" and np.any(np.less(value, 0)):
        raise ValueError(f"var must hold numbers >= 0, got {np.min(value):g}")
    row = np.atleast_1d(_floats(name, value)).astype(x.dtype, copy=False)[..., None, :]
    with suppress(ValueError):
        if np.broadcast_shapes(row.shape, x.shape)[-2:] == x.shape[-2:]:
            return row
    raise ValueError(
        f"{name} must be a number or have the shape (..., {x.shape[WIDTH]}) for x of shape {x.shape}, "
        f"got {np.shape(value)}"
    )


def checked_gradient(dy: np.ndarray, cache: Cache) -> np.ndarray:
    """Return a gradient with respect to y in its type, broadcast with it."""
    shape = np.broadcast_shapes(cache.x_hat.shape, cache.gain.shape)
    dy = _floats("dy", dy).astype(cache.x_hat.dtype, copy=False)
    if dy.shape[-2:] == shape[-2:]:
        with suppress(ValueError):
            return np.broadcast_to(dy, np.broadcast_shapes(dy.shape, shape))
    raise ValueError(f"dy has shape {dy.shape}, y has {shape}")


def _floats(name: str, value: object) -> np.ndarray:
    """Return an array of floats; inf and NaN are results of an overflow before."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype} {value!r}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)
