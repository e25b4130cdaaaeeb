"""What the passes leave behind: the trace of a forward pass, and the gradients of a backward pass."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vgx.recurrent.gru import GRU
    from vgx.recurrent.lstm import LSTM
    from vgx.recurrent.rnn import RNN


@dataclass(frozen=True, eq=False)
class RNNTrace:
    """What `RNN.forward` leaves behind.

    Parameters
    ----------
    cell : RNN
        The cell that was run.
    inputs : ndarray, shape (steps, ..., batch, n_inputs)
        x_1 to x_T.
    states : ndarray, shape (steps + 1, ..., batch, width)
        h_0, the initial state, to h_T.
    pre_activations : ndarray, shape (steps, ..., batch, width)
        z_1 to z_T.
    """

    cell: "RNN"
    inputs: np.ndarray
    states: np.ndarray
    pre_activations: np.ndarray


@dataclass(frozen=True, eq=False)
class LSTMTrace:
    """What `LSTM.forward` leaves behind.

    Parameters
    ----------
    cell : LSTM
        The cell that was run.
    inputs : ndarray, shape (steps, ..., batch, n_inputs)
        x_1 to x_T.
    states, cells : ndarray, shape (steps + 1, ..., batch, width)
        h_0 to h_T and c_0 to c_T.
    squashed_cells : ndarray, shape (steps, ..., batch, width)
        tanh c_1 to tanh c_T.
    input_gates, forget_gates, candidates, output_gates : ndarray, shape (steps, ..., batch, width)
        i_t, f_t, g_t and o_t, t = 1..T.
    """

    cell: "LSTM"
    inputs: np.ndarray
    states: np.ndarray
    cells: np.ndarray
    squashed_cells: np.ndarray
    input_gates: np.ndarray
    forget_gates: np.ndarray
    candidates: np.ndarray
    output_gates: np.ndarray


@dataclass(frozen=True, eq=False)
class GRUTrace:
    """What `GRU.forward` leaves behind.

    Parameters
    ----------
    cell : GRU
        The cell that was run.
    inputs : ndarray, shape (steps, ..., batch, n_inputs)
        x_1 to x_T.
    states : ndarray, shape (steps + 1, ..., batch, width)
        h_0 to h_T.
    memories : ndarray, shape (steps, ..., batch, width)
        What the candidates take from the state before: ``h @ W + recurrent_biases``, their columns of it.
    reset_gates, update_gates, candidates : ndarray, shape (steps, ..., batch, width)
        r_t, u_t and n_t, t = 1..T.
    """

    cell: "GRU"
    inputs: np.ndarray
    states: np.ndarray
    memories: np.ndarray
    reset_gates: np.ndarray
    update_gates: np.ndarray
    candidates: np.ndarray


@dataclass(frozen=True, eq=False)
class Gradients:
    """The gradient of C with respect to everything in an unrolled cell.

    C is a function of each sequence: rows of `states`, `cells` and `inputs` belong to one sequence each; those of
    parameters are summed over the batch and the steps. Leading axes are those of the cell, x, `last` and `each`
    together.

    Parameters
    ----------
    states : ndarray, shape (steps + 1, ..., batch, width)
        Total gradient with respect to h_t: what C takes from it directly, and through all later steps.
    inputs : ndarray, shape (steps, ..., batch, n_inputs)
    input_weights, recurrent_weights, biases : ndarray
        In the shape of the cell's, with all leading axes.
    cells : ndarray, shape (steps + 1, ..., batch, width), optional
        Total gradient with respect to c_t, for `LSTM`.
    recurrent_biases : ndarray, optional
        For `GRU`.
    """

    states: np.ndarray
    inputs: np.ndarray
    input_weights: np.ndarray
    recurrent_weights: np.ndarray
    biases: np.ndarray
    cells: np.ndarray | None = None
    recurrent_biases: np.ndarray | None = None
