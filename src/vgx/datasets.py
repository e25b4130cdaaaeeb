"""Data to look at gradients with."""

from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels of a classification task; both arrays are read-only.

    Parameters
    ----------
    x : ndarray, shape (n_examples, n_features), float64
    y : ndarray, shape (n_examples,), int
        The class of each example, from 0.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        self.x.flags.writeable = False
        self.y.flags.writeable = False


@cache
def digits(*, standardize: bool = True) -> Dataset:
    """Return scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, ten classes.

    Parameters
    ----------
    standardize : bool
        Bring each pixel to mean 0 and variance 1 over the images; the three pixels that are the same in all
        images become 0. False: the raw grey levels, 0 to 16.

    Returns
    -------
    Dataset
        ``x`` of shape (1797, 64) and ``y``; read-only, shared between calls: copy before you change them.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI machine learning repository.

    Examples
    --------
    >>> data = digits()
    >>> data.x.shape, data.y.shape
    ((1797, 64), (1797,))
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Dataset(_standardized(x) if standardize else x, y)


def _standardized(x: np.ndarray) -> np.ndarray:
    sd = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
