"""Weight decay: what L1 and L2 of several strengths do to weights, gradients and training, by depth and start."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

TRAINED_ON, BATCH, WIDTH, RATE = 1024, 32, 32, 0.1  # of the 1,797 digits; 32 steps an epoch
STRENGTHS = (0.0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
KINDS = ("L2", "L1")
EPOCHS = (0, 1, 3, 10, 30)
"""The epochs after which the networks are looked at."""

CRITICAL = {"tanh": ("lecun_normal", "Tanh"), "relu": ("he_normal", "ReLU")}
"""The activations: the initializer that keeps the gradient's size for each, and the module of torch that applies it."""

DECAY_AXES = {"depth": (3, 6, 10, 20), "activation": tuple(CRITICAL), "scale": (0.5, 1.0, 2.0, 3.0)}


def weight_decay(
    depth: int,
    activation: str,
    scale: float,
    *,
    strengths: Sequence[float] = STRENGTHS,
    rate: float = RATE,
    epochs: Sequence[int] = EPOCHS,
    n_seeds: int = 5,
) -> dict[str, np.ndarray]:
    """Train networks 64-32-...-32-10 on digits with L2 and with L1, and look at weights and gradients.

    Plain stochastic gradient descent on mini-batches of 32 of 1,024 standardized digits: 32 steps an epoch.
    L2 adds λ w to the gradient of the cross-entropy with respect to each weight w, L1 adds λ sign(w); biases, which
    start at 0, do not decay. A seed decides the weights and the order of the digits: they are the same at all
    strengths.

    Parameters
    ----------
    depth : int
        Layers of weights, at least 3; the last one reads out the ten classes.
    activation : {"tanh", "relu"}
    scale : float
        Multiplies the weights' first standard deviation, which is √(1/fan_in) for tanh and √(2/fan_in) for ReLU.
    strengths : sequence of float
        The λ.
    rate : float
        Step size η.
    epochs : sequence of int
        When to look, ascending; the last one is when the training ends.
    n_seeds : int

    Returns
    -------
    dict
        Each float16 of shape (2, strengths, n_seeds, epochs), L2 first; NaN from where a run overflowed. ``gradient``:
        log₁₀ of the root mean square over the digits of ∂loss/∂z at the first hidden layer, as a ratio to the last
        hidden one's; -inf if none arrives there. ``size``: root mean square of the weights between hidden layers, as
        a ratio to what it was before training. ``largest``, ``radius``: the largest singular value and the spectral
        radius of those layers' weights, each the geometric mean over the layers. ``accuracy``: share of the 1,024
        digits classified right.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    import torch

    from vgx.training import train

    if activation not in CRITICAL:
        raise ValueError(unknown_name("activation", activation, CRITICAL))
    depth, n_seeds = whole_number("depth", depth, least=3), whole_number("n_seeds", n_seeds)
    scale, data = real_number("scale", scale, above=0), digits()
    x, y = data.x[:TRAINED_ON].astype(np.float32), data.y[:TRAINED_ON]
    shape, seen = (len(KINDS), len(strengths), n_seeds), []
    state: dict[str, torch.Tensor] = {}

    def look(epoch: int, now: "dict[str, torch.Tensor]") -> None:
        state.update(now)  # the memory that changes: the penalty reads the weights of each step from it
        if epoch in epochs:
            seen.append(looked_at(now, x, y, activation))

    history = train(
        [decaying_network(depth, activation, scale, seed=s) for _ in KINDS for _ in strengths for s in range(n_seeds)],
        x,
        y,
        epochs=epochs[-1],
        learning_rate=rate,
        batch_size=BATCH,
        clip=penalty(state, torch.tensor(strengths, dtype=torch.float32).repeat_interleave(n_seeds)),
        each_epoch=look,
        seeds=list(range(n_seeds)) * (len(KINDS) * len(strengths)),
        gradient_on=BATCH,
        interruptible=False,
        progress=False,
    )
    over = ~np.isfinite(history.loss[:, list(epochs)])
    result = {"accuracy": np.where(over, np.nan, history.accuracy[:, list(epochs)])}
    for name in seen[0]:
        values = np.full(over.shape, np.nan)
        values[:, : len(seen)] = np.stack([each[name] for each in seen], axis=-1)
        result[name] = np.where(over, np.nan, values)
    result["size"] = result["size"] / result["size"][:, :1]
    return {name: values.reshape(*shape, -1).astype(np.float16) for name, values in result.items()}


def decaying_network(depth: int, activation: str, scale: float, *, seed: int) -> "torch.nn.Sequential":
    """Draw a torch network 64-32-...-32-10 with ``depth`` layers of weights; all else as in `weight_decay`."""
    import torch

    name, module = CRITICAL[activation]
    rng, layers = np.random.default_rng(seed), []
    for fan_in, fan_out in pairwise([64, *[WIDTH] * (depth - 1), 10]):
        layer = torch.nn.Linear(fan_in, fan_out)
        weight = initializers[name].sample((fan_in, fan_out), rng=rng, scale=scale, dtype=np.float32)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.zero_()
        layers += [layer, getattr(torch.nn, module)()]
    return torch.nn.Sequential(*layers[:-1])


def penalty(state: "dict[str, torch.Tensor]", strengths: "torch.Tensor") -> Callable:
    """Return a hook for `vgx.training.train` that adds the gradients of L2 and of L1 to those of the loss.

    Parameters
    ----------
    state : dict
        The parameters by name, with the models along the first axis, in the memory that the steps change.
    strengths : tensor, shape (n,)
        λ of each of the first n models, which have L2, and of each of the next n, which have L1.
    """
    lengths = strengths.view(-1, 1, 1)

    def add(gradients: "dict[str, torch.Tensor]") -> None:
        for name, gradient in gradients.items():
            if name.endswith("weight"):
                squares, absolutes = gradient.tensor_split(2)
                first, second = state[name].tensor_split(2)
                squares.addcmul_(lengths, first)
                absolutes.addcmul_(lengths, second.sign())

    return add


def looked_at(state: "dict[str, torch.Tensor]", x: np.ndarray, y: np.ndarray, activation: str) -> dict[str, np.ndarray]:
    """Look at a stack of networks, in double precision; see `weight_decay` for what is returned, by model."""
    import torch
    from torch.nn.functional import one_hot

    weights, biases = ([t.double() for name, t in state.items() if name.endswith(kind)] for kind in ("weight", "bias"))
    act, h, slopes = activations[activation], torch.from_numpy(x).double().T, []
    with np.errstate(all="ignore"):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            z = weight @ h + bias.unsqueeze(-1)
            h, slope = (torch.from_numpy(part(z.numpy())) for part in (act.f, act.derivative))
            slopes.append(slope)
    outputs = weights[-1] @ h + biases[-1].unsqueeze(-1)
    delta, sizes = outputs.softmax(dim=1) - one_hot(torch.from_numpy(y.astype(np.int64)), 10).T, []
    for weight, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        delta = weight.mT @ delta * slope
        sizes.append(delta.square().mean(dim=(1, 2)).sqrt())
    inner = torch.stack(weights[1:-1], dim=1)  # (models, layers, 32, 32)
    whole = inner.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # the caller knows which networks overflowed
    largest, radius = torch.linalg.matrix_norm(whole, 2), torch.linalg.eigvals(whole).abs().amax(dim=-1)
    seen = {
        "gradient": (sizes[-1] / sizes[0]).where(sizes[0] != 0, 0).log10(),
        "size": inner.square().mean(dim=(1, 2, 3)).sqrt(),
        "largest": largest.log().mean(dim=1).exp(),
        "radius": radius.log().mean(dim=1).exp(),
    }
    return {name: values.numpy() for name, values in seen.items()}
