"""The signal on its way through the layers: what lesson 03 draws and says about it."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure_signal import BINS, DEEPEST, LEVELS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

SQUARES = (-12, 12)  # powers of ten
CENTRES = np.append(np.insert((BINS[1:-2] + BINS[2:-1]) / 2, 0, -2.2), 2.2).round(1)
NAMES = {
    "xavier_normal": "Xavier weights",
    "he_normal": "He weights",
    "orthogonal": "orthogonal weights",
    "normal": "N(0, 1) weights",
}


def signal_propagation(data: Data, controls: State) -> "go.Figure":
    """Draw the distribution of the activations by layer, the mean square before them, and what is lost."""
    depth, colour = len(data["median"]), figures.ACTIVATIONS[controls["activation"]]
    layers, verdict = np.arange(1, depth + 1), signal_verdict(data)
    clear = figures.band(colour).rpartition(",")[0] + ",0)"
    heat = {"type": "heatmap", "y": CENTRES, "zmin": 0, "zmax": LEVELS, "colorscale": [[0, clear], [1, colour]],
            "showscale": False, "hoverinfo": "skip", "yaxis": "y"}  # fmt: skip
    line = {"type": "scatter", "mode": "lines", "x": layers}
    middle, lower = line | {"yaxis": "y2"}, line | {"yaxis": "y3", "hoverinfo": "skip"}
    own, hover = figures.COLOURS[verdict], "layer %{x}: %{y:.2e}<extra></extra>"
    above = partial(figures.labels, cliponaxis=False)
    traces = [
        heat | {"name": "activations", "x": layers, "z": data["counts"]},
        figures.between(layers, data["low"], data["high"], own, yaxis="y2", name="5 to 95 %"),
        middle | {"name": "mean square of z, median", "y": data["median"], "line": {"color": own, "width": 4},
                  "hovertemplate": hover},
        middle | {"name": "theory", "y": data["theory"], "line": figures.THEORY,
                  "hovertemplate": "theory, " + hover},
        lower | {"name": "flat", "y": data["flat"], "line": {"color": colour, "width": 3}},
        lower | {"name": "exactly 0", "y": _any(data["lost"]),
                 "line": {"color": figures.COLOURS[Verdict.VANISHING], "width": 3, "dash": "dot"}},
        lower | {"name": "overflowed", "y": _any(data["overflowed"]),
                 "line": {"color": figures.COLOURS[Verdict.OVERFLOW], "width": 3, "dash": "dashdot"}},
        above((1, 10.0 ** (SQUARES[1] - 0.3), f"at layer {depth}: <b>{_ending(data)}</b>", "top right"),
              yaxis="y2"),
        above((1, 1.0, _shares(data), "top right"), yaxis="y3"),
    ]  # fmt: skip
    squares = figures.powers_of_ten_axis(*SQUARES, step=6)
    return figures.figure(
        traces,
        title={"text": f"The signal, layer by layer<br><sub>{controls['precision']}; colour: share of units; "
                       "dashed: theory</sub>"},
        height=680,
        margin={"l": 72, "r": 16, "t": 72, "b": 52},
        xaxis={"range": [0.5, DEEPEST + 0.5], "anchor": "y3", "title": {"text": "layer (input left, output right)"},
               "tickvals": [1, 10, 20, 30, 40, 50]},
        yaxis={"range": [-2.3, 2.3], "domain": [0.64, 1], "tickvals": [-2.2, -1, 0, 1, 2.2],
               "ticktext": ["< −2.1", "−1", "0", "1", "> 2.1"], "title": {"text": "activation h"}, "showgrid": False},
        yaxis2=squares | {"domain": [0.3, 0.55], "title": {"text": "mean of z²"}},
        yaxis3={"range": [0, 1.02], "domain": [0, 0.2], "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"],
                "title": {"text": "share"}},
        shapes=[figures.reference_line(1, (0.5, DEEPEST + 0.5), "y2")],
    )  # fmt: skip


def _any(shares: np.ndarray) -> np.ndarray:
    """Return no points if all are 0, which the label says: a line that is not there takes no time."""
    return shares if shares.any() else np.empty(0)


def signal_verdict(data: Data) -> Verdict:
    """Judge the signal as gradients are judged: by the root mean square of z, the last layer's over the first's."""
    first, last = data["median"][0], data["median"][-1]
    with np.errstate(all="ignore"):
        return verdict_of_ratio(np.sqrt(last / first) if first else 0.0)


def _ending(data: Data) -> str:
    """Write the last layer's mean square with its verdict."""
    verdict = signal_verdict(data)
    return str(verdict) if verdict is Verdict.OVERFLOW else f"{_number(data['median'][-1])}, {verdict}"


def _shares(data: Data) -> str:
    flat, lost, over = (figures.percent(data[name][-1]) for name in ("flat", "lost", "overflowed"))
    return f"— flat {flat}  ··· zero {lost}  -·- inf {over}"


def signal_reading(data: Data, controls: State) -> str:
    """Say what `signal_propagation` shows."""
    depth, verdict = len(data["median"]), signal_verdict(data)
    network = (
        f"{depth} layers of {controls['activation']}, {NAMES.get(controls['initializer'], controls['initializer'])} "
        f"times {controls['scale']:.3g} (σ_w = {data['sigma_w']:.3g}), {controls['precision']}"
    )
    over = np.flatnonzero(data["overflowed"] > 0)
    if verdict is Verdict.OVERFLOW:
        return f"{network}: overflow. The first inf appears in layer {over[0] + 1}; from inf − inf comes NaN."
    if verdict is Verdict.DEAD:
        gone = np.flatnonzero(data["lost"] > 0.5)[0] + 1
        return f"{network}: dead. From layer {gone} on most signals are 0: too small for {controls['precision']}."
    first, last, theory = (_number(value) for value in (data["median"][0], data["median"][-1], data["theory"][-1]))
    return (
        f"{network}: the mean of z² goes from {first} in the first layer to {last} in the last (theory: {theory}): "
        f"{verdict} in size. In the last layer {figures.percent(data['flat'][-1])} of the units are flat (slope below "
        "0.01)."
    )


def _number(value: float) -> str:
    if 100 <= value < 10_000:
        return f"{value:.0f}"
    return f"{value:.2g}" if 0.001 <= value < 100 else figures.power_of_ten(value)
