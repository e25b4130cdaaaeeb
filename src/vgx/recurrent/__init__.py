"""Recurrent cells in NumPy, unrolled in time, any number of networks at once.

Each cell has its forward pass and below it its backward pass, backpropagation through time; `compose` puts
them on top of one another and lets them read both ways. A sequence is ``(steps, ..., batch, width)``: time first, then
any ensemble.
"""

from vgx.recurrent.compose import bidirectional, bidirectional_backward, stacked, stacked_backward
from vgx.recurrent.gru import GRU
from vgx.recurrent.lstm import LSTM
from vgx.recurrent.matrices import recurrent_matrix
from vgx.recurrent.rnn import RNN
from vgx.recurrent.traces import Gradients, GRUTrace, LSTMTrace, RNNTrace

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUTrace",
    "Gradients",
    "LSTMTrace",
    "RNNTrace",
    "bidirectional",
    "bidirectional_backward",
    "recurrent_matrix",
    "stacked",
    "stacked_backward",
]
