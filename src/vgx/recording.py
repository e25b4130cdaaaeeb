"""Files of ragged arrays and the facts about them: one .npz without pickle, written whole or not at all."""

import io
import json
import os
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FORMAT = "vgx-recording 1"


@dataclass(frozen=True, eq=False)
class Ragged:
    """A sequence of read-only arrays whose shapes may differ, stored end to end without padding.

    Parameters
    ----------
    values : array, shape (n,)
        The entries of the arrays, one array after the other.
    shapes : int array, shape (n_arrays, ndim)
        The arrays' shapes. An array without dimensions comes back as a NumPy scalar.

    Examples
    --------
    >>> Ragged.of([np.array([1.0, np.inf]), np.array([2.0])])[1]
    array([2.])
    """

    values: np.ndarray
    shapes: np.ndarray
    offsets: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        offsets = np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])
        if self.values.shape != (offsets[-1],) or (self.shapes < 0).any():
            raise ValueError(f"shapes ask for {offsets[-1]} values, values have shape {self.values.shape}")
        object.__setattr__(self, "offsets", offsets)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray]) -> "Ragged":
        """Store arrays of one dtype and number of dimensions; strings take the width of the longest."""
        dtype = max((array.dtype for array in arrays), key=lambda dtype: dtype.itemsize)
        values = np.concatenate([array.ravel() for array in arrays], dtype=dtype)
        return cls(values, np.array([array.shape for array in arrays], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, k: int) -> np.ndarray | np.generic:
        view = self.values[self.offsets[k] : self.offsets[k + 1]].reshape(self.shapes[k])
        view.flags.writeable = False
        return view[()]


def write(path: str | os.PathLike, about: Mapping, arrays: Mapping[str, Ragged]) -> None:
    """Write the arrays, and ``about`` as JSON; what is equal gives equal bytes.

    Raises
    ------
    ValueError
        If ``about`` holds something that JSON doesn't have.
    """
    try:
        text = json.dumps({"format": FORMAT, "names": list(arrays), "about": about})
    except TypeError as error:
        raise ValueError(f"a recording's facts must be JSON values: {error}; got {about!r}") from None
    members = {f"values_{i}": ragged.values for i, ragged in enumerate(arrays.values())}
    members |= {f"shapes_{i}": ragged.shapes for i, ragged in enumerate(arrays.values())}
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with part.open("xb") as stream:
            np.savez_compressed(stream, header=np.array(text), **members)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: str | os.PathLike) -> tuple[dict, dict[str, Ragged]]:
    """Return the ``about`` and the arrays that `write` was given.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, or `write` didn't make it.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no recording {os.fspath(path)!r}; a grid's save(path) makes one") from None
    try:
        return _parsed(content)
    except Exception as error:  # damage shows in a dozen types, which all mean the same to the caller
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{os.fspath(path)!r} is no recording, or damaged ({reason})") from error


def _parsed(content: bytes) -> tuple[dict, dict[str, Ragged]]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise ValueError("no .npz archive, or cut short")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        if header["format"] != FORMAT:
            raise ValueError(f"format {header['format']!r}, expected {FORMAT!r}")
        names = enumerate(header["names"])
        return header["about"], {name: Ragged(archive[f"values_{i}"], archive[f"shapes_{i}"]) for i, name in names}
