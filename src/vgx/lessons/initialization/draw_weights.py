"""The weights of one layer: what lesson 03 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_weights import EDGES, N_UNITS, PLACES

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

STRETCH = (-2, 3)  # powers of ten
NAMES = {
    "normal": "N(0, 1)", "uniform": "U(−1, 1)", "truncated_normal": "truncated N(0, 1)",
    "xavier_normal": "Xavier normal", "xavier_uniform": "Xavier uniform", "he_normal": "He normal",
    "he_uniform": "He uniform", "pytorch_default": "PyTorch's default", "orthogonal": "orthogonal",
    "constant": "constant 1", "zeros": "zeros",
}  # fmt: skip


def weight_distributions(data: Data, controls: State) -> "go.Figure":
    """Draw how the weights are distributed, and how their matrix stretches."""
    centres, ranks = (EDGES[1:] + EDGES[:-1]) / 2, np.arange(1, len(data["singular"]) + 1)
    has_density = len(data["density"]) > 0
    spread, factor = "standard deviation", f"σ<sub>w</sub> = <b>{number(data['sigma_w'])}</b>"
    if not has_density:
        spread, factor = "every weight is", ""
    line, lower = {"type": "scatter", "mode": "lines"}, {"xaxis": "x2", "yaxis": "y2"}
    traces = [
        line | {"name": "density of the draw", "x": centres, "y": data["share"],
                "line": {"width": 0, "shape": "hvh"}, "fill": "tozeroy", "fillcolor": figures.band(figures.INK),
                "hoverinfo": "skip"},  # steps: bars are a node each, which takes milliseconds a move
        line | {"name": "density", "x": PLACES if has_density else np.empty(0), "y": data["density"],
                "line": figures.THEORY, "hoverinfo": "skip"},
        line | lower | {"name": "singular values", "x": ranks, "y": data["singular"],
                        "line": {"color": figures.band(figures.INK), "width": 6},
                        "hovertemplate": "direction %{x}: × %{y:.3g}<extra></extra>"},
        line | lower | {"name": "large random matrix", "x": ranks, "y": data["predicted"],
                        "line": figures.THEORY, "hoverinfo": "skip"},
        figures.labels((3.9, 0.74, f"{spread} <b>{number(data['std'])}</b>", "bottom left"),
                       (-3.9, 0.74, "grey: this draw" if has_density else "all weights are equal", "bottom right")),
        figures.labels((N_UNITS, 10.0 ** STRETCH[1] * 0.9, factor, "bottom left"),
                       (1.5, 0.9, "1: length kept", "bottom right"), **lower),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "The weights of one layer<br><sub>shape and effect; dashed: theory</sub>"},
        height=560,
        margin={"l": 68, "r": 16, "t": 72, "b": 52},
        xaxis={"range": [-4, 4], "tickvals": [-3, -2, -1, 0, 1, 2, 3],
               "title": {"text": "weight, in standard deviations", "standoff": 2}},
        yaxis={"range": [0, 0.75], "domain": [0.62, 1], "tickvals": [0, 0.2, 0.4], "title": {"text": "density"}},
        xaxis2={"range": [0, N_UNITS + 1], "anchor": "y2", "title": {"text": "direction, from the most stretched"}},
        yaxis2={"title": {"text": "stretched by"}, "domain": [0, 0.45],
                **figures.powers_of_ten_axis(*STRETCH, step=1)},
        shapes=[figures.reference_line(1, (0, N_UNITS + 1), "y2") | {"xref": "x2"}],
    )  # fmt: skip


def number(value: float) -> str:
    """Write a number for prose to three digits, a small one as 4.1 · 10⁻⁴."""
    if 0 < abs(value) < 0.001 or abs(value) >= 1e4:
        digits, exponent = f"{abs(value):.1e}".split("e")
        power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = f"{digits} · 10{power}"
    else:
        text = f"{abs(value):,.0f}" if abs(value) >= 1000 else f"{abs(value):.3g}"
    return f"−{text}" if value < 0 else text


def weights_reading(data: Data, controls: State) -> str:
    """Say what `weight_distributions` shows."""
    layer = (
        f"{NAMES[controls['distribution']]} × {controls['scale']:.3g}, {controls['fan_in']} inputs, {N_UNITS} units, "
        f"draw {controls['draw']}"
    )
    if data["largest"] == 0:
        return f"{layer}: every weight is 0. The layer gives 0 for every input, and hands back a gradient of 0."
    if not len(data["density"]):
        return (
            f"{layer}: every weight is {number(data['std'])}. All units compute the same: one direction is stretched "
            f"by {number(data['singular'][0])}, every other is lost."
        )
    first, last = number(data["singular"][0]), number(data["singular"][-1])
    stretch = f"every direction by {first}" if first == last else f"lengths by {last} to {first}"
    return (
        f"{layer}: standard deviation {number(data['std'])} (this draw: {number(data['drawn'])}), largest |w| "
        f"{number(data['largest'])}. The matrix stretches {stretch}; σ_w = {number(data['sigma_w'])}."
    )
