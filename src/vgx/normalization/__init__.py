"""Batch, layer and RMS normalization, each with its backward pass below the forward pass.

`training` takes the statistics from what it is given; `evaluation` has batch normalization by running statistics.
Activations are ``(..., batch, width)``; the leading axes are any ensemble and broadcast.
"""

from vgx.normalization.cache import Cache
from vgx.normalization.evaluation import batch_eval, batch_eval_backward, running_statistics
from vgx.normalization.training import Normalization, normalizations

__all__ = ["Cache", "Normalization", "batch_eval", "batch_eval_backward", "normalizations", "running_statistics"]
