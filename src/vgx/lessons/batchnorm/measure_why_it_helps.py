"""Why BatchNorm helps: networks without it, with it, and with it but with inputs that are shifted again after it."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import mnist
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

    Parameters = list[list[torch.Tensor]]
    Noise = list[tuple[torch.Tensor, torch.Tensor]]

NETWORKS = ("none", "batchnorm", "noise")
ACTIVATIONS = ("relu", "sigmoid")
RATES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2)
WIDTHS = (196, *[64] * 5, 10)
BATCH, N_IMAGES, PROBED = 100, 5_000, 500
STEPS, EVERY, LAST = 500, 25, 50
ALONG = (0.5, 1.0, 2.0, 4.0)
"""Where the loss is looked at along the gradient, in steps of the learning rate."""

MEANS, SCALES = (-0.5, 0.5), (0.75, 1.25)
"""Between which the noise's mean and factor are drawn uniformly, for each unit at each step."""

EPS = 1e-5


def why_it_helps(
    network: str, activation: str, *, rates: Sequence[float] = RATES, n_seeds: int = 5, steps: int = STEPS
) -> dict[str, np.ndarray]:
    """Train networks 196-64-64-64-64-64-10 on the first 5,000 images of MNIST and look at them every 25 steps.

    Plain stochastic gradient descent, cross-entropy, mini-batches of 100. Images of 14 x 14 pixels (means of 2 x 2),
    with mean 0 and variance 1 over all of them together. Weights after He for ReLU and after Xavier for sigmoid, biases
    0. A seed decides weights, the order of the images and the noise; they are the same at all rates.

    Parameters
    ----------
    network : {"none", "batchnorm", "noise"}
        "none": h ← φ(z), z = h W + b. "batchnorm": h ← φ(a), a = γ ẑ + β, where ẑ is z normalized by the mean and the
        variance of the batch. "noise": h ← φ(s a + m), where s and m are drawn for each unit anew at each step, s from
        U(0.75, 1.25), m from U(-0.5, 0.5).
    activation : {"relu", "sigmoid"}
        φ.
    rates : sequence of float
        Learning rates η.
    n_seeds, steps : int
        How many networks, with the seeds 0, 1, ..., and how long: a multiple of 25 steps.

    Returns
    -------
    dict
        Float16, shape (rates, n_seeds, steps / 25), not finite above 65,504, from where the loss overflowed, and where
        a gradient or a width that is divided by is 0:

        ``loss``: of the mini-batches, before their step, mean over 25 steps. The others are seen at the first of these.

        ``shift``: how far the input of φ moves in a step, on 500 images: √(Δmean² + Δsd²) / sd of each unit, the
        distance of two normal distributions (2-Wasserstein) in units of the first one's width; the median over all
        hidden units. The noise is that of this step, and then that of the next.

        ``gradient_shift``: ‖G′ - G‖ / ‖G‖, where G is the gradient of a layer's W, and G′ the same after only the
        layers before it have made their step; the mean over all layers but the first.

        ``spread``: the highest less the lowest loss of the mini-batch at θ - c η g, with c = 0, ½, 1, 2, 4 and
        g = ∂loss/∂θ.

        ``gradient_change``: ‖g′ - g‖ / ‖g‖, with g′ the gradient at θ - η g.

        Float32, shape (rates, n_seeds): ``error``: percent of the images of the last 50 mini-batches that were
        classified wrong before the step, NaN if the loss overflowed; ``quiet``: the same without noise; ``final``: the
        mean loss of these mini-batches.

    References
    ----------
    Ioffe & Szegedy (2015), Batch normalization. Santurkar et al. (2018), How does batch normalization help
    optimization?, sections 2 and 3; their noise also differs from image to image.
    """
    import torch

    if network not in NETWORKS:
        raise ValueError(unknown_name("network", network, NETWORKS))
    if activation not in ACTIVATIONS:
        raise ValueError(unknown_name("activation", activation, ACTIVATIONS))
    rates = [real_number("learning rate", rate, above=0) for rate in rates]
    if whole_number("steps", steps, least=EVERY) % EVERY:
        raise ValueError(f"steps must be a multiple of {EVERY}, got {steps}")
    n_seeds = whole_number("n_seeds", n_seeds)
    x, y = (torch.from_numpy(each) for each in small_images())
    noises, rows = _noises(network, n_seeds), _rows(n_seeds)
    theta = [[p.expand(len(rates), *p.shape).clone() for p in layer] for layer in born(network, activation, n_seeds)]
    eta = [[torch.tensor(rates).view(-1, *[1] * (p.ndim - 1)) for p in layer] for layer in theta]
    found = {name: [] for name in ("loss", "shift", "gradient_shift", "spread", "gradient_change", "error", "quiet")}
    noise = next(noises)
    for step in range(steps):
        batch = [each[at] for at in [next(rows)] for each in (x, y)]
        slope = partial(_gradient, batch=batch, activation=activation, noise=noise)
        loss, gradient, right = slope(theta)
        moved, following = _moved(theta, gradient, eta), next(noises)
        seen = {"loss": loss}
        if step % EVERY == 0:
            before = forward(theta, x[:PROBED], activation, noise)[1]
            after = forward(moved, x[:PROBED], activation, following)[1]
            seen |= {"shift": input_shift(before, after)} | _along(slope, theta, gradient, eta, loss)
        if step >= steps - LAST:
            seen |= {"error": right, "quiet": _right(forward(theta, batch[0], activation, [])[0], batch[1])}
        for name, value in seen.items():
            found[name].append(value)
        theta, noise = moved, following
    found = {name: torch.stack(values, dim=-1) for name, values in found.items()}
    final = found["loss"][..., -LAST:].mean(-1)
    found["loss"] = found["loss"].unflatten(-1, (-1, EVERY)).mean(-1)
    ends = {"final": final}
    for name in ("error", "quiet"):
        ends[name] = (100 - 100 * found.pop(name).mean(-1)).where(final.isfinite(), torch.nan)
    return {name: each.half().numpy() for name, each in found.items()} | {k: each.numpy() for k, each in ends.items()}


@cache
def small_images() -> tuple[np.ndarray, np.ndarray]:
    """Return the first 5,000 images of MNIST, 14 x 14 pixels and standardized, and their digits."""
    images = mnist()
    x = images.x[:N_IMAGES].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    return ((x - x.mean()) / x.std()).astype(np.float32), images.y[:N_IMAGES].astype(np.int64)


def born(network: str, activation: str, n_seeds: int) -> "Parameters":
    """Draw W and b of each layer, and of a hidden one with BatchNorm also γ and β, with a leading axis of seeds."""
    import torch

    kind = initializers["he_normal" if activation == "relu" else "xavier_normal"]
    rngs = [np.random.default_rng([seed, 0]) for seed in range(n_seeds)]
    layers = []
    for fan_in, fan_out in pairwise(WIDTHS):
        weight = np.stack([kind.sample((fan_in, fan_out), rng=rng) for rng in rngs]).astype(np.float32)
        layer = [torch.from_numpy(weight), torch.zeros(n_seeds, 1, fan_out)]
        if network != "none" and fan_out != WIDTHS[-1]:
            layer += [torch.ones(n_seeds, 1, fan_out), torch.zeros(n_seeds, 1, fan_out)]
        layers.append(layer)
    return layers


def forward(
    theta: "Parameters", x: "torch.Tensor", activation: str, noise: "Noise"
) -> "tuple[torch.Tensor, list[torch.Tensor]]":
    """Return the logits, and for each hidden layer what φ received; an empty ``noise`` is none."""
    import torch

    phi, inputs, h = getattr(torch, activation), [], x
    for k, (w, b, *affine) in enumerate(theta):
        a = h @ w + b
        if k < len(theta) - 1:
            if affine:
                centred = a - a.mean(-2, keepdim=True)
                a = centred * torch.rsqrt(centred.square().mean(-2, keepdim=True) + EPS) * affine[0] + affine[1]
            if noise:
                a = noise[k][0] * a + noise[k][1]
            inputs.append(a)
            h = phi(a)
    return a, inputs


def input_shift(before: "list[torch.Tensor]", after: "list[torch.Tensor]") -> "torch.Tensor":
    """Return the median over all units of √(Δmean² + Δsd²) / sd, of arrays (..., images, units), one a layer."""
    import torch

    def moments(layers: list) -> tuple:
        values = torch.cat(layers, dim=-1)
        return values.mean(-2), values.std(-2, correction=0)

    (mean, sd), (mean_after, sd_after) = moments(before), moments(after)
    return (torch.hypot(mean_after - mean, sd_after - sd) / sd).median(-1).values


def _gradient(theta: "Parameters", batch: list, activation: str, noise: "Noise") -> tuple:
    """Return each model's loss, its gradient and the share of images classified right."""
    import torch

    x, y = batch
    theta = [[p.detach().requires_grad_() for p in layer] for layer in theta]
    logits, _ = forward(theta, x, activation, noise)
    classes = y.expand(logits.shape[:-1]).unsqueeze(-1)
    loss = -logits.log_softmax(-1).gather(-1, classes).mean((-2, -1))
    flat = iter(torch.autograd.grad(loss.sum(), [p for layer in theta for p in layer]))
    return loss.detach(), [[next(flat) for _ in layer] for layer in theta], _right(logits, y)


def _right(logits: "torch.Tensor", y: "torch.Tensor") -> "torch.Tensor":
    return (logits.argmax(-1) == y).float().mean(-1)


def _moved(theta: "Parameters", gradient: "Parameters", eta: "Parameters", c: float = 1.0) -> "Parameters":
    return [
        [p - c * rate * g for p, g, rate in zip(*layer, strict=True)]
        for layer in zip(theta, gradient, eta, strict=True)
    ]


def _along(
    slope: Callable, theta: "Parameters", gradient: "Parameters", eta: "Parameters", loss: "torch.Tensor"
) -> "dict[str, torch.Tensor]":
    """Look at the loss and the gradient along the gradient, and at each layer's gradient when those before it move."""
    import torch

    seen = {c: slope(_moved(theta, gradient, eta, c))[:2] for c in ALONG}
    losses = torch.stack([loss, *(each for each, _ in seen.values())])
    whole, moved = _long(gradient), _moved(theta, gradient, eta)
    shifts = []
    for k in range(1, len(theta)):
        g, other = gradient[k][0], slope(moved[:k] + theta[k:])[1][k][0]
        shifts.append((other - g).norm(dim=(-2, -1)) / g.norm(dim=(-2, -1)))
    return {
        "spread": losses.amax(0) - losses.amin(0),
        "gradient_change": (_long(seen[1.0][1]) - whole).norm(dim=-1) / whole.norm(dim=-1),
        "gradient_shift": torch.stack(shifts).mean(0),
    }


def _long(gradient: "Parameters") -> "torch.Tensor":
    import torch

    return torch.cat([g.flatten(2) for layer in gradient for g in layer], dim=-1)


def _noises(network: str, n_seeds: int) -> "Iterator[Noise]":
    """Yield for each step s and m of each hidden layer, (n_seeds, 1, units); nothing for networks without noise."""
    import torch

    rngs, widths = [np.random.default_rng([seed, 1]) for seed in range(n_seeds)], WIDTHS[1:-1]
    while True:
        if network != "noise":
            yield []
            continue
        drawn = [[rng.uniform(*ends, sum(widths)) for ends in (SCALES, MEANS)] for rng in rngs]
        both = torch.from_numpy(np.array(drawn, np.float32)).unsqueeze(2)
        yield [(layer[:, 0], layer[:, 1]) for layer in both.split(widths, dim=-1)]


def _rows(n_seeds: int) -> "Iterator[torch.Tensor]":
    """Yield the rows of each step's mini-batch, (n_seeds, batch)."""
    import torch

    rngs = [np.random.default_rng([seed, 2]) for seed in range(n_seeds)]
    while True:
        order = np.stack([rng.permutation(N_IMAGES) for rng in rngs])
        yield from torch.from_numpy(order).unflatten(1, (-1, BATCH)).unbind(1)
