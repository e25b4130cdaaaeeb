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
    import torch
    from torch.nn import functional as F

    one_hot = torch.zeros_like(outputs).scatter_(-1, targets.unsqueeze(-1), 1.0)
    return F.binary_cross_entropy_with_logits(outputs, one_hot, reduction="none").sum(-1)


LOSSES = {"cross_entropy": cross_entropy, "sigmoid_cross_entropy": sigmoid_cross_entropy}
