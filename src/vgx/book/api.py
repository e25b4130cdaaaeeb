"""The page on the API: written from the package's public names and their docstrings, so that none is missing."""

from inspect import isclass, isfunction, ismodule
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, NumpyDocstring

import vgx

MARK = "<!-- the public names -->"


def setup(app: Sphinx) -> None:
    """Register the listing, and Sphinx's own reader of docstrings."""
    app.setup_extension("sphinx.ext.autodoc")
    app.config.autodoc_typehints = "none"  # Parameters says it in words
    app.config.autodoc_member_order = "bysource"
    app.connect("source-read", list_names)
    app.connect("autodoc-process-docstring", read_numpydoc)


def read_numpydoc(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring's sections into reStructuredText; that of a value has none."""
    if what not in ("attribute", "data", "property"):
        style = Config(napoleon_use_param=False, napoleon_use_rtype=False)  # else each word of a type is a link
        lines[:] = NumpyDocstring(lines, style, app, what, name, obj, options).lines()


def list_names(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace the mark on a page by the documentation of every public name."""
    source[0] = source[0].replace(MARK, listing())


def listing() -> str:
    """Write MyST that documents the public names, a section a module, in the order of `vgx.__all__`."""
    modules: dict[str, list[str]] = {}
    for name in vgx.__all__:
        value = getattr(vgx, name)
        home = value.__name__ if ismodule(value) else home_of(name, value)
        modules.setdefault(home, []).extend([] if ismodule(value) else [name])
    return "\n".join(section(module, names) for module, names in modules.items())


def home_of(name: str, value: Any) -> str:
    """Name the module or package in which a public name is defined."""
    if isclass(value) or isfunction(value):
        return ".".join(value.__module__.split(".")[:2])
    return f"vgx.{vgx._HOME[name]}"


def section(module: str, names: list[str]) -> str:
    """Document a module, and those of the package's public names that live there."""
    door = f"`from vgx import {', '.join(names)}`\n\n" if names else ""
    return f"## {module}\n\n{door}```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"
