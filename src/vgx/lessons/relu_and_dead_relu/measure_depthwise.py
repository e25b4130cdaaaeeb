"""Depthwise against standard convolutions: which channels are born dead, and which die in small MobileNets."""

import math
from collections import OrderedDict
from copy import deepcopy
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.datasets import mnist
from vgx.registry import unknown_name

from .measure_channels import CHANNELS, awake, convolution, fill_after_he

if TYPE_CHECKING:
    import torch

BLOCKS = ("standard", "depthwise", "bottleneck")
ROLES = (
    ("standard", "standard"),
    ("depthwise", "depthwise"),
    ("depthwise", "pointwise"),
    ("bottleneck", "expansion"),
    ("bottleneck", "depthwise"),
)
"""The kinds of layers that can die, as (block, layer); the bottleneck's projection is linear and cannot."""

NARROW, EXPANSION, N_BLOCKS = 8, 6, 2
N_IMAGES, EVALUATED, BATCH, MOMENTUM = 3_000, 1_000, 50, 0.9
KERNELS = (1, 3)
RATES = (0.02, 0.1, 0.25, 0.5)
DEPTHWISE_AXES = {"kernel": KERNELS, "norm": ("none", "batch"), "learning_rate": RATES}


def depthwise_vs_standard(
    kernel: int, norm: str, learning_rate: float, *, epochs: int = 3, n_seeds: int = 10
) -> dict[str, np.ndarray]:
    """Train three small convolutional networks on MNIST and count their dead channels at birth and at the end.

    Reduced, so that it takes seconds: the first 3,000 images, 28 x 28 averaged to 14 x 14 (pixels from 0 to 1), 3
    epochs of 60 steps of stochastic gradient descent with momentum 0.9. See `small_convnet` for the networks.

    A channel is dead if what its ReLU lets through has no slope at any position of any of the first 1,000 images: 0
    (or 6, for ReLU6) everywhere. With batch normalization this is what comes after it: at birth with the statistics
    of those images, at the end in evaluation mode, with the running ones.

    Parameters
    ----------
    kernel : {1, 3}
        Of the standard and of the depthwise convolutions.
    norm : {"none", "batch"}
    learning_rate : float
    epochs, n_seeds : int

    Returns
    -------
    dict
        ``birth``, ``after``: share of dead channels, float32 of shape (5, n_seeds): a row for each of `ROLES`, over the
        two blocks. ``inherited``: share of channels at birth that are dead as their input is 0, (5, n_seeds);
        ``revived``: share of channels dead at birth and alive at the end, (5, n_seeds). ``loss``: at the end, on
        those 1,000 images, ``test_accuracy``: on 1,000 test images, (3, n_seeds): a row for each of `BLOCKS`. NaN where
        the loss is no number.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    import torch

    from vgx.training import train

    rate, seeds = real_number("learning_rate", learning_rate, above=0), range(whole_number("n_seeds", n_seeds))
    images, tests = mnist(), mnist("test")
    x, test_x = _pooled(images.x[:N_IMAGES]), torch.from_numpy(_pooled(tests.x[:EVALUATED]))
    seen = torch.from_numpy(x[:EVALUATED])
    shape = (len(ROLES), len(seeds))
    found = {name: np.full(shape, np.nan, np.float32) for name in ("birth", "inherited", "after", "revived")}
    found |= {name: np.full((len(BLOCKS), len(seeds)), np.nan, np.float32) for name in ("loss", "test_accuracy")}
    for (b, block), seed in product(enumerate(BLOCKS), seeds):
        model = small_convnet(block, kernel, norm, seed=seed)
        born = dead_channels(deepcopy(model).train(), seen)
        history = train(
            model,
            x,
            images.y[:N_IMAGES],
            epochs=epochs,
            learning_rate=rate,
            batch_size=BATCH,
            momentum=MOMENTUM,
            seeds=seed,
            loss_on=EVALUATED,
            gradient_on=BATCH,
            interruptible=False,
            progress=False,
        )
        finished = history.status == "finished"
        end = dead_channels(model.eval(), seen)
        for row, (its_block, layer) in enumerate(ROLES):
            if its_block == block:
                (dead, input_is_0), (after, _) = born[layer], end[layer]
                found["birth"][row, seed], found["inherited"][row, seed] = dead.mean(), (dead & input_is_0).mean()
                if finished:
                    found["after"][row, seed], found["revived"][row, seed] = after.mean(), (dead & ~after).mean()
        found["loss"][b, seed] = history.loss[-1]
        if finished:
            with torch.no_grad():
                right = model(test_x).argmax(-1).numpy() == tests.y[:EVALUATED]
            found["test_accuracy"][b, seed] = right.mean()
    return found


def small_convnet(block: str, kernel: int, norm: str, *, seed: int) -> "torch.nn.Sequential":
    """Draw a network for images of 14 x 14: a stem, two blocks of one kind, the mean over positions, a readout.

    Weights after He (variance 2 over the number of a channel's weights), biases 0; all blocks work on 7 x 7.

    Parameters
    ----------
    block : {"standard", "depthwise", "bottleneck"}
        A convolution of 16 channels and ReLU; as in MobileNet, a depthwise one and ReLU, then a pointwise (1 x 1) one
        and ReLU; or as in MobileNetV2, between 8 channels: expansion (1 x 1) to 48 and ReLU6, depthwise and ReLU6, a
        linear projection (1 x 1) back to 8, added to what came in.
    kernel : int
        Of the standard or depthwise convolution.
    norm : {"none", "batch"}
        'batch': batch normalization after every convolution.
    seed : int

    References
    ----------
    Howard et al. (2017), MobileNets; Sandler et al. (2018), MobileNetV2: inverted residuals and linear bottlenecks.
    """
    from torch import nn

    if block not in BLOCKS:
        raise ValueError(unknown_name("block", block, BLOCKS))
    if norm not in ("none", "batch"):
        raise ValueError(unknown_name("norm", norm, ("none", "batch")))
    rng, width = np.random.default_rng(seed), NARROW if block == "bottleneck" else CHANNELS

    def layer(fan_in: int, fan_out: int, size: int, rectifier: nn.Module | None, **more: object) -> nn.Sequential:
        conv = convolution(fan_in, fan_out, size, bias=norm == "none", rng=rng, **more)
        modules = [conv, nn.BatchNorm2d(fan_out) if norm == "batch" else None, rectifier]
        return nn.Sequential(*(module for module in modules if module))

    parts = OrderedDict(stem=layer(1, width, 3, nn.ReLU(), stride=2))
    for number in range(N_BLOCKS):
        if block == "standard":
            parts[f"block{number}"] = nn.Sequential(OrderedDict(standard=layer(width, width, kernel, nn.ReLU())))
        elif block == "depthwise":
            parts[f"block{number}"] = nn.Sequential(OrderedDict(
                depthwise=layer(width, width, kernel, nn.ReLU(), depthwise=True),
                pointwise=layer(width, width, 1, nn.ReLU()),
            ))  # fmt: skip
        else:
            wide = EXPANSION * width
            parts[f"block{number}"] = _plus_input()(OrderedDict(
                expansion=layer(width, wide, 1, nn.ReLU6()),
                depthwise=layer(wide, wide, kernel, nn.ReLU6(), depthwise=True),
                projection=layer(wide, width, 1, None),
            ))  # fmt: skip
    readout = nn.Linear(width, 10)
    fill_after_he(readout, rng)
    return nn.Sequential(parts | OrderedDict(mean=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), readout=readout))


def dead_channels(model: "torch.nn.Sequential", x: "torch.Tensor") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Say for each kind of layer of a `small_convnet` which channels are dead on all images ``x``.

    Returns
    -------
    dict of str to tuple of ndarray of bool
        Name of the layer -> over the channels of all blocks: is it dead, and is its own channel of the input 0
        everywhere (for depthwise layers; of others all of the input).
    """
    import torch
    from torch import nn

    kinds, handles, found = {kind for _, kind in ROLES}, [], {}
    try:
        for path, module in model.named_modules():
            if (kind := path.rpartition(".")[2]) in kinds:

                def keep(layer: nn.Sequential, given: tuple, out: torch.Tensor, kind: str = kind) -> None:
                    dead = ~awake(out, 6.0 if isinstance(layer[-1], nn.ReLU6) else math.inf)
                    is_0 = ~awake(given[0].abs(), math.inf)
                    alone = layer[0].groups > 1
                    found.setdefault(kind, []).append((dead, is_0 if alone else np.full_like(dead, is_0.all())))

                handles.append(module.register_forward_hook(keep))
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return {kind: tuple(np.concatenate(each) for each in zip(*pairs, strict=True)) for kind, pairs in found.items()}


def _plus_input() -> type:
    from torch import nn

    class PlusInput(nn.Sequential):
        """What its modules make of the input, plus the input."""

        def forward(self, h: "torch.Tensor") -> "torch.Tensor":
            return h + super().forward(h)

    return PlusInput


def _pooled(images: np.ndarray) -> np.ndarray:
    """Average squares of 2 x 2 pixels: (n, 784) -> (n, 1, 14, 14)."""
    return images.reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5))
