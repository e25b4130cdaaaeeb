"""The typical network and the average one: what lesson 02 measures of them."""

from collections.abc import Sequence

import numpy as np

from vgx.arguments import whole_number
from vgx.network import Network, gradient_norms
from vgx.registry import unknown_name

DEEPEST = 50
SPREAD_NETS = 500
MOST_WEIGHTS = 4_000_000  # that are drawn at once
INITIALIZERS = {"relu": "he_normal", "identity": "lecun_normal", "tanh": "lecun_normal"}
"""The weights with which an activation is at its critical point: the mean squared gradient stays, or (tanh) falls only
as a power of the depth."""


def spread(
    depth: int | Sequence[int], width: int, activation: str, *, n_nets: int = SPREAD_NETS, seed: int = 0
) -> dict[str, np.ndarray | list]:
    """Squared gradient of the first layer as a ratio to the last one's, over draws of critical networks.

    Each network has its own draw of the weights (He's variance 2/n for ReLU, 1/n else; no biases), one Gaussian input
    and a random linear readout; gradients are those of the pre-activations.

    Parameters
    ----------
    depth : int or sequence of int
        Number of layers, at most 50.
    width : int
        Units of each layer, n.
    activation : {"relu", "identity", "tanh"}
    n_nets, seed : int

    Returns
    -------
    dict
        ``ratios``: the living networks' ratios, sorted. ``low``, ``median``, ``high``: 5th, 50th and 95th percentile of
        all. ``mean``: of all possible draws, which is 1 for ReLU and identity; of these draws for tanh. ``dead``:
        share of networks whose first layer gets no gradient at all. ``theory``: mean and standard deviation of the
        ratio's natural logarithm (`log_ratio_moments`), empty for tanh. For a sequence, lists by depth.
    """
    if activation not in INITIALIZERS:
        raise ValueError(unknown_name("activation", activation, INITIALIZERS))
    depths = depth if np.ndim(depth) else [depth]
    squares = _squared_ratios(tuple(depths), width, activation, n_nets, seed)
    results = [_summary(squares[d]) | {"theory": log_ratio_moments(d, width, activation)} for d in depths]
    for result in results:
        result["mean"] = np.float64(1.0) if len(result["theory"]) else result["sample_mean"]
    return {name: [r[name] for r in results] for name in results[0]} if np.ndim(depth) else results[0]


def _squared_ratios(depths: Sequence[int], width: int, activation: str, n_nets: int, seed: int) -> dict:
    """Measure ‖∂C/∂z_1‖² / ‖∂C/∂z_L‖², 0 for a dead network: shape (n_nets,) for each depth L."""
    depths = [whole_number("depth", depth) for depth in depths]
    if max(depths) > DEEPEST:
        raise ValueError(f"depth must be at most {DEEPEST}, got {max(depths)}")
    n_nets, width = whole_number("n_nets", n_nets), whole_number("width", width)
    parts: dict[int, list[np.ndarray]] = {depth: [] for depth in depths}
    n = max(1, MOST_WEIGHTS // (DEEPEST * width**2))
    for start in range(0, n_nets, n):
        rng = np.random.default_rng((seed, start))
        x, readout = rng.standard_normal((2, n, 1, width), dtype=np.float32)
        net = Network.sample(  # the first layers of a deeper network: a depth alone and among others is the same draw
            depth=max(depths), width=width, n_nets=n, dtype=np.float32, rng=rng,
            activation=activation, initializer=INITIALIZERS[activation],
        )  # fmt: skip
        for depth, norms in gradient_norms(net, x, readout, depths).items():
            last = norms[:, -1]
            parts[depth].append(np.divide(norms[:, 0], last, out=np.zeros(n), where=last > 0) ** 2)
    return {depth: np.concatenate(each)[:n_nets] for depth, each in parts.items()}


def _summary(ratios: np.ndarray) -> dict[str, np.ndarray]:
    low, median, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    living = np.sort(ratios[ratios > 0])
    return {
        "ratios": living, "low": low, "median": median, "high": high,
        "sample_mean": ratios.mean(), "dead": 1 - len(living) / len(ratios),
    }  # fmt: skip


def log_ratio_moments(depth: int, width: int, activation: str) -> np.ndarray:
    """Mean and standard deviation of the natural logarithm of `spread`'s ratio, exact for one layer after the other.

    On the way back each of depth - 1 layers multiplies the squared norm by an independent factor: χ²_n / n in a linear
    network, 2 χ²_k / n in a ReLU network with He's weights, of which k units, k ~ Bin(n, 1/2), are on; k = 0 is dead,
    and left out here. The factors' mean is 1, that of their logarithm is about -1/n and -5/(2n), its variance 2/n and
    5/n: a typical network lies ever farther below the average one.

    Returns
    -------
    ndarray, shape (2,)
        Of shape (0,) for other activations, for which there is no closed form.

    References
    ----------
    Hanin (2018), Which neural net architectures give rise to exploding and vanishing gradients?
    """
    from scipy.special import digamma, polygamma
    from scipy.stats import binom

    if activation not in ("relu", "identity"):
        return np.empty(0)
    n = whole_number("width", width)
    if activation == "relu":
        k = np.arange(1, n + 1)
        share, scale = binom.pmf(k, n, 0.5) / (1 - 0.5**n), 2 / n
    else:
        k, share, scale = np.array([n]), np.ones(1), 1 / n
    logs = digamma(k / 2) + np.log(2 * scale)  # the mean of ln(scale χ²_k)
    mean = share @ logs
    variance = share @ (polygamma(1, k / 2) + (logs - mean) ** 2)
    layers = whole_number("depth", depth) - 1
    return np.array([layers * mean, np.sqrt(layers * variance)])
