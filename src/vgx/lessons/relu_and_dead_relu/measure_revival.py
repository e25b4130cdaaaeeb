"""Dead at birth, and afterwards? Units of a ReLU network before and after it is trained."""

from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import digits
from vgx.training import train

from .measure_dead_units import WIDTH, biased_network

if TYPE_CHECKING:
    import torch
    from torch import nn

RATE = 0.05
BATCH = 32


def revival(
    depth: int, scale: float = 1.0, bias: float = 0.0, *, epochs: int = 5, n_nets: int = 4, seed: int = 0
) -> dict[str, np.ndarray]:
    """Train networks of ReLUs on the digits and compare which units are dead on all of them before and after.

    The networks are those of `dead_units`, and ten linear outputs; plain gradient descent in mini-batches of 32 with
    learning rate 0.05.

    Parameters
    ----------
    depth, scale, bias
        As in `dead_units`.
    epochs, n_nets, seed : int
        How long they train, how many are drawn and from which seed.

    Returns
    -------
    dict
        ``before``, ``after``: which units are dead, bool of shape (n_nets, depth, width); ``accuracy``, shape (n_nets,)
        on the digits they were trained on.
    """
    import torch

    rngs = [np.random.default_rng((seed, draw)) for draw in range(whole_number("n_nets", n_nets))]
    models = [_model(depth, scale, bias, rng) for rng in rngs]
    x, y = digits().x.astype(np.float32), digits().y
    before = [_dead(model, torch.tensor(x)) for model in models]
    history = train(models, x, y, epochs=epochs, learning_rate=RATE, batch_size=BATCH, seeds=seed, progress=False)
    after = [_dead(model, torch.tensor(x)) for model in models]
    return {"before": np.array(before), "after": np.array(after), "accuracy": history.accuracy[..., -1]}


def _model(depth: int, scale: float, bias: float, rng: np.random.Generator) -> "nn.Sequential":
    import torch
    from torch import nn

    net, modules = biased_network(depth, scale, bias, "relu", rng=rng), []
    readout = rng.standard_normal((WIDTH, 10), dtype=np.float32) / np.sqrt(WIDTH)
    weights, biases = [*net.weights, readout], [*net.biases, np.zeros(10, np.float32)]
    for W, b in zip(weights, biases, strict=True):
        layer = nn.Linear(*W.shape)
        layer.load_state_dict({"weight": torch.tensor(W.T), "bias": torch.tensor(b)})
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def _dead(model: "nn.Sequential", x: "torch.Tensor") -> np.ndarray:
    import torch
    from torch import nn

    masks = []
    with torch.no_grad():
        for module in model:
            x = module(x)
            if isinstance(module, nn.ReLU):
                masks.append((x == 0).all(dim=0).numpy())
    return np.array(masks)
