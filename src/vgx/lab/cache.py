"""Names that tell everything a result depends on: the source of the code that made it, its arguments, the versions."""

import ast
import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ..sweep import Grid

PACKAGE = __name__.partition(".")[0]
VERSIONS = ("numpy", "scipy", "scikit-learn", "plotly")


def key(*functions: Callable | Grid, spec: str = "") -> str:
    """Hash the source of the functions' modules, of all that these import from the package, and ``spec``.

    A function outside the package counts with its own module only. A recording counts with its content.
    """
    digest = hashlib.sha256(spec.encode())
    for name in VERSIONS:
        digest.update(f"{name}=={version(name)}".encode())
    modules: set[str] = set()
    for function in functions:
        if isinstance(function, Grid):
            digest.update(repr((function.function, function.axes)).encode())
            for name, ragged in function.arrays.items():
                digest.update(name.encode() + ragged.shapes.tobytes() + ragged.values.tobytes())
        else:
            digest.update(f"{function.__module__}:{function.__qualname__}".encode())
            modules |= imports(function.__module__)
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
    names: list[str] = []
    for node in ast.walk(ast.parse(Path(origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    # the package's own door imports everything, lazily: going through it would make all depend on all
    return [found for found in names if found.startswith(f"{PACKAGE}.") and _is_module(found)]


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
