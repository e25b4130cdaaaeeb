"""How fast each layer of Nielsen's networks learns: what lesson 00 measures of it."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.datasets import mnist
from vgx.network import Network

PUBLISHED_SPEEDS = {2: (0.07, 0.31), 3: (0.012, 0.060, 0.283), 4: (0.003, 0.017, 0.070, 0.285)}
"""‖∂C/∂b‖ of each hidden layer before the first step, for 2, 3 and 4 of them: Nielsen (2015), chapter 5."""

HIDDEN_WIDTH = 30
LEARNING_RATE = 0.1
WEIGHT_DECAY = 5.0
N_DRAWS = 40  # of those that are trained
LONG_STEPS = (0, 50, 100, 500, 2000, 5000, 10_000)
KEPT_EPOCHS = np.r_[:20, 20:100:5, 100:501:10]

Layers = list[np.ndarray]


def learning_speeds(
    hidden: int, draw: int | Sequence[int], *, n_epochs: int = 500, n_starts: int = 200, n_images: int = 1000,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:  # fmt: skip
    """Train a network on MNIST's first images, one step an epoch, and measure how fast the biases of each layer learn.

    The network is 784-30-...-30-10 of sigmoids, with weights from N(0, 1/n_in), biases from N(0, 1) and the
    cross-entropy of ten sigmoid outputs. Each epoch is one step of gradient descent on the mean over all images, at
    rate 0.1 and with weight decay 5.0 / n_images. The speed of a layer is the norm of that mean gradient with respect
    to its biases, ‖∂C/∂b‖.

    Parameters
    ----------
    hidden : int
        Number of hidden layers.
    draw : int or sequence of int
        Which networks are trained, from 1.
    n_epochs, n_images : int
    n_starts : int
        How many draws, 1 among them, are measured before their first step.
    seed : int

    Returns
    -------
    dict
        ``start``: speeds of all draws before the first step, shape (n_starts, hidden), layer 1 first.
        ``speeds``: those of the trained network, shape (n_kept, hidden), before the first step and after each of
        the ``epochs``, shape (n_kept,). ``slower``: in which share of *all* epochs a layer was slower than the next,
        shape (hidden - 1,). ``loss``: C, shape (n_kept,); ``accuracy``: at the end, on the same images. For a sequence
        of draws, a list with one entry a draw under each name.

    References
    ----------
    Nielsen (2015), Neural networks and deep learning, chapter 5.
    """
    hidden, n_epochs = whole_number("hidden", hidden), whole_number("n_epochs", n_epochs, least=0)
    x, y = _images(whole_number("n_images", n_images))
    n_starts = whole_number("n_starts", n_starts)
    starts = [_speeds(gradients(*_drawn(hidden, n, seed), x, y)[0]) for n in range(1, n_starts + 1)]
    measured = {"start": _short(np.array(starts, dtype=np.float32))}
    draws = draw if np.ndim(draw) else [draw]
    runs = [measured | _train(*_drawn(hidden, n, seed), x, y, n_epochs) for n in draws]
    return {name: [run[name] for run in runs] for name in runs[0]} if np.ndim(draw) else runs[0]


def gradients(weights: Layers, biases: Layers, x: np.ndarray, y: np.ndarray) -> tuple[Layers, Layers, np.ndarray]:
    """Return the gradients of the mean cross-entropy with respect to biases and weights, and the outputs.

    Parameters
    ----------
    weights, biases : list of ndarray
        One a layer of sigmoids, (fan_in, fan_out) and (fan_out,).
    x, y : ndarray, shape (n, fan_in of the first layer) and (n, fan_out of the last)
        Inputs and what the outputs should be.
    """
    f, hs = activations["sigmoid"].f, [x]
    for W, b in zip(weights, biases, strict=True):
        hs.append(f(hs[-1] @ W + b))
    dbs, dWs, dz = [], [], (hs[-1] - y) / len(x)
    for layer in reversed(range(len(weights))):
        h = hs[layer]
        dbs.append(dz.sum(axis=0))
        dWs.append(h.T @ dz)
        if layer:
            dz = (dz @ weights[layer].T) * h * (1 - h)
    return dbs[::-1], dWs[::-1], hs[-1]


def long_training(decay: float, *, hidden: int = 3, n_draws: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """Train the networks of `learning_speeds` for 10,000 steps, with a weight decay of your choice.

    Parameters
    ----------
    decay : float
        Nielsen's λ, 5 in `learning_speeds`: a step multiplies the weights by 1 - 0.1 λ / 1000.
    hidden, n_draws, seed : int

    Returns
    -------
    dict
        After each of `LONG_STEPS`: ``loss``; ``accuracy``, on the same 1000 images; ``first_weights``, the norm of the
        first layer's weights; shape (n_draws, n_steps). ``by_biases``, ``by_weights``: the hidden layers' speeds,
        ‖∂C/∂b‖ and ‖∂C/∂W‖; shape (n_draws, n_steps, hidden).
    """
    decay = real_number("decay", decay, least=0)
    hidden, n_draws = whole_number("hidden", hidden), whole_number("n_draws", n_draws)
    x, y = _images(1000)
    runs = []
    for draw in range(1, n_draws + 1):
        weights, biases = _drawn(hidden, draw, seed)
        kept = []
        for step, (dbs, dWs, outputs) in enumerate(_steps(weights, biases, x, y, LONG_STEPS[-1], decay)):
            if step in LONG_STEPS:
                right = np.mean(outputs.argmax(axis=1) == y.argmax(axis=1))
                norm = np.linalg.norm(weights[0])
                kept.append([cross_entropy(outputs, y), right, norm, *_speeds(dbs), *_speeds(dWs)])
        runs.append(kept)
    found = np.array(runs, dtype=np.float32)
    whole = {name: found[..., i] for i, name in enumerate(("loss", "accuracy", "first_weights"))}
    return whole | {"by_biases": found[..., 3 : 3 + hidden], "by_weights": found[..., 3 + hidden :]}


def _train(weights: Layers, biases: Layers, x: np.ndarray, y: np.ndarray, n_epochs: int) -> dict[str, np.ndarray]:
    speeds, losses = [], []  # one entry an epoch, and one for the start
    for dbs, _, outputs in _steps(weights, biases, x, y, n_epochs, WEIGHT_DECAY):
        speeds.append(_speeds(dbs))
        losses.append(cross_entropy(outputs, y))
    kept = KEPT_EPOCHS[: np.searchsorted(KEPT_EPOCHS, n_epochs, side="right")]
    speeds = np.array(speeds, dtype=np.float32)
    return {
        "epochs": kept,
        "speeds": _short(speeds[kept]),
        "slower": np.mean(speeds[:, :-1] < speeds[:, 1:], axis=0),
        "loss": _short(np.array(losses, dtype=np.float32)[kept]),
        "accuracy": np.mean(outputs.argmax(axis=1) == y.argmax(axis=1)),
    }


def _steps(
    weights: Layers, biases: Layers, x: np.ndarray, y: np.ndarray, n_steps: int, decay: float
) -> Iterator[tuple[Layers, Layers, np.ndarray]]:
    """Descend in place; yield the gradients and the outputs before the first step and after each."""
    for step in range(n_steps + 1):
        dbs, dWs, outputs = gradients(weights, biases, x, y)
        yield dbs, dWs, outputs
        if step < n_steps:
            for W, b, dW, db in zip(weights, biases, dWs, dbs, strict=True):
                W *= 1 - LEARNING_RATE * decay / len(x)
                W -= LEARNING_RATE * dW
                b -= LEARNING_RATE * db


def _speeds(gradients: Layers) -> list[float]:
    return [float(np.linalg.norm(gradient)) for gradient in gradients[:-1]]  # hidden layers only


def _short(values: np.ndarray) -> np.ndarray:
    """Keep 12 binary digits, one part in 4000, so that a recording is small."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2**12), exponent - 12).astype(np.float32)


def cross_entropy(outputs: np.ndarray, y: np.ndarray) -> float:
    """Return the cost of sigmoid outputs, shape (n, classes): the sum over the classes, the mean over the images."""
    p = np.where(y == 1, outputs, 1 - outputs)
    with np.errstate(divide="ignore"):
        return float(-np.log(p).sum(axis=1).mean())


@lru_cache(maxsize=1)
def _images(n: int) -> tuple[np.ndarray, np.ndarray]:
    data = mnist("train")
    return data.x[:n], np.eye(10, dtype=np.float32)[data.y[:n]]


def _drawn(hidden: int, draw: int, seed: int) -> tuple[Layers, Layers]:
    """Draw weights and biases; the first layers of a draw are the same at every depth."""
    net = Network.sample(
        width=[HIDDEN_WIDTH] * hidden + [10], n_inputs=784, activation="sigmoid", initializer="lecun_normal",
        bias_std=1.0, dtype=np.float32, rng=np.random.default_rng((seed, whole_number("draw", draw))),
    )  # fmt: skip
    return list(net.weights), [b.copy() for b in net.biases]
