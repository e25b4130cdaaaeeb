"""What mean-field theory predicts for wide random networks: how signals and gradients grow, layer by layer.

Weights have variance σ_w²/fan_in, biases σ_b², and q is the variance of a layer's pre-activations. `maps` takes q and
the correlation of two inputs from one layer to the next, `points` finds where they come to rest, and `profile` follows
the gradient back.
"""

from vgx.theory.maps import chi, correlation_map, variance_map, variance_slope
from vgx.theory.points import CriticalPoint, critical_point, fixed_point
from vgx.theory.profile import depth_scale, gradient_profile

__all__ = [
    "CriticalPoint",
    "chi",
    "correlation_map",
    "critical_point",
    "depth_scale",
    "fixed_point",
    "gradient_profile",
    "variance_map",
    "variance_slope",
]
