"""The examples, and the mini-batches of each epoch, gathered by index into one buffer: nothing is collated."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Batches:
    """Examples that are shared by all models, and each model's own order of them.

    Parameters
    ----------
    x, y : tensor, shape (n, ...)
        The examples.
    size : int
        Examples a step; with n or more, the full batch in its own order.
    seeds : sequence of int
        One a model.
    leading : tuple of int
        () for one model, else (number of models,).
    """

    def __init__(
        self, x: "torch.Tensor", y: "torch.Tensor", *, size: int, seeds: Sequence[int], leading: tuple[int, ...]
    ) -> None:
        self.x, self.y, self.leading = x, y, leading
        self.size = min(size, len(x))
        self.steps = -(-len(x) // self.size)
        self._rngs = [np.random.default_rng(seed) for seed in seeds]
        rows = self.size * len(seeds)
        self._buffers = [tensor.new_empty((rows, *tensor.shape[1:])) for tensor in (x, y)] if self.steps > 1 else []

    def epoch(self) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        """Yield the inputs and targets of each step, leading + (size, ...). The next step overwrites them."""
        import torch

        if self.steps == 1:
            yield tuple(tensor.expand(*self.leading, *tensor.shape) for tensor in (self.x, self.y))
            return
        orders = torch.from_numpy(np.stack([rng.permutation(len(self.x)) for rng in self._rngs])).to(self.x.device)
        for rows in orders.split(self.size, dim=1):
            size, rows = rows.shape[1], rows.reshape(-1)
            yield tuple(self._gathered(k, rows, size) for k in range(2))

    def _gathered(self, which: int, rows: "torch.Tensor", size: int) -> "torch.Tensor":
        import torch

        examples, buffer = (self.x, self.y)[which], self._buffers[which][: len(rows)]
        torch.index_select(examples, 0, rows, out=buffer)  # twice as fast as examples[rows]
        return buffer.view(*self.leading, size, *examples.shape[1:])
