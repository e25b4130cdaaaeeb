"""Vanishing and exploding gradients, explored. The public names, each loaded when it is first used."""

from importlib import import_module
from typing import Any

_HOME = {
    "activations": "activation",
    "initializers": "initializer",
    "normalizations": "normalization",
    "clip_by_norm": "clipping",
    "clip_by_value": "clipping",
    "Network": "network",
    "Grid": "sweep",
    "tabulate": "sweep",
    "probe": "probing",
    "Lab": "lab",
    "Slider": "lab",
    "Choice": "lab",
    "Toggle": "lab",
    "Predict": "lab",
}
_MODULES = (
    "clipping",
    "datasets",
    "figures",
    "lab",
    "lessons",
    "network",
    "normalization",
    "probing",
    "recurrent",
    "sweep",
    "theory",
    "training",
    "verdict",
)

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
