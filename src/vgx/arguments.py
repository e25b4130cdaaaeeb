"""Checks of arguments: each returns the value in its canonical type or says what was given and is allowed."""

import math
from numbers import Integral, Real

import numpy as np


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """Return ``value`` as an int of at least ``least``.

    Raises
    ------
    ValueError
        If it is not a whole number (a bool is none) or too small.
    """
    is_whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if isinstance(value, bool | np.bool_) or not is_whole or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)


def real_number(name: str, value: object, *, least: float = -math.inf, above: float = -math.inf) -> float:
    """Return ``value`` as a finite float, at least ``least`` and greater than ``above``.

    Raises
    ------
    ValueError
        If it is not a number, not finite, or too small.
    """
    allowed = "a finite number"
    if math.isfinite(least):
        allowed += f" >= {least:g}"
    if math.isfinite(above):
        allowed += f" > {above:g}"
    is_real = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    if not is_real or not math.isfinite(value) or value < least or value <= above:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return float(value)


def real_array(name: str, value: object, *, least: float = -math.inf, infinite: bool = False) -> np.ndarray:
    """Return ``value`` as a float array, every entry at least ``least`` and finite, unless ``infinite``.

    Raises
    ------
    ValueError
        If an entry is not a number (NaN is none), not finite, or too small.
    """
    allowed = "numbers" if infinite else "finite numbers"
    allowed += f" >= {least:g}" if math.isfinite(least) else ""
    try:
        array = np.asarray(value)
        array = array if array.dtype.kind == "f" else array.astype(float, casting="safe")
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold {allowed}, got {value!r}") from None
    is_allowed = (array >= least) & (infinite | np.isfinite(array))
    if not is_allowed.all():
        raise ValueError(f"{name} must hold {allowed}, got {value!r}")
    return array


def generator(value: object) -> np.random.Generator:
    """Return ``value`` if it is a NumPy generator; a seed is none, so that each call's draws are new.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(value, np.random.Generator):
        raise ValueError(f"rng must be a numpy.random.Generator (numpy.random.default_rng(seed)), got {value!r}")
    return value
