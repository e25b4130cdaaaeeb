"""What each layer of any torch model does in a step: gradient, update, activation; hooks that always go again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

SATURATED_BELOW = 0.01  # the slope |φ′| under which a unit hardly learns


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own: their full names, weights and biases apart."""

    name: str
    weights: tuple[str, ...]
    biases: tuple[str, ...]


def layers_of(model: "torch.nn.Module") -> tuple[Layer, ...]:
    """Return the modules of a model that have parameters of their own, in the order of their definition.

    A parameter whose name starts with 'bias' is a bias, any other a weight.

    Raises
    ------
    ValueError
        If the model is no torch module, or has no parameters.

    Examples
    --------
    >>> from torch import nn
    >>> [(layer.name, layer.weights) for layer in layers_of(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)))]
    [('0', ('0.weight',)), ('2', ('2.weight',))]
    """
    from torch import nn

    if not isinstance(model, nn.Module):
        raise ValueError(f"a model must be a torch.nn.Module, got {model!r}")
    known = {name for name, _ in model.named_parameters()}  # each shared parameter once
    layers = []
    for path, module in model.named_modules():
        own = [name for name, _ in module.named_parameters(recurse=False)]
        full = {name: f"{path}.{name}" if path else name for name in own}
        groups = {True: [], False: []}
        for name in own:
            if full[name] in known:
                groups[name.startswith("bias")].append(full[name])
        if groups[True] or groups[False]:
            layers.append(Layer(path or type(module).__name__, tuple(groups[False]), tuple(groups[True])))
    if not layers:
        raise ValueError(f"the model has no parameters, so there is nothing to measure: {model!r}")
    return tuple(layers)


def norm(tensors: Iterable["torch.Tensor"], leading: int = 0) -> np.ndarray:
    """Return the Euclidean norm of all tensors together, for each index of their leading axes.

    In double precision, since the squares of small gradients underflow in single; NaN if there is no tensor.
    """
    import torch

    parts = [tensor.detach().to("cpu", torch.float64).flatten(leading) for tensor in tensors]
    return torch.linalg.vector_norm(torch.cat(parts, dim=-1), dim=-1).numpy() if parts else np.array(np.nan)
