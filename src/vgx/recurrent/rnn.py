"""The plain recurrent cell, unrolled: forward and backpropagation through time one under the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vgx.activation import Activation, activations
from vgx.arguments import generator, real_array, whole_number
from vgx.recurrent import checks
from vgx.recurrent.matrices import recurrent_matrix
from vgx.recurrent.steps import each_step_times, summed_outer, transposed
from vgx.recurrent.traces import Gradients, RNNTrace


@dataclass(frozen=True, eq=False)
class RNN:
    r"""A recurrent cell, or any ensemble of such cells.

    From :math:`h_0` it computes, with the same U, W and b at every step t = 1..T,

    .. math::
        z_t = x_t U + h_{t-1} W + b, \qquad h_t = \varphi(z_t).

    States are rows, so that :math:`\partial h_t / \partial h_{t-1} = \text{diag}(\varphi'(z_t))\, W^\top`.

    Parameters
    ----------
    activation : Activation or str
        φ.
    input_weights : ndarray, shape (..., n_inputs, width)
        U.
    recurrent_weights : ndarray, shape (..., width, width)
        W.
    biases : ndarray, shape (..., 1, width)
        b.

    Raises
    ------
    ValueError
        If the activation is unknown or a shape is not what it must be.

    References
    ----------
    Elman (1990), Finding structure in time. Werbos (1990), Backpropagation through time.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = RNN.sample(n_inputs=2, width=64, radius=0.9, rng=rng)
    >>> trace = cell.forward(0.1 * rng.standard_normal((100, 8, 2)))
    >>> grads = cell.backward(trace, last=np.ones((8, 64)))
    >>> at_step_50, at_the_end = (np.linalg.norm(grads.states[t]) for t in (50, 100))
    >>> bool(at_step_50 / at_the_end < 0.9**50)
    True
    """

    activation: Activation | str
    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    biases: np.ndarray

    def __post_init__(self) -> None:
        arrays = checks.parameters(
            1, input_weights=self.input_weights, recurrent_weights=self.recurrent_weights, biases=self.biases
        )
        for name, value in {"activation": activations.resolve(self.activation), **arrays}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def sample(
        cls,
        *,
        n_inputs: int,
        width: int,
        activation: str | Activation = "tanh",
        recurrent: str = "orthogonal",
        radius: float | np.ndarray = 1.0,
        input_scale: float | np.ndarray = 1.0,
        bias_std: float | np.ndarray = 0.0,
        n_nets: int | None = None,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator,
    ) -> "RNN":
        """Draw a cell, or `n_nets` of them; the same seed gives the same draw at any scale.

        Parameters
        ----------
        n_inputs, width : int
        activation : str
            A name in `vgx.activations` (or an entry of your own).
        recurrent, radius
            Kind and spectral radius ρ of W, as in `recurrent_matrix`.
        input_scale : float or ndarray
            The entries of U have the variance input_scale² / n_inputs. Arrays add leading axes, as in
            `recurrent_matrix`.
        bias_std : float or ndarray
            Standard deviation of the biases.
        n_nets : int, optional
            Number of independent draws, a leading axis. None: one cell, no leading axis.
        dtype : numpy.float64 or numpy.float32
        rng : numpy.random.Generator

        Raises
        ------
        ValueError
            If an argument is not what it must be; says what was given and what is allowed.
        """
        n_inputs, width = whole_number("n_inputs", n_inputs), whole_number("width", width)
        dtype, rng = checks.float_type(dtype), generator(rng)
        nets = () if n_nets is None else (whole_number("n_nets", n_nets),)
        input_std = real_array("input_scale", input_scale, least=0) / np.sqrt(n_inputs)
        bias_std = real_array("bias_std", bias_std, least=0)
        checks.joint("n_nets, input_scale and bias_std", nets, input_std.shape, bias_std.shape)
        W = recurrent_matrix(recurrent, width, radius=radius, n_nets=n_nets, rng=rng, dtype=dtype)
        U = input_std[..., None, None] * rng.standard_normal((*nets, n_inputs, width))
        b = bias_std[..., None, None] * rng.standard_normal((*nets, 1, width))
        return cls(activation, U.astype(dtype), W, b.astype(dtype))

    @property
    def n_inputs(self) -> int:
        """Number of inputs a step."""
        return self.input_weights.shape[-2]

    @property
    def width(self) -> int:
        """Number of units of a state."""
        return self.recurrent_weights.shape[-2]

    @property
    def ensemble(self) -> tuple[int, ...]:
        """Shape of the ensemble: the leading axes."""
        arrays = self.input_weights, self.recurrent_weights, self.biases
        return np.broadcast_shapes(*(array.shape[:-2] for array in arrays))

    def forward(self, x: np.ndarray, state: np.ndarray | None = None) -> RNNTrace:
        """Run the cell along sequences, step by step.

        Parameters
        ----------
        x : ndarray, shape (steps, ..., batch, n_inputs)
            x_1 to x_T; the axes between time and batch broadcast with the ensemble.
        state : ndarray, shape (..., batch, width), optional
            h_0; zeros if left out.

        Returns
        -------
        RNNTrace

        Raises
        ------
        ValueError
            If x or state has another shape.
        """
        φ, U, W, b = self.activation.f, self.input_weights, self.recurrent_weights, self.biases
        x, ensemble = checks.inputs(x, self.n_inputs, self.ensemble, W.dtype)
        steps, shape = len(x), (*ensemble, x.shape[-2], self.width)
        h, z = np.empty((steps + 1, *shape), W.dtype), np.empty((steps, *shape), W.dtype)
        h[0] = checks.state("state", state, shape, W.dtype)
        with np.errstate(all="ignore"):
            each_step_times(x, U, out=z)
            z += b
            for t in range(steps):
                z[t] += h[t] @ W
                h[t + 1] = φ(z[t])
        return RNNTrace(self, x, h, z)

    def backward(
        self,
        trace: RNNTrace,
        last: np.ndarray | None = None,
        each: np.ndarray | None = None,
        truncation: int | None = None,
    ) -> Gradients:
        """Run the chain rule from the last step to the first: backpropagation through time.

        Each line is the derivative of a line of `forward`; ``dh`` is the gradient of C with respect to h.

        Parameters
        ----------
        trace : RNNTrace
            What `forward` of this cell returned.
        last : ndarray, shape (..., batch, width)
            Gradient of C, a function of each sequence, with respect to the last state h_T. Leading axes
            broadcast: ``np.eye(width)[:, None, :]`` gives all rows of the Jacobian of one cell at once.
        each : ndarray, shape (steps, ..., batch, width)
            Gradient of C with respect to every h_t directly, t = 1..T, added to `last`; at least one of the two.
        truncation : int, optional
            Cut the sequence into pieces of so many steps, counted from its end; no gradient passes a cut.

        Returns
        -------
        Gradients

        Raises
        ------
        ValueError
            If the trace is another cell's, a gradient is missing or of another shape, or truncation is below 1.
        """
        checks.own_trace(trace, self)
        dφ, U, W = self.activation.derivative, self.input_weights, self.recurrent_weights
        x, h, z = trace.inputs, trace.states, trace.pre_activations
        steps = len(x)
        dh, cuts = checks.gradients(last, each, h), checks.cuts(truncation, steps)
        dz = np.empty_like(dh[1:])
        with np.errstate(all="ignore"):
            slopes = dφ(z)
            W_T = np.ascontiguousarray(transposed(W))  # products with a view take half as long again
            for t in reversed(range(steps)):
                np.multiply(slopes[t], dh[t + 1], out=dz[t])
                if t not in cuts:
                    dh[t] += dz[t] @ W_T
            dx = each_step_times(dz, transposed(U), out=np.empty((*dz.shape[:-1], self.n_inputs), W.dtype))
            dU, dW, db = summed_outer(x, dz), summed_outer(h[:-1], dz), dz.sum((0, -2))[..., None, :]
        return Gradients(dh, dx, dU, dW, db)
