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

    def epoch(self) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        """Yield the inputs and targets of each step, leading + (size, ...). The next step overwrites them."""
        import torch

        if self.steps == 1:
            yield tuple(tensor.expand(*self.leading, *tensor.shape) for tensor in (self.x, self.y))
            return
        orders = torch.from_numpy(np.stack([rng.permutation(len(self.x)) for rng in self._rngs])).to(self.x.device)
        n_whole = len(self.x) // self.size * self.size
        whole, rest = orders[:, :n_whole], orders[:, n_whole:]
        for part, size in ((whole, self.size), (rest, rest.shape[1])):
            if size:
                yield from self._gathered(part.unflatten(1, (-1, size)).transpose(0, 1).flatten(1))

    def _gathered(self, rows_by_step: "torch.Tensor") -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
        import torch

        size = rows_by_step.shape[1]
        x, y = (tensor.new_empty((size, *tensor.shape[1:])) for tensor in (self.x, self.y))
        views = tuple(tensor.unflatten(0, (*self.leading, -1)) for tensor in (x, y))
        for rows in rows_by_step.unbind():
            torch.index_select(self.x, 0, rows, out=x)  # twice as fast as self.x[rows]
            torch.index_select(self.y, 0, rows, out=y)
            yield views
