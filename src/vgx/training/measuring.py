"""What is measured at each epoch: losses and accuracies, and each layer's gradient and last update."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vgx.probing import Layer, norm
from vgx.training.losses import Loss
from vgx.training.stack import Stack

if TYPE_CHECKING:
    import torch

PART = 1000  # examples evaluated at once, so that memory stays small


@dataclass(frozen=True)
class Meter:
    """Measures a stack of models as they are now.

    Parameters
    ----------
    stack : Stack
        The models.
    layers : tuple of Layer
        Whose norms are taken.
    loss : callable
        Outputs and targets to one loss an example.
    train, gradient, test : tuple of x and y; test may be None
        The examples on which the loss, the gradient and the test loss are measured.
    """

    stack: Stack
    layers: tuple[Layer, ...]
    loss: Loss
    train: "tuple[torch.Tensor, torch.Tensor]"
    gradient: "tuple[torch.Tensor, torch.Tensor]"
    test: "tuple[torch.Tensor, torch.Tensor] | None"

    def losses(self, x: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
        """Return the loss of each example, one model's after the other's, for x and y of shape leading + (n, ...)."""
        outputs = self.stack.forward(x)
        return self.loss(outputs.flatten(0, 1), y.flatten(0, 1)) if self.stack.leading else self.loss(outputs, y)

    def gradients_of(self, losses: "torch.Tensor", n: int) -> "tuple[torch.Tensor, ...]":
        """Return the gradients of each model's mean loss over ``n`` examples."""
        import torch

        # weighing the losses by 1/n spares the graph a mean and a sum
        weights = torch.full_like(losses, 1 / n)
        return torch.autograd.grad(losses, self.stack.values, weights, materialize_grads=True)

    def entry(self, before: "Sequence[torch.Tensor] | None" = None) -> dict[str, np.ndarray]:
        """Measure all there is; ``before`` are the parameters before the last step, if there was one."""
        weights, biases = self.by_layer(self.gradients())
        entry = {"gradient_norm": weights, "bias_gradient_norm": biases}
        entry["update_ratio"] = np.full(weights.shape, np.nan) if before is None else self._update_ratio(before)
        entry |= self._evaluate("", *self.train)
        return entry | (self._evaluate("test_", *self.test) if self.test else {})

    def gradients(self) -> "tuple[torch.Tensor, ...]":
        """Return the mean gradient over the fixed batch; what this forward pass does to buffers is undone."""
        self.stack.base.train()
        kept = [buffer.clone() for buffer in self.stack.buffers]
        x, y = self.gradient
        gradients = self.gradients_of(self.losses(self.stack.shared(x), self.stack.shared(y)), len(x))
        for buffer, old in zip(self.stack.buffers, kept, strict=True):
            buffer.copy_(old)
        return gradients

    def by_layer(self, tensors: Sequence["torch.Tensor"]) -> tuple[np.ndarray, np.ndarray]:
        """Return the norms of the layers' weights and of their biases, each leading + (layers,)."""
        named = dict(zip(self.stack.names, tensors, strict=True))

        def norms(kind: str) -> np.ndarray:
            groups = [[named[name] for name in getattr(layer, kind) if name in named] for layer in self.layers]
            leading = self.stack.leading
            return np.stack([np.broadcast_to(norm(group, len(leading)), leading) for group in groups], axis=-1)

        return norms("weights"), norms("biases")

    def _update_ratio(self, before: Sequence["torch.Tensor"]) -> np.ndarray:
        """Return ‖Δw‖ / ‖w‖ of each layer's weights since they were ``before``."""
        moved = [now.detach() - old for now, old in zip(self.stack.values, before, strict=True)]
        with np.errstate(all="ignore"):
            return self.by_layer(moved)[0] / self.by_layer(before)[0]

    def _evaluate(self, which: str, x: "torch.Tensor", y: "torch.Tensor") -> dict[str, np.ndarray]:
        import torch

        self.stack.base.eval()
        total, right, axes = np.zeros(self.stack.leading), np.zeros(self.stack.leading), len(self.stack.leading)
        has_classes = not y.is_floating_point()
        with torch.no_grad():
            for some_x, some_y in zip(x.split(PART), y.split(PART), strict=True):
                outputs, targets = self.stack.forward(self.stack.shared(some_x)), self.stack.shared(some_y)
                losses = self.loss(outputs.flatten(0, axes), targets.flatten(0, axes)).double()
                total += losses.view(*self.stack.leading, -1).sum(-1).cpu().numpy()
                if has_classes := has_classes and outputs.shape[:-1] == targets.shape:
                    right += (outputs.argmax(-1) == targets).sum(-1).cpu().numpy()
        entry = {f"{which}loss": total / len(x)}
        return entry | ({f"{which}accuracy": right / len(x)} if has_classes else {})
