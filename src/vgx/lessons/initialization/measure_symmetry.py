"""A small network for the digits, drawn as one likes: equal units stay equal."""

from typing import TYPE_CHECKING

import numpy as np

from vgx.initializer import initializers

if TYPE_CHECKING:
    import torch


def small_network(initializer: str, *, scale: float = 1.0, seed: int = 0) -> "torch.nn.Module":
    """Draw a torch network 64-32-10 with tanh units and biases of 0.

    Parameters
    ----------
    initializer : str
        A name in `vgx.initializers`.
    scale : float
        Multiplies the standard deviation of the weights.
    seed : int

    Returns
    -------
    torch.nn.Module
    """
    import torch

    rng = np.random.default_rng(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
    with torch.no_grad():
        for layer in (model[0], model[2]):
            shape = (layer.in_features, layer.out_features)
            weight = initializers[initializer].sample(shape, rng=rng, scale=scale, dtype=np.float32)
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.zero_()
    return model
