"""Cells on top of one another and cells that read both ways: short compositions of their passes."""

from collections.abc import Sequence

import numpy as np

from vgx.recurrent.gru import GRU
from vgx.recurrent.lstm import LSTM
from vgx.recurrent.rnn import RNN
from vgx.recurrent.traces import Gradients, GRUTrace, LSTMTrace, RNNTrace

Cell = RNN | LSTM | GRU
Trace = RNNTrace | LSTMTrace | GRUTrace
State = np.ndarray | tuple[np.ndarray, np.ndarray] | None


def stacked(
    cells: Sequence[Cell], x: np.ndarray, states: Sequence[State] | None = None
) -> tuple[np.ndarray, list[Trace]]:
    """Run cells on top of one another: each takes the states of the one below as its inputs.

    Parameters
    ----------
    cells : sequence of RNN, LSTM or GRU
        The lowest first; each has as many inputs as the one below is wide.
    x : ndarray, shape (steps, ..., batch, n_inputs)
    states : sequence, optional
        One initial state for each cell.

    Returns
    -------
    outputs : ndarray, shape (steps, ..., batch, width)
        The states of the topmost cell, h_1 to h_T.
    traces : list
        One for each cell, for `stacked_backward`.

    Raises
    ------
    ValueError
        If there is no cell, not one state for each, or as in the cells' own `forward`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cells = [LSTM.sample(n_inputs=2, width=8, rng=rng), LSTM.sample(n_inputs=8, width=4, rng=rng)]
    >>> outputs, traces = stacked(cells, rng.standard_normal((20, 3, 2)))
    >>> dx, gradients = stacked_backward(traces, last=np.ones((3, 4)))
    >>> outputs.shape, dx.shape, gradients[0].states.shape
    ((20, 3, 4), (20, 3, 2), (21, 3, 8))
    """
    states = [None] * len(cells) if states is None else states
    if not cells or len(states) != len(cells):
        raise ValueError(f"stacked takes at least one cell and one state for each, got {len(cells)} and {len(states)}")
    traces = []
    for cell, state in zip(cells, states, strict=True):
        traces.append(cell.forward(x, state))
        x = traces[-1].states[1:]
    return x, traces


def stacked_backward(
    traces: Sequence[Trace],
    last: np.ndarray | None = None,
    each: np.ndarray | None = None,
    truncation: int | None = None,
) -> tuple[np.ndarray, list[Gradients]]:
    """Run the chain rule through `stacked`: what a cell's inputs receive is what the states below receive directly.

    Parameters
    ----------
    traces : sequence
        What `stacked` returned.
    last, each, truncation
        As in `RNN.backward`, of the topmost cell's states; every cell is cut at the same steps.

    Returns
    -------
    dx : ndarray, shape (steps, ..., batch, n_inputs)
    gradients : list of Gradients
        One for each cell.

    Raises
    ------
    ValueError
        As in the cells' own `backward`.
    """
    gradients = []
    for trace in reversed(traces):
        gradients.append(trace.cell.backward(trace, last=last, each=each, truncation=truncation))
        last, each = None, gradients[-1].inputs
    return each, gradients[::-1]


def bidirectional(
    forth: Cell, back: Cell, x: np.ndarray, states: tuple[State, State] = (None, None)
) -> tuple[np.ndarray, tuple[Trace, Trace]]:
    """Run one cell along sequences and one against them, and lay their states side by side.

    Parameters
    ----------
    forth, back : RNN, LSTM or GRU
        The cell that starts at x_1, and the one that starts at x_T.
    x : ndarray, shape (steps, ..., batch, n_inputs)
    states : pair, optional
        Their initial states.

    Returns
    -------
    outputs : ndarray, shape (steps, ..., batch, width of forth + width of back)
        At each t the state of `forth`, which has read x_1 to x_t, and that of `back`, which has read x_T to x_t.
    traces : pair
        For `bidirectional_backward`; that of `back` counts its own steps, from x_T on.

    Raises
    ------
    ValueError
        If the cells are of different ensembles, or as in their own `forward`.

    References
    ----------
    Schuster and Paliwal (1997), Bidirectional recurrent neural networks.
    """
    traces = forth.forward(x, states[0]), back.forward(x[::-1], states[1])
    outputs = traces[0].states[1:], traces[1].states[:0:-1]
    if outputs[0].shape[:-1] != outputs[1].shape[:-1]:
        raise ValueError(f"the cells must be of one ensemble, got outputs {outputs[0].shape} and {outputs[1].shape}")
    return np.concatenate(outputs, axis=-1), traces


def bidirectional_backward(
    traces: tuple[Trace, Trace], each: np.ndarray, truncation: int | None = None
) -> tuple[np.ndarray, tuple[Gradients, Gradients]]:
    """Run the chain rule through `bidirectional`: x receives from both.

    Parameters
    ----------
    traces : pair
        What `bidirectional` returned.
    each : ndarray, shape (steps, ..., batch, width of forth + width of back)
        Gradient of C, a function of each sequence, with respect to every output.
    truncation : int, optional
        As in `RNN.backward`, each cell's pieces counted from its own end.

    Returns
    -------
    dx : ndarray, shape (steps, ..., batch, n_inputs)
    gradients : pair of Gradients
        Those of `back` in its own order of steps.

    Raises
    ------
    ValueError
        If `each` has another shape than the outputs, or as in the cells' own `backward`.
    """
    (forth, back), each = traces, np.asarray(each)
    widths = forth.cell.width, back.cell.width
    if each.ndim < 3 or each.shape[-1] != sum(widths):
        raise ValueError(f"each must have the shape (steps, ..., batch, {sum(widths)}), got {each.shape}")
    gradients = (
        forth.cell.backward(forth, each=each[..., : widths[0]], truncation=truncation),
        back.cell.backward(back, each=each[::-1, ..., widths[0] :], truncation=truncation),
    )
    with np.errstate(all="ignore"):
        return gradients[0].inputs + gradients[1].inputs[::-1], gradients
