"""The gradients of networks of many depths after one forward pass.

This is `Network.forward` and `Network.backward` again, made fast: large arrays are written in place, what changes
nothing is left out, and networks of all depths share what they have in common.
"""

import threading
from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

import numpy as np

from vgx.network.checks import checked_grad_output, checked_inputs, joint_ensemble
from vgx.network.in_place import value_and_derivative
from vgx.network.scaled_draw import ScaledDraw, matmul, without_denormals
from vgx.network.stack import Network


class Workspace(threading.local):
    """Memory that each sweep of a thread writes over: fresh pages cost as much as the arithmetic on them."""

    KEPT = 64_000_000  # bytes at most

    def __init__(self) -> None:
        self._block = np.empty(0)

    def rows(self, n: int, size: int, dtype: np.dtype) -> np.ndarray:
        """Return n arrays of this size, shape (n, size), of any content."""
        block = self._block
        if block.dtype != dtype or block.size < n * size:
            block = np.empty(n * size, dtype)
            if block.nbytes <= self.KEPT:
                self._block = block
        return block[: n * size].reshape(n, size)


def depth_sweep(
    net: Network,
    x: np.ndarray,
    grad_output: np.ndarray,
    depths: Iterable[int],
    *,
    workspace: Workspace | None = None,
) -> Iterator[tuple[int, list[int], np.ndarray, np.ndarray]]:
    """Walk back through networks of several depths at once, after one forward pass.

    The network of depth d is ``net.truncated(d)``, the first d layers of the same draw. Its gradients are
    exact; each is kept near 1 by a power of two, so that float32 neither overflows nor underflows on the way.

    Parameters
    ----------
    net : Network
        The deepest network, or an ensemble.
    x : ndarray, shape (..., batch, n_inputs)
    grad_output : ndarray, shape (..., batch, width)
        Gradient of C, a function of each input, with respect to the last activations, whatever the depth.
    depths : iterable of int
    workspace : Workspace, optional
        Memory to work in.

    Yields
    ------
    layer : int
        From the deepest network's last layer down to 0.
    reached : list of int
        Those of `depths` that have this layer, the greatest first.
    gradients : ndarray, shape (len(reached), ..., batch, width of the layer)
        Valid, as the next, until the next step, which writes over it.
    exponents : ndarray of int, shape (len(reached), ..., 1, 1)
        ``np.ldexp(gradients, exponents)`` are C's gradients with respect to the layer's pre-activations.

    Raises
    ------
    ValueError
        If a depth is no whole number from 1 to the network's, or the network has a normalization, or as in
        `Network.forward` and `backward`.
    """
    if net.norm:
        raise ValueError(
            f"depth_sweep has no way back through a normalization, got norm={net.norm.name!r}; "
            "use net.truncated(depth) with its forward and backward, or gradient_norms"
        )
    depths = sorted({net.truncated(depth).depth for depth in depths}, reverse=True)
    with np.errstate(all="ignore"):
        way_back = _forward(net.truncated(max(depths, default=1)), x, grad_output, depths, workspace or Workspace())
    reached, dz = [], None
    for layer in reversed(range(max(depths, default=0))):
        with np.errstate(all="ignore"):  # not around the yield: the caller's warnings are the caller's
            if reached:
                way_back.steps[layer].back(dz, out=way_back.dz(layer, len(reached)))
                way_back.exponents[: len(reached)] += way_back.steps[layer].exponent
        if layer + 1 in depths:
            reached = [*reached, layer + 1]
        dz = way_back.dz(layer, len(reached))
        yield layer, reached, dz, way_back.exponents[: len(reached)]


class _WayBack(NamedTuple):
    """What the forward pass leaves behind."""

    shapes: list[tuple[int, ...]]  # of each layer's activations
    buffers: np.ndarray  # (2, depths, size): of even and of odd layers
    exponents: np.ndarray
    steps: list["_StepBack"]

    def dz(self, layer: int, n_depths: int) -> np.ndarray:
        """Return the gradients of the first depths; a network's last layer has its own from the beginning."""
        return _view(self.buffers[layer % 2, :n_depths], self.shapes[layer])


class _StepBack(NamedTuple):
    """``dz <- φ'(z) * (branch * dz @ W.T) + skip * dz``, to the layer below, over 2 ** exponent.

    The power of two is the growth that mean-field theory expects of the gradient.
    """

    unit: np.ndarray  # W / sd
    slope: np.ndarray  # φ'(z) * branch * sd / 2 ** exponent
    skip: np.ndarray  # skip / 2 ** exponent
    exponent: np.ndarray

    def back(self, dz: np.ndarray, out: np.ndarray) -> None:
        matmul(dz, self.unit.swapaxes(-1, -2), out)
        out *= self.slope
        if self.skip.any():
            out += self.skip * dz


def _forward(net: Network, x: np.ndarray, grad_output: np.ndarray, depths: list[int], workspace: Workspace) -> _WayBack:
    x, layers = checked_inputs(x, net.n_inputs, net.dtype), list(net.layers())
    ensemble = joint_ensemble(net.ensemble, x, grad_output)
    shapes = [(*ensemble, x.shape[-2], width) for width in net.widths]
    grad_output, exponent = _near_one(grad_output)
    for depth in depths:
        grad_output = checked_grad_output(grad_output, net.dtype, shapes[depth - 1])
    size = max(prod(shape) for shape in shapes)
    memory = workspace.rows(4 + 2 * len(depths) + net.depth, size, net.dtype)
    (z_before, z_after, h_after, spare), slopes = memory[:4], memory[-net.depth :]
    buffers = memory[4 : -net.depth].reshape(2, len(depths), size)
    way_back = _WayBack(shapes, buffers, np.full((len(depths), *ensemble, 1, 1), exponent), [])
    h = without_denormals(x)
    for layer, (shape, (W, b, skip, branch)) in enumerate(zip(shapes, layers, strict=True)):
        z, slope = _view(z_after, shape), _view(slopes[layer], shape)
        np.multiply(matmul(h, W.unit, z if layer else None), branch * W.sd, out=z)
        if b.any():
            z += branch * b
        if skip:
            z += skip * _view(z_before, shape)
        z_before, z_after = z_after, z_before
        h = _view(h_after, shape)
        value_and_derivative(net.activation, z, h, slope, _view(spare, shape))
        without_denormals(h, out=h)
        if layer + 1 in depths:
            last = way_back.dz(layer, depths.index(layer + 1) + 1)[-1]
            np.multiply(slope, grad_output, out=last)
        if layer + 1 < net.depth:
            way_back.steps.append(_step_back(slope, *layers[layer + 1]))
    return way_back


def _step_back(slope: np.ndarray, W: ScaledDraw, b: np.ndarray, skip: float, branch: float) -> _StepBack:
    """Make the step from the layer above, which has these W, b, skip and branch; it takes over the array `slope`."""
    factor, mean_square = branch * W.sd, squared_length(slope)[..., None, None] / slope.shape[-1]
    growth = np.sqrt(skip**2 + W.unit.shape[-1] * factor**2 * mean_square)
    exponent = np.frexp(np.sqrt(2) * growth)[1] - 1  # of the nearest power of two
    slope *= np.ldexp(factor, -exponent)
    without_denormals(slope, out=slope)
    return _StepBack(W.unit, slope, np.ldexp(slope.dtype.type(skip), -exponent), exponent)


def _near_one(grad_output: np.ndarray) -> tuple[np.ndarray, int]:
    """Return ``grad_output / 2 ** exponent``, whose largest number is near 1, and the exponent."""
    grad_output = np.asarray(grad_output)
    largest = np.abs(grad_output).max(initial=0)
    exponent = int(np.frexp(largest)[1]) if np.isfinite(largest) else 0
    return np.ldexp(grad_output, -exponent), exponent


def _view(memory: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first numbers of each row, in this shape."""
    return memory[..., : prod(shape)].reshape(*memory.shape[:-1], *shape)


def squared_length(gradient: np.ndarray) -> np.ndarray:
    """Squared L2 norm over the width, averaged over the batch."""
    flat = gradient.reshape(*gradient.shape[:-2], -1)
    return np.vecdot(flat, flat).astype(np.float64) / gradient.shape[-2]
