"""Fifty layers, many draws: theory's mean gradient, the typical one, and the law between them."""

import math

import numpy as np

from vgx import theory
from vgx.activation import activations
from vgx.arguments import whole_number
from vgx.gaussian import expectation
from vgx.network import Network, gradient_norms

SPREAD_WIDTHS = (32, 64, 128, 256)
MOST_WEIGHTS = 4_000_000  # that are drawn at once


def gradient_spread(
    activation: str, width: int, *, depth: int = 50, n_nets: int = 200, seed: int = 0
) -> dict[str, np.ndarray]:
    """Squared gradient of the first layer over the last one's, for draws of networks whose weights have σ_w = gain.

    Each network has its own weights (normal, no biases), one Gaussian input and a random readout. The input's mean
    square is 1/gain², so that pre-activations have variance 1 in the first layer and, by the choice of σ_w, keep it.

    Parameters
    ----------
    activation : str
        A name in the registry.
    width, depth, n_nets, seed : int
        Units a layer, layers, draws of the weights and their seed.

    Returns
    -------
    dict
        ``logs``: natural logarithm of ‖∂C/∂z_1‖² / ‖∂C/∂z_L‖² of each living network, sorted, float32. ``dead``: share
        of networks whose first layer gets no gradient. ``rms``, ``median``: of the ratio of norms, over all networks.
        ``theory``: the rms that mean-field theory predicts. ``law``: mean and standard deviation of the logarithm
        (`log_normal_law`).

    Raises
    ------
    ValueError
        If the activation is unknown or a number is not whole or too small.
    """
    phi = activations[activation]
    width, depth = whole_number("width", width), whole_number("depth", depth, least=2)
    n_nets, at_once = whole_number("n_nets", n_nets), max(1, MOST_WEIGHTS // (depth * width**2))
    squares = []
    for start in range(0, n_nets, at_once):
        rng = np.random.default_rng((seed, start))
        n = min(at_once, n_nets - start)
        x, readout = rng.standard_normal((2, n, 1, width), dtype=np.float32)
        x /= phi.gain * np.sqrt(np.mean(x**2, axis=-1, keepdims=True))
        net = Network.sample(depth=depth, width=width, n_nets=n, dtype=np.float32, rng=rng, activation=activation,
                             initializer="lecun_normal", scale=phi.gain)  # fmt: skip
        norms = gradient_norms(net, x, readout, [depth])[depth]
        squares.append(np.divide(norms[:, 0], norms[:, -1], out=np.zeros(n), where=norms[:, -1] > 0) ** 2)
    ratios = np.concatenate(squares)
    living = ratios[ratios > 0]
    return {
        "logs": np.sort(np.log(living)).astype(np.float32),
        "dead": 1 - living.size / n_nets,
        "rms": math.sqrt(ratios.mean()),
        "median": math.sqrt(np.median(ratios)),
        "theory": theory.gradient_profile(1.0, depth=depth, activation=activation, sigma_w=phi.gain)[0],
        "law": log_normal_law(depth, width, activation),
    }


def log_normal_law(depth: int, width: int, activation: str) -> np.ndarray:
    """Predict mean and standard deviation of `gradient_spread`'s logarithms for a wide network.

    On the way back a layer multiplies the squared norm by the mean of φ′(z_i)² S_i² over its n units, where the S_i are
    independent Gaussians. Its relative variance is v/n with v = 3 E[φ′⁴] / E[φ′²]² - 1: 5 for ReLU, 2 for the identity.
    So L - 1 layers add up to about N((L - 1)(ln χ - v/2n), (L - 1) v/n). The signal's own fluctuations are left out.

    Parameters
    ----------
    depth, width : int
        L and n.
    activation : str
        Name of φ, whose σ_w is its gain, so that z ~ N(0, 1).

    Returns
    -------
    ndarray, shape (2,)

    References
    ----------
    Hanin (2018), Which neural net architectures give rise to exploding and vanishing gradients?
    """
    phi, n, layers = activations[activation], whole_number("width", width), whole_number("depth", depth) - 1
    second, fourth = expectation(lambda z: np.stack([phi.derivative(z) ** 2, phi.derivative(z) ** 4]), 1.0)
    v = 3 * fourth / second**2 - 1
    mean = layers * (math.log(phi.gain**2 * second) - v / (2 * n))
    return np.array([mean, math.sqrt(layers * v / n)])
