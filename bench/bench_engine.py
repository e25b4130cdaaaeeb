"""The engine against the loop that a notebook would write, and against the machine's matrix products.

936 states: 12 depths x 13 scales x 6 activations, width 256, batch 64, float32; for each the exact gradient
norm of every layer's pre-activations. Everything runs in one thread, which is the faster way for products of
this size. Run it alone on the machine: ``python -m bench.bench_engine``.
"""

import sys
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench.report import report
from vgx.network import Network, gradient_norms

WIDTH, BATCH = 256, 64
DEPTHS = [2, 3, 4, 6, 8, 12, 16, 20, 26, 34, 42, 50]
SCALES = np.geomspace(0.1, 10, 13)
MODULES = {
    "sigmoid": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "silu": torch.nn.SiLU,
}
STATES = [(depth, scale, name) for name in MODULES for scale in SCALES for depth in DEPTHS]
STRIDE = 11  # coprime to the 12 depths, so that the sample holds all of them equally often
REPEATS = 5
SPEED_UP, SHARE_OF_PEAK = 9.0, 0.7


def engine(x: np.ndarray, grad_output: np.ndarray) -> list[dict[int, np.ndarray]]:
    """All states: one draw, one sweep an activation."""
    rng = np.random.default_rng(0)
    net = Network.sample(
        depth=max(DEPTHS),
        width=WIDTH,
        activation="tanh",
        initializer="xavier_normal",
        scale=SCALES,
        dtype=np.float32,
        rng=rng,
    )
    return [gradient_norms(replace(net, activation=name), x, grad_output, DEPTHS) for name in MODULES]


def notebook(x: torch.Tensor, grad_output: torch.Tensor, depth: int, scale: float, name: str) -> torch.Tensor:
    """One state, as a notebook would write it."""
    layers = []
    for _ in range(depth):
        linear = torch.nn.Linear(WIDTH, WIDTH)
        torch.nn.init.xavier_normal_(linear.weight, gain=scale)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, MODULES[name]()]
    h, pre_activations = x, []
    for layer in torch.nn.Sequential(*layers):
        h = layer(h)
        if isinstance(layer, torch.nn.Linear):
            pre_activations.append(h)
    grads = torch.autograd.grad((h * grad_output).sum(), pre_activations)
    return torch.stack([grad.square().sum(dim=1).mean().sqrt() for grad in grads])


def flops() -> float:
    """Operations of the matrix products that the engine does: forward once, backward for each depth."""
    forward = max(DEPTHS) - 1 + 1 / len(SCALES)  # all scales share the first layer's product
    products = forward + sum(depth - 1 for depth in DEPTHS)
    return 2.0 * len(MODULES) * len(SCALES) * products * BATCH * WIDTH**2


def seconds(function, *args) -> float:
    start = perf_counter()
    function(*args)
    return perf_counter() - start


def peak() -> float:
    """Rate of float32 matrix products, the best of several shapes, in operations a second."""
    rng = np.random.default_rng(0)
    rates = []
    for rows, width in ((len(SCALES) * BATCH, WIDTH), (4096, WIDTH), (1024, 1024), (2048, 2048)):
        a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((rows, width), (width, width)))
        out = np.empty_like(a)
        typical = np.median([seconds(np.matmul, a, b, out) for _ in range(15)])
        rates.append(2.0 * rows * width**2 / typical)
    return max(rates)


def run() -> list[tuple[str, str, str, bool]]:
    """Measure; rows of (name, measured, bar, ok)."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = _run()
    torch.set_num_threads(threads)
    return rows


def _run() -> list[tuple[str, str, str, bool]]:
    rng = np.random.default_rng(1)
    x, grad_output = (rng.standard_normal((BATCH, WIDTH), dtype=np.float32) for _ in range(2))
    tensors = torch.from_numpy(x), torch.from_numpy(grad_output)
    sample = STATES[::STRIDE]
    share = sum(depth for depth, *_ in sample) / sum(depth for depth, *_ in STATES)
    engine(x, grad_output), notebook(*tensors, *sample[0])  # warm up
    ours, theirs, peaks = [], [], []
    for _ in range(REPEATS):  # each round measures all three, so that a loaded machine hurts all
        peaks.append(peak())
        ours.append(seconds(engine, x, grad_output))
        theirs.append(seconds(lambda: [notebook(*tensors, *state) for state in sample]) / share)
    ratios = np.array(theirs) / ours
    rates = flops() / np.array(ours) / peaks
    return [
        (
            f"{len(STATES)} states: {np.median(ours):.2f} s; a notebook's loop: {np.median(theirs):.1f} s, "
            f"from {len(sample)} of them",
            f"{np.median(ratios):.1f} times as fast ({ratios.min():.1f}-{ratios.max():.1f})",
            f"{SPEED_UP:g} times",
            bool(np.median(ratios) >= SPEED_UP),
        ),
        (
            f"products at {flops() / np.median(ours) / 1e9:.0f} of {np.median(peaks) / 1e9:.0f} Gflop/s",
            f"{np.median(rates):.2f} of the machine's rate ({rates.min():.2f}-{rates.max():.2f})",
            f"{SHARE_OF_PEAK:g}",
            bool(np.median(rates) >= SHARE_OF_PEAK),
        ),
    ]


if __name__ == "__main__":
    sys.exit(report(run()))
