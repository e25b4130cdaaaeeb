"""Single convolutions: which of their channels are born dead."""

import math
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import mnist
from vgx.initializer import initializers
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

CHANNELS = 16
LAYERS, INPUTS = ("depthwise", "standard"), ("pixels", "standardized")


def born_dead_channels(
    kernel: int,
    layer: str,
    inputs: str = "pixels",
    *,
    n_draws: int = 200,
    n_images: int = 1_000,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw single convolutions of 16 channels and count the channels that are 0 everywhere on every image.

    An image of MNIST, 28 x 28, is cut into 16 channels of 7 x 7: each takes every fourth pixel. Weights after He,
    biases 0, zeros around the image.

    Parameters
    ----------
    kernel : int
        Odd; the kernel is kernel x kernel.
    layer : {"depthwise", "standard"}
        Whether a channel of the output sees its own channel of the input only, or all 16.
    inputs : {"pixels", "standardized"}
        From 0 to 1; or each channel with mean 0 and variance 1 over the images and positions.
    n_draws, n_images : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n_draws,)
        Share of the 16 channels with z <= 0 at every position of every image.
    """
    import torch

    if layer not in LAYERS:
        raise ValueError(unknown_name("layer", layer, LAYERS))
    if inputs not in INPUTS:
        raise ValueError(unknown_name("inputs", inputs, INPUTS))
    images = mnist().x[: whole_number("n_images", n_images)].reshape(-1, 7, 4, 7, 4)
    x = images.transpose(0, 2, 4, 1, 3).reshape(-1, CHANNELS, 7, 7)
    if inputs == "standardized":
        x = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / x.std(axis=(0, 2, 3), keepdims=True)
    x, shares = torch.from_numpy(np.ascontiguousarray(x)), []
    for _ in range(whole_number("n_draws", n_draws)):
        conv = convolution(CHANNELS, CHANNELS, kernel, depthwise=layer == "depthwise", bias=True, rng=rng)
        with torch.no_grad():
            shares.append(np.mean(~awake(torch.relu(conv(x)), math.inf)))
    return np.array(shares)


def awake(out: "torch.Tensor", ceiling: float) -> np.ndarray:
    """Say which channels a rectifier lets through with a slope, at one position of one image at least."""
    return ((out > 0) & (out < ceiling)).transpose(0, 1).flatten(1).any(1).numpy()


def convolution(
    fan_in: int,
    fan_out: int,
    size: int,
    *,
    bias: bool,
    rng: np.random.Generator,
    stride: int = 1,
    depthwise: bool = False,
) -> "torch.nn.Conv2d":
    """Draw a convolution of odd size that keeps the image's (at stride 1): after He, biases 0."""
    from torch import nn

    if whole_number("kernel", size) % 2 == 0:
        raise ValueError(f"kernel must be odd, got {size}")
    groups = fan_in if depthwise else 1
    conv = nn.Conv2d(fan_in, fan_out, size, stride=stride, padding=size // 2, groups=groups, bias=bias)
    fill_after_he(conv, rng)
    return conv


def fill_after_he(module: "torch.nn.Conv2d | torch.nn.Linear", rng: np.random.Generator) -> None:
    """Draw the weights after He, from as many inputs as a channel has weights; biases 0."""
    import torch

    out, *shape = module.weight.shape
    weight = initializers["he_normal"].sample((math.prod(shape), out), rng=rng)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(weight.T.reshape(module.weight.shape).copy()))
        if module.bias is not None:
            module.bias.zero_()
