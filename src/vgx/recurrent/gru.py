"""The GRU cell, unrolled: forward and backpropagation through time one under the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vgx.arguments import generator, real_array, whole_number
from vgx.recurrent import checks
from vgx.recurrent.gates import parts, sigmoid, uniform
from vgx.recurrent.steps import each_step_times, summed_outer, transposed
from vgx.recurrent.traces import Gradients, GRUTrace


@dataclass(frozen=True, eq=False)
class GRU:
    r"""A cell whose state is its memory, mixed of old and new by a gate, or any ensemble of such cells.

    From :math:`h_0` it computes at every step t = 1..T, with σ the sigmoid,

    .. math::
        (r_t, u_t) = (\sigma, \sigma)(x_t U + b + h_{t-1} W + b'), \qquad
        n_t = \tanh(x_t U + b + r_t (h_{t-1} W + b')), \qquad h_t = (1 - u_t)\, n_t + u_t h_{t-1}.

    The gates stand side by side in U, W, b and b', in torch's order: reset r, update u (torch's z), candidate n.

    Parameters
    ----------
    input_weights : ndarray, shape (..., n_inputs, 3 width)
        U.
    recurrent_weights : ndarray, shape (..., width, 3 width)
        W.
    biases, recurrent_biases : ndarray, shape (..., 1, 3 width)
        b and b'. They are not one, as r multiplies the candidate's part of b'.

    Raises
    ------
    ValueError
        If a shape is not what it must be.

    References
    ----------
    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder (there r multiplies h before W does).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = GRU.sample(n_inputs=2, width=64, update_bias=4.0, rng=rng)
    >>> trace = cell.forward(rng.standard_normal((100, 8, 2)))
    >>> float(trace.update_gates.mean().round(2))
    0.98
    """

    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    biases: np.ndarray
    recurrent_biases: np.ndarray

    def __post_init__(self) -> None:
        arrays = checks.parameters(
            3,
            input_weights=self.input_weights,
            recurrent_weights=self.recurrent_weights,
            biases=self.biases,
            recurrent_biases=self.recurrent_biases,
        )
        for name, value in arrays.items():
            object.__setattr__(self, name, value)

    @classmethod
    def sample(
        cls,
        *,
        n_inputs: int,
        width: int,
        update_bias: float | np.ndarray = 0.0,
        n_nets: int | None = None,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator,
    ) -> "GRU":
        """Draw a cell, or `n_nets` of them: weights uniform in ±1/√width, as torch's, biases 0 but for the update gate.

        Parameters
        ----------
        n_inputs, width : int
        update_bias : float or ndarray
            Bias of u, what `forget_bias` is to `LSTM`: the larger, the more is kept. An array adds leading axes.
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
        update_bias = real_array("update_bias", update_bias)
        checks.joint("n_nets and update_bias", nets, update_bias.shape)
        U, W = (uniform((*nets, rows, 3 * width), width, rng) for rows in (n_inputs, width))
        b = np.zeros((*update_bias.shape, 1, 3 * width))
        b[..., width : 2 * width] = update_bias[..., None, None]
        return cls(U.astype(dtype), W.astype(dtype), b.astype(dtype), np.zeros((1, 3 * width), dtype))

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
        arrays = self.input_weights, self.recurrent_weights, self.biases, self.recurrent_biases
        return np.broadcast_shapes(*(array.shape[:-2] for array in arrays))

    def forward(self, x: np.ndarray, state: np.ndarray | None = None) -> GRUTrace:
        """Run the cell along sequences, step by step.

        Parameters
        ----------
        x : ndarray, shape (steps, ..., batch, n_inputs)
            x_1 to x_T; the axes between time and batch broadcast with the ensemble.
        state : ndarray, shape (..., batch, width), optional
            h_0; zeros if left out.

        Returns
        -------
        GRUTrace

        Raises
        ------
        ValueError
            If x or state has another shape.
        """
        U, W, b, b_recurrent = self.input_weights, self.recurrent_weights, self.biases, self.recurrent_biases
        x, ensemble = checks.inputs(x, self.n_inputs, self.ensemble, W.dtype)
        steps, gates, shape = len(x), 2 * self.width, (*ensemble, x.shape[-2], self.width)
        h, memories = np.empty((steps + 1, *shape), W.dtype), np.empty((steps, *shape), W.dtype)
        h[0] = checks.state("state", state, shape, W.dtype)
        z = np.empty((steps, *shape[:-1], 3 * self.width), W.dtype)
        r, u, n = parts(z, 3)  # views: z becomes the gates, in place
        with np.errstate(all="ignore"):
            each_step_times(x, U, out=z)
            z += b
            for t in range(steps):
                a = h[t] @ W + b_recurrent
                memories[t] = a[..., gates:]
                z[t, ..., :gates] += a[..., :gates]
                sigmoid(z[t, ..., :gates])
                n[t] += r[t] * memories[t]
                np.tanh(n[t], out=n[t])
                np.multiply(u[t], h[t], out=h[t + 1])
                h[t + 1] += (1 - u[t]) * n[t]
        return GRUTrace(self, x, h, memories, r, u, n)

    def backward(
        self,
        trace: GRUTrace,
        last: np.ndarray | None = None,
        each: np.ndarray | None = None,
        truncation: int | None = None,
    ) -> Gradients:
        """Run the chain rule from the last step to the first: backpropagation through time.

        C depends on h_{t-1} by two ways: through h_t, of which u_t is the derivative as long as the gates are held
        fixed, and through the gates.

        Parameters
        ----------
        trace : GRUTrace
            What `forward` of this cell returned.
        last, each, truncation
            As in `RNN.backward`.

        Returns
        -------
        Gradients
            With `recurrent_biases`.

        Raises
        ------
        ValueError
            If the trace is another cell's, a gradient is missing or of another shape, or truncation is below 1.
        """
        checks.own_trace(trace, self)
        U, W, x, h = self.input_weights, self.recurrent_weights, trace.inputs, trace.states
        r, u, n, memories = trace.reset_gates, trace.update_gates, trace.candidates, trace.memories
        dh, cuts = checks.gradients(last, each, h), checks.cuts(truncation, len(x))
        dz = np.empty((*dh[1:].shape[:-1], 3 * self.width), W.dtype)  # of what comes from x and
        da = np.empty_like(dz)  # of what comes from h: they differ in the candidate, where r stands between
        (dr, du, dn), dm = parts(dz, 3), parts(da, 3)[2]
        with np.errstate(all="ignore"):
            W_T = np.ascontiguousarray(transposed(W))  # products with a view take half as long again
            for t in reversed(range(len(x))):
                np.multiply(dh[t + 1] * (1 - u[t]), 1 - n[t] ** 2, out=dn[t])
                np.multiply(dh[t + 1] * (h[t] - n[t]), u[t] * (1 - u[t]), out=du[t])
                np.multiply(dn[t] * memories[t], r[t] * (1 - r[t]), out=dr[t])
                da[t] = dz[t]
                dm[t] *= r[t]
                if t not in cuts:
                    dh[t] += dh[t + 1] * u[t]
                    dh[t] += da[t] @ W_T
            dx = each_step_times(dz, transposed(U), out=np.empty((*dz.shape[:-1], self.n_inputs), W.dtype))
            dU, dW = summed_outer(x, dz), summed_outer(h[:-1], da)
            db, db_recurrent = (grad.sum((0, -2))[..., None, :] for grad in (dz, da))
        return Gradients(dh, dx, dU, dW, db, recurrent_biases=db_recurrent)
