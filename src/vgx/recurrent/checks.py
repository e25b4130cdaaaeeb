"""Checks of what a cell is made of and given. inf and NaN pass: they are results of an overflow before."""

from contextlib import suppress

import numpy as np
from numpy.typing import DTypeLike

from vgx.arguments import whole_number

Shape = tuple[int, ...]


def floats(name: str, value: object, dtype: DTypeLike = None) -> np.ndarray:
    """Return an array of floats, in this type if one is given."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype} {value!r}")
    if dtype is None:
        dtype = array.dtype if array.dtype.kind == "f" else np.float64
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def float_type(dtype: DTypeLike) -> np.dtype:
    """Return float32 or float64."""
    with suppress(TypeError):
        if np.dtype(dtype) in (np.float32, np.float64):
            return np.dtype(dtype)
    raise ValueError(f"dtype must be float64 or float32, got {dtype!r}")


def parameters(n_gates: int, **given: np.ndarray) -> dict[str, np.ndarray]:
    """Return a cell's weights and biases in their common type; their last axes are `n_gates` times the width."""
    arrays = {name: floats(name, value) for name, value in given.items()}
    dtype = np.result_type(*arrays.values())
    arrays = {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
    width = arrays["recurrent_weights"].shape[-2] if arrays["recurrent_weights"].ndim >= 2 else None
    times = f"{n_gates} * width" if n_gates > 1 else "width"
    for name, array in arrays.items():
        rows = {"input_weights": "n_inputs", "recurrent_weights": "width"}.get(name, "1")
        n_rows = {"input_weights": array.shape[-2:-1], "recurrent_weights": (width,)}.get(name, (1,))
        if array.ndim < 2 or not width or array.shape[-2:] != (*n_rows, n_gates * width) or not n_rows[0]:
            known = f" with width {width}, that of the recurrent weights" if width else ""
            raise ValueError(f"{name} must have the shape (..., {rows}, {times}){known}, got {array.shape}")
    joint("weights and biases", *(array.shape[:-2] for array in arrays.values()))
    return arrays


def joint(what: str, *ensembles: Shape) -> Shape:
    """Return the shape of the ensemble that these leading axes make together."""
    try:
        return np.broadcast_shapes(*ensembles)
    except ValueError:
        raise ValueError(f"the leading axes of {what} must broadcast, got {', '.join(map(str, ensembles))}") from None


def inputs(x: np.ndarray, n_inputs: int, ensemble: Shape, dtype: np.dtype) -> tuple[np.ndarray, Shape]:
    """Return a sequence in the cell's type, with all ensemble axes, and the ensemble's shape together with its own."""
    x = floats("x", x, dtype)
    if x.ndim < 3 or x.shape[-1] != n_inputs or not len(x):
        raise ValueError(f"x has shape {x.shape}, the cell takes (steps, ..., batch, {n_inputs}) of at least one step")
    ensemble = joint("the cell and of x (after its steps)", ensemble, x.shape[1:-2])
    missing = len(ensemble) - (x.ndim - 3)
    return x.reshape(len(x), *(1,) * missing, *x.shape[1:]), ensemble


def state(name: str, value: np.ndarray | None, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return an initial state, zeros if there is none, that can be broadcast to this shape."""
    if value is None:
        return np.zeros((), dtype)
    value = floats(name, value, dtype)
    with suppress(ValueError):
        if np.broadcast_shapes(value.shape, shape) == shape:
            return value
    raise ValueError(f"{name} has shape {value.shape}, it must broadcast to {shape}")


def pair(value: tuple[np.ndarray, np.ndarray] | None, shape: Shape, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return the initial h and c of an LSTM."""
    if value is not None and not (isinstance(value, tuple | list) and len(value) == 2):
        raise ValueError(f"state must be a pair (h_0, c_0), got {type(value).__name__} {value!r}")
    h, c = value or (None, None)
    return state("h_0", h, shape, dtype), state("c_0", c, shape, dtype)


def gradients(last: np.ndarray | None, each: np.ndarray | None, states: np.ndarray) -> np.ndarray:
    """Return what C takes from each of the states h_0 to h_T directly, with all leading axes."""
    if last is None and each is None:
        raise ValueError("at least one of last and each must be given: C depends on some state")
    steps, (*ensemble, batch, width) = len(states) - 1, states.shape[1:]
    shapes = {"last": (), "each": (steps,)}
    given = {
        name: floats(name, value, states.dtype) for name, value in (("last", last), ("each", each)) if value is not None
    }
    for name, array in given.items():
        first = shapes[name]
        axes = len(first)
        fits = array.ndim >= axes + 2 and array.shape[:axes] == first and array.shape[-1] == width
        if not fits or array.shape[-2] not in (1, batch):
            wanted = ", ".join(map(str, (*first, "...", batch, width)))
            raise ValueError(f"{name} must have the shape ({wanted}), got {array.shape}")
    own = [array.shape[len(shapes[name]) : -2] for name, array in given.items()]
    ensemble = joint("the states, last and each", tuple(ensemble), *own)
    direct = np.zeros((steps + 1, *ensemble, batch, width), states.dtype)
    if each is not None:
        each = given["each"]
        direct[1:] = each.reshape(steps, *(1,) * (direct.ndim - each.ndim), *each.shape[1:])
    if last is not None:
        direct[-1] += given["last"]
    return direct


def cuts(truncation: int | None, steps: int) -> set[int]:
    """Return the t, from 1 to steps - 1, where no gradient passes from step t + 1 back to the state after step t."""
    if truncation is None:
        return set()
    return set(range(steps - whole_number("truncation", truncation), 0, -int(truncation)))


def own_trace(trace: object, cell: object) -> None:
    """Refuse another cell's trace."""
    if getattr(trace, "cell", None) is not cell:
        raise ValueError("the trace must come from this cell's own forward, got one of another cell")
