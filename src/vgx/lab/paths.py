"""A figure as a flat mapping from paths to leaves, so that two figures can be compared and their difference sent.

A path is a tuple of keys and list positions, ``("data", 0, "y")``; a leaf is an array, a number, a string, a bool
or None. Lists of dicts (traces, shapes, annotations) are walked through, lists of anything else are leaves.
"""

import base64
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

Path = tuple[str | int, ...]


def flatten(figure: "go.Figure") -> dict[Path, Any]:
    """Return every leaf of a figure's data and layout by its path. The template is one leaf."""
    if not hasattr(figure, "to_plotly_json"):
        raise ValueError(f"draw must return a plotly Figure, got {figure!r}")
    spec = figure.to_plotly_json()
    traces = (("data", number, *path, leaf) for number, trace in enumerate(spec["data"]) for path, leaf in _walk(trace))
    layout = (("layout", *path, leaf) for path, leaf in _walk(spec["layout"]))
    return {tuple(path): leaf for *path, leaf in (*traces, *layout)}


def _walk(node: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(node, Mapping) and "bdata" in node:
        yield (), _array(node)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key == "template":
                yield (key,), value
            else:
                yield from (((key, *path), leaf) for path, leaf in _walk(value))
    elif isinstance(node, list | tuple) and node and all(isinstance(item, Mapping) for item in node):
        for position, item in enumerate(node):
            yield from (((position, *path), leaf) for path, leaf in _walk(item))
    elif isinstance(node, list | tuple):
        yield (), _leaf(node)
    else:
        yield (), node


def _leaf(items: list | tuple) -> np.ndarray:
    try:
        array = np.asarray(items)
    except ValueError:  # rows of several lengths
        array = None
    if array is not None and array.dtype.kind != "U":
        return array
    array = np.empty(len(items), dtype=object)  # strings as they are: beside one, NumPy would make strings of numbers
    array[:] = [list(item) if isinstance(item, tuple) else item for item in items]
    return array


def _array(packed: Mapping[str, Any]) -> np.ndarray:
    """Unpack what Plotly makes of an array in its JSON."""
    flat = np.frombuffer(base64.b64decode(packed["bdata"]), dtype=packed["dtype"])
    return flat.reshape([int(n) for n in str(packed["shape"]).split(",")]) if "shape" in packed else flat


def same(a: Any, b: Any) -> bool:
    """Tell whether two leaves are equal; NaN equals NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        alike = a.shape == b.shape and a.dtype.kind == b.dtype.kind
        return alike and bool(np.all((a == b) | ((a != a) & (b != b))))
    return type(a) is type(b) and (a == b or (a != a and b != b))


def nest(leaves: Mapping[Path, Any]) -> dict[str, Any]:
    """Build the nested figure again from its leaves."""
    root: dict[str, Any] = {"data": [], "layout": {}}
    for path, leaf in leaves.items():
        node: Any = root
        for key, following in itertools.pairwise(path):
            empty: Any = [] if isinstance(following, int) else {}
            if isinstance(node, list):
                node.extend({} for _ in range(key + 1 - len(node)))
            elif key not in node:
                node[key] = empty
            node = node[key]
        node[path[-1]] = leaf
    return root
