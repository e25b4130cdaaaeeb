"""Does it train? Deep ReLU networks on MNIST that differ in nothing but how their weights were drawn."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import mnist
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

TRAINED_WIDTH = 64
EVALUATED = 2_000  # images on which loss and accuracy are taken
DEPTHS = (10, 22, 30)
OPTIMIZERS = {"sgd": 0.03, "adam": 0.001}
"""The learning rate that ``rate`` multiplies."""

RATES = (0.3, 1.0, 3.0)
WEIGHTS = {  # the initializer that is drawn, and what it is multiplied by
    "xavier": ("xavier_normal", 1.0),
    "he": ("he_normal", 1.0),
    "orthogonal": ("orthogonal", math.sqrt(2)),
    "pytorch_default": ("he_uniform", math.sqrt(1 / 6)),  # U(±1/√fan_in), and so its biases
}


def does_it_train(
    depth: int,
    optimizer: str,
    rate: float,
    *,
    epochs: int = 10,
    n_images: int = 10_000,
    batch_size: int = 100,
    n_seeds: int = 5,
) -> dict[str, np.ndarray]:
    """Train networks 784-64-...-64-10 of ReLUs on the first images of MNIST, with mini-batches and cross-entropy.

    Pixels are shifted and divided by one number each, so that they have mean 0 and variance 1 over all of the images.
    Biases start at 0; PyTorch's default has biases of its own.

    Parameters
    ----------
    depth : int
        Layers of weights, the last of which reads out the ten classes.
    optimizer : {"sgd", "adam"}
        Plain stochastic gradient descent, or Adam with torch's defaults.
    rate : float
        Multiplies the learning rate, which is 0.03 for SGD and 0.001 for Adam.
    epochs, n_images, batch_size, n_seeds : int
        How long, on how many images, in which portions, and how many networks, with the seeds 0, 1, ...

    Returns
    -------
    dict
        ``loss``: mean cross-entropy over the first 2,000 training images; ``test_accuracy``: share of the first 2,000
        test images that are classified right. Each float32 of shape (4, n_seeds, epochs + 1): one row for each of
        `WEIGHTS`, the first column before training.

    Raises
    ------
    ValueError
        If the optimizer is unknown or a number not allowed.

    References
    ----------
    He et al. (2015), Delving deep into rectifiers, section 2.2.
    """
    from vgx.training import train

    if optimizer not in OPTIMIZERS:
        raise ValueError(unknown_name("optimizer", optimizer, OPTIMIZERS))
    depth, n_images = whole_number("depth", depth, least=2), whole_number("n_images", n_images)
    seeds = list(range(whole_number("n_seeds", n_seeds)))
    images, tests = mnist(), mnist("test")
    mean, sd = images.x[:n_images].mean(), images.x[:n_images].std()
    histories = [
        train(
            [deep_relu_network(depth, name, seed=seed) for seed in seeds],
            (images.x[:n_images] - mean) / sd,
            images.y[:n_images],
            epochs=epochs,
            learning_rate=OPTIMIZERS[optimizer] * real_number("rate", rate, above=0),
            batch_size=batch_size,
            optimizer=optimizer,
            seeds=seeds,
            test=((tests.x[:EVALUATED] - mean) / sd, tests.y[:EVALUATED]),
            loss_on=EVALUATED,
            gradient_on=100,
            interruptible=False,
            progress=False,
        )
        for name in WEIGHTS
    ]
    names = ("loss", "test_accuracy")
    return {name: np.array([getattr(history, name) for history in histories], np.float32) for name in names}


def deep_relu_network(depth: int, initializer: str, *, width: int = TRAINED_WIDTH, seed: int = 0) -> "torch.nn.Module":
    """Draw a torch network 784-width-...-width-10 with ``depth`` layers of weights, ReLUs between them.

    Orthogonal weights are multiplied by √2, as ReLUs need it.
    """
    import torch

    if initializer not in WEIGHTS:
        raise ValueError(unknown_name("initializer", initializer, WEIGHTS))
    name, factor = WEIGHTS[initializer]
    rng, layers, fans = np.random.default_rng(seed), [], [784, *[width] * (depth - 1), 10]
    for fan_in, fan_out in pairwise(fans):
        layer = torch.nn.Linear(fan_in, fan_out)
        weight = initializers[name].sample((fan_in, fan_out), rng=rng, scale=factor, dtype=np.float32)
        bias = rng.uniform(-1, 1, fan_out) / math.sqrt(fan_in) if initializer == "pytorch_default" else 0 * weight[0]
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])
