"""The commands that make recordings: saved grids that say what made them. Killed, a command goes on where it was."""

import argparse
import datetime
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from vgx import recording
from vgx.grid import Grid, axis_values, qualified_name
from vgx.recording import Ragged
from vgx.registry import unknown_name
from vgx.sweep import differences, swept, versions

MODULES = {"scipy": "scipy", "scikit-learn": "sklearn", "torch": "torch", "plotly": "plotly"}
"""Packages that a measurement may use, and the modules by which one sees that it did."""


def record(
    fn: Callable[..., Mapping],
    axes: Mapping[str, Sequence],
    path: str | os.PathLike,
    *,
    command: str,
    vectorized: str | Sequence[str] = (),
    progress: bool = True,
    afresh: bool = False,
) -> Grid:
    """Tabulate ``fn`` into a recording: a saved `Grid` with its provenance.

    Each finished call is kept in the folder ``.<name>.parts`` beside the recording, which is written whole at the
    end; then the folder goes. A kept call is used again while the function's name, its module's source, fixed
    defaults, state and the packages' versions are the same: what else the module imports is not looked at.

    Parameters
    ----------
    fn, axes, vectorized, progress
        As in `vgx.tabulate`.
    path : path
        The recording, ``<name>.npz``.
    command : str
        What somebody types to make it again.
    afresh : bool
        Forget the calls that are kept.

    Returns
    -------
    Grid
        As loaded from the file. Its provenance also has ``command``, ``date``, ``machine`` (in words) and ``seconds``
        (how long the calls took); ``versions`` has torch, plotly, scipy and scikit-learn if they were imported.

    Raises
    ------
    ValueError
        As `vgx.tabulate` does. Whatever ends the run, calls that are done stay kept.
    """
    path = Path(path)
    folder = path.with_name(f".{path.stem}.parts")
    if afresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    parts = _Parts(folder, fn)
    grid = swept(fn, axes, vectorized=vectorized, progress=progress, kept=parts)
    grid.provenance["versions"].update(parts.versions)
    made = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(parts.seconds, 1),
    }
    grid.save(folder / path.name, provenance=made)  # in there, so that a kill leaves nothing half beside the recording
    (folder / path.name).replace(path)
    shutil.rmtree(folder)
    return Grid.load(path, fn)


class _Parts:
    """Finished calls of one function in a folder: each a file, named after all that its results depend on."""

    def __init__(self, folder: Path, fn: Callable) -> None:
        self.folder, self.seconds, self.versions = folder, 0.0, {}
        file = getattr(sys.modules.get(getattr(fn, "func", fn).__module__), "__file__", None)
        source = hashlib.sha256(Path(file).read_bytes() if file else b"").hexdigest()
        self.made_by = [qualified_name(fn), source, versions(["numpy", *MODULES])]
        self.start = time.perf_counter()

    def path(self, state: Mapping, fixed: Mapping) -> Path:
        key = json.dumps([*self.made_by, state, fixed])
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"

    def get(self, state: Mapping, fixed: Mapping) -> list[dict] | None:
        self.start = time.perf_counter()
        try:
            about, arrays = recording.read(self.path(state, fixed))
        except (FileNotFoundError, ValueError):  # a damaged one is computed again
            return None
        self.seconds += about["seconds"]
        self.versions |= about["versions"]
        count = len(next(iter(arrays.values())))
        return [{name: np.asarray(ragged[k]) for name, ragged in arrays.items()} for k in range(count)]

    def put(self, state: Mapping, fixed: Mapping, results: Mapping[str, Ragged]) -> None:
        now = time.perf_counter()
        seconds, self.start = now - self.start, now
        imported = versions(name for name, module in MODULES.items() if module in sys.modules)
        recording.write(self.path(state, fixed), {"seconds": seconds, "versions": imported}, results)
        self.seconds += seconds
        self.versions |= imported


@dataclass(frozen=True)
class Recipe:
    """What a recording is made of: a measurement, its axes, and which of them it takes whole (see `vgx.tabulate`)."""

    fn: Callable[..., Mapping]
    axes: Mapping[str, Sequence]
    vectorized: str | Sequence[str] = ()


@dataclass(frozen=True)
class Recordings:
    """The recordings of one lesson's room: ``recordings/<name>.npz``, made by ``python -m <package>.record``.

    Parameters
    ----------
    package : str
        The room, ``__package__`` in its ``record.py``.
    recipes : mapping
        Name -> `Recipe`.
    """

    package: str
    recipes: Mapping[str, Recipe]

    def path(self, name: str) -> Path:
        """Return where the recording lies."""
        return Path(import_module(self.package).__path__[0]) / "recordings" / f"{name}.npz"

    def command(self, name: str) -> str:
        """Return what somebody types to make the recording."""
        return f"python -m {self.package}.record {name}"

    def load(self, name: str) -> Grid:
        """Load a recording.

        Raises
        ------
        FileNotFoundError
            If it is not there.
        ValueError
            If it is damaged, of another function, or over other axes than its recipe. All name the command.
        """
        recipe = self.recipe(name)
        advice = f"; make it again: {self.command(name)}"
        try:
            grid = Grid.load(self.path(name), recipe.fn)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no recording {str(self.path(name))!r}{advice}") from None
        except ValueError as error:
            raise ValueError(f"{error}{advice}") from error
        if grid.axes != (axes := {axis: axis_values(axis, values) for axis, values in recipe.axes.items()}):
            raise ValueError(f"{str(self.path(name))!r} is recorded over {grid.axes}, its recipe says {axes}{advice}")
        return grid

    def recipe(self, name: str) -> Recipe:
        """Return the recipe of a recording; an unknown name raises a ValueError that says which there are."""
        if name not in self.recipes:
            raise ValueError(unknown_name("recording", name, self.recipes))
        return self.recipes[name]

    def record(self, name: str, *, progress: bool = True, afresh: bool = False) -> Grid:
        """Make a recording: see `record`."""
        recipe, command = self.recipe(name), self.command(name)
        path = self.path(name)
        return record(
            recipe.fn,
            recipe.axes,
            path,
            command=command,
            vectorized=recipe.vectorized,
            progress=progress,
            afresh=afresh,
        )

    def differences(
        self, name: str, axes: Mapping[str, Sequence], *, rtol: float = 1e-6, atol: float = 0.0
    ) -> list[str]:
        """Compute a part of a recording anew and say what differs: see `vgx.sweep.differences`."""
        recipe = self.recipe(name)
        return differences(self.load(name), recipe.fn, axes, vectorized=recipe.vectorized, rtol=rtol, atol=atol)

    def main(self, arguments: Iterable[str] | None = None) -> None:
        """Run the command: make the named recordings, or all."""
        parser = argparse.ArgumentParser(
            prog=f"python -m {self.package}.record",
            description=f"Make the recordings of this lesson: {', '.join(self.recipes)}. "
            "Stopped or killed, the same command goes on where it was.",
        )
        parser.add_argument("names", nargs="*", metavar="name", help="a recording; without one, all of them")
        parser.add_argument("--afresh", action="store_true", help="compute again what a stopped run has finished")
        given = parser.parse_args(None if arguments is None else list(arguments))
        for name in given.names:
            if name not in self.recipes:
                parser.error(unknown_name("recording", name, self.recipes))
        for name in given.names or self.recipes:
            try:
                grid = self.record(name, afresh=given.afresh)
            except KeyboardInterrupt:
                parser.exit(130, f"{name}: stopped; the same command goes on where it was\n")
            took, size = grid.provenance["seconds"], self.path(name).stat().st_size
            sys.stdout.write(f"{name}: {len(grid)} states in {took:.0f} s, {size:,} bytes: {self.path(name)}\n")
