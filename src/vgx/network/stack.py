"""A deep stack of layers in NumPy: forward and backward one under the other, any number of networks at once.

Activations are ``(..., batch, width)``, weights ``(..., fan_in, fan_out)``; the leading axes are any ensemble
(draws, scales, ...) and broadcast. One network is the case without leading axes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from vgx.activation import Activation, activations
from vgx.arguments import real_array, real_number, whole_number
from vgx.initializer import Initializer, initializers
from vgx.network import checks
from vgx.network.scaled_draw import ScaledDraw, times
from vgx.network.trace import Gradients, Layers, Trace
from vgx.normalization import Normalization, normalizations


@dataclass(frozen=True, eq=False)
class Network:
    r"""A stack of layers, or any ensemble of such stacks.

    Layer l computes, with the inputs as :math:`h_0`,

    .. math::
        z_1 = h_0 W_1 + b_1, \qquad
        z_l = \text{skip} \cdot z_{l-1} + \text{branch} \cdot (h_{l-1} W_l + b_l), \qquad
        h_l = \varphi(\text{norm}(z_l)).

    With ``skip=0, branch=1`` this is the plain network. With a skip, :math:`z_l` is the residual stream, and
    each layer after the first is a block in pre-activation form, ``z -> skip * z + branch * F(z)`` with
    ``F(z) = φ(norm(z)) W + b``, so that the branch ends linearly. The first layer only maps the inputs into the
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
    norm : Normalization or str, optional
        Normalizes what each activation takes, with gain 1 and shift 0; none if left out. "batch" is in training
        mode: the inputs of a batch see each other.
    norm_eps : float
        ε of the normalization.

    Raises
    ------
    ValueError
        If an argument is not what it must be; says what was given and what is allowed.

    References
    ----------
    He et al. (2016), Identity mappings in deep residual networks (the pre-activation form, norm included).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> net = Network.sample(depth=30, width=64, activation="sigmoid", initializer="xavier_normal", rng=rng)
    >>> trace = net.forward(rng.standard_normal((100, 64)))
    >>> grads = net.backward(trace, np.ones((100, 64)))
    >>> first, last = (np.linalg.norm(grads.pre_activations[layer]) for layer in (0, -1))
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
    norm: Normalization | None = None
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        canonical = {
            "activation": checks.entry(self.activation, Activation, activations),
            "initializer": checks.entry(self.initializer, Initializer, initializers),
            "unit_weights": tuple(self.unit_weights),
            "unit_biases": tuple(self.unit_biases),
            "scale": real_array("scale", self.scale, least=0).astype(self.dtype),
            "bias_std": real_array("bias_std", self.bias_std, least=0).astype(self.dtype),
            "skip": real_number("skip", self.skip),
            "branch": real_number("branch", self.branch),
            "norm": None if self.norm is None else checks.entry(self.norm, Normalization, normalizations),
            "norm_eps": real_number("norm_eps", self.norm_eps, least=0),
        }
        for name, value in canonical.items():
            object.__setattr__(self, name, value)
        if self.skip and len(set(self.widths)) > 1:
            raise ValueError(f"with a skip all layers must be equally wide, got widths {self.widths}")
        checks.ensemble(self.unit_weights[0].shape[:-2], self.scale, self.bias_std)

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
        norm: str | Normalization | None = None,
        norm_eps: float = 1e-5,
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
        scale, bias_std, skip, branch, norm, norm_eps
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
        initializer = checks.entry(initializer, Initializer, initializers)
        widths = checks.widths(depth, width)
        fans = [widths[0] if n_inputs is None else whole_number("n_inputs", n_inputs), *widths]
        nets = () if n_nets is None else (whole_number("n_nets", n_nets),)
        unit_weights, unit_biases = [], []
        for fan_in, fan_out in pairwise(fans):
            unit_weights.append(initializer.draw_unit((*nets, fan_in, fan_out), rng=rng, dtype=dtype))
            unit_biases.append(rng.standard_normal((*nets, fan_out), dtype=dtype))
        return cls(activation, initializer, unit_weights, unit_biases, scale, bias_std, skip, branch, norm, norm_eps)

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
    def ensemble(self) -> tuple[int, ...]:
        """Shape of the ensemble: the leading axes."""
        return checks.ensemble(self.unit_weights[0].shape[:-2], self.scale, self.bias_std)

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
            If x has another number of columns, or is not finite, or is a single row to be normalized by its batch.
        """
        φ = self.activation.f
        x = checks.checked_inputs(x, self.n_inputs, self.dtype)
        zs, us, hs, caches, z, h = [], [], [], [], None, x
        with np.errstate(all="ignore"):
            for W, b, skip, branch in self.layers():
                z = times(skip, z) + times(branch, h @ W + b)
                u, cache = self.norm.forward(z, eps=self.norm_eps) if self.norm else (z, None)
                h = φ(u)
                zs.append(z)
                us.append(u)
                caches.append(cache)
                hs.append(h)
        return Trace(self, x, tuple(zs), tuple(us), tuple(hs), tuple(caches))

    def backward(self, trace: Trace, grad_output: np.ndarray) -> Gradients:
        """Run the chain rule from the last layer to the first.

        Each line is the derivative of a line of `forward`; ``dz`` is the gradient of C with respect to z. With
        ``norm="batch"`` C is the sum over the batch, as each input's C depends on every row.

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
        dh, dz_skipped = checks.checked_grad_output(grad_output, self.dtype, trace.activations[-1].shape), 0.0
        with np.errstate(all="ignore"):
            for layer, (W, _, skip, branch) in reversed(list(enumerate(self.layers()))):
                u, cache, h = trace.normalized[layer], trace.norm_caches[layer], h_before[layer]
                dhs.append(dh)
                du = dφ(u) * dh  # C depends on z through h = φ(u), where u = norm(z),
                dz = (self.norm.backward(du, cache)[0] if self.norm else du) + dz_skipped  # and by the skip above
                da = times(branch, dz)  # a = h @ W + b, of which z takes `branch`
                dWs.append(h.swapaxes(-1, -2) @ da)
                dbs.append(da.sum(axis=-2))
                dh = da @ W.T
                dz_skipped = times(skip, dz)
                dzs.append(dz)
        return Gradients(dh, *(tuple(reversed(grads)) for grads in (dzs, dhs, dWs, dbs)))

    def _weight(self, layer: int) -> ScaledDraw:
        unit = self.unit_weights[layer]
        return ScaledDraw(unit, self.scale[..., None, None] * self.initializer.std(*unit.shape[-2:]))

    def layers(self) -> Iterator[tuple[ScaledDraw, np.ndarray, float, float]]:
        """W, b (with a batch axis), skip and branch of each layer; the first has no stream to skip along."""
        for layer, b in enumerate(self.biases):
            skip, branch = (self.skip, self.branch) if layer else (0.0, 1.0)
            yield self._weight(layer), b[..., None, :], skip, branch
