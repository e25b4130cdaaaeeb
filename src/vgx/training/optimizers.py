"""Optimizers as functions: parameters in, a function of the gradients out that makes one step.

They follow torch.optim, but each model of a stack may have a learning rate of its own, and biases do not decay.
A step goes over all parameters in one call of torch's `_foreach` functions, as torch.optim's own do.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Rates = "float | Sequence[torch.Tensor]"  # one for all, or for each tensor of parameters one that broadcasts
Step = Callable[[Sequence["torch.Tensor"], Rates], None]
ADAM_BETAS, ADAM_EPS = (0.9, 0.999), 1e-8


def sgd(values: Sequence["torch.Tensor"], *, decayed: Sequence[int], weight_decay: float, momentum: float) -> Step:
    """Stochastic gradient descent: v ← momentum · v + g, w ← w − rate · v, with v = g at first.

    Parameters
    ----------
    values : sequence of tensor
        Changed in place by each step.
    decayed : sequence of int
        Which of them decay.
    weight_decay, momentum : float
        λ, whose λ w is added to g; and the share of v that stays.
    """
    import torch

    velocity: list[torch.Tensor] = []
    decaying = [values[k] for k in decayed]

    def step(gradients: Sequence[torch.Tensor], rates: Rates) -> None:
        if not momentum:
            if weight_decay:  # in place, which spares a copy of the gradients
                own = rates if isinstance(rates, float) else [rates[k] for k in decayed]
                _descend(decaying, decaying, own, weight_decay)
            _descend(values, gradients, rates)
            return
        gradients = _decaying(values, gradients, decayed, weight_decay)
        if velocity:
            torch._foreach_mul_(velocity, momentum)
            torch._foreach_add_(velocity, gradients)
        else:
            velocity.extend(gradient.clone() for gradient in gradients)
        _descend(values, velocity, rates)

    return step


def adam(values: Sequence["torch.Tensor"], *, decayed: Sequence[int], weight_decay: float, momentum: float) -> Step:
    """Adam (Kingma and Ba 2015) with its usual constants; arguments as for `sgd`, but no momentum to choose."""
    import torch

    if momentum:
        raise ValueError(f"momentum is for 'sgd'; for 'adam' it must be 0, got {momentum!r}")
    mean, square = ([torch.zeros_like(value) for value in values] for _ in range(2))
    (beta, beta_square), steps = ADAM_BETAS, 0

    def step(gradients: Sequence[torch.Tensor], rates: Rates) -> None:
        nonlocal steps
        steps += 1
        gradients = _decaying(values, gradients, decayed, weight_decay)
        torch._foreach_mul_(mean, beta)
        torch._foreach_add_(mean, gradients, alpha=1 - beta)
        torch._foreach_mul_(square, beta_square)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - beta_square)
        size = torch._foreach_sqrt(square)
        torch._foreach_div_(size, (1 - beta_square**steps) ** 0.5)
        torch._foreach_add_(size, ADAM_EPS)
        _descend(values, torch._foreach_div(mean, size), rates, 1 / (1 - beta**steps))

    return step


OPTIMIZERS = {"sgd": sgd, "adam": adam}


def _descend(
    values: Sequence["torch.Tensor"], directions: Sequence["torch.Tensor"], rates: Rates, factor: float = 1.0
) -> None:
    import torch

    if isinstance(rates, float):
        torch._foreach_add_(values, directions, alpha=-rates * factor)
    else:
        torch._foreach_addcmul_(values, directions, rates, -factor)


def _decaying(
    values: Sequence["torch.Tensor"], gradients: Sequence["torch.Tensor"], decayed: Sequence[int], weight_decay: float
) -> Sequence["torch.Tensor"]:
    import torch

    if not weight_decay or not decayed:
        return gradients
    gradients = list(gradients)
    sums = torch._foreach_add([gradients[k] for k in decayed], [values[k] for k in decayed], alpha=weight_decay)
    for k, total in zip(decayed, sums, strict=True):
        gradients[k] = total
    return gradients
