"""Models of one architecture side by side: their parameters stacked along a leading axis, one forward pass for all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from vgx.probing import Layer

if TYPE_CHECKING:
    import torch
    from torch import nn

ELEMENTWISE = (
    "Identity", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus",
    "Hardtanh", "ReLU6", "CELU", "Mish", "Softsign", "LogSigmoid", "Hardsigmoid", "Hardswish", "Dropout",
)  # fmt: skip


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
        if is_one:
            self._state = dict(self.base.named_parameters()) | dict(self.base.named_buffers())
        else:
            self._state = {name: _stacked([_state(model)[name] for model in self.models]) for name in _state(self.base)}
            for name in self.names:
                self._state[name].requires_grad_()
        self._layers = None if is_one else _plain_layers(self.base)

    @property
    def values(self) -> list["torch.Tensor"]:
        """The trainable parameters, leading + their shape each, in the order of ``names``."""
        return [self._state[name] for name in self.names]

    @property
    def buffers(self) -> list["torch.Tensor"]:
        """What the modules keep besides parameters."""
        return [self._state[name] for name, _ in self.base.named_buffers()]

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return the outputs, leading + (n, ...), of inputs of shape leading + (n, ...)."""
        import torch

        if not self.leading:
            return self.base(x)
        if self._layers and x.ndim == 3:
            for module, weight, bias in self._layers:
                if weight is None:
                    x = module(x)
                elif bias is None:
                    x = torch.bmm(x, self._state[weight].mT)
                else:
                    x = torch.baddbmm(self._state[bias].unsqueeze(1), x, self._state[weight].mT)
            return x
        one = lambda state, x: torch.func.functional_call(self.base, state, (x,))  # noqa: E731
        return torch.vmap(one, randomness="different")(self._state, x)

    def shared(self, tensor: "torch.Tensor") -> "torch.Tensor":
        """Return what all models take alike with the leading axis, without copying it."""
        return tensor.expand(*self.leading, *tensor.shape)

    def spread(self, numbers: np.ndarray) -> list["torch.Tensor"]:
        """Return one number for each model as tensors that broadcast against ``values``."""
        import torch

        shapes = [self.leading + (1,) * (value.ndim - len(self.leading)) for value in self.values]
        return [
            torch.tensor(numbers, dtype=v.dtype, device=v.device).view(s)
            for v, s in zip(self.values, shapes, strict=True)
        ]

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

    def lay_out_like(self, gradients: Sequence["torch.Tensor"]) -> None:
        """Give the stacked parameters the memory layout of their gradients: adding the two is then 5 times as fast."""
        import torch

        for name, gradient in zip(self.names, gradients, strict=True):
            value = self._state[name]
            is_dense = gradient.transpose(-1, -2).is_contiguous() if gradient.ndim > 1 else False
            if self.leading and is_dense and value.stride() != gradient.stride():
                other = torch.empty_strided(value.shape, gradient.stride(), dtype=value.dtype, device=value.device)
                self._state[name] = other.copy_(value.detach()).requires_grad_()

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


def _plain_layers(model: "nn.Module") -> list[tuple[Callable, str | None, str | None]] | None:
    """Return the layers of a stack of linear and elementwise modules, or None: then vmap must do it."""
    from torch import nn

    names = {name for name, _ in model.named_parameters()}
    layers = []
    for path, module in _leaves(model):
        if type(module) is nn.Linear and f"{path}.weight" in names:
            layers.append((module, f"{path}.weight", f"{path}.bias" if module.bias is not None else None))
        elif type(module).__module__.startswith("torch.nn.") and type(module).__name__ in ELEMENTWISE:
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
