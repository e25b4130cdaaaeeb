"""A saturated layer before and after normalization: what lesson 07 draws and says."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_recentring import EDGES, WIDTH

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

ENDS = (-16.0, 16.0)
HIGHEST = 0.6  # of the density that is drawn
AWAKE = 4.585  # |z| where σ′ = 0.01
NORMS = {"centre_and_scale": "centred and scaled", "centre_only": "only centred"}


def recentring(data: Data, controls: State) -> "go.Figure":
    """Draw the density of z before and after, and each unit's mean slope before and after."""
    places, units = (EDGES[1:] + EDGES[:-1]) / 2, np.arange(1, WIDTH + 1)
    order, colour = np.argsort(data["slope"][0]), figures.ACTIVATIONS["sigmoid"]
    looks = {"before": {"color": figures.MUTED, "width": 2}, "after": {"color": colour, "width": 3}}
    traces = []
    for (when, line), density in zip(looks.items(), data["density"], strict=True):
        traces.append({"type": "scatter", "mode": "lines", "name": f"z {when}", "x": places,
                       "y": np.minimum(density, HIGHEST), "line": line | {"shape": "hvh"},
                       "hovertemplate": when + ", z = %{x}: %{y:.2f}<extra></extra>"})  # fmt: skip
    for (when, line), slope in zip(looks.items(), data["slope"][:, order], strict=True):
        traces.append({"type": "scatter", "mode": "markers", "name": f"slope {when}", "x": units, "y": slope,
                       "xaxis": "x2", "yaxis": "y2", "hovertemplate": when + ": %{y:.3f}<extra></extra>",
                       "marker": {"size": 5 if when == "before" else 7, "color": line["color"], "opacity": 1,
                                  "line": {"width": 0}}})  # fmt: skip
    return figures.figure(
        traces,
        title={"text": f"Sigmoids, {NORMS[controls['norm']]}<br><sub>grey: before; coloured: after; "
                       "band: σ′(z) ≥ 0.01</sub>"},
        height=540,
        margin={"l": 64, "r": 16, "t": 76, "b": 52},
        xaxis={"type": "linear", "range": ENDS, "tickvals": [-15, -10, -5, 0, 5, 10, 15], "anchor": "y",
               "title": {"text": "z (ends: and beyond)"}},
        yaxis={"type": "linear", "range": [0, HIGHEST * 1.02], "domain": [0.6, 1], "tickvals": [0, 0.2, 0.4, 0.6],
               "title": {"text": "density"}},
        xaxis2={"type": "linear", "range": [0, WIDTH + 1], "tickvals": [1, 16, 32, 48, 64], "anchor": "y2",
                "title": {"text": "unit, by its slope before"}},
        yaxis2={"type": "linear", "range": [0, 0.26], "domain": [0, 0.42], "tickvals": [0, 0.1, 0.2, 0.25],
                "title": {"text": "mean σ′(z)"}},
        shapes=[
            {"type": "rect", "xref": "x", "x0": -AWAKE, "x1": AWAKE, "yref": "y", "y0": 0, "y1": HIGHEST * 1.02,
             "layer": "below", "line": {"width": 0}, "fillcolor": figures.GRID},
            figures.reference_line(0.25, (0, WIDTH + 1), "y2") | {"xref": "x2"},
        ],
    )  # fmt: skip


def recentring_reading(data: Data, controls: State) -> str:
    """Say what `recentring` shows."""
    (before, after), flat = data["mean_slope"], [figures.percent(share) for share in data["saturated"]]
    spread = "the spread of z, which centring leaves" if controls["norm"] == "centre_only" else ""
    causes = [spread, "γ" if controls["gain"] > 1 else ""]
    blame = f" What saturates now: {', and '.join(filter(None, causes))}." if data["saturated"][1] >= 0.05 else ""
    return (
        f"Before: mean σ′ {_number(before)}, {flat[0]} of the z saturated (σ′ below 0.01). "
        f"{NORMS[controls['norm']].capitalize()}, γ = {controls['gain']:g}: mean σ′ {_number(after)}, {flat[1]} "
        f"saturated.{blame}"
    )


def still_saturated(data: Data, controls: State) -> float:
    """Return the share of z that is saturated afterwards, in per cent: the lab's question."""
    return 100 * float(data["saturated"][1])


def _number(value: float) -> str:
    return f"{value:.3g}" if value >= 1e-3 else figures.power_of_ten(value)
