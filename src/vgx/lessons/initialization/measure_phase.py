"""The gradient's fate over the depth and the weights' scale: simulated networks, and theory's critical line."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx import theory
from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.network import Network, gradient_norms

WIDTH = 128
N_NETS = 16
DEPTHS = np.arange(2, 51, 2)
SIGMA_W = np.round(2 ** (np.arange(-6, 22) / 6), 3)
"""The rows of the map: from a half to 11.3, six to each doubling."""


def phase_diagram(
    sigma_w: float, sigma_b: float, activation: str, *, n_nets: int = N_NETS, seed: int = 0
) -> dict[str, np.ndarray | float]:
    """Measure the first layer's gradient over the last one's, for many depths and scales of the weights.

    Networks are `WIDTH` wide, in float32, with Gaussian weights and biases; each sees one Gaussian input of mean
    square 1, and its cost is a random linear readout of the last layer. A norm is that of the gradient with respect to
    a layer's pre-activations.

    Parameters
    ----------
    sigma_w : float
        σ_w of the row that is looked at: the standard deviation of the weights times √width.
    sigma_b : float
        σ_b, the standard deviation of the biases.
    activation : str
        Name in the registry.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        ``map``: the median ratio over the networks, for each of `SIGMA_W` and each of `DEPTHS`; inf or NaN where it
        overflows. At `sigma_w`, for each of `DEPTHS`: ``median``, ``low``, ``high``: the median and the 5th and 95th
        percentile; ``theory``: the root mean square ratio that mean-field theory predicts; ``depth_scale``: its ξ,
        for the signal at rest.
        ``critical``: σ_w of the critical point, NaN if there is none; ``stable``: whether it is stable.

    Raises
    ------
    ValueError
        If the activation is unknown or a number not allowed.
    """
    phi, sigma_w = activations[activation].name, real_number("sigma_w", sigma_w, least=0)
    sigma_b, n_nets = real_number("sigma_b", sigma_b, least=0), whole_number("n_nets", n_nets)
    rows = _rows(tuple(SIGMA_W.tolist()), sigma_b, phi, n_nets, seed)
    on_map = np.flatnonzero(sigma_w == SIGMA_W)
    row = rows[:, on_map[0]] if on_map.size else _rows((sigma_w,), sigma_b, phi, n_nets, seed)[:, 0]
    point = theory.critical_point(activation=phi, sigma_b=sigma_b)
    predicted = {"activation": phi, "sigma_w": sigma_w, "sigma_b": sigma_b}
    start = sigma_w**2 + sigma_b**2
    return {
        "map": rows[1],
        "low": row[0],
        "median": row[1],
        "high": row[2],
        "theory": predicted_ratios(start, **predicted),
        "depth_scale": float(theory.depth_scale(**predicted, start=start)),
        "critical": point.sigma_w if point else np.nan,
        "stable": bool(point and point.stable),
    }


def predicted_ratios(q: float, **layers: str | float) -> np.ndarray:
    """Predict the first layer's root mean square gradient over the last one's, for networks of each of `DEPTHS`."""
    profile = theory.gradient_profile(q, depth=DEPTHS[-1], **layers)
    with np.errstate(all="ignore"):
        return profile[0] / profile[DEPTHS - 1]


@lru_cache(maxsize=64)
def _rows(sigma_w: tuple[float, ...], sigma_b: float, activation: str, n_nets: int, seed: int) -> np.ndarray:
    """Simulate; return the 5th percentile, the median and the 95th percentile, shape (3, scales, depths)."""
    net, x, readout = _draw(n_nets, seed)
    scale = np.array(sigma_w, net.dtype)[:, None]
    net = replace(net, activation=activations[activation], scale=scale, bias_std=sigma_b)
    norms = gradient_norms(net, x, readout, DEPTHS.tolist())
    with np.errstate(all="ignore"):
        ratios = np.stack([_ratio(norms[depth]) for depth in DEPTHS], axis=-1)
        return np.quantile(ratios, [0.05, 0.5, 0.95], axis=1)


def _ratio(norms: np.ndarray) -> np.ndarray:
    """Divide the first layer's norm by the last one's; where the last layer has no gradient there is none to divide."""
    first, last = norms[..., 0], norms[..., -1]
    return np.divide(first, last, out=np.zeros_like(first), where=last != 0)


@lru_cache(maxsize=1)
def _draw(n_nets: int, seed: int) -> tuple[Network, np.ndarray, np.ndarray]:
    """Draw the deepest networks, with one input and one readout each."""
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=int(DEPTHS[-1]), width=WIDTH, activation="identity", initializer="lecun_normal",
                         n_nets=n_nets, dtype=np.float32, rng=rng)  # fmt: skip
    x, readout = rng.standard_normal((2, n_nets, 1, WIDTH), np.float32)
    return net, x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True)), readout
