"""Nielsen's four networks on MNIST: what lesson 00 measures of their accuracies."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from vgx.activation import activations
from vgx.arguments import whole_number
from vgx.datasets import mnist
from vgx.grid import Grid

HIDDEN = (1, 2, 3, 4)
EPOCHS = 30
N_SEEDS = 20
PUBLISHED = {1: 96.48, 2: 96.90, 3: 96.57, 4: 96.53}
"""Nielsen's accuracies in percent by number of hidden layers: one run each, after 30 epochs, on the last 10,000
training images, which he keeps for validation."""
WIDTH, N_TRAINING, BATCH = 30, 50_000, 10
RATE, DECAY = 0.1, 5.0  # Nielsen's η and λ

sigmoid = activations["sigmoid"].f


def accuracy_by_epoch(hidden: int, *, epochs: int = EPOCHS, n_seeds: int = N_SEEDS) -> dict[str, np.ndarray]:
    """Train Nielsen's classifier of MNIST from several seeds and count what it gets right after each epoch.

    The network is 784-30-...-30-10, all of sigmoids, with cross-entropy; weights begin as N(0, 1/n_in), biases as
    N(0, 1). Stochastic gradient descent on the first 50,000 training images: mini-batches of 10 in a new order every
    epoch, rate 0.1, L2 on the weights with λ = 5. A seed decides weights and orders; one more seed changes no other.

    Parameters
    ----------
    hidden : int
        Number of hidden layers, of 30 neurons each.
    epochs, n_seeds : int

    Returns
    -------
    dict
        ``validation``, ``test``: percent of the last 10,000 training images, as Nielsen's, and of the test set that
        are classified correctly; shape (n_seeds, epochs + 1), float32; the first column is before the first step.

    References
    ----------
    Nielsen (2015), Neural networks and deep learning, chapters 3 and 5; his network2.py.
    """
    hidden, epochs, n_seeds = (
        whole_number(name, value) for name, value in dict(hidden=hidden, epochs=epochs, n_seeds=n_seeds).items()
    )
    train, test = mnist("train"), mnist("test")
    held_out = train.x[N_TRAINING:], train.y[N_TRAINING:]
    rngs = [np.random.default_rng((seed, hidden)) for seed in range(n_seeds)]
    weights, biases = _draw([train.x.shape[1], *[WIDTH] * hidden, 10], rngs)
    targets = np.eye(10, dtype=np.float32)[train.y]
    accuracies = {"validation": [], "test": []}
    for epoch in range(epochs + 1):
        if epoch:
            for batch in _batches(rngs):
                _step(weights, biases, train.x[batch], targets[batch])
        accuracies["validation"].append(_percent_correct(weights, biases, *held_out))
        accuracies["test"].append(_percent_correct(weights, biases, test.x, test.y))
    return {name: np.array(each, dtype=np.float32).T for name, each in accuracies.items()}


def accuracies(recording: Grid, hidden: int, against: int) -> dict[str, np.ndarray]:
    """Take from a recording of `accuracy_by_epoch` what the lab compares.

    Returns
    -------
    dict
        ``first``, ``second``: validation accuracies of the networks with ``hidden`` and with ``against`` hidden layers,
        (n_seeds, epochs + 1). ``final``: those of all four depths after the last epoch, (4, n_seeds).
    """
    validation = {depth: recording(hidden=depth)["validation"] for depth in HIDDEN}
    final = np.stack([validation[depth][:, -1] for depth in HIDDEN])
    return {"first": validation[hidden], "second": validation[against], "final": final}


def _draw(sizes: list[int], rngs: list[np.random.Generator]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw an ensemble: a weight matrix and a row of biases a layer, the networks along the first axis."""
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        draws = [rng.standard_normal((fan_in + 1, fan_out), dtype=np.float32) for rng in rngs]
        weights.append(np.stack([draw[1:] for draw in draws]) / np.float32(np.sqrt(fan_in)))
        biases.append(np.stack([draw[:1] for draw in draws]))
    return weights, biases


def _batches(rngs: list[np.random.Generator]) -> Iterator[np.ndarray]:
    """Iterate over the mini-batches of an epoch, each as indices of shape (n_networks, BATCH)."""
    orders = np.stack([rng.permutation(N_TRAINING) for rng in rngs])
    return (orders[:, start : start + BATCH] for start in range(0, N_TRAINING, BATCH))


def _forward(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
    outputs = [x]
    for w, b in zip(weights, biases, strict=True):
        outputs.append(sigmoid(outputs[-1] @ w + b))
    return outputs


def _step(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    """Move every network of the ensemble one step, in place: x has shape (n_networks, BATCH, 784)."""
    outputs = _forward(weights, biases, x)
    delta = (outputs[-1] - y) * np.float32(RATE / BATCH)  # rate times ∂C/∂z, for sigmoid outputs with cross-entropy
    for layer in reversed(range(len(weights))):
        h = outputs[layer]
        below = (delta @ weights[layer].mT) * h * (1 - h) if layer else None
        weights[layer] *= np.float32(1 - RATE * DECAY / N_TRAINING)
        weights[layer] -= h.mT @ delta
        biases[layer] -= delta.sum(axis=1, keepdims=True)
        delta = below


def _percent_correct(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    networks = zip(zip(*weights, strict=True), zip(*biases, strict=True), strict=True)
    return np.array([100 * np.mean(_forward(w, b, x)[-1].argmax(axis=1) == y) for w, b in networks])
