"""Shattered gradients: what lesson 05 draws and says about them."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_shattering import DISTANCES, N_NETS, POSITIONS

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOUR = figures.ACTIVATIONS["relu"]
BROWN_AT, WHITE_AT = -6.5, -11.0
"""Where the two noises run below the gradient, in units of its root mean square."""

NAMES = {
    "plain": "plain",
    "residual": "residual",
    "plain_batchnorm": "plain, BatchNorm",
    "residual_batchnorm": "residual, BatchNorm",
}
FRACTIONS = ("1/32", "1/16", "1/8", "1/4", "1/2", "1", "2")


@cache
def noises() -> tuple[np.ndarray, np.ndarray]:
    """Draw white noise, and brown noise, its sum from the left end on; both with a root mean square of 1."""
    white = np.random.default_rng(1).standard_normal(len(POSITIONS))
    brown = np.cumsum(white) - white[0]
    return tuple(noise / np.sqrt(np.mean(noise**2)) for noise in (white, brown))


def brown_correlation() -> np.ndarray:
    """Predict brown noise's correlation at `DISTANCES`: 1 - distance / length of the line.

    A walk that starts at 0 has covariance min(i, j); its mean over pairs k apart, over the mean variance, is 1 - k/N.
    """
    return 1 - DISTANCES / np.ptp(POSITIONS)


def shattering(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw one network's gradient along the line above two noises, and below the correlation of all networks'."""
    white, brown = noises()
    upper = {"type": "scatter", "mode": "lines", "x": POSITIONS, "hoverinfo": "skip"}
    lower = {"type": "scatter", "mode": "lines", "xaxis": "x2", "yaxis": "y2", "x": DISTANCES}
    thin = {"color": figures.MUTED, "width": 1.2}
    traces = [
        upper | {"name": "gradient", "y": data["slope"], "line": {"color": COLOUR, "width": 2}},
        upper | {"name": "brown and white noise", "x": np.concatenate([POSITIONS, [np.nan], POSITIONS]),
                 "y": np.concatenate([brown + BROWN_AT, [np.nan], white + WHITE_AT]), "line": thin},
        figures.labels((-1.98, 4.1, "gradient ∂C, one network", "middle right"),
                       (-1.98, BROWN_AT + 2.6, "brown noise", "middle right"),
                       (-1.98, WHITE_AT - 3.4, "white noise", "middle right"), name="rows"),
        figures.between(DISTANCES, data["low"], data["high"], COLOUR, name="5 to 95 %", xaxis="x2", yaxis="y2"),
        lower | {"name": "brown noise’s", "y": brown_correlation(), "line": thin, "hoverinfo": "skip"},
        lower | {"name": "theory", "y": data["theory"], "line": figures.THEORY, "hoverinfo": "skip"},
        lower | {"name": "median", "y": data["median"], "line": {"color": COLOUR, "width": 4},
                 "hovertemplate": "distance %{x:.3g}: %{y:.2f}<extra></extra>"},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": f"Input gradients along a line<br><sub>{_network(controls)}</sub>"},
        height=640,
        margin={"l": 64, "r": 16, "t": 72, "b": 56},
        xaxis={"type": "linear", "range": [-2, 2], "anchor": "y", "tickvals": [-2, 0, 2],
               "title": {"text": "position on the line"}},
        yaxis={"type": "linear", "range": [-15.5, 5], "domain": [0.53, 1], "visible": False},
        xaxis2={"type": "log", "range": [np.log10(DISTANCES[0]) - 0.05, np.log10(DISTANCES[-1]) + 0.05],
                "anchor": "y2",
                "title": {"text": "distance (dashed: theory; thin: brown noise)", "font": {"size": 13}},
                "tickvals": DISTANCES[::3], "ticktext": FRACTIONS[::3]},
        yaxis2={"type": "linear", "range": [-0.5, 1.15], "domain": [0, 0.38], "tickvals": [0, 0.5, 1],
                "title": {"text": "correlation"}},
        shapes=[figures.reference_line(0, (0.03, 2.1), "y2") | {"xref": "x2"}],
    )  # fmt: skip


def _network(controls: Mapping[str, Any]) -> str:
    """Name the network of a state."""
    layers = "1 layer" if controls["depth"] == 1 else f"{controls['depth']} layers"
    bias = f"bias {controls['bias']:g}" if controls["bias"] else "no bias"
    return f"{layers}, {NAMES[controls['variant']]}, {controls['weights'].capitalize()}, {bias}"


def half_distance(median: np.ndarray) -> float:
    """Distance at which the correlation falls to one half, on straight lines over log distance.

    Returns
    -------
    float
        0 if it is below one half at all of `DISTANCES`, inf if at none.
    """
    below = np.flatnonzero(median < 0.5)
    if not below.size:
        return np.inf
    k = below[0]
    if k == 0:
        return 0.0
    share = (median[k - 1] - 0.5) / (median[k - 1] - median[k])
    return float(DISTANCES[k - 1] * 2**share)


def shattering_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `shattering` shows."""
    at = FRACTIONS.index("1/4")
    median, low, high = (_signed(data[name][at]) for name in ("median", "low", "high"))
    theory = f"; theory: {_signed(data['theory'][at])}" if len(data["theory"]) else ""
    half = half_distance(data["median"])
    where = "at less than 1/32, the least that is measured" if half == 0 else f"at {half:.2g}"
    where = "nowhere up to distance 2" if np.isinf(half) else where
    extra = " BatchNorm subtracts the biases: their size changes nothing." if "batch" in controls["variant"] else ""
    return (
        f"{_network(controls)}: at distance 1/4 the gradients of two inputs correlate by {median} (median of "
        f"{N_NETS} networks, 5 to 95 %: {low} to {high}{theory}). The correlation falls to one half {where}.{extra}"
    )


def more_or_less_alike(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Judge the correlation at distance 1/4 against the 0.4 of 24 plain layers; within 0.05 of 0 it is none."""
    median = data["median"][FRACTIONS.index("1/4")]
    if abs(median) < 0.05:
        return "unrelated"
    if median < 0.25:
        return "less, but still similar"
    return "as before" if median < 0.55 else "more than before"


def _signed(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")
