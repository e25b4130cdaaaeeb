"""How a cell opens its memory while it learns the adding problem, and how it does so from near steps alone."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import Sequences

from .measure_memory import BATCH, error_of, held_out, training

if TYPE_CHECKING:
    import torch


def opening(
    cell: str, lag: int, at: Sequence[int], *, reach: int | None = None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Train as `memory` does, and look on the way at the error and at how far back the gradient comes.

    Parameters
    ----------
    cell : str
        One of `CELLS`.
    lag : int
        Length T of the sequences.
    at : sequence of int
        Training steps after which it is looked at.
    reach : int, optional
        The gradient of each training step goes back so many of the T steps and no further; without it all of them.
    seed : int
        Of the network and the sequences; with `reach` left out this is the recorded run.

    Returns
    -------
    dict
        Each of shape (len(at),). ``error``: mean squared error on 1,000 other sequences; ``factor``: what a step back
        leaves of the gradient, (‖∂C/∂x_1‖ / ‖∂C/∂x_T‖)^(1 / (T - 1)), by the whole gradient in either case.

    Raises
    ------
    ValueError
        If there is no such cell or a number is not allowed.
    """
    lag, at = whole_number("lag", lag, least=2), [whole_number("a step of at", step, least=0) for step in at]
    reach = None if reach is None else whole_number("reach", reach)
    test, found = held_out(lag, seed=seed), {}
    for step, network in enumerate(training(cell, lag, seed=seed, reach=reach)):
        if step in at:
            found[step] = error_of(network, test).item(), _factor(network, test)
        if step == max(at):
            break
    return dict(zip(("error", "factor"), np.array([found[step] for step in at]).T, strict=True))


def _factor(network: "torch.nn.ModuleDict", test: Sequences) -> float:
    """In float64: a hundred steps back there may be less than float32 has."""
    import torch

    x = torch.as_tensor(test.x[:, :BATCH], dtype=torch.float64).requires_grad_()
    error_of(copy.deepcopy(network).double(), Sequences(x, test.y[:BATCH].astype(np.float64))).backward()
    norms = x.grad.norm(dim=(1, 2))
    return float((norms[0] / norms[-1]) ** (1 / (len(x) - 1)))
