"""The paths through a residual network: what lesson 05 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_paths import N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

DEEPEST = 50
LEAST = 1e-4  # share of a length, at the bottom of the axis


def paths(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the share of each path length in the squared gradient, and below what its cross terms add."""
    depth, colour = len(data["median"]) - 1, figures.ACTIVATIONS[controls["activation"]]
    highest = np.max([data[name] for name in ("high", "law", "binomial")], axis=0)
    seen = np.flatnonzero(highest > LEAST / 10)  # less than the axis shows, so that lines leave it
    lengths = np.arange(seen[0], seen[-1] + 1)
    data = {name: array[lengths] for name, array in data.items() if name != "whole"}
    line = {"type": "scatter", "mode": "lines", "x": lengths}
    below = line | {"yaxis": "y2"}
    median = {"line": {"color": colour, "width": 4}}
    hover = "length %{x}: %{y:.3f}<extra></extra>"
    traces = [
        figures.between(lengths, data["low"], data["high"], colour, name="5 to 95 %"),
        line | median | {"name": "share", "y": data["median"], "hovertemplate": hover},
        line | {"name": "binomial law", "y": data["binomial"], "hoverinfo": "skip",
                "line": {"color": figures.MUTED, "width": 1.5, "dash": "dot"}},
        line | {"name": "theory", "y": data["law"], "line": figures.THEORY, "hoverinfo": "skip"},
        figures.between(lengths, data["cross_low"], data["cross_high"], colour, name="cross terms, 5 to 95 %",
                        yaxis="y2"),
        below | median | {"name": "cross terms", "y": data["cross"], "hovertemplate": hover},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": f"The gradient, by path length<br><sub>{depth} blocks, β = {controls['branch']:g}, "
               f"{controls['activation']}; -- theory, ·· binomial</sub>"},
        height=600,
        margin={"l": 72, "r": 16, "t": 72, "b": 56},
        xaxis={"range": [-1, DEEPEST + 1], "anchor": "y2", "tickvals": [0, 10, 20, 30, 40, 50],
               "title": {"text": "path length: branches passed"}},
        yaxis=figures.powers_of_ten_axis(-4, 0, step=1)
        | {"domain": [0.42, 1], "title": {"text": "share of squared norms"}},
        yaxis2={"range": [-0.35, 0.35], "domain": [0, 0.32], "tickvals": [-0.3, 0, 0.3],
                "ticktext": ["−0.3", "0", "0.3"], "title": {"text": "cross terms"}},
        shapes=[figures.reference_line(0, (-1, DEEPEST + 1), "y2")],
    )  # fmt: skip


def paths_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `paths` shows."""
    depth = len(data["median"]) - 1
    beta = controls["branch"]
    law = f"theory {_mean(data['law']):.3g}"
    if controls["activation"] == "tanh":
        law += f", binomial {depth * beta**2 / (1 + beta**2):.3g}: tanh’s slopes below 1 shorten the paths"
    low, median, high = data["whole"]
    return (
        f"{depth} blocks of {controls['activation']}, β = {beta:g}: {_count(depth)} paths. Weighted by the squared "
        f"gradient that they carry, the mean one passes {_mean(data['median']):.3g} branches ({law}). With the cross "
        f"terms the whole is {median:.2f} times the sum of the squares (median of {N_NETS} networks, 5 to 95 %: "
        f"{low:.2f} to {high:.2f})."
    )


def mean_length(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> float:
    """Return the number of branches that the mean path passes, paths weighted by the squared gradient they carry."""
    return _mean(data["median"])


def _mean(shares: np.ndarray) -> float:
    return float(shares @ np.arange(len(shares)) / shares.sum())


def _count(depth: int) -> str:
    return f"{2**depth:,}" if depth <= 20 else f"about {figures.power_of_ten(2.0**depth)}"
