"""A deep stack of layers in NumPy, any number of networks at once.

`stack` has the forward and the backward pass, one under the other. `depth_sweep` is the same chain rule for networks
of many depths and scales, made fast; `norms` measures with it.
"""

from vgx.network.depth_sweep import depth_sweep
from vgx.network.norms import gradient_norms, norm_per_input
from vgx.network.stack import Network
from vgx.network.trace import Gradients, Trace

__all__ = ["Gradients", "Network", "Trace", "depth_sweep", "gradient_norms", "norm_per_input"]
