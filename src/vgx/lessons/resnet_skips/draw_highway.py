"""Plain and residual networks of the same weights: what lesson 05 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_norms

from .measure_highway import DEEPEST, HE, N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

LIMIT = 15  # powers of ten to either side of 1
POINTS = 11
"""Layers at which a line has its points: the page stores no more, and what lies between is straight."""

STYLES = ({"width": 3, "dash": "dot"}, {"width": 4, "dash": "solid"})
NAMES = ("··· plain", "— with skips")


def gradient_highway(data: Data, controls: State) -> "go.Figure":
    """Draw gradient and signal by layer: dotted the plain networks, solid those with skips, dashed the theory."""
    depth = data["gradient"].shape[-1]
    layers = np.unique(np.linspace(1, depth, POINTS).round().astype(int))
    traces, captions = [], []
    for quantity, axis, where in (("gradient", "y", "at layer 1"), ("signal", "y2", f"at layer {depth}")):
        verdicts, ends = highway_verdicts(data, quantity), _ends(data, quantity)
        lines, predicted = data[quantity][..., layers - 1], data[f"{quantity}_theory"][:, layers - 1]
        line = {"type": "scatter", "mode": "lines", "yaxis": axis, "x": layers}
        there_and_back = np.concatenate([layers, layers[::-1]])
        both = line | {"hoverinfo": "skip"}
        traces += [
            both | {"name": f"{quantity}, 5–95 %", "x": _in_turn(there_and_back, there_and_back),
                    "y": _in_turn(*(np.concatenate([low, high[::-1]]) for low, _, high in lines)),
                    "fill": "toself", "fillcolor": figures.band(figures.MUTED), "line": {"width": 0}},
            *(line | {"name": f"{quantity}, {name.partition(' ')[2]}", "y": median,
                      "line": {"color": figures.COLOURS[verdict], **style},
                      "hovertemplate": f"{name.partition(' ')[2]}, layer %{{x}}: %{{y:.2e}}<extra></extra>"}
              for (_, median, _), name, verdict, style in zip(lines, NAMES, verdicts, STYLES, strict=True)),
            both | {"name": f"{quantity}, theory", "x": _in_turn(layers, layers), "y": _in_turn(*predicted),
                    "line": figures.THEORY},
        ]  # fmt: skip
        captions.append(_caption(where, ends, verdicts))
    above, below = ((1, 10.0 ** (LIMIT - 0.4), captions[0], "top right"),  # below the upper panel, over the lower one
                    (1, 10.0 ** (0.4 - LIMIT), f"<br>{captions[1]}", "bottom right"))  # fmt: skip
    traces.append(figures.labels(above, below, cliponaxis=False))
    across, powers = (0.5, DEEPEST + 0.5), figures.powers_of_ten_axis(-LIMIT, LIMIT, step=10)
    powers["automargin"] = False  # else Plotly measures every label at every move
    return figures.figure(
        traces,
        title={"text": f"Plain and with skips<br><sub>{N_NETS} networks: median, 5–95 %; dashed: "
                       "theory</sub>"},
        height=640,
        margin={"l": 73, "r": 16, "t": 112, "b": 56},
        xaxis={"type": "linear", "automargin": False, "title": {"text": "layer (input left, output right)"},
               "range": list(across), "anchor": "y2", "tickvals": [1, 20, 50]},
        yaxis=powers | {"domain": [0.555, 1], "title": {"text": "gradient, ratio to last"}},
        yaxis2=powers | {"domain": [0, 0.445], "title": {"text": "signal (rms of z)"}},
        shapes=[figures.reference_line(1, across, axis) for axis in ("y", "y2")],
    )  # fmt: skip


def _in_turn(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Put two lines into one trace, with a gap between them."""
    return np.concatenate([one, [np.nan], other])


def _ends(data: Data, quantity: str) -> np.ndarray:
    """Return the medians at the far end: the gradient's in the first layer, the signal's in the last."""
    return data[quantity][:, 1, 0 if quantity == "gradient" else -1]


def _caption(where: str, ends: np.ndarray, verdicts: list[Verdict]) -> str:
    """Say over a panel where its two lines end, and what that means."""
    lines = zip(NAMES, ends, verdicts, strict=True)
    return "<br>".join(f"{name}, {where}: {_number(end)}, <b>{verdict}</b>" for name, end, verdict in lines)


def _number(value: float) -> str:
    """Write two digits where they say more than the power of ten."""
    return f"{value:.0f}" if 100 < value < 10_000 else figures.power_of_ten(value)


def highway_verdicts(data: Data, quantity: str = "gradient") -> list[Verdict]:
    """Judge the plain and the residual network: by the gradient on its way back, or by the signal on its way."""
    medians = data[quantity][:, 1, :: 1 if quantity == "gradient" else -1]  # from where it starts to where it ends
    return [Verdict(verdict_of_norms(median)) for median in medians]


def highway_reading(data: Data, controls: State) -> str:
    """Say what `gradient_highway` shows."""
    (plain, residual), (first, first_with) = highway_verdicts(data), _ends(data, "gradient")
    recipe = "He" if controls["activation"] in HE else "Xavier"
    signal, signal_with = map(_number, _ends(data, "signal"))
    return (
        f"{data['gradient'].shape[-1]} layers of {controls['activation']}, {recipe} weights times "
        f"{controls['scale']:.3g} (σ_w = {data['sigma_w']:.3g}). Plain: the first layer's gradient is "
        f"{_number(first)} times the last one's: {plain}. With skips and branches times {controls['branch']:.3g}: "
        f"{_number(first_with)} times (theory: {_number(data['gradient_theory'][1, 0])}): {residual}. "
        f"The signal ends at {signal} and, with skips, at {signal_with}."
    )


def exponent_with_skips(data: Data, controls: State) -> float:
    """Return the power of ten by which the residual network's first layer has a longer gradient than its last."""
    return float(np.log10(data["gradient"][1, 1, 0]))
