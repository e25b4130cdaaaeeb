"""Many figures of one lab as one small payload: what is equal in all states stands once, the rest in columns.

A *column* holds one leaf of the figure (`vgx.lab.paths`) in every state: its different values once, and for each
state the number of its value. Numeric arrays are quantised in the coordinate of the axis on which they are drawn
(the logarithm on a log axis) to a fraction of the visible range, delta-coded and split into byte planes, which HTTP
compression then shrinks to about a byte a point. NaN, inf and -inf are kept as runs beside the numbers.
`vgx-lab.js` is the decoder.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .paths import Path, nest, same

RESOLUTION = 5_000
"""Steps to the visible range of an axis: the largest error is a ten-thousandth of what is seen, below a pixel."""

ABSENT = object()
_AXIS_OF = {"x": "xaxis", "y": "yaxis"}
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
        key = (leaf.shape, leaf.dtype.str, leaf.tobytes()) if isinstance(leaf, np.ndarray) else (type(leaf), leaf)
        if key not in numbers:
            numbers[key] = len(unique)
            unique.append(leaf)
        index.append(numbers[key])
    column: dict[str, Any] = {} if len(unique) == len(leaves) else {"index": _pack_integers(np.array(index))}
    if unique and all(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiu" for leaf in unique):
        return column | {"arrays": _pack_arrays(unique, axis)}
    absent = [number for number, leaf in enumerate(unique) if leaf is ABSENT]
    values = [None if leaf is ABSENT else _plain(leaf) for leaf in unique]
    return column | {"values": values} | ({"absent": absent} if absent else {})


class _Axis:
    """The coordinate in which an array is drawn: its logarithm or itself, in steps of the visible range."""

    def __init__(self, log: bool, step: float | None) -> None:
        self.log = log
        self.step = step


def _axis(path: Path, figures: Sequence[Mapping[Path, Any]]) -> _Axis | None:
    """Find the axis of ``("data", i, "x" or "y")``: log or not, and the narrowest range shown in any state."""
    if len(path) != 3 or path[0] != "data" or path[2] not in _AXIS_OF:
        return None
    name = path[2] + "axis"
    anchor = next((leaves[(*path[:2], name)] for leaves in figures if (*path[:2], name) in leaves), path[2])
    layout = ("layout", name + anchor[1:])
    log = any(leaves.get((*layout, "type")) == "log" for leaves in figures)
    widths = [np.ptp(leaves[(*layout, "range")].astype(float)) for leaves in figures if (*layout, "range") in leaves]
    return _Axis(log, min(widths) / RESOLUTION if len(widths) == len(figures) and min(widths) > 0 else None)


def _pack_arrays(arrays: Sequence[np.ndarray], axis: _Axis | None) -> dict[str, Any]:
    shapes = [list(array.shape) for array in arrays]
    flat = np.concatenate([array.ravel() for array in arrays]).astype(float)
    if axis is not None and axis.log and (flat[np.isfinite(flat)] < 0).any():
        axis = None  # no logarithm; a log axis does not show these, the CSV does
    log = axis is not None and axis.log
    coordinate = flat
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            coordinate = np.log10(flat)  # 0 becomes -inf and comes back as 0; a log axis shows nothing below it
    finite = np.isfinite(coordinate)
    step = _step(coordinate[finite], axis)
    lowest = coordinate[finite].min() if finite.any() else 0.0
    steps = np.zeros(flat.size, np.int64)
    steps[finite] = np.rint((coordinate[finite] - lowest) / step)
    packed = {"shapes": shapes, "log": log, "lowest": float(lowest), "step": float(step)}
    return packed | {"special": _runs(flat, finite), "steps": _pack_integers(_held(steps, finite))}


def _step(finite: np.ndarray, axis: _Axis | None) -> float:
    """Choose the size of a step: exact for whole numbers, else a fraction of what is visible."""
    log = axis is not None and axis.log
    if not log and finite.size and np.all(finite == np.rint(finite)) and np.ptp(finite) < 2**31:
        return 1.0
    if axis is not None and axis.step is not None:
        return axis.step
    span = np.ptp(finite) if finite.size else 0.0
    return span / (RESOLUTION if axis else 2**30) or 1.0


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
    """Delta, zigzag, then byte planes in base64: ``planes`` bytes a number, the lowest plane first."""
    delta = np.diff(values.astype(np.int64), prepend=0)
    zigzag = ((delta << 1) ^ (delta >> 63)).astype(np.uint64)
    planes = max(1, (int(zigzag.max(initial=0)).bit_length() + 7) // 8)
    if planes > 6:
        raise ValueError(f"the numbers of a figure span more than 2^47 steps (largest change {delta.max():.3g})")
    plane = zigzag.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :planes].T
    return {"planes": planes, "bytes": base64.b64encode(plane.tobytes()).decode("ascii")}


def _plain(leaf: Any) -> Any:
    """Turn a leaf into what a script's literal can hold (NaN and Infinity it can)."""
    if isinstance(leaf, np.ndarray):
        return leaf.tolist()
    if isinstance(leaf, np.generic):
        return leaf.item()
    return leaf
