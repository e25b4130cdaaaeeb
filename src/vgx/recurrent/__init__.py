"""Recurrent cells in NumPy, unrolled in time, any number of networks at once.

Each cell has its forward pass and below it its backward pass, backpropagation through time. A sequence is
``(steps, ..., batch, width)``: time first, then any ensemble.
"""

from vgx.recurrent.matrices import recurrent_matrix
from vgx.recurrent.rnn import RNN
from vgx.recurrent.traces import Gradients, RNNTrace

__all__ = ["RNN", "Gradients", "RNNTrace", "recurrent_matrix"]
