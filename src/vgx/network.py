"""A deep stack of layers in NumPy: forward and backward one under the other, any number of networks at once.

Activations are ``(..., batch, width)``, weights ``(..., fan_in, fan_out)``; the leading axes are any ensemble
(draws, scales, ...) and broadcast. One network is the case without leading axes.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from vgx.activation import Activation, activations
from vgx.arguments import real_array, real_number, whole_number
from vgx.initializer import Initializer, initializers

Layers = tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class ScaledDraw:
    """Weights ``W = sd * unit``, never multiplied out: ``h @ W`` scales the product instead.

    Parameters
    ----------
    unit : ndarray, shape (..., fan_in, fan_out)
        A draw of variance 1, shared by all scales.
    sd : ndarray, shape (..., 1, 1)
        The standard deviation of the weights.
    """

    unit: np.ndarray
    sd: np.ndarray

    __array_ufunc__ = None  # an ndarray on the left of @ leaves the product to __rmatmul__

    @property
    def T(self) -> "ScaledDraw":
        """The transposed weights, shape (..., fan_out, fan_in)."""
        return ScaledDraw(self.unit.swapaxes(-1, -2), self.sd)

    def __rmatmul__(self, h: np.ndarray) -> np.ndarray:
        product = _product(_without_denormals(h), self.unit)
        shape = np.broadcast_shapes(product.shape, self.sd.shape)
        return np.multiply(product, self.sd, out=product if product.shape == shape else None)


@dataclass(frozen=True, eq=False)
class Trace:
    """What a forward pass leaves behind, for the backward pass and for looking at.

    Parameters
    ----------
    network : Network
        The network that was run.
    inputs : ndarray, shape (..., batch, n_inputs)
    pre_activations, activations : tuple of ndarray, each (..., batch, fan_out)
        z and h of each layer, the first layer first.
    """

    network: "Network"
    inputs: np.ndarray
    pre_activations: Layers
    activations: Layers


@dataclass(frozen=True, eq=False)
class Gradients:
    """The gradient of C with respect to everything in a network, one array a layer, the first layer first.

    C is a function of each input, `grad_output` its gradient: rows of `inputs`, `pre_activations` and
    `activations` belong to one input each; `weights` and `biases` are summed over the batch.

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


@dataclass(frozen=True, eq=False)
class Network:
    r"""A stack of layers, or any ensemble of such stacks.

    Layer l computes, with the inputs as :math:`h_0`,

    .. math::
        z_1 = h_0 W_1 + b_1, \qquad
        z_l = \text{skip} \cdot z_{l-1} + \text{branch} \cdot (h_{l-1} W_l + b_l), \qquad
        h_l = \varphi(z_l).

    With ``skip=0, branch=1`` this is the plain network. With a skip, :math:`z_l` is the residual stream, and
    each layer after the first is a block in pre-activation form, ``z -> skip * z + branch * F(z)`` with
    ``F(z) = φ(z) W + b``, so that the branch ends linearly. The first layer only maps the inputs into the
    stream. In both cases a trace's `pre_activations` are the z and its `activations` the h.

    Build one with `Network.sample`. The network holds draws of variance 1 apart from their `scale`:
    `rescaled` gives the same draw at other scales without a copy.

    Parameters
    ----------
    activation : Activation or str
        φ.
    initializer : Initializer or str
        The distribution of the weights.
    unit_weights : sequence of ndarray, each (..., fan_in, fan_out)
        Draws of variance 1, one a layer.
    unit_biases : sequence of ndarray, each (..., fan_out)
        Draws of variance 1, one a layer.
    scale : float or array
        Multiplies the initializer's standard deviation. An array adds leading ensemble axes.
    bias_std : float or array
        Standard deviation of the biases; broadcasts like `scale`.
    skip, branch : float
        What a block keeps of its input, and how much of its branch it adds.

    Raises
    ------
    ValueError
        If an argument is not what it must be; says what was given and what is allowed.

    References
    ----------
    He et al. (2016), Identity mappings in deep residual networks (the pre-activation form).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Network.sample(depth=30, width=64, activation="sigmoid", initializer="xavier_normal", rng=rng)
    >>> trace = net.forward(rng.standard_normal((100, 64)))
    >>> grads = net.backward(trace, np.ones((100, 64)))
    >>> first, last = (norm_per_input(grads.pre_activations[layer]) for layer in (0, -1))
    >>> bool(first / last < 1e-12)
    True
    """

    activation: Activation
    initializer: Initializer
    unit_weights: Layers
    unit_biases: Layers
    scale: np.ndarray | float = 1.0
    bias_std: np.ndarray | float = 0.0
    skip: float = 0.0
    branch: float = 1.0

    def __post_init__(self) -> None:
        canonical = {
            "activation": _entry(self.activation, Activation, activations),
            "initializer": _entry(self.initializer, Initializer, initializers),
            "unit_weights": tuple(self.unit_weights),
            "unit_biases": tuple(self.unit_biases),
            "scale": real_array("scale", self.scale, least=0).astype(self.dtype),
            "bias_std": real_array("bias_std", self.bias_std, least=0).astype(self.dtype),
            "skip": real_number("skip", self.skip),
            "branch": real_number("branch", self.branch),
        }
        for name, value in canonical.items():
            object.__setattr__(self, name, value)
        if self.skip and len(set(self.widths)) > 1:
            raise ValueError(f"with a skip all layers must be equally wide, got widths {self.widths}")
        try:
            np.broadcast_shapes(self.unit_weights[0].shape[:-2], self.scale.shape, self.bias_std.shape)
        except ValueError:
            raise ValueError(
                f"scale {self.scale.shape} and bias_std {self.bias_std.shape} must broadcast with the "
                f"ensemble of networks {self.unit_weights[0].shape[:-2]}"
            ) from None

    @classmethod
    def sample(
        cls,
        *,
        depth: int | None = None,
        width: int | Sequence[int],
        activation: str | Activation,
        initializer: str | Initializer,
        scale: float | np.ndarray = 1.0,
        bias_std: float | np.ndarray = 0.0,
        skip: float = 0.0,
        branch: float = 1.0,
        n_nets: int | None = None,
        n_inputs: int | None = None,
        dtype: type = np.float64,
        rng: np.random.Generator,
    ) -> "Network":
        """Draw a network, or `n_nets` of them.

        Layers are drawn one after the other, weights before biases, whatever `scale` and `bias_std` are: the
        same seed gives the same draw at any scale, and the first layers of a deeper network.

        Parameters
        ----------
        depth : int
            Number of layers L. May be left out when `width` is a sequence.
        width : int or sequence of int
            Units of each layer: one number for all, or one a layer, as in [30, 30, 10].
        activation, initializer : str
            Names in `vgx.activations` and `vgx.initializers` (or an entry of your own).
        scale, bias_std, skip, branch
            As in `Network`. With ``n_nets=16`` a scale of shape (13, 1) makes an ensemble (13, 16).
        n_nets : int, optional
            Number of independent draws, a leading axis. None: one network, no leading axis.
        n_inputs : int, optional
            fan_in of the first layer; the width of the first layer if left out.
        dtype : numpy.float64 or numpy.float32
        rng : numpy.random.Generator

        Raises
        ------
        ValueError
            If an argument is not what it must be; says what was given and what is allowed.
        """
        initializer = _entry(initializer, Initializer, initializers)
        widths = _widths(depth, width)
        fans = [widths[0] if n_inputs is None else whole_number("n_inputs", n_inputs), *widths]
        nets = () if n_nets is None else (whole_number("n_nets", n_nets),)
        unit_weights, unit_biases = [], []
        for fan_in, fan_out in pairwise(fans):
            unit_weights.append(initializer.draw_unit((*nets, fan_in, fan_out), rng=rng, dtype=dtype))
            unit_biases.append(rng.standard_normal((*nets, fan_out), dtype=dtype))
        return cls(activation, initializer, unit_weights, unit_biases, scale, bias_std, skip, branch)

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64."""
        return self.unit_weights[0].dtype

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.unit_weights)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer, the last one's outputs included."""
        return tuple(unit.shape[-1] for unit in self.unit_weights)

    @property
    def n_inputs(self) -> int:
        """fan_in of the first layer."""
        return self.unit_weights[0].shape[-2]

    @property
    def weights(self) -> Layers:
        """W of each layer, (..., fan_in, fan_out), multiplied out."""
        return tuple(self._weight(layer).sd * self._weight(layer).unit for layer in range(self.depth))

    @property
    def biases(self) -> Layers:
        """Biases b of each layer, (..., fan_out)."""
        return tuple(self.bias_std[..., None] * unit for unit in self.unit_biases)

    def rescaled(self, scale: float | np.ndarray) -> "Network":
        """Return the same draw at another scale. The draws are shared, not copied."""
        return replace(self, scale=scale)

    def truncated(self, depth: int) -> "Network":
        """Return the network of the first `depth` layers of the same draw."""
        depth = whole_number("depth", depth)
        if depth > self.depth:
            raise ValueError(f"depth must be at most {self.depth}, the network's own, got {depth}")
        return replace(self, unit_weights=self.unit_weights[:depth], unit_biases=self.unit_biases[:depth])

    def forward(self, x: np.ndarray) -> Trace:
        """Run the network on a batch, layer by layer.

        Parameters
        ----------
        x : ndarray, shape (..., batch, n_inputs)
            Inputs, one a row; leading axes broadcast with the ensemble.

        Returns
        -------
        Trace

        Raises
        ------
        ValueError
            If x has another number of columns, or is not finite.
        """
        φ = self.activation.f
        x = self._checked_inputs(x)
        zs, hs, z, h = [], [], None, x
        with np.errstate(all="ignore"):
            for W, b, skip, branch in self._layers():
                z = _times(skip, z) + _times(branch, h @ W + b)
                h = φ(z)
                zs.append(z)
                hs.append(h)
        return Trace(self, x, tuple(zs), tuple(hs))

    def backward(self, trace: Trace, grad_output: np.ndarray) -> Gradients:
        """Run the chain rule from the last layer to the first.

        Each line is the derivative of a line of `forward`; ``dz`` is the gradient of C with respect to z.

        Parameters
        ----------
        trace : Trace
            What `forward` of this network returned.
        grad_output : ndarray, shape (..., batch, width of the last layer)
            Gradient of C, a function of each input, with respect to the last activations; leading axes
            broadcast.

        Returns
        -------
        Gradients

        Raises
        ------
        ValueError
            If the trace is another network's, or grad_output has another shape than the last activations.
        """
        if trace.network is not self:
            raise ValueError("the trace must come from this network's own forward, got one of another network")
        dφ = self.activation.derivative
        h_before = (trace.inputs, *trace.activations)
        dzs, dhs, dWs, dbs = [], [], [], []
        dh, dz_skipped = _checked_grad_output(grad_output, trace.activations[-1]), 0.0
        with np.errstate(all="ignore"):
            for layer, (W, _, skip, branch) in reversed(list(enumerate(self._layers()))):
                z, h = trace.pre_activations[layer], h_before[layer]
                dhs.append(dh)
                dz = dφ(z) * dh + dz_skipped  # C depends on z through h = φ(z) and through the skip above
                da = _times(branch, dz)  # a = h @ W + b, of which z takes `branch`
                dWs.append(h.swapaxes(-1, -2) @ da)
                dbs.append(da.sum(axis=-2))
                dh = da @ W.T
                dz_skipped = _times(skip, dz)
                dzs.append(dz)
        return Gradients(dh, *(tuple(reversed(grads)) for grads in (dzs, dhs, dWs, dbs)))

    def _weight(self, layer: int) -> ScaledDraw:
        unit = self.unit_weights[layer]
        return ScaledDraw(unit, self.scale[..., None, None] * self.initializer.std(*unit.shape[-2:]))

    def _layers(self) -> Iterator[tuple[ScaledDraw, np.ndarray, float, float]]:
        """W, b (with a batch axis), skip and branch of each layer; the first has no stream to skip along."""
        for layer, b in enumerate(self.biases):
            skip, branch = (self.skip, self.branch) if layer else (0.0, 1.0)
            yield self._weight(layer), b[..., None, :], skip, branch

    def _checked_inputs(self, x: np.ndarray) -> np.ndarray:
        x = real_array("x", x)
        if x.ndim < 2 or x.shape[-1] != self.n_inputs:
            got = f"has {x.shape[-1]} columns" if x.ndim >= 2 else f"has shape {x.shape}"
            raise ValueError(f"x {got}, the network takes (..., batch, {self.n_inputs})")
        return x.astype(self.dtype, copy=False)


def depth_sweep(
    net: Network, x: np.ndarray, grad_output: np.ndarray, depths: Iterable[int]
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Walk back through networks of several depths after one forward pass.

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

    Yields
    ------
    depth : int
        Each of `depths`, the shallowest first.
    layer : int
        From depth - 1 down to 0.
    gradient : ndarray, shape (..., batch, width of the layer)
        Valid until the next step, which writes over it.
    exponent : ndarray of int, shape (..., 1, 1)
        ``np.ldexp(gradient, exponent)`` is C's gradient with respect to the layer's pre-activations.

    Raises
    ------
    ValueError
        If a depth is no whole number from 1 to the network's, or as in `Network.forward` and `backward`.
    """
    depths = {net.truncated(depth).depth for depth in depths}
    with np.errstate(all="ignore"):
        last, steps = _swept_forward(net.truncated(max(depths, default=1)), x, grad_output, depths)
    for depth, dz in last.items():
        exponent = np.zeros((*dz.shape[:-2], 1, 1), dtype=int)
        yield depth, depth - 1, dz, exponent
        buffers = np.empty((2, dz[..., 0].size * max(net.widths)), dtype=dz.dtype)
        for layer in reversed(range(depth - 1)):
            with np.errstate(all="ignore"):  # not around the yield: the caller's warnings are the caller's
                dz = steps[layer].back(dz, buffers[layer % 2])
            exponent = exponent + steps[layer].exponent
            yield depth, layer, dz, exponent


class _StepBack(NamedTuple):
    """``dz <- φ'(z) * (branch * dz @ W.T) + skip * dz``, to the layer below, over 2 ** exponent.

    The power of two is the growth that mean-field theory expects of the gradient.
    """

    unit: np.ndarray  # W / sd
    slope: np.ndarray  # φ'(z) * branch * sd / 2 ** exponent
    skip: np.ndarray  # skip / 2 ** exponent
    exponent: np.ndarray

    def back(self, dz: np.ndarray, buffer: np.ndarray) -> np.ndarray:
        dz_below = _product(dz, self.unit.swapaxes(-1, -2), buffer)
        dz_below *= self.slope
        if self.skip.any():
            dz_below += self.skip * dz
        return dz_below


def _swept_forward(
    net: Network, x: np.ndarray, grad_output: np.ndarray, depths: set[int]
) -> tuple[dict[int, np.ndarray], list[_StepBack]]:
    """Run forward; return the last layer's dz for each depth, and the steps back from there."""
    last, steps, z, h = {}, [], None, net._checked_inputs(x)
    layers = list(net._layers())
    for layer, (W, b, skip, branch) in enumerate(layers):
        z = _times(skip, z) + _times(branch, h @ W + b)
        h, slope = net.activation.f(z), net.activation.derivative(z)
        if layer == 0:  # one block of memory, as 50 arrays of fresh pages cost as much as a matrix product each
            slopes = np.empty((net.depth, *z.shape[:-1], max(net.widths)), dtype=z.dtype)
        if layer + 1 in depths:
            last[layer + 1] = slope * _checked_grad_output(grad_output, slope)
        if layer + 1 < net.depth:
            W, _, skip, branch = layers[layer + 1]
            factor, mean_square = branch * W.sd, _mean_square(slope)[..., None, None] / slope.shape[-1]
            growth = np.sqrt(skip**2 + W.unit.shape[-1] * factor**2 * mean_square)
            exponent = np.frexp(np.sqrt(2) * growth)[1] - 1  # of the nearest power of two
            slope = np.multiply(slope, np.ldexp(factor, -exponent), out=slopes[layer, ..., : slope.shape[-1]])
            _without_denormals(slope, out=slope)
            steps.append(_StepBack(W.unit, slope, np.ldexp(slope.dtype.type(skip), -exponent), exponent))
    return last, steps


def gradient_norms(
    net: Network, x: np.ndarray, grad_output: np.ndarray, depths: Iterable[int]
) -> dict[int, np.ndarray]:
    """Measure how long each layer's gradient is, for networks of several depths.

    Parameters
    ----------
    net, x, grad_output, depths
        As in `depth_sweep`.

    Returns
    -------
    dict of int to ndarray, shape (..., depth), float64
        For each depth, the `norm_per_input` of C's gradient with respect to each layer's pre-activations, the
        first layer first.

    Raises
    ------
    ValueError
        As in `depth_sweep`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Network.sample(depth=20, width=64, activation="tanh", initializer="xavier_normal", rng=rng)
    >>> scales = net.rescaled([0.5, 1.0, 2.0])
    >>> norms = gradient_norms(scales, rng.standard_normal((32, 64)), np.ones((32, 64)), depths=[10, 20])
    >>> norms[10].shape, norms[20].shape
    ((3, 10), (3, 20))
    """
    norms = {}
    for depth, layer, gradient, exponent in depth_sweep(net, x, grad_output, depths):
        if layer == depth - 1:
            norms[depth] = np.empty((*gradient.shape[:-2], depth))
        norms[depth][..., layer] = np.ldexp(np.sqrt(_mean_square(gradient)), exponent[..., 0, 0])
    return norms


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
        return np.sqrt(_mean_square(np.asarray(gradient, dtype=np.float64)))


def _mean_square(gradient: np.ndarray) -> np.ndarray:
    """Squared L2 norm over the width, averaged over the batch."""
    return np.vecdot(gradient, gradient).mean(axis=-1, dtype=np.float64)


def _product(h: np.ndarray, w: np.ndarray, buffer: np.ndarray | None = None) -> np.ndarray:
    """``h @ w``; weights shared by a whole ensemble meet all its rows in one tall product."""
    if w.ndim == 2:
        tall = h.reshape(-1, h.shape[-1])
        out = None if buffer is None else buffer[: len(tall) * w.shape[-1]].reshape(len(tall), -1)
        return np.matmul(tall, w, out=out).reshape(*h.shape[:-1], w.shape[-1])
    shape = (*h.shape[:-1], w.shape[-1])
    return np.matmul(h, w, out=None if buffer is None else buffer[: prod(shape)].reshape(shape))


def _without_denormals(h: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Round to multiples of 1e-35 (in float32): the denormal numbers below multiply 100 times as slowly."""
    offset = 1024 * np.finfo(h.dtype).tiny / np.finfo(h.dtype).eps
    rounded = np.add(h, offset, out=out)
    rounded -= offset
    return rounded


def _times(factor: float, array: np.ndarray) -> np.ndarray | float:
    """``factor * array``, where 0 means absent (0 * inf would be NaN) and 1 costs nothing."""
    if factor == 0:
        return 0.0
    return array if factor == 1 else factor * array


def _entry(given: object, kind: type, registry: object) -> object:
    return given if isinstance(given, kind) else registry[given]


def _widths(depth: int | None, width: int | Sequence[int]) -> list[int]:
    """One width a layer."""
    if isinstance(width, Iterable):
        widths = [whole_number("width", each) for each in width]
        if not widths or depth not in (None, len(widths)):
            raise ValueError(f"width must hold one number a layer, got {len(widths)} for depth {depth}")
        return widths
    return [whole_number("width", width)] * whole_number("depth", depth)


def _checked_grad_output(grad_output: np.ndarray, output: np.ndarray) -> np.ndarray:
    grad_output = np.asarray(grad_output, dtype=output.dtype)
    if grad_output.ndim >= 2 and grad_output.shape[-2:] == output.shape[-2:]:
        with suppress(ValueError):
            return np.broadcast_to(grad_output, np.broadcast_shapes(grad_output.shape, output.shape))
    raise ValueError(f"grad_output has shape {grad_output.shape}, the last activations have {output.shape}")
