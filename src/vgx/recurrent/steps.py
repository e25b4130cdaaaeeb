"""Products over all steps of a sequence at once."""

import numpy as np


def transposed(x: np.ndarray) -> np.ndarray:
    """Swap the last two axes."""
    return x.swapaxes(-1, -2)


def joined(x: np.ndarray) -> np.ndarray:
    """Lay the steps below one another: (steps, ..., batch, width) -> (..., steps * batch, width)."""
    steps, *ensemble, batch, width = x.shape
    return np.moveaxis(x, 0, -3).reshape(*ensemble, steps * batch, width)


def each_step_times(x: np.ndarray, W: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Compute ``x @ W``, the same W at each step, as one tall product where the memory's order allows it."""
    if out.ndim == 3:
        np.matmul(joined(x), W, out=joined(out))
    else:
        np.matmul(x, W, out=out)
    return out


def summed_outer(x: np.ndarray, dz: np.ndarray) -> np.ndarray:
    """Sum ``x.T @ dz`` over the steps: the gradient with respect to W where z = x W at each step."""
    return transposed(joined(x)) @ joined(dz)
