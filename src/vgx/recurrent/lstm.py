"""The LSTM cell, unrolled: forward and backpropagation through time one under the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vgx.arguments import generator, real_array, whole_number
from vgx.recurrent import checks
from vgx.recurrent.gates import parts, sigmoid, uniform
from vgx.recurrent.steps import each_step_times, summed_outer, transposed
from vgx.recurrent.traces import Gradients, LSTMTrace


@dataclass(frozen=True, eq=False)
class LSTM:
    r"""A cell with a memory of its own, or any ensemble of such cells.

    From :math:`h_0` and :math:`c_0` it computes at every step t = 1..T, with σ the sigmoid,

    .. math::
        (i_t, f_t, g_t, o_t) = (\sigma, \sigma, \tanh, \sigma)(x_t U + h_{t-1} W + b), \qquad
        c_t = f_t c_{t-1} + i_t g_t, \qquad h_t = o_t \tanh c_t.

    The gates stand side by side in U, W and b, in torch's order: input i, forget f, candidate g, output o.

    Parameters
    ----------
    input_weights : ndarray, shape (..., n_inputs, 4 width)
        U.
    recurrent_weights : ndarray, shape (..., width, 4 width)
        W.
    biases : ndarray, shape (..., 1, 4 width)
        b; torch's is the sum of its two.

    Raises
    ------
    ValueError
        If a shape is not what it must be.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory. Gers, Schmidhuber and Cummins (2000), Learning to forget.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cell = LSTM.sample(n_inputs=2, width=64, forget_bias=1.0, rng=rng)
    >>> trace = cell.forward(rng.standard_normal((100, 8, 2)))
    >>> float(trace.forget_gates.mean().round(2))
    0.73
    >>> grads = cell.backward(trace, last=np.ones((8, 64)))
    >>> at_step_50, at_the_end = (np.linalg.norm(grads.cells[t]) for t in (50, 100))
    >>> print(f"{at_step_50 / at_the_end:.0e}, more than the gates' mean alone: {0.73**50:.0e}")
    5e-04, more than the gates' mean alone: 1e-07
    """

    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    biases: np.ndarray

    def __post_init__(self) -> None:
        arrays = checks.parameters(
            4, input_weights=self.input_weights, recurrent_weights=self.recurrent_weights, biases=self.biases
        )
        for name, value in arrays.items():
            object.__setattr__(self, name, value)

    @classmethod
    def sample(
        cls,
        *,
        n_inputs: int,
        width: int,
        forget_bias: float | np.ndarray = 0.0,
        chrono: int | None = None,
        n_nets: int | None = None,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator,
    ) -> "LSTM":
        """Draw a cell, or `n_nets` of them: weights uniform in ±1/√width, as torch's, biases 0 but for the forget gate.

        Parameters
        ----------
        n_inputs, width : int
        forget_bias : float or ndarray
            Bias of f. An array adds leading axes, as `radius` does in `recurrent_matrix`.
        chrono : int, optional
            Longest lag T to be remembered, at least 3: each unit's forget bias is log u, u uniform in [1, T - 1], so
            that it forgets in about u steps, and its input bias is minus that. `forget_bias` must then be left out.
        n_nets : int, optional
            Number of independent draws, a leading axis. None: one cell, no leading axis.
        dtype : numpy.float64 or numpy.float32
        rng : numpy.random.Generator

        Raises
        ------
        ValueError
            If an argument is not what it must be; says what was given and what is allowed.

        References
        ----------
        Tallec and Ollivier (2018), Can recurrent neural networks warp time? (chrono)
        """
        n_inputs, width = whole_number("n_inputs", n_inputs), whole_number("width", width)
        dtype, rng = checks.float_type(dtype), generator(rng)
        nets = () if n_nets is None else (whole_number("n_nets", n_nets),)
        forget_bias = real_array("forget_bias", forget_bias)
        checks.joint("n_nets and forget_bias", nets, forget_bias.shape)
        U, W = (uniform((*nets, rows, 4 * width), width, rng) for rows in (n_inputs, width))
        if chrono is None:
            b = np.zeros((*forget_bias.shape, 1, 4 * width))
            b[..., width : 2 * width] = forget_bias[..., None, None]
        else:
            chrono = whole_number("chrono", chrono, least=3)
            if forget_bias.any():
                raise ValueError(f"chrono={chrono} draws the forget biases: leave out forget_bias, got {forget_bias}")
            b = np.zeros((*nets, 1, 4 * width))
            log_u = np.log(rng.uniform(1, chrono - 1, (*nets, 1, width)))
            b[..., :width], b[..., width : 2 * width] = -log_u, log_u
        return cls(U.astype(dtype), W.astype(dtype), b.astype(dtype))

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

    def forward(self, x: np.ndarray, state: tuple[np.ndarray, np.ndarray] | None = None) -> LSTMTrace:
        """Run the cell along sequences, step by step.

        Parameters
        ----------
        x : ndarray, shape (steps, ..., batch, n_inputs)
            x_1 to x_T; the axes between time and batch broadcast with the ensemble.
        state : (ndarray, ndarray), each (..., batch, width), optional
            h_0 and c_0; zeros if left out.

        Returns
        -------
        LSTMTrace

        Raises
        ------
        ValueError
            If x or state has another shape.
        """
        U, W, b = self.input_weights, self.recurrent_weights, self.biases
        x, ensemble = checks.inputs(x, self.n_inputs, self.ensemble, W.dtype)
        steps, shape = len(x), (*ensemble, x.shape[-2], self.width)
        h, c = (np.empty((steps + 1, *shape), W.dtype) for _ in range(2))
        h[0], c[0] = checks.pair(state, shape, W.dtype)
        squashed, z = np.empty_like(c[1:]), np.empty((steps, *shape[:-1], 4 * self.width), W.dtype)
        i, f, g, o = gates = parts(z, 4)  # views: z becomes the gates, in place
        with np.errstate(all="ignore"):
            each_step_times(x, U, out=z)
            z += b
            for t in range(steps):
                z[t] += h[t] @ W
                sigmoid(z[t, ..., : 2 * self.width])
                np.tanh(g[t], out=g[t])
                sigmoid(o[t])
                np.multiply(f[t], c[t], out=c[t + 1])
                c[t + 1] += i[t] * g[t]
                np.tanh(c[t + 1], out=squashed[t])
                np.multiply(o[t], squashed[t], out=h[t + 1])
        return LSTMTrace(self, x, h, c, squashed, *gates)

    def backward(
        self,
        trace: LSTMTrace,
        last: np.ndarray | None = None,
        each: np.ndarray | None = None,
        truncation: int | None = None,
    ) -> Gradients:
        """Run the chain rule from the last step to the first: backpropagation through time.

        C depends on c_t by two ways: through h_t, and through c_{t+1}, of which f_{t+1} is the derivative as long as
        the gates are held fixed. All else goes through the gates, by h_t.

        Parameters
        ----------
        trace : LSTMTrace
            What `forward` of this cell returned.
        last, each, truncation
            As in `RNN.backward`; a cut stops the gradient with respect to c as well.

        Returns
        -------
        Gradients
            With `cells`.

        Raises
        ------
        ValueError
            If the trace is another cell's, a gradient is missing or of another shape, or truncation is below 1.
        """
        checks.own_trace(trace, self)
        U, W, x, h, c = self.input_weights, self.recurrent_weights, trace.inputs, trace.states, trace.cells
        i, f, g, o = trace.input_gates, trace.forget_gates, trace.candidates, trace.output_gates
        steps, squashed = len(x), trace.squashed_cells
        dh, cuts = checks.gradients(last, each, h), checks.cuts(truncation, steps)
        dc, dz = np.zeros_like(dh), np.empty((*dh[1:].shape[:-1], 4 * self.width), W.dtype)
        di, df, dg, do = parts(dz, 4)
        with np.errstate(all="ignore"):
            W_T = np.ascontiguousarray(transposed(W))  # products with a view take half as long again
            for t in reversed(range(steps)):
                dc[t + 1] += dh[t + 1] * o[t] * (1 - squashed[t] ** 2)
                np.multiply(dh[t + 1] * squashed[t], o[t] * (1 - o[t]), out=do[t])
                np.multiply(dc[t + 1] * c[t], f[t] * (1 - f[t]), out=df[t])
                np.multiply(dc[t + 1] * g[t], i[t] * (1 - i[t]), out=di[t])
                np.multiply(dc[t + 1] * i[t], 1 - g[t] ** 2, out=dg[t])
                if t not in cuts:
                    dc[t] = dc[t + 1] * f[t]
                    dh[t] += dz[t] @ W_T
            dx = each_step_times(dz, transposed(U), out=np.empty((*dz.shape[:-1], self.n_inputs), W.dtype))
            dU, dW, db = summed_outer(x, dz), summed_outer(h[:-1], dz), dz.sum((0, -2))[..., None, :]
        return Gradients(dh, dx, dU, dW, db, cells=dc)
