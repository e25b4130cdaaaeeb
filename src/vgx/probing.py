"""What each layer of any torch model does in a step: gradient, update, activation; hooks that always go again."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vgx.verdict import Verdict, verdict_of_norms

if TYPE_CHECKING:
    import torch
    from torch import nn

SATURATED_BELOW = 0.01  # the slope |φ′| under which a unit hardly learns
ACTIVATIONS = (  # torch's modules without parameters that act on each number alone
    "CELU", "ELU", "GELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish",
    "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A module with parameters of its own: their full names, weights and biases apart."""

    name: str
    weights: tuple[str, ...]
    biases: tuple[str, ...]


def layers_of(model: "nn.Module") -> tuple[Layer, ...]:
    """Return the modules of a model that have parameters of their own, in the order in which they were defined.

    A parameter whose name starts with 'bias' is a bias, any other a weight. One that several modules share belongs
    to the first of them.

    Raises
    ------
    ValueError
        If the model is no torch module, or has no parameters.

    Examples
    --------
    >>> from torch import nn
    >>> [layer.name for layer in layers_of(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)))]
    ['0', '2']
    """
    from torch import nn

    if not isinstance(model, nn.Module):
        raise ValueError(f"a model must be a torch.nn.Module, got {model!r}")
    own: dict[str, tuple[list[str], list[str]]] = {}
    for name, _ in model.named_parameters():
        path, _, last = name.rpartition(".")
        own.setdefault(path, ([], []))[last.startswith("bias")].append(name)
    if not own:
        raise ValueError(f"a model must have parameters, there are none in {model!r}")
    return tuple(Layer(path or type(model).__name__, tuple(w), tuple(b)) for path, (w, b) in own.items())


def norm(tensors: Iterable["torch.Tensor"], leading: int = 0) -> np.ndarray:
    """Return the Euclidean norm of all tensors together, for each index of their leading axes; NaN if there is none.

    In double precision: the squares of small gradients underflow in single.
    """
    import torch

    parts = [tensor.detach().to("cpu", torch.float64) for tensor in tensors]
    if not parts:
        return np.array(np.nan)
    flat = [part.reshape(*part.shape[:leading], -1) for part in parts]
    return torch.linalg.vector_norm(torch.cat(flat, dim=-1), dim=-1).numpy()


class Probe:
    """What was seen of a model in a step; `probe` makes it."""

    def __init__(self, model: "nn.Module") -> None:
        self._layers = layers_of(model)
        parameters = dict(model.named_parameters())
        self._has_matrix = {layer.name: any(parameters[n].ndim > 1 for n in layer.weights) for layer in self._layers}
        self._gradients: dict[str, np.ndarray] = {}  # a norm by parameter
        self._ratios: dict[str, float] = {}  # the others by layer
        self._activity: dict[str, dict[str, float]] = {}

    def rows(self) -> list[dict]:
        """Return one row a layer, the first layer first.

        Returns
        -------
        list of dict
            ``layer``; ``gradient_norm`` and ``bias_gradient_norm``, of its weights and of its biases, as the backward
            pass left them; ``update_ratio``, ‖Δw‖ / ‖w‖ of its weights; ``activation``, the rms of what its units
            give, after their activation; ``saturated``, the share of slopes φ′ smaller than 0.01 in size; ``dead``,
            the share of units (in convolutions: channels) whose slope, or without an activation whose output, is 0
            for the whole batch. NaN is what was not seen: no backward pass, no step, no activation module behind the
            layer. Of several passes the last one counts.
        """
        rows = []
        for layer in self._layers:
            row = {"layer": layer.name}
            for name, own in (("gradient_norm", layer.weights), ("bias_gradient_norm", layer.biases)):
                seen = [self._gradients[parameter] for parameter in own if parameter in self._gradients]
                row[name] = float(np.linalg.norm(seen)) if seen else np.nan
            row["update_ratio"] = self._ratios.get(layer.name, np.nan)
            unseen = dict.fromkeys(("activation", "saturated", "dead"), np.nan)
            rows.append(row | unseen | self._activity.get(layer.name, {}))
        return rows

    def verdict(self) -> Verdict:
        """Judge the gradient norms of the layers that have a matrix (of all, if none has).

        Raises
        ------
        ValueError
            If no backward pass was seen.
        """
        seen = [
            row for row, layer in zip(self.rows(), self._layers, strict=True) if self._gradients.keys() & layer.weights
        ]
        if not seen:
            raise ValueError("no gradient was seen: call loss.backward() inside of 'with vgx.probe(model)'")
        chosen = [row for row in seen if self._has_matrix[row["layer"]]] or seen
        return verdict_of_norms([row["gradient_norm"] for row in chosen])


@contextmanager
def probe(model: "nn.Module") -> Iterator[Probe]:
    """Watch a torch model while a step is made.

    Parameters
    ----------
    model : torch.nn.Module
        Any model with parameters. Its hooks are as before when the block ends, however it ends.

    Yields
    ------
    Probe
        Its ``rows()`` and ``verdict()`` are complete after the block.

    Raises
    ------
    ValueError
        If the model has no parameters.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> for parameter in model.parameters():
    ...     _ = torch.nn.init.ones_(parameter)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with probe(model) as p:
    ...     model(torch.ones(1, 2)).sum().backward()
    ...     optimizer.step()
    >>> [(row["layer"], round(row["gradient_norm"], 3), round(row["update_ratio"], 3)) for row in p.rows()]
    [('0', 2.0, 0.1), ('2', 4.243, 0.3)]
    >>> p.verdict()
    <Verdict.HEALTHY: 'healthy'>
    """
    seen = Probe(model)
    with ExitStack() as hooks:
        for watch in (_watch_gradients, _watch_activity, _watch_update):
            hooks.enter_context(watch(model, seen))
        yield seen


@contextmanager
def _removing(handles: "list[torch.utils.hooks.RemovableHandle]") -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _watch_gradients(model: "nn.Module", seen: Probe) -> Iterator[None]:
    def hook_of(name: str) -> Callable:
        def after_backward(parameter: "torch.Tensor") -> None:
            seen._gradients[name] = norm([parameter.grad])

        return after_backward

    trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    with _removing([p.register_post_accumulate_grad_hook(hook_of(name)) for name, p in trainable]):
        yield


@contextmanager
def _watch_update(model: "nn.Module", seen: Probe) -> Iterator[None]:
    before = {name: (p.detach().clone(), p._version) for name, p in model.named_parameters()}
    try:
        yield
    finally:
        after = {name: p.detach() for name, p in model.named_parameters()}
        moved = {name: norm([after[name] - old]) for name, (old, _) in before.items()}
        # a step on a dead network moves nothing, but counts up the versions
        if any(moved.values()) or any(p._version != before[name][1] for name, p in model.named_parameters()):
            for layer in seen._layers:
                old = norm(before[name][0] for name in layer.weights)
                with np.errstate(all="ignore"):
                    seen._ratios[layer.name] = float(np.linalg.norm([moved[name] for name in layer.weights]) / old)


@contextmanager
def _watch_activity(model: "nn.Module", seen: Probe) -> Iterator[None]:
    """Take what layers give; an activation module that comes next, on the same shape, belongs to the layer."""
    import torch

    last: dict[str, object] = {}  # the layer that came last, until its activation has come

    def after_layer(name: str, units: int) -> Callable:
        def hook(module: "nn.Module", args: tuple, output: object) -> None:
            output = output[0] if isinstance(output, tuple) else output
            if isinstance(output, torch.Tensor):
                last.update(name=name, units=units if output.ndim > 1 else 0, shape=output.shape)
                seen._activity[name] = {"activation": _rms(output), "dead": _share_of_dead(output, last["units"])}

        return hook

    def before_activation(module: "nn.Module", args: tuple) -> None:
        if last and args and args[0].shape == last["shape"]:
            slope = _slope(module, args[0])
            saturated = (slope.abs() < SATURATED_BELOW).double().mean().item()
            seen._activity[last["name"]] |= {"saturated": saturated, "dead": _share_of_dead(slope, last["units"])}

    def after_activation(module: "nn.Module", args: tuple, output: "torch.Tensor") -> None:
        if last and args and args[0].shape == last["shape"]:
            seen._activity[last["name"]]["activation"] = _rms(output)
            last.clear()

    modules, handles = dict(model.named_modules()), []
    with _removing(handles):
        for layer in seen._layers:
            module = modules[(layer.weights + layer.biases)[0].rpartition(".")[0]]
            handles.append(module.register_forward_hook(after_layer(layer.name, 1 if _has_channels(module) else -1)))
        for module in modules.values():
            if is_activation(module):
                handles.append(module.register_forward_pre_hook(before_activation))
                handles.append(module.register_forward_hook(after_activation))
        yield


def is_activation(module: "nn.Module") -> bool:
    """Say whether a module is one of torch's activations that act on each number alone."""
    return type(module).__module__ == "torch.nn.modules.activation" and type(module).__name__ in ACTIVATIONS


def _slope(module: "nn.Module", z: "torch.Tensor") -> "torch.Tensor":
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        z = z.detach().clone().requires_grad_()
        return torch.autograd.grad(module.forward(z.clone()).sum(), z)[0]  # (a clone: some work in place)


def _has_channels(module: "nn.Module") -> bool:
    return type(module).__module__ in ("torch.nn.modules.conv", "torch.nn.modules.batchnorm")


def _rms(tensor: "torch.Tensor") -> float:
    return tensor.detach().double().square().mean().sqrt().item()


def _share_of_dead(tensor: "torch.Tensor", units: int) -> float:
    """Return the share of units that are 0 for all examples; ``units`` is their axis."""
    return (tensor.detach().movedim(units, 0).flatten(1) == 0).all(dim=1).double().mean().item()
