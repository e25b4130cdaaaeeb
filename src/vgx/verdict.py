"""The words for what a gradient does on its way back, and the thresholds, once for the whole book.

A gradient profile holds one norm a layer, the first layer first. It is judged by one number: the first
layer's norm over the last layer's. Below 10⁻² the first layer needs a hundred steps for what the last one
does in one; above 10² a step that is right for the last layer is a hundred times too long for the first.
Only in between does one learning rate serve both.
"""

from enum import StrEnum

import numpy as np

VANISHING_BELOW = 1e-2
EXPLODING_ABOVE = 1e2


class Verdict(StrEnum):
    """What a gradient does from the last layer to the first."""

    VANISHING = "vanishing"  # ratio < 10⁻²
    HEALTHY = "healthy"  # 10⁻² <= ratio <= 10²
    EXPLODING = "exploding"  # ratio > 10²
    OVERFLOW = "overflow"  # NaN or inf: the numbers of the computer end here
    DEAD = "dead"  # exactly 0: no step, however long, will move the first layer


def verdict_of_ratio(ratio: float | np.ndarray) -> Verdict | np.ndarray:
    """Judge the ratio of the first layer's gradient norm to the last layer's.

    Parameters
    ----------
    ratio : float or ndarray
        Not negative; NaN and inf mean overflow.

    Returns
    -------
    Verdict or ndarray of str
        An array of words for an array of ratios.

    Raises
    ------
    ValueError
        If a ratio is negative.

    Examples
    --------
    >>> verdict_of_ratio(1e-17)
    <Verdict.VANISHING: 'vanishing'>
    >>> verdict_of_ratio([0.0, 1e-17, 0.5, 1e9, np.nan]).tolist()
    ['dead', 'vanishing', 'healthy', 'exploding', 'overflow']
    """
    ratio = np.asarray(ratio, dtype=float)
    if (ratio < 0).any():
        raise ValueError(f"a ratio of norms must be >= 0, got {ratio[ratio < 0].flat[0]:g}")
    rules = {
        Verdict.OVERFLOW: ~np.isfinite(ratio),
        Verdict.DEAD: ratio == 0,
        Verdict.VANISHING: ratio < VANISHING_BELOW,
        Verdict.EXPLODING: ratio > EXPLODING_ABOVE,
    }
    words = np.select(list(rules.values()), [str(word) for word in rules], default=str(Verdict.HEALTHY))
    return words if words.ndim else Verdict(words.item())


def verdict_of_norms(norms: np.ndarray) -> Verdict | np.ndarray:
    """Judge gradient profiles.

    A profile with NaN or inf anywhere is overflow, one whose first or last norm is exactly 0 is dead.

    Parameters
    ----------
    norms : ndarray, shape (..., depth)
        Gradient norms of each layer, the first layer first.

    Returns
    -------
    Verdict or ndarray of str, shape (...)

    Raises
    ------
    ValueError
        If there is no layer, or a norm is negative.

    Examples
    --------
    >>> verdict_of_norms([1e-9, 1e-6, 1e-3, 1.0])
    <Verdict.VANISHING: 'vanishing'>
    """
    norms = _profiles(norms)
    with np.errstate(all="ignore"):
        ratio = np.clip(10 ** _powers_of_ten(norms), 1e-300, 1e300)  # 1e200 over 1e-200 explodes
    ratio = np.where((norms[..., 0] == 0) | (norms[..., -1] == 0), 0.0, ratio)
    return verdict_of_ratio(np.where(np.isfinite(norms).all(axis=-1), ratio, np.nan))


def powers_of_ten_per_ten_layers(norms: np.ndarray) -> np.ndarray:
    """Say how fast gradient profiles vanish (negative) or explode (positive) on the way back.

    Parameters
    ----------
    norms : ndarray, shape (..., depth)
        Gradient norms of each layer, the first layer first; at least two layers.

    Returns
    -------
    ndarray, shape (...)
        Powers of ten per ten layers, from the last layer to the first; NaN where it overflowed, -inf
        where it is dead.

    Raises
    ------
    ValueError
        If there are fewer than two layers, or a norm is negative.

    Examples
    --------
    >>> float(powers_of_ten_per_ten_layers(0.1 ** np.arange(30, 0, -1)).round(6))
    -10.0
    """
    norms = _profiles(norms, least=2)
    with np.errstate(all="ignore"):
        slope = 10 * _powers_of_ten(norms) / (norms.shape[-1] - 1)
    return np.where(np.isfinite(norms).all(axis=-1), slope, np.nan)


def _powers_of_ten(norms: np.ndarray) -> np.ndarray:
    return np.log10(norms[..., 0]) - np.log10(norms[..., -1])


def _profiles(norms: np.ndarray, *, least: int = 1) -> np.ndarray:
    norms = np.asarray(norms, dtype=float)
    if norms.ndim < 1 or norms.shape[-1] < least:
        raise ValueError(f"a gradient profile needs shape (..., depth) with depth >= {least}, got {norms.shape}")
    if (norms < 0).any():
        raise ValueError(f"a norm must be >= 0, got {norms[norms < 0].flat[0]:g}")
    return norms
