"""SELU: its two constants from its two equations, and what they preserve in a deep network."""

import numpy as np

from vgx import theory
from vgx.arguments import whole_number
from vgx.gaussian import expectation
from vgx.network import Network


def selu_constants() -> tuple[float, float]:
    """Solve for SELU's α and λ: for z ~ N(0, 1) its outputs shall have mean 0 and variance 1.

    SELU is λ z for z > 0 and λ α (e^z - 1) below. Its mean is 0 where λ drops out, at one α; its mean square then
    gives λ.

    Returns
    -------
    alpha, scale : float
        α and λ.

    References
    ----------
    Klambauer et al. (2017), Self-normalizing neural networks, equation 14.

    Examples
    --------
    >>> [f"{constant:.8f}" for constant in selu_constants()]
    ['1.67326324', '1.05070099']
    """
    from scipy.optimize import root

    def equations(unknown: np.ndarray) -> np.ndarray:
        alpha, scale = unknown

        def moments(z: np.ndarray) -> np.ndarray:
            value = scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
            return np.stack([value, value**2])

        mean, mean_square = expectation(moments, 1.0)
        return np.array([mean, mean_square - 1])

    alpha, scale = root(equations, [1.0, 1.0], tol=1e-13).x
    return float(alpha), float(scale)


def selu_growth(
    depth: int = 50, *, width: int = 256, n_nets: int = 20, n_inputs: int = 32, seed: int = 0
) -> dict[str, np.ndarray | float]:
    """Follow signal and gradient through SELU networks at birth, with weights of variance 1/fan_in and no biases.

    Inputs are N(0, 1), so z is N(0, 1) in the first layer; C is a random linear readout of the last one.

    Parameters
    ----------
    depth, width, n_nets, n_inputs, seed : int
        Layers, units a layer, draws of the weights, inputs of each, and their seed.

    Returns
    -------
    dict
        For each draw, shape (n_nets,): ``signal``, the mean square of the last activations over that of the first;
        ``gradient``, the mean of ‖∂C/∂z_1‖² over the inputs, over that of ‖∂C/∂z_L‖². ``chi``: the factor a layer on
        the squared gradient that theory predicts.

    Raises
    ------
    ValueError
        If a number is not whole or too small.
    """
    rng = np.random.default_rng(seed)
    width, n_nets = whole_number("width", width), whole_number("n_nets", n_nets)
    x = rng.standard_normal((n_nets, whole_number("n_inputs", n_inputs), width), np.float32)
    readout = rng.standard_normal((n_nets, 1, width), np.float32)
    net = Network.sample(depth=whole_number("depth", depth), width=width, activation="selu", n_nets=n_nets,
                         initializer="lecun_normal", dtype=np.float32, rng=rng)  # fmt: skip
    trace = net.forward(x)
    gradients = net.backward(trace, np.broadcast_to(readout, x.shape)).pre_activations
    return {
        "signal": _mean_square(trace.activations[-1]) / _mean_square(trace.activations[0]),
        "gradient": _mean_square(gradients[0]) / _mean_square(gradients[-1]),
        "chi": float(theory.chi(activation="selu", sigma_w=1.0, q=1.0)),
    }


def _mean_square(values: np.ndarray) -> np.ndarray:
    return np.mean(np.square(values, dtype=np.float64), axis=(-2, -1))
