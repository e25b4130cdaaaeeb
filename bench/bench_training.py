"""Training, one seed and ten at once, against the loop that a notebook would write with a DataLoader.

A network of 784-30-30-10 sigmoid units on inputs of MNIST's size, plain SGD with weight decay, float32, in one
thread: seconds a step. Run it alone on the machine: ``python -m bench.bench_training``.
"""

import sys
from itertools import pairwise
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench.report import report
from vgx.training import train

WIDTHS, EXAMPLES, MODELS, RATE, DECAY = (784, 30, 30, 10), 20_000, 10, 0.1, 1e-4
STEPS = {10: 400, 64: 200}  # a round, by batch size
ROUNDS = 7
ONE, EACH_OF_SEVERAL = 0.8, 1 / 3  # of the ordinary loop's time


def network() -> nn.Sequential:
    layers = [layer for widths in pairwise(WIDTHS) for layer in (nn.Linear(*widths), nn.Sigmoid())]
    return nn.Sequential(*layers[:-1])


def notebook(x: torch.Tensor, y: torch.Tensor, batch_size: int, steps: int) -> float:
    """Seconds a step of the ordinary loop."""
    model = network()
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, weight_decay=DECAY)
    batches = iter(loader)
    next(batches)
    start = perf_counter()
    for _ in range(steps):
        inputs, targets = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    return (perf_counter() - start) / steps


def ours(x: torch.Tensor, y: torch.Tensor, batch_size: int, steps: int, models: int | None) -> float:
    """Seconds a step of one model, or of several side by side; all that `train` does before and after counts."""
    rows = steps * batch_size
    trained = network() if models is None else [network() for _ in range(models)]
    start = perf_counter()
    train(
        trained, x[:rows], y[:rows], epochs=1, learning_rate=RATE, batch_size=batch_size, weight_decay=DECAY,
        loss_on=batch_size, gradient_on=batch_size, progress=False,
    )  # fmt: skip
    return (perf_counter() - start) / steps


def run() -> list[tuple[str, str, str, bool]]:
    """Measure; rows of (name, measured, bar, ok)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [row for batch_size, steps in STEPS.items() for row in _run(batch_size, steps)]
    torch.set_num_threads(threads)
    return rows


def _run(batch_size: int, steps: int) -> list[tuple[str, str, str, bool]]:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((EXAMPLES, WIDTHS[0]), dtype=np.float32))
    y = torch.from_numpy(rng.integers(0, WIDTHS[-1], EXAMPLES))
    notebook(x, y, batch_size, 20), ours(x, y, batch_size, 20, None), ours(x, y, batch_size, 20, MODELS)  # warm up
    times = np.array(
        [  # each round measures all three, so that a loaded machine hurts all
            (
                notebook(x, y, batch_size, steps),
                ours(x, y, batch_size, steps, None),
                ours(x, y, batch_size, steps, MODELS) / MODELS,
            )
            for _ in range(ROUNDS)
        ]
    )
    loop, one, each = (f"{1e6 * time:.0f} us" for time in np.median(times, axis=0))
    of_one = np.median(times[:, 2] / times[:, 1])
    return [
        _row(f"batch {batch_size}: {one} a step, the ordinary loop {loop}", times[:, 1] / times[:, 0], ONE),
        _row(
            f"batch {batch_size}: {each} a step and seed, {MODELS} seeds at once ({of_one:.2f} of one alone)",
            times[:, 2] / times[:, 0],
            EACH_OF_SEVERAL,
        ),
    ]


def _row(name: str, ratios: np.ndarray, bar: float) -> tuple[str, str, str, bool]:
    median = np.median(ratios)
    return name, f"{median:.2f} of the loop ({ratios.min():.2f}-{ratios.max():.2f})", f"{bar:.2f}", bool(median <= bar)


if __name__ == "__main__":
    sys.exit(report(run()))
