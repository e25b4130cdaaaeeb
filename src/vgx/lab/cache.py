"""Names that tell everything a result depends on: the source of the code that made it, its arguments, the versions."""

import ast
import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ..grid import Grid, qualified_name

PACKAGE = __name__.partition(".")[0]
VERSIONS = ("numpy", "scipy", "scikit-learn", "plotly", "torch")


def key(*functions: Callable | Grid, spec: str = "") -> str:
    """Hash the source of the functions' modules, of all that these import from the package, and ``spec``.

    A function outside the package counts with its own module and what that imports from the package; with the values
    that it was made with, too, if it is a partial or a closure. A recording counts with its content.

    Raises
    ------
    ValueError
        If a function's module has no file, as a notebook has none: nobody could tell when it changes.
    """
    digest = hashlib.sha256(spec.encode())
    for name in VERSIONS:
        with suppress(PackageNotFoundError):
            digest.update(f"{name}=={version(name)}".encode())
    modules: set[str] = set()
    for function in functions:
        if isinstance(function, Grid):
            digest.update(repr((function.function, function.axes)).encode())
            for name, ragged in function.arrays.items():
                digest.update(name.encode() + ragged.shapes.tobytes() + ragged.values.tobytes())
        else:
            digest.update(qualified_name(function).encode())
            if isinstance(function, partial):
                digest.update(repr((function.args, function.keywords)).encode())
                function = function.func
            if inspect.isfunction(function):
                digest.update(repr(inspect.getclosurevars(function).nonlocals).encode())
            found = imports(function.__module__)
            if not found:
                raise ValueError(
                    f"{qualified_name(function)} stands in no file; what a static lab is made of must, "
                    f"as in lessons/<topic>/measure.py, so that a change of it is seen"
                )
            modules |= found
    for module in sorted(modules):
        digest.update(Path(find_spec(module).origin).read_bytes())
    return digest.hexdigest()[:16]


@cache
def imports(module: str) -> frozenset[str]:
    """List a module of the package and every one that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        spec = find_spec(name) if name not in found and name != "__main__" else None
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            continue
        found.add(name)
        waiting += _imported_by(name, spec.origin, is_package=spec.submodule_search_locations is not None)
    return frozenset(found)


def _imported_by(name: str, origin: str, *, is_package: bool) -> list[str]:
    parts = name.split(".") if is_package else name.split(".")[:-1]
    doors, names = {PACKAGE}, []
    nodes = list(ast.walk(ast.parse(Path(origin).read_text(encoding="utf-8"))))
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
            doors |= {alias.asname for alias in node.names if alias.name == PACKAGE}
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    # the package's own door opens lazily: what counts is each name taken through it, not the door
    names += [
        f"{PACKAGE}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in doors
    ]
    homes = {f"{PACKAGE}.{name}": f"{PACKAGE}.{home}" for name, home in import_module(PACKAGE)._HOME.items()}
    found = (homes.get(name, name) for name in names)
    return [name for name in found if name.startswith(f"{PACKAGE}.") and _is_module(name)]


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
