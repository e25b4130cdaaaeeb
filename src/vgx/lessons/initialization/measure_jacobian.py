"""The Jacobian of a whole network: in which directions it stretches, and how evenly."""

import numpy as np

from vgx.arguments import whole_number
from vgx.network import Network


def jacobian_stretch(
    activation: str,
    initializer: str,
    sigma_w: float,
    *,
    depth: int = 30,
    width: int = 64,
    q: float = 1.0,
    n_nets: int = 5,
    seed: int = 0,
) -> np.ndarray:
    """Singular values of the Jacobian of the last activations with respect to the input, for networks without biases.

    Parameters
    ----------
    activation : str
        A name in the registry.
    initializer : {"orthogonal", "lecun_normal", ...}
        Name of one whose σ_w is 1 for equal widths.
    sigma_w : float
        What the weights are multiplied by.
    depth, width : int
        Layers, and units a layer.
    q : float
        Mean square of the Gaussian input.
    n_nets, seed : int
        Draws of weights and input.

    Returns
    -------
    ndarray, shape (n_nets, width)
        The largest first. One for each direction at the input: what the network multiplies a small step by.

    References
    ----------
    Pennington et al. (2017), Resurrecting the sigmoid in deep learning through dynamical isometry.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((whole_number("n_nets", n_nets), 1, whole_number("width", width))) * np.sqrt(q)
    net = Network.sample(depth=depth, width=width, activation=activation, initializer=initializer, scale=sigma_w,
                         n_nets=n_nets, rng=rng)  # fmt: skip
    jacobian = np.eye(width)
    for W, z in zip(net.weights, net.forward(x).pre_activations, strict=True):
        jacobian = (jacobian @ W) * net.activation.derivative(z)
    return np.linalg.svd(jacobian, compute_uv=False)
