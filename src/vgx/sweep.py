"""Sweeps: call a function over named axes and keep what it returns in a `Grid`."""

import importlib.metadata
import math
import platform
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from functools import partial
from typing import Protocol

import numpy as np

from vgx.grid import Grid, axis_values, qualified_name, states_of, swept_signature
from vgx.recording import Ragged

BAR_AFTER_SECONDS = 2.0


class Kept(Protocol):
    """Where finished calls are kept: each as its states' results in a row."""

    def get(self, state: Mapping, fixed: Mapping) -> list[dict] | None:
        """Return the results of a call, None if it is not kept."""

    def put(self, state: Mapping, fixed: Mapping, results: Mapping[str, Ragged]) -> None:
        """Keep the results of a call."""


def tabulate(
    fn: Callable[..., Mapping],
    axes: Mapping[str, Sequence],
    *,
    vectorized: str | Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = True,
) -> Grid:
    """Call ``fn`` at every combination of named values and keep all it returns.

    Parameters
    ----------
    fn : callable
        Takes the axes as keywords; returns a mapping from names to arrays or scalars, of numbers, bools or
        strings. A result's shape may depend on the state; its dtype and number of dimensions may not.
    axes : mapping
        Parameter -> distinct values: all numbers, all strings or all bools.
    vectorized : name or names, optional
        The axes that ``fn`` takes whole, each as a tuple of its values. ``result[name][i][j]`` is then the
        array at the i-th value of the first of them and the j-th of the second: an array with these leading
        axes or, where shapes differ, nested lists of arrays.
    executor : concurrent.futures.Executor, optional
        Where the calls run; without it one after the other.
    progress : bool
        Show a bar on stderr when it takes longer than 2 s.

    Returns
    -------
    Grid
        Callable like ``fn``, at the given values.

    Raises
    ------
    ValueError
        If the axes don't fit ``fn``, or a result is none of the above. What ``fn`` raises passes through,
        with a note under its message that says at which state.

    Examples
    --------
    >>> def powers(base, depth=3):
    ...     return {"powers": float(base) ** np.arange(depth)}
    >>> grid = tabulate(powers, {"base": [0.5, 2], "depth": [3, 5]})
    >>> grid
    <Grid of vgx.sweep:powers: 2 base x 2 depth -> powers>
    >>> grid(base=2, depth=5)["powers"]
    array([ 1.,  2.,  4.,  8., 16.])
    >>> grid(base=3)
    Traceback (most recent call last):
    ...
    ValueError: base=3 is not on the grid; the nearest of its 2 values: 2, 0.5
    """
    return swept(fn, axes, vectorized=vectorized, executor=executor, progress=progress)


def differences(
    grid: Grid,
    fn: Callable[..., Mapping],
    axes: Mapping[str, Sequence],
    *,
    vectorized: str | Sequence[str] = (),
    rtol: float = 1e-6,
    atol: float = 0.0,
) -> list[str]:
    """Compute a small part of a grid anew and say, in a sentence each, which results differ.

    Parameters
    ----------
    grid : Grid
        A recording, say.
    fn, axes, vectorized
        As in `tabulate`; ``axes`` names every axis of the grid, with a few of its values.
    rtol, atol : float
        A number may differ from the recorded one by ``atol + rtol * |recorded|``; inf equals inf and NaN equals NaN.

    Examples
    --------
    >>> grid = tabulate(lambda k: {"x": 2.0 * k}, {"k": range(1000)})
    >>> differences(grid, lambda k: {"x": k + 1.0}, {"k": [1, 5]})
    ["at k=5: 'x' differs in 1 of 1 values, first: recorded 10.0, now 6.0"]
    """
    again = tabulate(fn, axes, vectorized=vectorized, progress=False)
    found = []
    for state in again.states():
        old, new = grid(**state), again(**state)
        if old.keys() != new.keys():
            found.append(f"at {_text(state)}: recorded {', '.join(old)}, now {', '.join(new)}")
        for name in old:
            if name in new and (what := _difference(np.asarray(old[name]), np.asarray(new[name]), rtol, atol)):
                found.append(f"at {_text(state)}: {name!r} {what}")
    return found


def _difference(old: np.ndarray, new: np.ndarray, rtol: float, atol: float) -> str:
    if old.shape != new.shape:
        return f"has shape {new.shape}, recorded {old.shape}"
    if {old.dtype.kind, new.dtype.kind} & set("bU"):
        other = old != new
    else:
        wide = np.result_type(old, np.float64)  # float16 would round the tolerance
        other = ~np.isclose(new.astype(wide), old.astype(wide), rtol=rtol, atol=atol, equal_nan=True)
    if not other.any():
        return ""
    first = f"recorded {old[other].item(0)!r}, now {new[other].item(0)!r}"
    return f"differs in {other.sum()} of {other.size} values, first: {first}"


def swept(
    fn: Callable[..., Mapping],
    axes: Mapping[str, Sequence],
    *,
    vectorized: str | Sequence[str] = (),
    executor: Executor | None = None,
    progress: bool = True,
    kept: Kept | None = None,
) -> Grid:
    """Tabulate; with ``kept``, ask it for each call first, and give it each call that is done."""
    from tqdm import tqdm

    axes = {name: axis_values(name, values) for name, values in axes.items()}
    if not axes:
        raise ValueError("axes must name at least one parameter, got none")
    signature, fixed = swept_signature(fn, axes)
    vectorized = (vectorized,) if isinstance(vectorized, str) else tuple(vectorized)
    if len(set(vectorized) & set(axes)) != len(vectorized):
        raise ValueError(f"vectorized must name distinct axes of {', '.join(axes)}, got {vectorized}")
    if not isinstance(executor, Executor | None):
        raise ValueError(f"executor must be a concurrent.futures.Executor, got {executor!r}")

    whole = {name: axes[name] for name in vectorized}
    calls = [state | whole for state in states_of({n: axes[n] for n in axes if n not in whole})]
    # Where a call's states stand in the grid: a row a call, the vectorized axes along the row.
    shape = [len(values) for values in axes.values()]
    places = np.arange(math.prod(shape)).reshape(shape)
    places = np.moveaxis(places, [list(axes).index(name) for name in whole], range(-len(whole), 0))
    places = places.reshape(len(calls), -1)
    results: list[dict[str, np.ndarray]] = [{}] * places.size

    def keep(k: int, rows: Sequence[Mapping]) -> None:
        for place, arrays in zip(places[k], rows, strict=True):
            results[place] = arrays

    found = {k: rows for k, state in enumerate(calls) if kept and (rows := kept.get(state, fixed)) is not None}
    for k, rows in found.items():
        keep(k, rows)
    open_calls = {k: partial(fn, **state) for k, state in enumerate(calls) if k not in found}
    futures = {executor.submit(call): k for k, call in open_calls.items()} if executor else {}
    done = ((futures[future], future.result) for future in as_completed(futures))
    look = {"desc": qualified_name(fn), "unit": "state", "delay": BAR_AFTER_SECONDS, "leave": False}
    look |= {"total": places.size, "initial": len(found) * places.shape[1]}
    try:
        with tqdm(disable=not progress, **look) as bar:
            for k, result in done if executor else open_calls.items():
                with _noting(fn, calls[k]):
                    keep(k, rows := list(_by_state(result(), whole)))
                    if kept:
                        stops = {name: (value,) for name, value in calls[k].items()} | whole
                        kept.put(calls[k], fixed, _stored(rows, stops))
                bar.update(places.shape[1])
    finally:
        for future in futures:
            future.cancel()
    provenance = {"fixed": fixed, "versions": versions(["numpy"])}
    return Grid(qualified_name(fn), axes, _stored(results, axes), signature, provenance)


def _text(state: Mapping) -> str:
    return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in state.items())


@contextmanager
def _noting(fn: Callable, state: Mapping) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"while tabulating {qualified_name(fn)} at {_text(state)}")
        raise


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python, of this package and of others, as installed."""
    found = {"python": platform.python_version()}
    for name in ("vgx", *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _by_state(result: object, whole: Mapping[str, tuple]) -> Iterator[dict[str, np.ndarray]]:
    """Check what a call returned and split it into one mapping for each state of the vectorized axes."""
    if not isinstance(result, Mapping) or not result or not all(isinstance(name, str) for name in result):
        raise ValueError(f"a result must be a mapping from names to arrays, got {reprlib.repr(result)}")
    columns = [_leaves(name, nested, list(whole.items())) for name, nested in result.items()]
    return (dict(zip(result, row, strict=True)) for row in zip(*columns, strict=True))


def _leaves(name: str, nested: object, axes: list[tuple[str, tuple]]) -> list[np.ndarray]:
    if axes:
        (axis, values), *inner = axes
        is_nested = isinstance(nested, list | tuple) or (isinstance(nested, np.ndarray) and nested.ndim)
        if not is_nested or len(nested) != len(values):
            given = f"{len(nested)} entries" if is_nested else reprlib.repr(nested)
            raise ValueError(f"{name!r} must have {len(values)} entries along {axis!r}, got {given}")
        return [leaf for part in nested for leaf in _leaves(name, part, inner)]
    try:
        array = np.array(nested)  # a copy: the function may use its buffer again
    except ValueError as error:
        raise ValueError(f"{name!r} must be an array at each state: {error}") from None
    if array.dtype.kind not in "biufcU" or np.ma.isMaskedArray(nested):
        raise ValueError(f"{name!r} must hold numbers, bools or strings, got {reprlib.repr(nested)}")
    return [array]


def _stored(results: Sequence[Mapping[str, np.ndarray]], axes: Mapping[str, tuple]) -> dict[str, Ragged]:
    def traits(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
        kinds = {name: "str" if a.dtype.kind == "U" else a.dtype.name for name, a in arrays.items()}
        return {name: f"{kind} with {arrays[name].ndim} dimensions" for name, kind in kinds.items()}

    first = traits(results[0])
    for state, arrays in zip(states_of(axes), results, strict=True):
        if (these := traits(arrays)) != first:
            start = _text(next(states_of(axes)))
            raise ValueError(f"results must not differ in kind: at {start} {first}, at {_text(state)} {these}")
    return {name: Ragged.of([arrays[name] for arrays in results]) for name in first}
