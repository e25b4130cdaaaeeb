"""Gates and the gradient that they keep: what lesson 06 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure_gates import N_NETS, UNITS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

MOST_STEPS = 200
POWERS = (-30, 3)  # of ten that the gradient's panel shows
POINTS = 21
"""Lags at which a line has its points: the page stores no more, and what lies between is nearly straight."""

COLUMN = 4  # steps from one drawn gate of a unit to the next
LEVELS = 24
HALVING = (-0.6, 2.4)
"""Powers of ten of steps in which a gate halves what it keeps, from no colour to full colour: 1/4 step to 250 steps."""

KEEPING = {"LSTM": ("forget gate f", "Π f"), "GRU": ("update gate u", "Π u")}


def gates(data: Data, controls: State) -> "go.Figure":
    """Draw by lag the gradient and the part that the keeping gates alone let through; below, these gates by unit."""
    steps, verdict = data["gradient"].shape[1] - 1, gates_verdict(data)
    lags = np.unique(np.linspace(0, steps, POINTS).round().astype(int))
    low, median, high = data["gradient"][:, lags]
    colour, line = figures.COLOURS[verdict], {"type": "scatter", "mode": "lines", "x": lags}
    has_gate = controls["cell"] in KEEPING
    levels, rows = _levels(data["gates"]) if has_gate else (np.full((UNITS, -(-steps // COLUMN)), np.nan), [])
    clear = figures.band(figures.ACTIVATIONS["sigmoid"]).rpartition(",")[0] + ",0)"
    traces = [
        figures.between(lags, low, high, colour, name="5 to 95 %"),
        line | {"name": "gradient, median", "y": median, "line": {"color": colour, "width": 4},
                "hovertemplate": "lag %{x}: %{y:.2e}<extra></extra>"},
        line | {"name": "by the keeping gates alone", "y": data["direct"][lags] if has_gate else np.empty(0),
                "line": {"color": figures.INK, "width": 2, "dash": "dot"},
                "hovertemplate": "gates alone, lag %{x}: %{y:.2e}<extra></extra>"},
        {"type": "heatmap", "name": "gates", "x": np.arange(0, steps, COLUMN), "y": np.arange(UNITS), "z": levels,
         "zmin": 0, "zmax": LEVELS, "colorscale": [[0, clear], [1, figures.ACTIVATIONS["sigmoid"]]],
         "showscale": False, "hoverinfo": "skip", "yaxis": "y2"},
        figures.labels((MOST_STEPS, 10.0 ** (POWERS[1] - 0.4), _caption(data, controls, verdict), "top right"),
                       name="captions", cliponaxis=False),
        figures.labels((MOST_STEPS, UNITS - 0.45, _heading(controls), "top right"),
                       *((-2, row, mean, "middle right") for row, mean in enumerate(rows)),
                       name="means of the gates", yaxis="y2", cliponaxis=False),
    ]  # fmt: skip
    across, powers = (MOST_STEPS + 4, -4), figures.powers_of_ten_axis(*POWERS, step=10)
    return figures.figure(
        traces,
        title={"text": f"Gradient and gates by lag<br><sub>{N_NETS} at birth: median, 5–95 %; dark: keeps "
               "long</sub>"},
        height=620,
        margin={"l": 73, "r": 60, "t": 112, "b": 56},
        xaxis={"automargin": False, "range": list(across), "anchor": "y2", "tickvals": [0, 50, 100, 150, 200],
               "title": {"text": "lag T − t (past left, end right)"}},
        yaxis=powers | {"automargin": False, "domain": [0.46, 1], "title": {"text": "gradient, ratio to lag 0"}},
        yaxis2={"range": [-0.5, UNITS - 0.4], "domain": [0, 0.36], "showticklabels": False, "showgrid": False,
                "fixedrange": True, "automargin": False, "title": {"text": "unit", "standoff": 30}},
        shapes=[figures.reference_line(1, across)],
    )  # fmt: skip


def _levels(gates: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Turn gates (units, steps) into whole levels of colour, from the last step back, and the rows' means in words.

    The colour is the logarithm of the steps in which a gate of this size halves what it keeps: 0.98 and 0.998 look
    alike as numbers, but are 34 and 346 steps.
    """
    means = gates.mean(axis=1)
    order = np.argsort(means)
    with np.errstate(divide="ignore"):
        halving = -np.log10(-np.log2(gates[order][:, ::-COLUMN]))
    lowest, highest = HALVING
    levels = np.rint(LEVELS * np.clip((halving - lowest) / (highest - lowest), 0, 1)).astype(np.uint8)
    return levels, [f"\u2002{_gate(mean)}" for mean in means[order]]


def _gate(mean: float) -> str:
    return f"{mean:.2f}" if mean < 0.985 else f"{mean:.3f}"


def _caption(data: Data, controls: State, verdict: Verdict) -> str:
    ends = f"— at lag {data['gradient'].shape[1] - 1}: {_number(data['gradient'][1, -1])}, <b>{verdict}</b>"
    if controls["cell"] not in KEEPING:
        return f"{ends}<br>no gate to keep anything"
    return f"{ends}<br>··· {KEEPING[controls['cell']][1]} alone: {_number(data['direct'][-1])}"


def _heading(controls: State) -> str:
    if controls["cell"] not in KEEPING:
        return "an RNN has no gate"
    return f"{KEEPING[controls['cell']][0]}, {UNITS} units; means right"


def _number(value: float) -> str:
    """Write two digits where they say more than the power of ten."""
    return f"{value:.0f}" if 100 < value < 10_000 else figures.power_of_ten(value)


def gates_verdict(data: Data) -> Verdict:
    """Judge the median gradient at the longest lag, over that at lag 0."""
    return Verdict(verdict_of_ratio(data["gradient"][1, -1]))


def gates_reading(data: Data, controls: State) -> str:
    """Say what `gates` shows."""
    cell, steps = controls["cell"], data["gradient"].shape[1] - 1
    low, median, high = data["gradient"][:, -1]
    memory = "c" if cell == "LSTM" else "h"
    shown = (
        f"{_network(controls)}: {steps} steps back the gradient with respect to {memory} is {_number(median)} times "
        f"the one at the end (5 to 95 %: {_number(low)} to {_number(high)}), {data['decay'][1]:.3g} a step: "
        f"{gates_verdict(data)}."
    )
    if cell not in KEEPING:
        return f"{shown} An RNN has no gate, so the biases chosen here do nothing to it."
    alone = data["direct"][-1]
    rest = "nearly all of it" if median < 1.5 * alone else f"{_number(alone / median)} of it; the rest came through h"
    shown = f"{shown} {KEEPING[cell][1]} alone leaves {_number(alone)} ({alone ** (1 / steps):.3g} a step): {rest}."
    if cell == "GRU" and controls["biases"] != "one_value":
        return f"{shown} A GRU's input gate is 1 − u: both kinds of chrono are one."
    return shown


def _network(controls: State) -> str:
    gate = {"LSTM": "forget bias", "GRU": "update bias"}
    if controls["cell"] not in gate:
        return "RNN (tanh)"
    if controls["biases"] == "one_value":
        return f"{controls['cell']}, {gate[controls['cell']]} {controls['forget_bias']:g}".replace("-", "−")
    half = " (b_i = 0)" if controls["cell"] == "LSTM" and controls["biases"] == "half_chrono" else ""
    return f"{controls['cell']}, {controls['biases'].replace('_', ' ')} biases{half}"


def gradient_exponent(data: Data, controls: State) -> float:
    """Return the power of ten of the gradient at the longest lag over that at the end."""
    return float(np.log10(data["gradient"][1, -1]))
