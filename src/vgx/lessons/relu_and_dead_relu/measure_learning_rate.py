"""How many units a learning rate kills: networks for the digits, watched unit by unit while they train."""

from collections.abc import Sequence
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

TRAINED_ON, BATCH = 1024, 32  # of the 1,797 digits; the others test
LAYERS, WIDTH = 3, 64
TRAINED = {"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "gelu": "GELU"}
"""The activations, and the modules of torch that apply them."""

LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 1.0)
LEARNING_RATE_AXES = {"learning_rate": LEARNING_RATES, "optimizer": ("sgd", "adam"), "activation": tuple(TRAINED)}
FLAT = 0.01  # a unit whose slope |φ′| is below this on every image is dead


def learning_rate_kills(
    learning_rate: float | Sequence[float], optimizer: str, activation: str, *, epochs: int = 30, n_seeds: int = 10
) -> dict[str, np.ndarray]:
    """Train networks 64-64-64-64-10 on digits and count the units that are dead after each epoch.

    Weights begin after He, for ReLU and all the others alike, biases at 0. Mini-batches of 32 of 1,024 standardized
    digits, 32 steps an epoch, cross-entropy; plain stochastic gradient descent or Adam with torch's constants. A seed
    decides the weights and the order of the digits: they are the same at all rates.

    Parameters
    ----------
    learning_rate : float or sequence of float
    optimizer : {"sgd", "adam"}
    activation : {"relu", "leaky_relu", "elu", "gelu"}
    epochs, n_seeds : int

    Returns
    -------
    dict
        ``dead``, ``negative``: shares of the 192 hidden units, float32 of shape (n_seeds, epochs + 1), before the first
        step and after each epoch, on all 1,024 digits. A unit is dead if |φ′(z)| < 0.01 on every digit (for ReLU:
        φ′ = 0; a leaky ReLU's slope never is), and negative if z < 0 on every digit. ``layers``: the dead by hidden
        layer at the end, (n_seeds, 3). ``revived``: share of the units that were dead at some epoch and are not at the
        end, (n_seeds, 3) by layer. ``loss``: mean cross-entropy on the 1,024 digits, (n_seeds, epochs + 1).
        ``test_accuracy``: share of the other 773 digits classified right at the end, (n_seeds,). From where a run
        diverged (its loss is no number) all of its values are NaN. For a sequence of rates, with these as leading axis.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    from vgx.training import train

    if activation not in TRAINED:
        raise ValueError(unknown_name("activation", activation, TRAINED))
    rates = [real_number("learning_rate", each, above=0) for each in np.atleast_1d(learning_rate)]
    seeds, data = [*range(whole_number("n_seeds", n_seeds))], digits()
    x = data.x.astype(np.float32)
    watched = []
    history = train(
        [digit_network(activation, seed=seed) for _ in rates for seed in seeds],
        x[:TRAINED_ON],
        data.y[:TRAINED_ON],
        epochs=whole_number("epochs", epochs),
        batch_size=BATCH,
        learning_rate=np.repeat(rates, len(seeds)),
        optimizer=optimizer,
        seeds=seeds * len(rates),
        test=(x[TRAINED_ON:], data.y[TRAINED_ON:]),
        gradient_on=BATCH,
        each_epoch=lambda _, state: watched.append(idle_units(state, x[:TRAINED_ON], activation)),
        interruptible=False,
        progress=False,
    )
    dead, negative = (
        np.stack(states, axis=1) for states in zip(*watched, strict=True)
    )  # (models, epochs, layers, units)
    missing = epochs + 1 - dead.shape[1]  # after all have diverged
    ended = ~np.isfinite(history.loss)
    found = {}
    for name, units in (("dead", dead), ("negative", negative)):
        shares = np.pad(units.mean(axis=(2, 3)), ((0, 0), (0, missing)))
        found[name] = np.where(ended, np.nan, shares)
    over = ended[:, -1]
    found["layers"] = np.where(over[:, None], np.nan, dead[:, -1].mean(axis=-1))
    found["revived"] = np.where(over[:, None], np.nan, (dead.any(axis=1) & ~dead[:, -1]).mean(axis=-1))
    found |= {"loss": history.loss, "test_accuracy": history.test_accuracy[:, -1]}
    leading = (*np.shape(learning_rate), len(seeds))
    return {name: each.astype(np.float32).reshape(*leading, *each.shape[1:]) for name, each in found.items()}


def digit_network(activation: str, *, seed: int) -> "torch.nn.Sequential":
    """Draw a torch network 64-64-64-64-10, its weights after He, its biases 0; it ends linearly."""
    import torch

    rng, layers = np.random.default_rng(seed), []
    for fans in pairwise([64, *[WIDTH] * LAYERS, 10]):
        linear = torch.nn.Linear(*fans)
        weight = initializers["he_normal"].sample(fans, rng=rng)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.zero_()
        layers += [linear, getattr(torch.nn, TRAINED[activation])()]
    return torch.nn.Sequential(*layers[:-1])


def idle_units(state: "dict[str, torch.Tensor]", x: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Say which units of several `digit_network` are dead, and which are negative, on all images ``x``.

    Parameters
    ----------
    state : dict of str to tensor
        Weights and biases as `vgx.training.train` gives them to ``each_epoch``: with a leading axis of models.
    x : ndarray, shape (n, 64), float32
    activation : str

    Returns
    -------
    tuple of ndarray of bool, shape (models, 3, 64)
        Where |φ′(z)| < 0.01 for every image, and where z < 0 for every image.
    """
    phi, h, dead, negative = activations[activation], x, [], []
    for layer in range(LAYERS):
        weight, bias = (state[f"{2 * layer}.{name}"].numpy() for name in ("weight", "bias"))
        with np.errstate(all="ignore"):  # of the runs that have diverged
            z = h @ weight.swapaxes(-1, -2) + bias[:, None]
            dead.append((np.abs(phi.derivative(z)) < FLAT).all(axis=1))
            negative.append((z < 0).all(axis=1))
            h = phi.f(z)
    return np.stack(dead, axis=1), np.stack(negative, axis=1)
