"""Many figures of one lab as one small payload: what is equal in all states stands once, the rest in columns.

A *column* holds one leaf of the figure (`vgx.lab.paths`) in every state: its different values once, and for each
state the number of its value. Numeric arrays are quantised in the coordinate of the axis on which they are drawn
(the logarithm on a log axis) to a fraction of the visible range, kept as differences and split into byte planes,
which HTTP compression then shrinks to about a byte a point. NaN, inf and -inf are kept as runs beside the numbers.
Whole numbers are exact, and so is what no step size fits.
`vgx-lab.js` is the decoder.
"""

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .paths import Path, nest, same

RESOLUTION = 2_500
"""Steps to the visible range of an axis: the largest error is a five-thousandth of what is seen, a tenth of a pixel."""

FINE = 2**30
"""Steps to the range of numbers that are drawn on no axis."""

MOST_STEPS = 2**46
ABSENT = object()
_SPECIALS = ("nan", "inf", "-inf", "zero")


def encode(figures: Sequence[Mapping[Path, Any]]) -> dict[str, Any]:
    """Encode the flattened figures of all states.

    Parameters
    ----------
    figures : sequence of dict
        One flattened figure a state, in the order of the states.

    Returns
    -------
    dict
        ``base``: the nested figure of all that never changes. ``columns``: the rest, ready for JSON.
    """
    paths = dict.fromkeys(path for leaves in figures for path in leaves)
    constant, columns = {}, []
    for path in paths:
        leaves = [leaves.get(path, ABSENT) for leaves in figures]
        first = leaves[0]
        if all(same(first, leaf) for leaf in leaves):
            constant[path] = _plain(first)
        else:
            columns.append({"path": list(path), **_column(leaves, _axis(path, figures))})
    return {"base": nest(constant), "columns": columns}


def words(texts: Iterable[str]) -> dict[str, Any]:
    """Encode one string a state."""
    return _column(list(texts), None)


def _column(leaves: list[Any], axis: "_Axis | None") -> dict[str, Any]:
    numbers: dict[Any, int] = {}
    unique, index = [], []
    for leaf in leaves:
        key = (leaf.shape, leaf.dtype.str, leaf.tobytes()) if _numeric(leaf) else (type(leaf), repr(_plain(leaf)))
        if key not in numbers:
            numbers[key] = len(unique)
            unique.append(leaf)
        index.append(numbers[key])
    absent = [number for number, leaf in enumerate(unique) if leaf is ABSENT]
    column: dict[str, Any] = {"absent": absent} if absent else {}
    if len(unique) < len(leaves):
        column["index"] = _pack_integers(np.array(index))
    arrays = [np.empty(0) if leaf is ABSENT else leaf for leaf in unique]
    packed = _pack_arrays(arrays, axis) if all(map(_numeric, arrays)) else None
    if packed is not None:
        return column | {"arrays": packed}
    return column | {"values": [None if leaf is ABSENT else _plain(leaf) for leaf in unique]}


def _numeric(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiu"


@dataclass(frozen=True)
class _Axis:
    """The coordinate in which an array is drawn: its logarithm or itself, in steps of the visible range."""

    log: bool
    step: float


def _axis(path: Path, figures: Sequence[Mapping[Path, Any]]) -> _Axis | None:
    """Find the axis of ``("data", i, "x", "y" or "z")``: log or not, and the narrowest range shown in any state."""
    if len(path) != 3 or path[0] != "data" or path[2] not in ("x", "y", "z"):
        return None
    name = path[2] + "axis"
    anchor = next((leaves[(*path[:2], name)] for leaves in figures if (*path[:2], name) in leaves), path[2])
    layout = ("layout", name + anchor[1:])
    is_log = {leaves.get((*layout, "type")) == "log" for leaves in figures}
    if len(is_log) > 1:
        return None
    log, widths = is_log.pop(), []
    for leaves in figures:
        shown = leaves.get((*layout, "range"))
        if path[2] == "z":  # drawn as a colour
            shown = np.array([leaves.get((*path[:2], end)) for end in ("zmin", "zmax")])
        if _numeric(shown):
            widths.append(_width([shown], log=False))  # Plotly gives the range of a log axis in powers of ten
            continue
        drawn = [other for other in leaves if other[0] == "data" and other[2:] == path[2:]]
        same_axis = [other for other in drawn if leaves.get((*other[:2], name), path[2]) == anchor]
        widths.append(_width([leaves[other] for other in same_axis], log=log))
    return _Axis(log, min(widths) / RESOLUTION)


def _width(arrays: Sequence[Any], *, log: bool) -> float:
    """Return the range that arrays fill on an axis; Plotly shows one to either side of a single value."""
    flat = np.concatenate([np.empty(0), *(array.ravel() for array in arrays if _numeric(array))])
    return _span(_coordinate(flat, log=log)) or 2.0


def _span(coordinate: np.ndarray) -> float:
    finite = coordinate[np.isfinite(coordinate)]
    with np.errstate(over="ignore"):
        return float(np.ptp(finite)) if finite.size else 0.0


def _coordinate(flat: np.ndarray, *, log: bool) -> np.ndarray:
    if not log:
        return flat
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log10(flat)  # 0 becomes -inf and comes back as 0; a log axis shows nothing below it


def _pack_arrays(arrays: Sequence[np.ndarray], axis: _Axis | None) -> dict[str, Any] | None:
    """Quantise arrays: whole numbers exactly, others on their axis; None where that would spoil some of them."""
    flat = np.concatenate([array.ravel() for array in arrays]).astype(float)
    given = flat[np.isfinite(flat)]
    whole = bool(np.all(given == np.rint(given))) and _span(given) < MOST_STEPS
    log = not whole and (axis is None or axis.log)
    coordinate = _coordinate(flat, log=log)
    finite, span = np.isfinite(coordinate), _span(coordinate)
    step = 1.0 if whole else axis.step if axis else span / FINE or 1.0
    if span / step >= MOST_STEPS or (log and (given < 0).any()):
        return None
    lowest = coordinate[finite].min() if finite.any() else 0.0
    if axis:
        lowest = np.floor(lowest / step) * step  # so 0, on a logarithmic axis 1, is among the steps and stays exact
    steps = np.zeros(flat.size, np.int64)
    steps[finite] = np.rint((coordinate[finite] - lowest) / step)
    packed = {
        "shapes": [list(array.shape) for array in arrays],
        "log": log,
        "lowest": float(lowest),
        "step": float(step),
    }
    return packed | {"special": _runs(flat, finite), "steps": _pack_integers(_held(steps, finite))}


def _held(steps: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Let places without a finite number repeat the one before, so that they cost nothing."""
    last = np.maximum.accumulate(np.where(finite, np.arange(steps.size), 0)) if steps.size else steps
    return steps[last]


def _runs(flat: np.ndarray, finite: np.ndarray) -> list[list[Any]]:
    """List runs of values that are no steps: [start, length, which]."""
    kinds = np.select([finite, np.isnan(flat), flat == 0, flat > 0], [-1, 0, 3, 1], 2)
    edges = np.flatnonzero(np.diff(kinds)) + 1
    starts = np.concatenate([[0], edges]).astype(int)
    ends = np.concatenate([edges, [kinds.size]]).astype(int)
    return [
        [int(start), int(end - start), _SPECIALS[kinds[start]]]
        for start, end in zip(starts, ends, strict=True)
        if end > start and kinds[start] >= 0
    ]


def _pack_integers(values: np.ndarray) -> dict[str, Any]:
    """Differences, zigzag, then byte planes in base64: ``planes`` bytes a number, the lowest plane first.

    Second differences (``order`` 2) where they compress better: a straight line's are 0.
    """
    differences, packed = values.astype(np.int64), []
    for order in (1, 2):
        differences = np.diff(differences, prepend=0)
        zigzag = ((differences << 1) ^ (differences >> 63)).astype(np.uint64)
        planes = max(1, (int(zigzag.max(initial=0)).bit_length() + 7) // 8)
        plane = zigzag.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :planes].T.tobytes()
        packed.append({"order": order, "planes": planes, "bytes": base64.b64encode(plane).decode("ascii")})
    return min(packed, key=lambda each: len(zlib.compress(each["bytes"].encode())))


def _plain(leaf: Any) -> Any:
    """Turn a leaf into what a script's literal can hold (NaN and Infinity it can)."""
    if isinstance(leaf, np.ndarray):
        return leaf.tolist()
    if isinstance(leaf, np.generic):
        return leaf.item()
    return leaf
