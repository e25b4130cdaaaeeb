"""Models of one architecture side by side: their parameters stacked along a leading axis, one forward pass for all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from vgx.probing import Layer, is_activation

if TYPE_CHECKING:
    import torch
    from torch import nn

Plain = tuple["nn.Module", str | None, str | None]  # a module and the names of its weight and bias


class Stack:
    """One model, or several of one architecture, as one function of the input.

    One model is the case without the leading axis: its own parameters, its own forward pass.

    Parameters
    ----------
    models : torch.nn.Module or sequence of them
        Trained in place: `write_back` puts the stacked parameters back into the modules.

    Attributes
    ----------
    leading : tuple of int
        () for one model, else (number of models,).
    base : torch.nn.Module
        The model, or the first of them: the architecture.
    names : tuple of str
        The trainable parameters.
    values : list of tensor
        The trainable parameters, leading + their shape each.
    memory : list of tensor
        The same memory outside of the graph, for what changes it.
    buffers : list of tensor
        What the modules keep besides, leading + its shape each.

    Raises
    ------
    ValueError
        If there is no model, no trainable parameter, or the architectures differ.
    """

    def __init__(self, models: "nn.Module | Sequence[nn.Module]") -> None:
        from torch import nn

        is_one = isinstance(models, nn.Module)
        self.models = [models] if is_one else list(models)
        _check_alike(self.models)
        self.base = self.models[0]
        self.leading = () if is_one else (len(self.models),)
        self.names = tuple(name for name, p in self.base.named_parameters() if p.requires_grad)
        if not self.names:
            raise ValueError(f"the model has no parameters to train: {self.base!r}")
        self._state = _state(self.base)
        if self.leading:
            states = [_state(model) for model in self.models]
            self._state = {name: _stacked([state[name] for state in states]) for name in self._state}
            for name in self.names:
                self._state[name].requires_grad_()
        self.values = [self._state[name] for name in self.names]
        self.memory = [value.detach() for value in self.values]
        self.buffers = [self._state[name] for name, _ in self.base.named_buffers()]
        self._forward, layers = self._whole, _plain_layers(self.base)
        if layers and not any(module._forward_hooks or module._forward_pre_hooks for module in self.base.modules()):
            self._forward = self._plain(layers)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return the outputs, leading + (n, ...), of inputs of shape leading + (n, ...)."""
        return self._forward(x) if x.ndim == len(self.leading) + 2 else self._whole(x)

    def _whole(self, x: "torch.Tensor") -> "torch.Tensor":
        import torch

        if not self.leading:
            return self.base(x)

        def one(state: dict, x: "torch.Tensor") -> "torch.Tensor":
            return torch.func.functional_call(self.base, state, (x,))

        return torch.vmap(one, randomness="different")(self._state, x)

    def _plain(self, layers: Sequence[Plain]) -> Callable:
        """Return the forward pass of linear and elementwise modules, without the cost of calling modules or vmap."""
        from torch.nn.functional import linear

        def one(x: "torch.Tensor") -> "torch.Tensor":
            for module, weight, bias in layers:
                x = linear(x, self._state[weight], self._state.get(bias)) if weight else module.forward(x)
            return x

        def several(x: "torch.Tensor") -> "torch.Tensor":
            # (models, units, examples) in between: the products' gradients then have the layout of the weights
            h = x.mT
            for module, weight, bias in layers:
                if not weight:
                    h = module.forward(h)
                elif bias:
                    h = self._state[bias].unsqueeze(-1).baddbmm(self._state[weight], h)
                else:
                    h = self._state[weight].bmm(h)
            return h.mT

        return several if self.leading else one

    def shared(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Return what all models take alike with the leading axis, without copying it."""
        return tensor.expand(*self.leading, *tensor.shape)

    def spread(self, numbers: np.ndarray) -> "float | list[torch.Tensor]":
        """Return one number for all models, or where they differ a tensor for each of ``values`` to multiply with."""
        if (numbers == numbers.flat[0]).all():
            return float(numbers.flat[0])
        shapes = [self.leading + (1,) * (value.ndim - len(self.leading)) for value in self.values]
        return [value.new_tensor(numbers).view(shape) for value, shape in zip(self.values, shapes, strict=True)]

    def decayed(self, layers: Sequence[Layer]) -> list[int]:
        """Return which of ``values`` are weights."""
        weights = {name for layer in layers for name in layer.weights}
        return [k for k, name in enumerate(self.names) if name in weights]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate; put the modules' mode back afterwards."""
        modes = {module: module.training for module in self.base.modules()}
        self.base.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode

    def state(self) -> "dict[str, torch.Tensor]":
        """Return the parameters and buffers by name, leading + their shape each, in the memory that changes."""
        return {name: tensor.detach() for name, tensor in self._state.items()}

    def write_back(self) -> None:
        """Put the stacked parameters and buffers into the modules."""
        import torch

        with torch.no_grad():
            for k, model in enumerate(self.models if self.leading else ()):
                for name, tensor in _state(model).items():
                    tensor.copy_(self._state[name][k])


def _state(model: "nn.Module") -> dict[str, "torch.Tensor"]:
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _stacked(tensors: Sequence["torch.Tensor"]) -> "torch.Tensor":
    import torch

    return torch.stack([tensor.detach() for tensor in tensors])


def _check_alike(models: Sequence["nn.Module"]) -> None:
    from torch import nn

    if not models:
        raise ValueError("models must hold at least one model, got none")
    for k, model in enumerate(models):
        if not isinstance(model, nn.Module):
            raise ValueError(f"models must be torch modules, got {model!r} as number {k}")
        if any(model is other for other in models[:k]):
            raise ValueError(f"models must be distinct objects, got one twice, the second time as number {k}")
        shapes, first = ({n: tuple(t.shape) for n, t in _state(m).items()} for m in (model, models[0]))
        if repr(model) != repr(models[0]) or shapes != first:
            raise ValueError(f"models must have one architecture; number {k} is {model!r}, number 0 {models[0]!r}")


def _plain_layers(model: "nn.Module") -> list[Plain] | None:
    """Return the layers of a stack of linear and elementwise modules, or None: then vmap must do it."""
    from torch import nn

    names = {name for name, _ in model.named_parameters()}
    layers = []
    for path, module in _leaves(model):
        weight, bias = (f"{path}.{name}" if path else name for name in ("weight", "bias"))
        if type(module) is nn.Linear and {weight, bias if module.bias is not None else weight} <= names:
            layers.append((module, weight, bias if module.bias is not None else None))
        elif is_activation(module) or type(module) in (nn.Identity, nn.Dropout):
            layers.append((module, None, None))
        else:
            return None
    return layers


def _leaves(module: "nn.Module", path: str = "") -> Iterator[tuple[str, "nn.Module"]]:
    from torch import nn

    if type(module) is not nn.Sequential:
        yield path, module
        return
    for name, child in module._modules.items():
        yield from _leaves(child, f"{path}.{name}" if path else name)
