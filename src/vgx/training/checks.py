"""The arguments of a training, checked: each error says what was given and what is allowed."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_array, whole_number
from vgx.registry import UnknownNameError, unknown_name
from vgx.training.losses import LOSSES, Loss
from vgx.training.stack import Stack

if TYPE_CHECKING:
    import torch

DOES_NOT_FIT = (RuntimeError, ValueError, TypeError, IndexError)


def chosen(kind: str, name: object, known: Mapping[str, object]) -> object:
    """Return what a name stands for, or say which names there are."""
    if not isinstance(name, str) or name not in known:
        raise UnknownNameError(unknown_name(kind, name, known))
    return known[name]


def loss_function(loss: str | Loss) -> Loss:
    """Return the loss of that name, or a callable as it is."""
    return loss if callable(loss) else chosen("loss", loss, LOSSES)


def hook(name: str, value: object) -> Callable:
    """Return what is to be called, or for None what does nothing."""
    if value is not None and not callable(value):
        raise ValueError(f"{name} must be callable, got {value!r}")
    return value or (lambda *_: None)


def each_models(name: str, value: object, leading: tuple[int, ...]) -> np.ndarray:
    """Return a number >= 0 for each model, in the shape ``leading``."""
    numbers = real_array(name, value, least=0.0)
    if numbers.shape not in ((), leading):
        allowed = f"one number, or one for each of {leading[0]} models" if leading else "one number for one model"
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return np.broadcast_to(numbers, leading)


def each_models_seed(seeds: object, leading: tuple[int, ...]) -> tuple[int, ...]:
    """Return a seed for each model; a single one counts up."""
    number = math.prod(leading)
    if np.ndim(seeds) == 0:
        first = whole_number("seeds", seeds, least=0)
        return tuple(range(first, first + number))
    if len(seeds) != number:
        raise ValueError(f"seeds must be one number, or one for each of {number} models, got {len(seeds)}: {seeds!r}")
    return tuple(whole_number("a seed", seed, least=0) for seed in seeds)


def pair(name: str, value: object) -> tuple:
    """Return a pair as it is."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{name} must be a pair (x, y), got {type(value).__name__}")
    return tuple(value)


def examples(
    x: object, y: object, stack: Stack, loss: str | Loss, *, what: str = ""
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return inputs and targets as tensors that the models and the loss take; try them on the first two."""
    import torch

    x, y = _tensor(f"{what}x", x, stack), _tensor(f"{what}y", y, stack)
    if not x.ndim or not len(x) or x.shape[:1] != y.shape[:1]:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"{what}x and {what}y must hold the same number of examples, at least 1, got shapes {shapes}")
    try:
        with torch.no_grad(), stack.evaluating():
            outputs = stack.forward(stack.shared(x[:2])).flatten(0, len(stack.leading))
    except DOES_NOT_FIT as error:
        raise ValueError(f"the model does not take {what}x of shape {tuple(x.shape)}: {error}") from error
    if isinstance(loss, str) and loss in LOSSES:
        _check_classes(loss, outputs, y, what)
    targets = stack.shared(y[:2]).flatten(0, len(stack.leading))
    shapes = f"outputs of shape {tuple(outputs.shape)} and targets of shape {tuple(targets.shape)}"
    try:
        losses = loss_function(loss)(outputs, targets)
    except UnknownNameError:
        raise
    except DOES_NOT_FIT as error:
        raise ValueError(f"the loss does not take {shapes}: {error}") from error
    if losses.shape != outputs.shape[:1]:
        raise ValueError(f"the loss must return one number an example, of {shapes} it made {tuple(losses.shape)}")
    return x, y


def _tensor(name: str, value: object, stack: Stack) -> "torch.Tensor":
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nobody writes to it
        try:
            tensor = torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{name} must be an array of numbers, got {type(value).__name__}: {error}") from None
    like = stack.values[0]
    tensor = tensor.to(like.device, like.dtype if tensor.is_floating_point() else torch.int64)
    # (the extremes are NaN if anything is; a mask would take a quarter of the data's memory)
    if tensor.is_floating_point() and tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
        place = tuple((~tensor.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {tensor[place].item()} at {place}")
    return tensor


def _check_classes(loss: str, outputs: "torch.Tensor", y: "torch.Tensor", what: str) -> None:
    if outputs.ndim != 2:
        shape = ", ".join(["n", *map(str, outputs.shape[1:])])
        raise ValueError(f"for {loss!r} a model's outputs must have shape (n, classes), got ({shape})")
    classes = outputs.shape[1]
    if y.ndim != 1 or y.is_floating_point() or y.min() < 0 or y.max() >= classes:
        got = f"{y.dtype} of shape {tuple(y.shape)} from {y.min()} to {y.max()}"
        raise ValueError(f"for {loss!r} {what}y must be classes 0 to {classes - 1}, of shape (n,), got {got}")
