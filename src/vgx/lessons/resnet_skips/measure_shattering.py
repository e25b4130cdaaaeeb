"""Shattered gradients: how alike the input gradients of two inputs are, against the distance between the inputs."""

from collections.abc import Sequence

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.network import Network
from vgx.registry import unknown_name

WIDTH = 128
N_NETS = 20
VARIANTS = {
    "plain": {},
    "residual": {"skip": 1.0},
    "plain_batchnorm": {"norm": "batch"},
    "residual_batchnorm": {"skip": 1.0, "norm": "batch"},
}
DEPTHS = (1, 3, 10, 24, 50)
BIASES = (0.0, 0.3, 3.0)
WEIGHTS = {"he": ("he_normal", np.sqrt(2)), "xavier": ("xavier_normal", 1.0)}
"""Name -> initializer and σ_w, as all layers have one width."""

POSITIONS = np.linspace(-2, 2, 129)
LAGS = 2 ** np.arange(7)
DISTANCES = LAGS * (POSITIONS[1] - POSITIONS[0])
"""From 1/32 to 2; a distance is ‖x - x'‖/√n, and the line's nearest point to the origin has ‖x‖/√n = 1."""

OTHERS = 384


def shattering(
    depth: int | Sequence[int], variant: str, weights: str, bias: float, *,
    scale: float = 1.0, branch: float = 1.0, others: int = OTHERS, n_nets: int = N_NETS, seed: int = 0,
) -> dict[str, np.ndarray | list]:  # fmt: skip
    """Correlate the input gradients of ReLU networks along a line that does not pass through the origin.

    Each network has its own weights, biases, line and random readout; C is the sum of the readout over the batch. With
    BatchNorm the line stands among Gaussian inputs, so that statistics are those of data and not of a line, and the
    gradient is the exact one, through the statistics. Biases are then left out: BatchNorm subtracts them.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers; the first layers of a deeper network are the shallower one.
    variant : {"plain", "residual", "plain_batchnorm", "residual_batchnorm"}
    weights : {"he", "xavier"}
        Variance 2/n or 1/n.
    bias : float
        Standard deviation of the biases; the inputs' root mean square is from 1 to √5.
    scale, branch : float
        Multiply the weights' standard deviation and a residual block's branch.
    others : int
        Gaussian inputs beside the line's 129 with BatchNorm.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        ``slope``, shape (129,): for the first network, C's derivative along the line, over its root mean square.
        ``median``, ``low``, ``high``, shape (7,): the correlation at `DISTANCES`, its median and 5th and 95th
        percentile over the networks. ``theory``, shape (7,): `predicted_correlation`; (0,) with BatchNorm.
        For a sequence of depths, lists by depth.

    Raises
    ------
    ValueError
        If a name is unknown or a number is not allowed.

    References
    ----------
    Balduzzi et al. (2017), The shattered gradients problem.
    """
    if variant not in VARIANTS:
        raise ValueError(unknown_name("variant", variant, VARIANTS))
    if weights not in WEIGHTS:
        raise ValueError(unknown_name("weights", weights, WEIGHTS))
    depths = [whole_number("depth", each) for each in (depth if np.ndim(depth) else [depth])]
    bias, normalized = real_number("bias", bias, least=0), "norm" in VARIANTS[variant]
    initializer, sigma_w = WEIGHTS[weights]
    slopes, correlations = [], []
    for k in range(whole_number("n_nets", n_nets)):
        rng = np.random.default_rng((seed, k))
        through, along = plane(rng)
        x = through + POSITIONS[:, None] * along
        if normalized:
            x = np.concatenate([x, rng.standard_normal((others, WIDTH))])
        readout = rng.standard_normal((1, WIDTH))
        net = Network.sample(depth=max(depths), width=WIDTH, activation="relu", initializer=initializer, scale=scale,
                             bias_std=0.0 if normalized else bias, branch=branch, dtype=np.float32,
                             **VARIANTS[variant], rng=rng)  # fmt: skip
        gradients = [input_gradient(net.truncated(each), x, readout)[: len(POSITIONS)] for each in depths]
        correlations.append([correlation(each) for each in gradients])
        if k == 0:
            slopes = [each @ along for each in gradients]
    low, median, high = np.quantile(correlations, [0.05, 0.5, 0.95], axis=0)  # each (depths, distances)
    skip = VARIANTS[variant].get("skip", 0.0)
    rows = {
        "slope": [(slope / np.sqrt(np.mean(slope**2))).astype(np.float16) for slope in slopes],
        "median": list(median.astype(np.float32)),
        "low": list(low.astype(np.float32)),
        "high": list(high.astype(np.float32)),
        "theory": [
            np.empty(0, np.float32) if normalized
            else predicted_correlation(each, skip=skip, branch=branch, sigma_w=scale * sigma_w, sigma_b=bias)
            for each in depths
        ],
    }  # fmt: skip
    return rows if np.ndim(depth) else {name: row[0] for name, row in rows.items()}


def plane(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw two orthogonal directions of length √n: the line's point nearest to the origin, and where the line goes."""
    directions, _ = np.linalg.qr(rng.standard_normal((WIDTH, 2)))
    return tuple(np.sqrt(WIDTH) * directions.T)


def input_gradient(net: Network, x: np.ndarray, readout: np.ndarray) -> np.ndarray:
    """Differentiate the readout of the last layer, summed over the batch, with respect to each input."""
    trace = net.forward(x)
    return net.backward(trace, np.broadcast_to(readout, trace.activations[-1].shape)).inputs


def correlation(gradients: np.ndarray) -> np.ndarray:
    """Mean inner product of two gradients at each of `DISTANCES`, over the mean squared norm: shape (7,).

    No mean is subtracted: readouts are drawn around 0.

    Parameters
    ----------
    gradients : ndarray, shape (129, n)
        In the order of `POSITIONS`.
    """
    products = gradients @ gradients.T
    return np.array([np.diagonal(products, lag).mean() for lag in LAGS]) / np.diagonal(products).mean()


def predicted_correlation(
    depth: int, *, skip: float = 0.0, branch: float = 1.0, sigma_w: float = np.sqrt(2), sigma_b: float = 0.0
) -> np.ndarray:
    """Predict the correlation in wide ReLU networks without normalization, shape (7,), averaged over the line's pairs.

    Where the pre-activations of two inputs have the angle θ, a unit that is on for one is on for the other with
    probability 1 - θ/π. A plain layer multiplies the gradients' correlation by that, a block by 1 - p θ/π with
    p = β²σ_w²/2 / (1 + β²σ_w²/2), the share of the squared gradient that comes through its branch.

    Parameters
    ----------
    depth : int
        Number of layers.
    skip, branch : float
        Of a block; ``skip`` is 0 (plain) or 1.
    sigma_w, sigma_b : float
        Standard deviations of weights (times √n) and biases.

    References
    ----------
    Cho and Saul (2009), Kernel methods for deep learning (the angles' map from layer to layer).
    """
    variance, gain = sigma_w**2 / 2, branch**2 * sigma_w**2 / 2
    covariance = sigma_w**2 * (1 + np.outer(POSITIONS, POSITIONS)) + sigma_b**2
    product = np.ones_like(covariance)
    for layer in range(1, depth + 1):
        size = np.sqrt(np.diagonal(covariance))
        cosine = np.clip(covariance / np.outer(size, size), -1, 1)
        angle = np.arccos(cosine)
        shared = 1 - angle / np.pi
        if layer == depth or not skip:  # behind the last layer there is no skip
            product *= shared
        else:
            product *= (1 + gain * shared) / (1 + gain)
        signal = np.outer(size, size) * (np.sqrt(1 - cosine**2) + cosine * (np.pi - angle)) / np.pi
        covariance = skip * covariance + branch**2 * (variance * signal + sigma_b**2)
    return np.array([np.diagonal(product, lag).mean() for lag in LAGS], dtype=np.float32)
