"""Handwritten digits as arrays: the small set that comes with scikit-learn, and MNIST."""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from vgx.datasets import mnist_files
from vgx.registry import UnknownNameError, unknown_name


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels of a classification task; both arrays are read-only.

    Parameters
    ----------
    x : ndarray, shape (n_examples, n_features), float64 or float32
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


SPLITS = {"train": "train", "test": "t10k"}


def mnist(split: str = "train") -> Dataset:
    """Return MNIST: handwritten digits of 28 x 28 pixels, ten classes.

    The files are taken from the folder in the environment variable ``VGX_DATA_DIR``; without it from the cache, into
    which they are downloaded at the first call (11 MB, with a progress bar). Their contents are verified.

    Parameters
    ----------
    split : {"train", "test"}
        60,000 images or 10,000.

    Returns
    -------
    Dataset
        ``x`` of shape (n, 784), float32 in [0, 1], and ``y``, int64; read-only, shared between calls (188 MB and
        31 MB): copy before you change them.

    Raises
    ------
    ValueError
        If there is no such split, or a file in ``VGX_DATA_DIR`` is truncated or not the original.
    OSError
        If the files are not in ``VGX_DATA_DIR`` (FileNotFoundError), it is no folder (NotADirectoryError), no mirror
        has them (ConnectionError) or the cache cannot be written to. Each says what was tried and what to do.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """
    if split not in SPLITS:
        raise UnknownNameError(unknown_name("split of MNIST", split, SPLITS))
    return _mnist(split)


@cache  # here, as mnist(), mnist("train") and mnist(split="train") would be three entries there
def _mnist(split: str) -> Dataset:
    images = mnist_files.contents(f"{SPLITS[split]}-images-idx3-ubyte")
    labels = mnist_files.contents(f"{SPLITS[split]}-labels-idx1-ubyte")
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28 * 28)  # after the header of the IDX format
    x = np.divide(pixels, np.float32(255), dtype=np.float32)
    return Dataset(x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))
