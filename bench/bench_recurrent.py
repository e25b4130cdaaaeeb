"""The LSTM in NumPy against torch.nn.LSTM: seconds for one forward and one backward pass.

200 steps, width 128, batch 32, float32, every gradient (inputs and parameters) of a C that takes from each state; in
one thread and in as many as both libraries choose. Run it alone on the machine: ``python -m bench.bench_recurrent``.
"""

import sys
from contextlib import nullcontext
from time import perf_counter

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench.report import Row, report
from vgx.recurrent import LSTM

STEPS, WIDTH, BATCH = 200, 128, 32
N_INPUTS = (128, 2)
ROUNDS = 21
MOST = 1.5  # of torch's time


def ours(cell: LSTM, x: np.ndarray, each: np.ndarray) -> float:
    start = perf_counter()
    cell.backward(cell.forward(x), each=each)
    return perf_counter() - start


def torchs(module: torch.nn.LSTM, x: torch.Tensor, each: torch.Tensor) -> float:
    x.grad = None
    module.zero_grad()
    start = perf_counter()
    module(x)[0].backward(each)
    return perf_counter() - start


def measured(n_inputs: int, threads: str) -> Row:
    rng = np.random.default_rng(0)
    cell = LSTM.sample(n_inputs=n_inputs, width=WIDTH, dtype=np.float32, rng=rng)
    module = torch.nn.LSTM(n_inputs, WIDTH)
    x, each = (rng.standard_normal((STEPS, BATCH, width), dtype=np.float32) for width in (n_inputs, WIDTH))
    tensors = torch.from_numpy(x).requires_grad_(), torch.from_numpy(each)
    ours(cell, x, each), torchs(module, *tensors)  # warm up
    # each round measures both, so that a loaded machine hurts both
    times = np.array([(ours(cell, x, each), torchs(module, *tensors)) for _ in range(ROUNDS)])
    mine, theirs = np.median(times, axis=0)
    low, high = np.quantile(times[:, 0] / times[:, 1], (0.25, 0.75))
    return (
        f"{n_inputs} inputs, {threads}: {1e3 * mine:.0f} ms, torch.nn.LSTM {1e3 * theirs:.0f} ms",
        f"{mine / theirs:.2f} of torch's time (quartiles of the rounds {low:.2f}-{high:.2f})",
        f"{MOST:g}",
        bool(mine <= MOST * theirs),
    )


def run() -> list[Row]:
    """Measure; rows of (name, measured, bar, ok)."""
    several = torch.get_num_threads()
    rows = []
    for threads in (1, several):
        torch.set_num_threads(threads)
        with threadpool_limits(1) if threads == 1 else nullcontext():
            rows += [measured(n_inputs, f"{threads} thread{'s' * (threads > 1)}") for n_inputs in N_INPUTS]
    return rows


if __name__ == "__main__":
    sys.exit(report(run()))
