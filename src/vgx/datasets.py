"""Data to look at gradients with."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

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

    Raises
    ------
    FileNotFoundError
        If scikit-learn is not installed, or keeps its digits elsewhere.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical recognition of handwritten digits, UCI machine learning repository.

    Examples
    --------
    >>> data = digits()
    >>> data.x.shape, data.y.shape
    ((1797, 64), (1797,))
    """
    table = np.loadtxt(_digits_file(), delimiter=",")
    x, y = table[:, :-1].copy(), table[:, -1].astype(int)
    return Dataset(_standardized(x) if standardize else x, y)


def _digits_file() -> Path:
    """Find scikit-learn's file without importing scikit-learn, which takes 80 MB of memory."""
    spec = find_spec("sklearn")
    if spec is None:
        raise FileNotFoundError("the digits come with scikit-learn, which is not installed: pip install scikit-learn")
    path = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise FileNotFoundError(f"this scikit-learn has no digits at {path}")
    return path


def _standardized(x: np.ndarray) -> np.ndarray:
    sd = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
