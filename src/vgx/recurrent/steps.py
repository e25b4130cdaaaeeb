"""All steps of a sequence as one tall batch: one matrix product instead of one a step."""

import numpy as np


def joined(x: np.ndarray) -> np.ndarray:
    """Lay the steps below one another: (steps, ..., batch, width) -> (..., steps * batch, width)."""
    steps, *ensemble, batch, width = x.shape
    return np.moveaxis(x, 0, -3).reshape(*ensemble, steps * batch, width)


def parted(x: np.ndarray, steps: int) -> np.ndarray:
    """Undo `joined`."""
    *ensemble, rows, width = x.shape
    return np.moveaxis(x.reshape(*ensemble, steps, rows // steps, width), -3, 0)


def transposed(x: np.ndarray) -> np.ndarray:
    """Swap the last two axes."""
    return x.swapaxes(-1, -2)
