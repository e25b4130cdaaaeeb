"""How long gradients are, layer by layer."""

from collections.abc import Iterable
from math import prod

import numpy as np

from vgx.network.checks import checked_grad_output, checked_inputs, joint_ensemble
from vgx.network.depth_sweep import Workspace, depth_sweep, squared_length
from vgx.network.parts import in_parts
from vgx.network.stack import Network

_workspace = Workspace()


def gradient_norms(
    net: Network, x: np.ndarray, grad_output: np.ndarray, depths: Iterable[int]
) -> dict[int, np.ndarray]:
    """Measure how long each layer's gradient is, for networks of several depths.

    Parameters
    ----------
    net, x, grad_output, depths
        As in `depth_sweep`; the network may have a normalization.

    Returns
    -------
    dict of int to ndarray, shape (..., depth), float64
        For each depth, the `norm_per_input` of C's gradient with respect to each layer's pre-activations, the
        first layer first.

    Raises
    ------
    ValueError
        As in `depth_sweep`, or as in `Network.forward`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Network.sample(depth=20, width=64, activation="tanh", initializer="xavier_normal", rng=rng)
    >>> scales = net.rescaled([0.5, 1.0, 2.0])
    >>> norms = gradient_norms(scales, rng.standard_normal((32, 64)), np.ones((32, 64)), depths=[10, 20])
    >>> norms[10].shape, norms[20].shape
    ((3, 10), (3, 20))
    """
    depths = {net.truncated(depth).depth for depth in depths}
    x = checked_inputs(x, net.n_inputs, net.dtype)
    ensemble = joint_ensemble(net.ensemble, x, grad_output)
    for depth in depths:
        checked_grad_output(grad_output, None, (*ensemble, x.shape[-2], net.widths[depth - 1]))
    norms = {depth: np.empty((prod(ensemble), depth)) for depth in depths}
    for members, *part in in_parts(net, x, np.asarray(grad_output), ensemble):
        for depth, each in _norms_of_part(*part, depths).items():
            norms[depth][members] = each
    return {depth: each.reshape(*ensemble, depth) for depth, each in norms.items()}


def _norms_of_part(
    net: Network, x: np.ndarray, grad_output: np.ndarray, depths: Iterable[int]
) -> dict[int, np.ndarray]:
    if net.norm:
        return {depth: _norms_by_backward(net.truncated(depth), x, grad_output) for depth in depths}
    norms = {}
    for layer, reached, gradients, exponents in depth_sweep(net, x, grad_output, depths, workspace=_workspace):
        if layer + 1 == reached[-1]:
            norms[layer + 1] = np.empty((*gradients.shape[1:-2], layer + 1))
        lengths = np.ldexp(np.sqrt(squared_length(gradients)), exponents[..., 0, 0])
        for depth, length in zip(reached, lengths, strict=True):
            norms[depth][..., layer] = length
    return norms


def _norms_by_backward(net: Network, x: np.ndarray, grad_output: np.ndarray) -> np.ndarray:
    """Measure what the sweep cannot: normalized networks, by a backward pass for each depth."""
    gradients = net.backward(net.forward(x), grad_output).pre_activations
    return np.stack([norm_per_input(gradient) for gradient in gradients], axis=-1)


def norm_per_input(gradient: np.ndarray) -> np.ndarray:
    """Return the typical length of one input's gradient.

    The L2 norm over the width for each input, then the root mean square over the batch.

    Parameters
    ----------
    gradient : ndarray, shape (..., batch, width)

    Returns
    -------
    ndarray, shape (...), float64

    Examples
    --------
    >>> norm_per_input(np.array([[3.0, 4.0], [0.0, 5.0]]))
    np.float64(5.0)
    """
    with np.errstate(all="ignore"):
        return np.sqrt(squared_length(np.asarray(gradient, dtype=np.float64)))
