"""Training against loops written by hand, and what must not be lost when it goes wrong."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vgx.training import train

WIDTHS = (6, 5, 4, 3)


def network(seed: int, *, activation=nn.Sigmoid, widths=WIDTHS, dtype=torch.float64) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        linear = nn.Linear(fan_in, fan_out, dtype=dtype)
        with torch.no_grad():
            for p in linear.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) / fan_in**0.5)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def examples(n: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, WIDTHS[0])), rng.integers(0, WIDTHS[-1], n)


def parameters(model: nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()


def by_hand(
    model, x, y, *, epochs, batch_size, optimizer, seed, loss=F.cross_entropy, clip=None, factor=lambda epoch: 1
):
    """The loop that a notebook would write; returns the loss over all examples at each epoch."""
    x, y = torch.tensor(x), torch.tensor(y)
    rng, rate, losses = np.random.default_rng(seed), optimizer.param_groups[0]["lr"], [loss(model(x), y).item()]
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(epoch)
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        losses.append(loss(model(x), y).item())
    return losses


def groups(model, weight_decay):
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]


OPTIMIZERS = {
    "sgd": (lambda model: torch.optim.SGD(groups(model, 0.0), lr=0.5), {"optimizer": "sgd"}),
    "momentum, decay": (
        lambda model: torch.optim.SGD(groups(model, 0.01), lr=0.5, momentum=0.9),
        {"momentum": 0.9, "weight_decay": 0.01},
    ),
    "adam, decay": (
        lambda model: torch.optim.Adam(groups(model, 0.01), lr=0.5),
        {"optimizer": "adam", "weight_decay": 0.01},
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [8, 50], ids=["mini-batches", "full batch"])
@pytest.mark.parametrize("n_models", [1, 3])
def test_it_does_what_a_loop_by_hand_does(name, batch_size, n_models):
    make, settings = OPTIMIZERS[name]
    x, y = examples()
    ours, theirs = [network(k) for k in range(n_models)], [network(k) for k in range(n_models)]
    history = train(
        ours[0] if n_models == 1 else ours, x, y,
        epochs=4, learning_rate=0.5, batch_size=batch_size, seeds=7, **settings,
    )  # fmt: skip
    losses = [
        by_hand(model, x, y, epochs=4, batch_size=batch_size, optimizer=make(model), seed=7 + k)
        for k, model in enumerate(theirs)
    ]
    np.testing.assert_allclose(history.loss.reshape(n_models, -1), losses, rtol=1e-9)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(parameters(our), parameters(their), rtol=1e-9, atol=1e-12)
