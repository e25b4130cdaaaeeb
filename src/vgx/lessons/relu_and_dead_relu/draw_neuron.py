"""One neuron, one example: what lesson 04 draws of its gradient and its way, and says about them."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_neuron import LAST

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

SUBTITLE = "above: values, and the gradient coming back; below: z"
NODES = np.arange(4)  # w, z, y, L: from the weight to the loss
ROWS = {"values": 0.82, "nodes": 0.7, "factors": 0.6, "gradients": 0.05}
Z_ENDS = (-9.0, 5.0)
ENDS = (-0.09, 3.09)  # of the axis of steps: log₁₀(step + 1), so that step 0 has a place
TICKS = np.array([0, 1, 10, 100, 1000])
EACH = 12  # the first steps are all drawn; of later ones the highest and the lowest z of every eighth of a power of ten
FAR = 100
ANSWERS = ("1", "0", "it still swings about 1", "a huge number")
"""What a neuron with target 1 can answer after some steps: the choices of the lab's question."""

_EDGES = np.unique(np.geomspace(EACH + 1, LAST + 1, 16).astype(int))


def one_neuron(data: Data, controls: State) -> "go.Figure":
    """Draw the way from w to L with the gradient's way back under it, and z over the steps."""
    x, t, step, z = float(data["x"]), controls["t"], controls["step"], float(data["z"])
    values = [f"{name}<br>{_number(data[name])}" for name in "wzyL"]
    factors = {"x": x, "φ′(z)": data["dy_dz"], "y − t": data["dL_dy"]}
    gradients = {"w": data["dL_dw"], "z": data["dL_db"], "y": data["dL_dy"]}
    cuts = [place + 0.5 if factor == 0 else np.nan for place, factor in enumerate(factors.values())]
    shapes, sizes = ["circle"] * 4 + ["x"] * 3, [14] * 4 + [15] * 3
    shown = _shown(data["path"])
    traces = [
        {"type": "scatter", "name": "from w to L, and factors that are 0", "mode": "lines+markers",
         "x": np.append(NODES, cuts), "y": np.full(7, ROWS["nodes"]), "hoverinfo": "skip",
         "line": {"color": figures.INK, "width": 1.5},
         "marker": {"symbol": shapes, "size": sizes, "color": figures.INK, "opacity": 1, "line": {"width": 0}}},
        figures.labels(
            *((place, ROWS["values"], text, "top center") for place, text in enumerate(values)),
            *((place + 0.5, ROWS["factors"], f"{name}<br>{_number(factor)}", "bottom center")
              for place, (name, factor) in enumerate(factors.items())),
            *((place, ROWS["gradients"], f"∂L/∂{name}<br><b>{_number(gradient)}</b>", "top center")
              for place, (name, gradient) in enumerate(gradients.items())),
            name="values, factors and gradients",
        ),
        {"type": "scatter", "name": "z by step", "mode": "lines", "x": shown + 1, "y": data["path"][shown],
         "xaxis": "x2", "yaxis": "y2", "customdata": shown,
         "line": {"color": figures.ACTIVATIONS[controls["activation"]], "width": 3},
         "hovertemplate": "step %{customdata}: z = %{y:.3g}<extra></extra>"},
        {"type": "scatter", "name": "z now, and the target", "mode": "markers+text", "x": [step + 1, LAST + 1],
         "xaxis": "x2", "yaxis": "y2", "y": [np.clip(z, Z_ENDS[0] + 0.3, Z_ENDS[1] - 0.3), t], "cliponaxis": False,
         "hoverinfo": "skip", "text": ["", "target t"], "textposition": "top left", "textfont": {"size": 13},
         "marker": {"size": [12, 0], "color": figures.INK, "symbol": _symbol(z), "opacity": 1, "line": {"width": 0}}},
    ]  # fmt: skip
    ends = tuple(10.0**end for end in ENDS)
    return figures.figure(
        traces,
        title={"text": f"One neuron, one example<br><sub>{SUBTITLE}</sub>"},
        height=520,
        margin={"l": 52, "r": 14, "t": 64, "b": 50},
        xaxis={"type": "linear", "range": [-0.45, 3.45], "visible": False},
        yaxis={"type": "linear", "range": [-0.05, 1.05], "visible": False, "domain": [0.57, 1]},
        xaxis2={"type": "log", "range": ENDS, "anchor": "y2", "title": {"text": "steps of gradient descent"},
                "tickvals": TICKS + 1, "ticktext": [str(tick) for tick in TICKS], "tickangle": 0,
                 "automargin": False},
        yaxis2={"type": "linear", "range": Z_ENDS, "domain": [0, 0.5], "anchor": "x2", "tickvals": [-5, 0, 5],
                "title": {"text": "z (grey: below 0)", "standoff": 4}, "automargin": False},
        shapes=[
            {"type": "rect", "xref": "x2", "x0": ends[0], "x1": ends[1], "yref": "y2", "y0": Z_ENDS[0], "y1": 0,
             "layer": "below", "line": {"width": 0}, "fillcolor": figures.GRID},
            figures.reference_line(t, ends, "y2") | {"xref": "x2", "line": figures.THEORY},
        ],
    )  # fmt: skip


def _shown(path: np.ndarray) -> np.ndarray:
    """Choose the steps that are drawn: none of the highest and lowest are lost."""
    later = [range(start, end) for start, end in itertools.pairwise(_EDGES)]
    extremes = [part[place] for part in later for place in (path[part].argmin(), path[part].argmax())]
    return np.unique([*range(EACH + 1), *extremes, LAST])


def _symbol(z: float) -> str:
    return "circle" if Z_ENDS[0] < z < Z_ENDS[1] else "triangle-down" if z < 0 else "triangle-up"


def _number(value: float) -> str:
    """Write a number of either sign to three digits."""
    text = f"{abs(float(value)):.3g}"
    if 0 < abs(value) < 0.001:
        text = figures.power_of_ten(abs(float(value)))
    return f"−{text}" if value < 0 else text


def neuron_reading(data: Data, controls: State) -> str:
    """Say what `one_neuron` shows."""
    step, z = controls["step"], float(data["z"])
    factors = " · ".join(_number(data[name]) for name in ("dL_dy", "dy_dz", "x"))
    when = "at the start" if step == 0 else f"after {step} step{'s' if step > 1 else ''} at rate {controls['rate']:g}"
    name = controls["activation"].replace("_", " ")
    return f"{name}, {when}: z = {_number(z)}, ∂L/∂w = {factors} = {_number(data['dL_dw'])}. {_fate(data, controls)}"


def neuron_answer(data: Data, controls: State) -> str:
    """Answer the question of the lab: one of `ANSWERS`."""
    one, zero, swings, huge = ANSWERS
    if data["y"] == 0:
        return zero
    error = abs(data["dL_dy"])
    return one if error < 0.01 else swings if error < FAR else huge


def _fate(data: Data, controls: State) -> str:
    """Say how the way goes on, and whether the gradient comes back."""
    path, step, t = data["path"], controls["step"], controls["t"]
    turns = step + np.flatnonzero((path[step + 1 :] > 0) != (path[step:-1] > 0)) + 1  # where z crosses 0
    if data["dy_dz"] == 0:
        threw = int(np.flatnonzero(np.append(True, path[:step] > 0))[-1])
        fell = f"Step {threw} threw it there" if threw else "It started there"
        return f"z is not above 0, so the slope is 0. {fell}: with this example alone it is dead and never comes back."
    if data["dL_dy"] == 0:
        return "y is t: it has learned its example, and has nothing left to learn."
    if path[step] > 0:
        if not turns.size:
            swings = controls["rate"] * (float(data["x"]) ** 2 + 1) >= 2
            return f"It lives: z stays above 0, and y {'swings about' if swings else 'goes to'} t = {t:g}."
        dies = "there it is dead" if controls["activation"] == "relu" else "there it hardly moves"
        return f"Step {turns[0]} will take z to 0 or below, and {dies}."
    if not turns.size:
        way = "follows its target down" if t < 0 else "creeps back"
        return f"The slope is small, not 0: it {way}, and is still below 0 after {LAST} steps."
    again = f", but step {turns[1]} throws it out again" if turns.size > 1 else ""
    return f"The slope is small, not 0: it creeps back, and step {turns[0]} takes it above 0{again}."
