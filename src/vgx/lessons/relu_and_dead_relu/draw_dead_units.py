"""Units off for one digit and dead for all: what lesson 04 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_dead_units import DEEPEST, N_DRAWS, WIDTH

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

APART = 0.08  # between the two labels, at least


def dead_units(data: Data, controls: State) -> "go.Figure":
    """Draw by layer the share of pairs of a unit and a digit that are off, and the share of units that are dead."""
    layers, colour = np.arange(1, len(data["dead"]) + 1), figures.ACTIVATIONS[controls["activation"]]
    line = {"type": "scatter", "mode": "lines", "x": layers}
    traces = [
        figures.between(layers, data["low"], data["high"], colour, name="5 to 95 % of the draws"),
        line | {"name": "pairs off", "y": data["off"], "line": {"color": figures.INK, "width": 2, "dash": "dot"},
                "hovertemplate": "layer %{x}: %{y:.1%} of the pairs off<extra></extra>"},
        line | {"name": "units dead", "y": data["dead"], "line": {"color": colour, "width": 4},
                "hovertemplate": "layer %{x}: %{y:.1%} of the units dead<extra></extra>"},
        figures.labels(*_ends(data), name="names", cliponaxis=False),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Off for a digit, dead for all of them<br>"
               f"<sub>{N_DRAWS} draws of {WIDTH} units a layer, 1797 digits</sub>"},
        margin={"l": 64, "r": 104, "t": 64, "b": 56},
        xaxis={"range": [0.5, DEEPEST + 0.5], "tickvals": [1, 5, 10, 15, 20, 25, 30],
               "title": {"text": "layer (input left, output right)"}},
        yaxis={"range": [-0.02, 1.02], "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"],
               "title": {"text": "share"}},
    )  # fmt: skip


def _ends(data: Data) -> list[tuple[float, float, str, str]]:
    """Label both lines at their right ends, far enough apart to be read: no more units are dead than pairs off."""
    dead, off = float(data["dead"][-1]), float(data["off"][-1])
    middle = float(np.clip((dead + off) / 2, APART / 2, 1 - APART / 2))
    below, above = (dead, off) if off - dead > APART else (middle - APART / 2, middle + APART / 2)
    return [
        (len(data["dead"]), above, f"\u2002off: {figures.percent(off)}", "middle right"),
        (len(data["dead"]), below, f"\u2002<b>dead: {figures.percent(dead)}</b>", "middle right"),
    ]


def dead_units_reading(data: Data, controls: State) -> str:
    """Say what `dead_units` shows of the last layer, of the whole network, and where a layer is dead as a whole."""
    depth, activation = len(data["dead"]), controls["activation"]
    network = f"{depth} layers of {activation.replace('_', ' ')}, He weights times {controls['scale']:g}"
    network = f"{network}, biases {controls['bias']:g}".replace("-", "−")
    if activation == "leaky_relu":
        return f"{network}: no unit is off for any digit: where z < 0 the slope is 0.01, not 0."
    off, dead, high = (figures.percent(float(data[name][-1])) for name in ("off", "dead", "high"))
    shown = (
        f"{network}: in the last layer a unit is off for {off} of the digits on average, and {dead} of the units are "
        f"dead, off for all 1797 (5 to 95 % of the draws: {100 * data['low'][-1]:.0f} to {high}). In the whole network "
        f"{figures.percent(float(data['network']))} are dead."
    )
    gone = np.flatnonzero(data["dead"] == 1)
    if not len(gone):
        return shown
    return f"{shown} In layer {gone[0] + 1} no unit lives: no gradient reaches it or any layer before."
