"""Degradation: deeper networks fit MNIST worse, unless they have skips; and what can be seen of it before training."""

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import mnist
from vgx.grid import Grid
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

DEGRADATION_WIDTH = 32
DEGRADATION_DEPTHS = (2, 8, 20, 32, 56)
DEGRADATION_RATES = (0.004, 0.02, 0.1)
NETWORKS = ("plain", "residual", "mirrored")
NORMS = ("none", "batch")
GUESSING = 90.0
"""Percent wrong of a network that guesses one of ten digits; what a run that overflowed counts."""


def degradation(
    depth: int,
    network: str,
    norm: str,
    *,
    rates: Sequence[float] = DEGRADATION_RATES,
    epochs: int = 12,
    n_images: int = 5_000,
    n_seeds: int = 5,
) -> dict[str, np.ndarray]:
    """Train networks of ReLUs on the first images of MNIST and count the *training* images that they get wrong.

    As He et al.: stochastic gradient descent with momentum 0.9, the rate divided by 10 after half of the epochs and
    again after three quarters; cross-entropy, mini-batches of 100, no weight decay. Images of 14 x 14 pixels (means
    of 2 x 2), with mean 0 and variance 1 over all of them together. A seed decides weights and the order of images.
    Batch normalization takes its statistics from the batch: 100 images in a step, 1,000 where the error is counted.

    Parameters
    ----------
    depth, network, norm
        As in `degradation_network`.
    rates : sequence of float
        Learning rates; each is tried with every seed.
    epochs, n_images, n_seeds : int
        How long, on how many images, and how many networks, with the seeds 0, 1, ...

    Returns
    -------
    dict
        ``error``: percent of the training images that are classified wrong, float32, shape (rates, n_seeds,
        epochs + 1); the first column is before training, NaN from where the loss overflowed. The others are those
        of `before_training`, float32, shape (n_seeds,).

    References
    ----------
    He et al. (2016), Deep residual learning for image recognition, sections 1 and 4.
    """
    from vgx.training import train

    epochs, seeds = whole_number("epochs", epochs), range(whole_number("n_seeds", n_seeds))
    x, y = small_images(whole_number("n_images", n_images))
    models = [degradation_network(depth, network, norm, seed=seed) for _ in rates for seed in seeds]
    born = [before_training(model, x[:1000], y[:1000]) for model in models[: len(seeds)]]
    history = train(
        models,
        x,
        y,
        epochs=epochs,
        learning_rate=np.repeat(rates, len(seeds)),
        batch_size=100,
        momentum=0.9,
        schedule=lambda epoch: 0.1 ** ((2 * epoch >= epochs) + (4 * epoch >= 3 * epochs)),
        seeds=list(seeds) * len(rates),
        gradient_on=100,
        interruptible=False,
        progress=False,
    )
    error = np.where(np.isfinite(history.loss), 100 * (1 - history.accuracy), np.nan)
    result = {"error": error.reshape(len(rates), len(seeds), -1)}
    result |= {name: np.array([each[name] for each in born]) for name in born[0]}
    return {name: values.astype(np.float32) for name, values in result.items()}


@cache
def small_images(n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images of MNIST, 14 x 14 pixels and standardized, and their digits."""
    images = mnist()
    x = images.x[:n_images].reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    return (x - x.mean()) / x.std(), images.y[:n_images]


def degradation_network(
    depth: int, network: str, norm: str, *, width: int = DEGRADATION_WIDTH, seed: int = 0
) -> "torch.nn.Module":
    """Draw a torch network 196-width-...-width-10 of ReLUs, as a `Sequential` with ``depth`` layers of weights.

    Parameters
    ----------
    depth : int
        At least 2; at 2 plain and residual networks are one and the same.
    network : {"plain", "residual", "mirrored"}
        "plain": z ← W φ(norm(z)) + b. "residual": z ← z + β (W φ(norm(z)) + b), with β = 1/√(depth - 2) if there is
        no norm, else 1. "mirrored": plain, but born linear: its weights come as [[A, -A], [-A, A]] with A orthogonal,
        so that half of the units carry φ(z), the others φ(-z), and the next layer sees their difference, z. The
        others are drawn after He.
    norm : {"none", "batch"}
        Batch normalization, with gain and shift, before each ReLU.

    References
    ----------
    Balduzzi et al. (2017), The shattered gradients problem, section 4 (looks-linear).
    """
    from torch import nn

    if network not in NETWORKS:
        raise ValueError(unknown_name("network", network, NETWORKS))
    if norm not in NORMS:
        raise ValueError(unknown_name("norm", norm, NORMS))
    hidden = whole_number("depth", depth, least=2) - 2
    rng, draw = np.random.default_rng(seed), _mirrored if network == "mirrored" else _he

    def linear(fan_in: int, fan_out: int) -> nn.Linear:
        return _filled(nn.Linear(fan_in, fan_out), draw(fan_in, fan_out, rng))

    def awake() -> list[nn.Module]:
        normalize = [nn.BatchNorm1d(width, track_running_stats=False)] if norm == "batch" else []
        return [*normalize, nn.ReLU()]

    layers = [linear(196, width)]
    for _ in range(hidden):
        branch = [*awake(), linear(width, width)]
        strength = 1.0 if norm == "batch" else 1 / math.sqrt(hidden)
        layers += [_block()(branch, strength)] if network == "residual" else branch
    return nn.Sequential(*layers, *awake(), linear(width, 10))


def _he(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    return initializers["he_normal"].sample((fan_in, fan_out), rng=rng)


def _mirrored(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    first, last = fan_in == 196, fan_out == 10
    name = "lecun_normal" if first or last else "orthogonal"
    half = initializers[name].sample((fan_in if first else fan_in // 2, fan_out if last else fan_out // 2), rng=rng)
    wide = half if last else np.hstack([half, -half])
    return wide if first else np.vstack([wide, -wide])


def _filled(layer: "torch.nn.Linear", weight: np.ndarray) -> "torch.nn.Linear":
    import torch

    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.T.copy()))
        layer.bias.zero_()
    return layer


@cache  # one class, as networks of one architecture must be; here, as torch is imported late
def _block() -> type:
    from torch import nn

    class Block(nn.Module):
        """z + β F(z)."""

        def __init__(self, branch: Sequence[nn.Module], strength: float) -> None:
            super().__init__()
            self.branch, self.strength = nn.Sequential(*branch), strength

        def forward(self, z: "torch.Tensor") -> "torch.Tensor":
            return z + self.strength * self.branch(z)

    return Block


def before_training(model: "torch.nn.Sequential", x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Look at what a network of `degradation_network` makes of images, in double precision; it stays as it is.

    Returns
    -------
    dict
        ``cosine``: mean cosine of the angle between two images, over all pairs, at the last hidden layer;
        ``neighbours``: percent of the images whose nearest neighbour there, by that angle, is another digit;
        ``gradient``: root mean square over the images of ∂loss/∂z at the first hidden layer (each block's sum, in a
        residual network), as a ratio to the last one's.
    """
    import copy

    import torch
    from torch.nn.functional import cross_entropy

    model, z, sums = copy.deepcopy(model).double(), torch.from_numpy(x).double(), []
    for module in model[:-1]:
        z = module(z)
        if not isinstance(module, torch.nn.BatchNorm1d | torch.nn.ReLU):
            sums.append(z)
    loss = cross_entropy(model[-1](z), torch.from_numpy(y.astype(np.int64)), reduction="sum")
    first, last = (gradient.norm().item() for gradient in torch.autograd.grad(loss, [sums[0], sums[-1]]))
    h = z.detach()
    h = h / h.norm(dim=1, keepdim=True)
    cosines = (h @ h.T).numpy()
    others = ~np.eye(len(h), dtype=bool)
    nearest = np.where(others, cosines, -np.inf).argmax(axis=1)
    return {
        "cosine": float(cosines[others].mean()),
        "neighbours": 100 * float(np.mean(y[nearest] != y)),
        "gradient": first / last,
    }


def degradation_against_depth(recording: Grid, depth: int, network: str, norm: str, rate: str) -> dict[str, np.ndarray]:
    """Take from a recording of `degradation` what the lab compares.

    Parameters
    ----------
    recording : Grid
    depth, network, norm
        The networks that are looked at.
    rate : str
        One of the recorded rates, for all networks, or "best": for each network, norm and depth the rate at which
        the median error after the last epoch is lowest.

    Returns
    -------
    dict
        ``error``, ``shallow``: error by epoch at this depth and at the smallest, (n_seeds, epochs + 1). ``final``:
        median error after the last epoch, (networks, norms, depths), in the order of `NETWORKS`, `NORMS` and
        `DEGRADATION_DEPTHS`; ``low``, ``high``: lowest and highest of the seeds; ``rates``: the rates, of the same
        shape. ``overflowed``: how many runs overflowed; they count as guessing, 90 %. ``cosine``, ``neighbours``,
        ``gradient``: as in `before_training`, (n_seeds,).
    """
    chosen, shape = {}, (len(NETWORKS), len(NORMS), len(DEGRADATION_DEPTHS))
    for key in [(n, m, d) for n in NETWORKS for m in NORMS for d in DEGRADATION_DEPTHS]:
        runs = np.nan_to_num(recording(depth=key[2], network=key[0], norm=key[1])["error"], nan=GUESSING)
        ends = np.median(runs[..., -1], axis=1)
        k = int(ends.argmin()) if rate == "best" else DEGRADATION_RATES.index(float(rate))
        chosen[key] = (DEGRADATION_RATES[k], runs[k])
    finals = np.array([runs[:, -1] for _, runs in chosen.values()]).reshape(*shape, -1)
    rates = np.array([used for used, _ in chosen.values()]).reshape(shape)
    here = recording(depth=depth, network=network, norm=norm)
    at = DEGRADATION_RATES.index(chosen[network, norm, depth][0])
    return {
        "error": chosen[network, norm, depth][1],
        "shallow": chosen[network, norm, DEGRADATION_DEPTHS[0]][1],
        "final": np.median(finals, axis=-1),
        "low": finals.min(axis=-1),
        "high": finals.max(axis=-1),
        "rates": rates,
        "overflowed": np.sum(np.isnan(here["error"][at, :, -1])),
        **{name: here[name] for name in ("cosine", "neighbours", "gradient")},
    }
