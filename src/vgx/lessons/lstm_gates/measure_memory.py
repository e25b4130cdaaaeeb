"""The adding problem: which cell learns to keep a number, and for how many steps."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import Sequences, adding_problem
from vgx.grid import Grid
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

CELLS = {  # torch's module, and the learning rate
    "rnn": ("RNN", 0.003),
    "rnn_orthogonal": ("RNN", 0.003),
    "irnn": ("RNN", 0.003),
    "lstm_forget_0": ("LSTM", 0.01),
    "lstm_forget_1": ("LSTM", 0.01),
    "lstm_chrono": ("LSTM", 0.01),
    "gru": ("GRU", 0.01),
}
RATES = (0.003, 0.01)
"""Of these each cell has the one that did better in one trial with `TRIAL_SEED`.

At a lag of 100; cells without gates learnt nothing there, so those three were tried at 25.
"""
TRIAL_SEED = 100
LAGS = (10, 25, 50, 100, 200, 400)
NAIVE = 1 / 6  # the mean squared error of who always answers 1
SOLVED = 0.01  # an error below it, at three evaluations in a row, counts as solved
EVERY = 50  # training steps from one evaluation to the next
WIDTH, BATCH, TESTED, MAX_STEPS = 64, 32, 1_000, 4_000


def memory(cell: str, lag: int, *, n_seeds: int | None = None, max_steps: int = MAX_STEPS) -> dict[str, np.ndarray]:
    """Train a recurrent cell with 64 units, and a linear readout of its last state, on the adding problem.

    Each training step sees 32 fresh sequences: mean squared error, gradient clipped to a global norm of 1, Adam with
    the cell's learning rate. A run ends when it is solved, when its error is no longer finite, or after ``max_steps``.

    Parameters
    ----------
    cell : str
        One of `CELLS`; how they start is said at `adding_network`.
    lag : int
        Length T of the sequences: the first of the two numbers stands T/2 to T steps before the end.
    n_seeds : int, optional
        Runs, with the seeds 0, 1, ...; without it 5 at a lag of 100 and 3 at others.
    max_steps : int
        Training steps after which a run is given up.

    Returns
    -------
    dict
        ``errors``: mean squared error on 1,000 other sequences after 0, 50, 100, ... steps, float32, one run after
        the other; ``evaluations``: how many of them are each run's, shape (n_seeds,).

    Raises
    ------
    ValueError
        If there is no such cell or a number is not allowed.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, experiment 4; here as in `vgx.datasets.adding_problem`.
    """
    lag = whole_number("lag", lag, least=2)
    n_seeds = (5 if lag == 100 else 3) if n_seeds is None else whole_number("n_seeds", n_seeds)
    runs = [learn_to_add(cell, lag, seed=seed, max_steps=max_steps) for seed in range(n_seeds)]
    return {"errors": np.concatenate(runs), "evaluations": np.array([len(run) for run in runs])}


def learn_to_add(
    cell: str, lag: int, *, seed: int, max_steps: int = MAX_STEPS, rate: float | None = None
) -> np.ndarray:
    """Make one of the runs of `memory` and return its errors; ``rate`` replaces the cell's learning rate."""
    import torch

    max_steps, test = whole_number("max_steps", max_steps), held_out(lag, seed=seed)
    errors = []
    for step, network in enumerate(training(cell, lag, seed=seed, rate=rate)):
        if step % EVERY == 0:
            with torch.no_grad():
                errors.append(error_of(network, test).item())
            if not math.isfinite(errors[-1]) or solved_after(errors) is not None:
                break
        if step == max_steps:
            break
    return np.array(errors, np.float32)


def training(
    cell: str, lag: int, *, seed: int, rate: float | None = None, reach: int | None = None
) -> "Iterator[torch.nn.ModuleDict]":
    """Train without end, and give out the network before the first step and after each.

    ``rate`` replaces the cell's learning rate; the gradient of a step goes back ``reach`` steps in time, or all.
    """
    import torch

    network = adding_network(cell, lag, seed=seed)
    rate = CELLS[cell][1] if rate is None else real_number("rate", rate, above=0)
    optimizer, rng = torch.optim.Adam(network.parameters(), lr=rate), np.random.default_rng([seed, lag, 1])
    while True:
        yield network
        optimizer.zero_grad()
        error_of(network, adding_problem(BATCH, lag, rng=rng, dtype=np.float32), reach).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def held_out(lag: int, *, seed: int) -> Sequences:
    """Draw the sequences on which the error of a run is measured."""
    return adding_problem(TESTED, lag, rng=np.random.default_rng([seed, lag, 2]), dtype=np.float32)


def error_of(network: "torch.nn.ModuleDict", task: Sequences, reach: int | None = None) -> "torch.Tensor":
    """Compute the mean squared error; its gradient goes back ``reach`` steps in time, or all."""
    import torch

    x, state = torch.as_tensor(task.x), None
    if reach is not None and reach < len(x):
        with torch.no_grad():
            _, state = network["cell"](x[:-reach])
        x = x[-reach:]
    states, _ = network["cell"](x, state)
    return torch.nn.functional.mse_loss(network["readout"](states[-1]), torch.as_tensor(task.y))


def solved_after(errors: Sequence[float] | np.ndarray) -> int | None:
    """Return after how many training steps a run was solved: the first of three evaluations in a row; else None."""
    low = np.asarray(errors) < SOLVED
    starts = np.flatnonzero(low[:-2] & low[1:-1] & low[2:])
    return int(starts[0]) * EVERY if len(starts) else None


def adding_network(cell: str, lag: int, *, seed: int) -> "torch.nn.ModuleDict":
    """Draw a recurrent ``cell`` with 2 inputs and 64 units, and its ``readout``.

    Weights and biases are uniform between ±1/√64, torch's default, with these exceptions. In ``rnn_orthogonal`` the
    recurrent matrix is orthogonal and the biases are 0. ``irnn`` has ReLUs, the identity as its recurrent matrix,
    biases of 0 and other weights N(0, 0.001²) (Le et al., 2015). In an LSTM the biases are 0 but for the forget
    gate's: 0 or 1, or with ``lstm_chrono`` log U[1, T - 1], of which the input gate has the negative (Tallec and
    Ollivier, 2018).
    """
    import torch

    if cell not in CELLS:
        raise ValueError(unknown_name("cell", cell, CELLS))
    module = getattr(torch.nn, CELLS[cell][0])
    recurrent = module(2, WIDTH, nonlinearity="relu") if cell == "irnn" else module(2, WIDTH)
    network = torch.nn.ModuleDict({"cell": recurrent, "readout": torch.nn.Linear(WIDTH, 1)})
    rng, forget = np.random.default_rng([seed, lag, 0]), slice(WIDTH, 2 * WIDTH)  # torch's order of gates: i, f, g, o
    values = {name: rng.uniform(-1, 1, p.shape) / math.sqrt(WIDTH) for name, p in network.named_parameters()}
    if cell == "irnn":
        values = {name: rng.normal(0, 0.001, value.shape) for name, value in values.items()}
        values["cell.weight_hh_l0"] = np.eye(WIDTH)
    if cell == "rnn_orthogonal":
        values["cell.weight_hh_l0"] = initializers["orthogonal"].sample((WIDTH, WIDTH), rng=rng)
    if cell not in ("rnn", "gru"):
        values |= {name: 0 * value for name, value in values.items() if name.startswith("cell.bias")}
    if cell == "lstm_forget_1":
        values["cell.bias_ih_l0"][forget] = 1
    if cell == "lstm_chrono":
        values["cell.bias_ih_l0"][forget] = np.log(rng.uniform(1, lag - 1, WIDTH))
        values["cell.bias_ih_l0"][:WIDTH] = -values["cell.bias_ih_l0"][forget]
    network.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in values.items()})
    return network


def memory_with_others(recording: Grid, cell: str, lag: int) -> dict[str, np.ndarray]:
    """Take from a recording of `memory` a cell's runs, and when each cell's runs at this lag were solved.

    Returns
    -------
    dict
        ``errors``, ``evaluations``: as `memory` returns them; ``solved``: training steps until a run was solved, inf
        if it was not, shape (cells, n_seeds), in the order of `CELLS`.
    """
    solved = [[solved_after(run) for run in runs_of(recording(cell=name, lag=lag))] for name in CELLS]
    return recording(cell=cell, lag=lag) | {"solved": np.array(solved, float)}


def runs_of(data: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the errors of each run of `memory`."""
    return np.split(data["errors"], np.cumsum(data["evaluations"])[:-1])
