"""What a function returned over named axes: callable like the function, saved and loaded as a recording."""

import inspect
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from inspect import Parameter, Signature

import numpy as np

from vgx import recording
from vgx.recording import Ragged
from vgx.registry import UnknownNameError, unknown_name


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """What a function returned at every combination of named values: `vgx.tabulate` makes it.

    ``grid(depth=20, scale=1.0)`` gives the function's arrays as read-only views, a scalar as a NumPy scalar.

    Parameters
    ----------
    function : str
        The tabulated function, ``module:qualname``.
    axes : mapping
        Swept parameter -> its values. States run over their product, the last axis fastest.
    arrays : mapping
        Name of a result -> its arrays, one a state.
    signature : inspect.Signature
        The axes as keywords, with the function's defaults; also what ``inspect.signature(grid)`` gives.
    provenance : mapping
        ``fixed`` (defaults of the parameters that were not swept), ``versions``, and what `save` was given.
    """

    function: str
    axes: Mapping[str, tuple]
    arrays: Mapping[str, Ragged]
    signature: Signature
    provenance: Mapping

    def __post_init__(self) -> None:
        object.__setattr__(self, "__signature__", self.signature)

    def __repr__(self) -> str:
        axes = " x ".join(f"{len(values)} {name}" for name, values in self.axes.items())
        return f"<Grid of {self.function}: {axes} -> {', '.join(self.names)}>"

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the function's results."""
        return tuple(self.arrays)

    def states(self) -> Iterator[dict]:
        """Iterate over the states, each a dict of keyword arguments."""
        return states_of(self.axes)

    def __call__(self, **state: object) -> dict:
        """Return the function's arrays at a state; a value off the grid raises a ValueError."""
        given, k = self._complete(state), 0
        for name, values in self.axes.items():
            k = k * len(values) + _position(name, values, given[name])
        return {name: ragged[k] for name, ragged in self.arrays.items()}

    def nearest(self, **state: object) -> dict:
        """Return the grid's nearest state, axis by axis; only numbers may be off the grid."""
        given = self._complete(state)
        return {name: _snapped(name, values, given[name]) for name, values in self.axes.items()}

    def _complete(self, state: dict) -> dict:
        for name in state:
            if name not in self.axes:
                raise UnknownNameError(unknown_name("axis", name, self.axes))
        bound = self.signature.bind_partial(**state)
        bound.apply_defaults()
        if missing := [name for name in self.axes if name not in bound.arguments]:
            raise ValueError(f"a state needs {', '.join(self.axes)}; missing: {', '.join(missing)}")
        return bound.arguments

    def save(self, path: str | os.PathLike, *, provenance: Mapping | None = None) -> None:
        """Write a recording: compressed, without pickle, whole or not at all; equal grids give equal bytes.

        ``provenance`` says in JSON values what else made the numbers: command, seeds, machine in words, date.
        """
        provenance = dict(provenance or {})
        if known := sorted(provenance.keys() & self.provenance.keys()):
            raise ValueError(f"the grid's provenance already has: {', '.join(known)}")
        parameters = self.signature.parameters.values()
        about = {
            "function": self.function,
            "axes": self.axes,
            "parameters": {p.name: [] if p.default is p.empty else [p.default] for p in parameters},
            "provenance": self.provenance | provenance,
        }
        recording.write(path, about, self.arrays)

    @classmethod
    def load(cls, path: str | os.PathLike, fn: Callable | None = None) -> "Grid":
        """Read a recording; with ``fn``, make sure that it is of this function as it is now.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or no recording, or ``fn`` has another name, parameters or fixed defaults.
        """
        about, arrays = recording.read(path)
        if "axes" not in about:
            raise ValueError(f"{os.fspath(path)!r} records no grid but {', '.join(about)}")
        axes = {name: tuple(values) for name, values in about["axes"].items()}
        parameters = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default[0] if default else Parameter.empty)
            for name, default in about["parameters"].items()
        ]
        grid = cls(about["function"], axes, arrays, Signature(parameters), about["provenance"])
        if fn is None:
            return grid
        try:
            signature, fixed = swept_signature(fn, axes)
        except ValueError:
            fixed = None
        recorded = grid.provenance["fixed"]
        if qualified_name(fn) != grid.function or json.dumps(fixed) != json.dumps(recorded):
            raise ValueError(
                f"{os.fspath(path)!r} records {grid.function} over {', '.join(axes)} with {recorded} fixed, "
                f"not {qualified_name(fn)}{inspect.signature(fn)}; record it again"
            )
        return replace(grid, signature=signature)


def states_of(axes: Mapping[str, tuple]) -> Iterator[dict]:
    """Iterate over the product of the axes, the last one fastest."""
    return (dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values()))


def qualified_name(fn: Callable) -> str:
    """Name a function, or a partial's function, as ``module:qualname``."""
    fn = getattr(fn, "func", fn)
    return f"{fn.__module__}:{getattr(fn, '__qualname__', type(fn).__qualname__)}"


def swept_signature(fn: Callable, axes: Iterable[str]) -> tuple[Signature, dict]:
    """Return the signature of the parameters that are axes, and the defaults of the others as JSON values.

    The former take keywords only: with others left out, a position would mean another parameter.

    Raises
    ------
    ValueError
        If ``fn`` doesn't take an axis by name, or requires a parameter that is no axis.
    """
    parameters = inspect.signature(fn).parameters.values()
    named = {p.name: p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    known = [name for name, p in named.items() if p.kind is not p.POSITIONAL_ONLY]
    extra = [name for name in axes if name not in known]
    if extra and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise UnknownNameError(unknown_name(f"parameter of {qualified_name(fn)}", extra[0], known))
    swept, fixed = [], {}
    for name, p in named.items():
        plain = p.default is None or _kind(p.default) is not None
        if name in axes:
            swept.append(p.replace(kind=p.KEYWORD_ONLY, default=p.default if plain else p.empty))
        elif p.default is p.empty:
            raise ValueError(f"{qualified_name(fn)} requires {name!r}, axes give {', '.join(axes)}")
        else:
            fixed[name] = p.default if plain else f"<{type(p.default).__qualname__}>"
    swept += [Parameter(name, Parameter.KEYWORD_ONLY) for name in extra]
    return Signature(swept), fixed


def axis_values(name: str, values: object) -> tuple:
    """Return an axis as plain Python values, of one kind and distinct.

    Raises
    ------
    ValueError
        If they are not, or there are none, or one is NaN, which no one could ask for.
    """
    is_sequence = isinstance(values, Sequence) and not isinstance(values, str | bytes)
    if not is_sequence and not (isinstance(values, np.ndarray) and values.ndim == 1):
        raise ValueError(f"axis {name!r} must be a sequence of values, got {values!r}")
    plain = tuple(_plain(value) for value in values)
    kinds = {_kind(value) for value in plain}
    if len(kinds) != 1 or None in kinds:
        raise ValueError(f"axis {name!r} must hold values, all numbers, all strings or all bools, got {values!r}")
    if len(set(plain)) < len(plain):
        raise ValueError(f"axis {name!r} must hold distinct values, got {values!r}")
    return plain


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _kind(value: object) -> str | None:
    """Say what a value of an axis is; None for what no axis holds, NaN among it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return None if math.isnan(value) else "number"
    return "string" if isinstance(value, str) else None


def _position(name: str, values: tuple, given: object) -> int:
    given = _plain(given)
    near = values
    if _kind(given) == _kind(values[0]):  # else 1 would pass for True
        if given in values:
            return values.index(given)
        if isinstance(given, str):
            near = get_close_matches(given, values, n=3, cutoff=0.0)
        else:
            near = sorted(values, key=lambda value: abs(value - given))
            if math.isclose(near[0], given, rel_tol=1e-12):
                return values.index(near[0])
    shown = ", ".join(repr(value) for value in near[:3])
    raise ValueError(f"{name}={given!r} is not on the grid; the nearest of its {len(values)} values: {shown}")


def _snapped(name: str, values: tuple, given: object) -> object:
    given = _plain(given)
    if _kind(given) == _kind(values[0]) == "number" and math.isfinite(given) and given not in values:
        given = min(values, key=lambda value: abs(value - given))
    return values[_position(name, values, given)]
