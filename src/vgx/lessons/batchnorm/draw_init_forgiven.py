"""What normalization forgives: what lesson 07 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_norms

from .measure_init_forgiven import DEEPEST, HE, N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

LIMIT = 15  # powers of ten to either side of 1
POINTS = 8
"""Points of a line: they are evenly spaced, and what lies between is nearly straight."""

NORM_NAMES = {"none": "no normalization", "batch": "BatchNorm", "layer": "LayerNorm", "rms": "RMSNorm"}


def init_forgiven(data: Data, controls: State) -> "go.Figure":
    """Draw by layer how large the activations are, and below how long the gradient is."""
    depth = data["signal"].shape[-1]
    layers = np.unique(np.linspace(1, depth, POINTS).round().astype(int))
    traces, captions = [], []
    for quantity, axis, end, where in (("signal", "y", -1, f"at layer {depth}"), ("gradient", "y2", 0, "at layer 1")):
        verdict = init_verdict(data, quantity)
        low, median, high = data[quantity][:, layers - 1]
        colour = figures.COLOURS[verdict]
        traces += [
            figures.between(layers, low, high, colour, name=f"{quantity}, 5–95 %", yaxis=axis),
            {"type": "scatter", "mode": "lines", "yaxis": axis, "x": layers, "name": f"{quantity}, median",
             "y": np.where(median == 0, figures.SMALLEST, median), "line": {"color": colour, "width": 4},
             "hovertemplate": f"{quantity}, layer %{{x}}: %{{y:.2e}}<extra></extra>"},
        ]  # fmt: skip
        captions.append(_caption(where, data[quantity][1, end], verdict))
    above, below = ((1, 10.0 ** (LIMIT - 0.4), captions[0], "top right"),  # below the upper panel, over the lower one
                    (1, 10.0 ** (0.4 - LIMIT), f"<br>{captions[1]}", "bottom right"))  # fmt: skip
    traces.append(figures.labels(above, below, cliponaxis=False))
    across, powers = (0.5, DEEPEST + 0.5), figures.powers_of_ten_axis(-LIMIT, LIMIT, step=10)
    powers["automargin"] = False  # else Plotly measures every label at every move
    return figures.figure(
        traces,
        title={"text": f"Weights × {controls['scale']:g}, {NORM_NAMES[controls['norm']]}"
                       f"<br><sub>{N_NETS} networks: median, 5–95 %</sub>"},
        height=600,
        margin={"l": 73, "r": 16, "t": 96, "b": 56},
        xaxis={"type": "linear", "automargin": False, "title": {"text": "layer (input left, output right)"},
               "range": list(across), "anchor": "y2", "tickvals": [1, 10, 25, 50]},
        yaxis=powers | {"domain": [0.545, 1], "title": {"text": "activations (rms)"}},
        yaxis2=powers | {"domain": [0, 0.455], "title": {"text": "gradient, ratio to last"}},
        shapes=[figures.reference_line(1, across, axis) for axis in ("y", "y2")],
    )  # fmt: skip


def init_verdict(data: Data, quantity: str) -> Verdict:
    """Judge what comes out against what went in: the gradient on its way back, the signal on its way."""
    return Verdict(verdict_of_norms(data[quantity][1, :: 1 if quantity == "gradient" else -1]))


def _caption(where: str, value: float, verdict: Verdict) -> str:
    if verdict in (Verdict.OVERFLOW, Verdict.DEAD):
        return f"{where}: <b>{verdict}</b>"
    return f"{where}: {_number(value)}, <b>{verdict}</b>"


def _number(value: float) -> str:
    """Write two digits where they say more than the power of ten."""
    return f"{float(f'{value:.2g}'):,.0f}" if 100 < value < 1e6 else figures.power_of_ten(value)


def init_reading(data: Data, controls: State) -> str:
    """Say what `init_forgiven` shows."""
    depth, recipe = data["signal"].shape[-1], "He" if controls["activation"] in HE else "Xavier"
    of_signal, of_gradient = (init_verdict(data, quantity) for quantity in ("signal", "gradient"))
    signal = data["signal"][1]
    parts = [
        f"{depth} layers of {controls['activation']}, {recipe} weights times {controls['scale']:g}, "
        f"{NORM_NAMES[controls['norm']]}"
    ]
    if of_signal is Verdict.OVERFLOW:
        parts[0] += f": overflow. From layer {np.flatnonzero(~np.isfinite(signal))[0] + 1} on there are no numbers"
    elif of_signal is Verdict.DEAD:
        parts[0] += f": dead. From layer {np.flatnonzero(signal == 0)[0] + 1} on all activations are 0"
    else:
        first, last = map(_number, signal[[0, -1]])
        parts[0] += f": the activations (rms) go from {first} in the first layer to {last} in the last: {of_signal}"
    if of_gradient is Verdict.DEAD:
        parts.append("No gradient reaches the first layer: dead")
    elif of_gradient is not Verdict.OVERFLOW:
        ratio = _number(data["gradient"][1, 0])
        parts.append(f"The first layer's gradient is {ratio} times the last one's: {of_gradient}")
    if controls["scale"] < data["smallest_scale"]:
        parts.append("At this scale ε outweighs the variance beside it")
    return ". ".join(parts) + "."


def exponent_at_layer_1(data: Data, controls: State) -> float:
    """Return the power of ten by which the first layer's gradient differs from the last one's."""
    return float(np.log10(data["gradient"][1, 0]))
