"""What may happen to the gradients of a step: a greatest global norm, or a hook of the user's."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vgx.arguments import real_number
from vgx.training.stack import Stack

if TYPE_CHECKING:
    import torch

Hook = Callable[[dict[str, "torch.Tensor"]], "dict[str, torch.Tensor] | None"]
Clip = Callable[[Sequence["torch.Tensor"]], list["torch.Tensor"]]


def clipping(clip: float | Hook | None, stack: Stack) -> Clip | None:
    """Return what is done to the gradients of each step, None if nothing."""
    if clip is None:
        return None
    return _by_hook(clip, stack.names) if callable(clip) else _by_norm(real_number("clip", clip, above=0.0), stack)


def _by_norm(limit: float, stack: Stack) -> Clip:
    import torch

    def clip(gradients: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        flat = [gradient.reshape(*stack.leading, -1) for gradient in gradients]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=-1) for part in flat])
        factor = (limit / torch.linalg.vector_norm(norms, dim=0)).clamp(max=1.0)
        return [g * factor.reshape(*stack.leading, *(1,) * (g.ndim - factor.ndim)) for g in gradients]

    return clip


def _by_hook(hook: Hook, names: Sequence[str]) -> Clip:
    def clip(gradients: Sequence["torch.Tensor"]) -> list["torch.Tensor"]:
        given = dict(zip(names, gradients, strict=True))
        returned = hook(given)
        after = given if returned is None else returned
        shapes = {name: tuple(gradient.shape) for name, gradient in after.items()}
        if shapes != (wanted := {name: tuple(g.shape) for name, g in zip(names, gradients, strict=True)}):
            raise ValueError(f"clip must return gradients of the shapes {wanted}, got {shapes}")
        return [after[name] for name in names]

    return clip
