"""What LSTM and GRU share: gates side by side, written in place, and torch's distribution of weights."""

import numpy as np

from vgx.initializer import initializers


def parts(z: np.ndarray, n: int) -> list[np.ndarray]:
    """Return views of the n blocks of columns: (..., n * width) -> n times (..., width)."""
    return np.split(z, n, axis=-1)


def sigmoid(z: np.ndarray) -> None:
    """Write σ(z) over z."""
    np.negative(z, out=z)
    np.exp(z, out=z)  # where this overflows σ is 0, as it should be
    z += 1
    np.reciprocal(z, out=z)


def uniform(shape: tuple[int, ...], width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw weights uniform in ±1/√width, as torch's recurrent cells do."""
    return initializers["uniform"].sample(shape, rng=rng, scale=width**-0.5)
