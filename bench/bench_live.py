"""Bar 4: one change of the live lab, against the way a notebook would write it.

Both sides do the same work at every change: draw one network of 50 layers, 128 units wide, run 64 digits through it,
take the gradient with respect to every layer's pre-activations, and show its norms. Ours shows them in the live lab
(theory line and reading included); the straightforward way builds a torch module and a new figure.

Run it as a script: one line for each bar, exit status 1 if one fails.
"""

import statistics
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import plotly.graph_objects as go
import torch

from bench.report import report
from vgx.datasets import digits
from vgx.lab.live import LiveLab
from vgx.lessons.chain_rule_products import labs, measure

DEPTH, WIDTH, BATCH, ROUNDS = 50, 128, 64, 60
SCALES = [0.8 + 0.02 * k for k in range(ROUNDS)]
RATIO_AT_MOST = 0.25


def straightforward(scale: float, x: torch.Tensor) -> go.Figure:
    layers, fan_in = [], x.shape[1]
    for _ in range(DEPTH):
        linear = torch.nn.Linear(fan_in, WIDTH)
        torch.nn.init.xavier_normal_(linear.weight, gain=scale)
        torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.Tanh()]
        fan_in = WIDTH
    net = torch.nn.Sequential(*layers)
    pre_activations, h = [], x
    for layer in net:
        h = layer(h)
        if isinstance(layer, torch.nn.Linear):
            pre_activations.append(h)
    grads = torch.autograd.grad(h, pre_activations, grad_outputs=torch.randn_like(h))
    norms = [grad.norm(dim=1).square().mean().sqrt().item() for grad in grads]
    ratio = [norm / norms[-1] for norm in norms]
    return go.Figure(
        go.Scatter(x=list(range(1, DEPTH + 1)), y=ratio, mode="lines"),
        layout={
            "title": {"text": "Gradient norm by layer"},
            "xaxis": {"title": {"text": "layer"}},
            "yaxis": {"type": "log", "title": {"text": "gradient norm"}},
        },
    )


def lab_of_one_network() -> LiveLab:
    """Return the emblem lab over one network, drawn afresh at every change."""
    seeds = iter(range(10_000))
    compute = partial(measure.gradient_norm_by_layer, n_nets=1, n_inputs=BATCH)
    fresh = replace(
        labs.gradient_by_layer,
        compute=lambda depth, scale, activation, initializer: compute(
            depth, scale, activation, initializer, seed=next(seeds)
        ),
        predict=None,
    )
    return LiveLab(fresh(depth=DEPTH, activation="tanh"))


def floor() -> None:
    """Do in NumPy only what the measuring cannot leave out: draw the weights, multiply forward and back."""
    rng = np.random.default_rng()
    weights = [rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) for _ in range(DEPTH)]
    h = np.ones((BATCH, WIDTH), dtype=np.float32)
    for W in weights:
        np.matmul(h, W)
    for W in weights:
        np.matmul(h, W.T)


def run() -> list[tuple[str, str, str, bool]]:
    x = torch.tensor(digits().x[:BATCH], dtype=torch.float32)
    live = lab_of_one_network()
    times = {"ours": [], "torch": [], "floor": []}
    for scale in SCALES:
        start = time.perf_counter()
        live.fields["scale"].value = scale
        times["ours"].append(time.perf_counter() - start)
        start = time.perf_counter()
        straightforward(scale, x)
        times["torch"].append(time.perf_counter() - start)
        start = time.perf_counter()
        floor()
        times["floor"].append(time.perf_counter() - start)
    ours, plain, least = (1e3 * statistics.median(times[side][5:]) for side in ("ours", "torch", "floor"))
    name = "live: one change, Python side, against torch and a new figure"
    measured = (
        f"{ours / plain:.2f} ({ours:.1f} ms against {plain:.1f} ms; drawing the weights and the bare products take "
        f"{least:.1f} ms, {least / plain:.2f})"
    )
    return [(name, measured, f"<= {RATIO_AT_MOST}", ours / plain <= RATIO_AT_MOST)]


if __name__ == "__main__":
    sys.exit(report(run()))
