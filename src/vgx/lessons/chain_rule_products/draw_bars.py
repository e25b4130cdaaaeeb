"""One bar a neuron: what lesson 02 draws and says about a network before its first step."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import verdict_of_norms

from .measure import SHOWN

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_HIDDEN = 4
SPEEDS = (-6, 3)  # powers of ten that a bar shows
ENDS = (SHOWN + 0.6, 0.2)  # of the axis of neurons
COLUMN, GAP = 0.22, 0.04  # of the figure's width
NAMES = {
    "nielsen": "N(0, 1/n) weights",
    "xavier_normal": "Xavier weights",
    "he_normal": "He weights",
    "normal": "N(0, 1) weights",
}


def neuron_bars(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw a column of neurons for each hidden layer, and for each neuron how fast its bias learns."""
    hidden, neurons = len(data["speeds"]), np.arange(1, SHOWN + 1)
    lefts = np.arange(MOST_HIDDEN) * (COLUMN + GAP)
    traces = [
        {"type": "bar", "orientation": "h", "name": f"layer {layer + 1}", "y": neurons, "width": 0.55,
         "x": data["gradients"][layer] if layer < hidden else np.empty(0), "xaxis": f"x{layer + 1 if layer else ''}",
         "marker": {"color": figures.ACTIVATIONS[controls["activation"]]},
         "hovertemplate": "neuron %{y}: %{x:.2e}<extra></extra>"}
        for layer in range(MOST_HIDDEN)
    ]  # fmt: skip
    heads = [
        (left + 0.002, ENDS[1] + 0.06, f"layer {layer}<br><b>{speed:.3g}</b>", "top right")
        for layer, left, speed in zip(range(1, hidden + 1), lefts, data["speeds"], strict=False)
    ]
    traces += [
        {"type": "scatter", "mode": "markers", "name": "neurons", "xaxis": "x5", "hoverinfo": "skip",
         "x": np.repeat(lefts[:hidden], SHOWN), "y": np.tile(neurons, hidden), "cliponaxis": False,
         "marker": {"symbol": "circle", "size": 9, "color": figures.INK}},
        figures.labels(*heads, size=14, name="speeds of the layers", xaxis="x5", cliponaxis=False),
    ]  # fmt: skip
    axis = figures.powers_of_ten_axis(*SPEEDS, step=6) | {"tickangle": 0, "fixedrange": True}
    columns = {
        f"xaxis{layer + 1 if layer else ''}": axis | {"domain": [left, left + COLUMN], "anchor": "y"}
        for layer, left in enumerate(lefts)
    }
    columns["xaxis2"] |= {"title": {"text": "|∂C/∂b|, mean over 1000 digits"}}
    return figures.figure(
        traces,
        title={"text": "How fast each neuron learns<br><sub>bars: |∂C/∂b| of six of 30; bold: ‖∂C/∂b‖ of all</sub>"},
        margin={"l": 20, "r": 16, "t": 108, "b": 60},
        **columns,
        xaxis5={"domain": [0, 1], "range": [0, 1], "visible": False, "anchor": "y", "fixedrange": True},
        yaxis={"range": ENDS, "visible": False, "fixedrange": True},
    )  # fmt: skip


def bars_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `neuron_bars` shows."""
    speeds, hidden = data["speeds"], len(data["speeds"])
    network = (
        f"{hidden} hidden layer{'s' * (hidden > 1)} of {controls['activation']}, "
        f"{NAMES.get(controls['initializer'], controls['initializer'])}, draw {controls['draw']}"
    )
    if hidden == 1:
        return f"{network}: the layer learns at ‖∂C/∂b‖ = {speeds[0]:.3g}."
    ratio, verdict = speeds[0] / speeds[-1], verdict_of_norms(speeds)
    compared = f"{ratio:.2g} times" if ratio >= 1 else f"{100 * ratio:#.2g} % of".replace(". %", " %")
    first, last = (f"{speed:.3g}" for speed in (speeds[0], speeds[-1]))
    return f"{network}: the first hidden layer learns at {first}, {compared} the last one's {last}: {verdict}."
