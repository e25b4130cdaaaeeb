"""Losses by name: outputs (m, ...) and targets (m, ...) in, m losses out, one an example."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Loss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


def cross_entropy(outputs: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """−ln of the share that softmax gives the true class."""
    from torch.nn import functional as F

    return F.cross_entropy(outputs, targets, reduction="none")


def sigmoid_cross_entropy(outputs: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Cross-entropy of one sigmoid a class, summed over the classes, as in Nielsen's book."""
    from torch.nn import functional as F

    # the sum over the classes of softplus(z) - t z, without building the one-hot t
    return F.softplus(outputs, threshold=30).sum(-1) - outputs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)


LOSSES = {"cross_entropy": cross_entropy, "sigmoid_cross_entropy": sigmoid_cross_entropy}
