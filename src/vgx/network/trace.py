"""What the passes leave behind: the trace of a forward pass, and the gradients of a backward pass."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vgx.normalization import Cache

if TYPE_CHECKING:
    from vgx.network.stack import Network

Layers = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Trace:
    """What a forward pass leaves behind, for the backward pass and for looking at.

    Parameters
    ----------
    network : Network
        The network that was run.
    inputs : ndarray, shape (..., batch, n_inputs)
    pre_activations, normalized, activations : tuple of ndarray, each (..., batch, fan_out)
        z, u = norm(z) and h = φ(u) of each layer, the first layer first; without a normalization u is z.
    norm_caches : tuple
        What the normalization keeps of each layer for its backward pass.
    """

    network: "Network"
    inputs: np.ndarray
    pre_activations: Layers
    normalized: Layers
    activations: Layers
    norm_caches: tuple[Cache | None, ...]


@dataclass(frozen=True, eq=False)
class Gradients:
    """The gradient of C with respect to everything in a network, one array a layer, the first layer first.

    C is a function of each input, `grad_output` its gradient: rows of `inputs`, `pre_activations` and
    `activations` belong to one input each; `weights` and `biases` are summed over the batch. Where a batch
    normalization couples the inputs, a row is the gradient of the sum of C over the batch.

    Parameters
    ----------
    inputs : ndarray, shape (..., batch, n_inputs)
    pre_activations, activations : tuple of ndarray, each (..., batch, fan_out)
    weights : tuple of ndarray, each (..., fan_in, fan_out)
    biases : tuple of ndarray, each (..., fan_out)
    """

    inputs: np.ndarray
    pre_activations: Layers
    activations: Layers
    weights: Layers
    biases: Layers
