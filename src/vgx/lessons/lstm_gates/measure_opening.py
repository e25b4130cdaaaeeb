"""How a cell opens its memory while it learns the adding problem, and how it does so from near steps alone."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import Sequences, adding_problem

from .measure_memory import BATCH, CELLS, TESTED, adding_network

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
    import torch

    lag, at = whole_number("lag", lag, least=2), [whole_number("a step of at", step, least=0) for step in at]
    reach = lag if reach is None else whole_number("reach", reach)
    network = adding_network(cell, lag, seed=seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=CELLS[cell][1])
    rng = np.random.default_rng([seed, lag, 1])
    test = adding_problem(TESTED, lag, rng=np.random.default_rng([seed, lag, 2]), dtype=np.float32)
    found = {}
    for step in range(max(at) + 1):
        if step in at:
            found[step] = _error(network, test.x, test.y, lag).item(), _factor(network, test)
        task = adding_problem(BATCH, lag, rng=rng, dtype=np.float32)
        optimizer.zero_grad()
        _error(network, task.x, task.y, reach).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return dict(zip(("error", "factor"), np.array([found[step] for step in at]).T, strict=True))


def _error(network: "torch.nn.ModuleDict", x: np.ndarray, y: np.ndarray, reach: int) -> "torch.Tensor":
    import torch

    x, state = torch.as_tensor(x), None
    if reach < len(x):
        with torch.no_grad():
            _, state = network["cell"](x[:-reach])
    states, _ = network["cell"](x[-reach:], state)
    return torch.nn.functional.mse_loss(network["readout"](states[-1]), torch.as_tensor(y))


def _factor(network: "torch.nn.ModuleDict", test: Sequences) -> float:
    """In float64: a hundred steps back there may be less than float32 has."""
    import torch

    wide = copy.deepcopy(network).double()
    x = torch.as_tensor(test.x[:, :BATCH], dtype=torch.float64).requires_grad_()
    _error(wide, x, test.y[:BATCH].astype(np.float64), len(x)).backward()
    norms = x.grad.norm(dim=(1, 2))
    return float((norms[0] / norms[-1]) ** (1 / (len(x) - 1)))
