"""What lesson 01 draws and says about it."""

from collections.abc import Mapping
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure import DEEPEST, N_PATHS, SATURATED_BELOW, SLOPE_EDGES, Z_SHOWN

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

UPPER, LOWER = [0.57, 1], [0, 0.43]
THIN = {"color": figures.MUTED, "width": 1}
VANISHING = figures.COLOURS[Verdict.VANISHING]


def _number(value: float) -> str:
    """Write a number of either sign for prose: to three digits, or as 4.1 · 10⁻⁴."""
    size = abs(value)
    text = f"{size:.3g}"
    if 0 < size < 0.001:
        digits, exponent = f"{size:.1e}".split("e")
        text = f"{digits} · {figures.power_of_ten(10.0 ** int(exponent))}"
    return f"−{text}" if value < 0 else text


def _name(controls: State) -> str:
    return controls["activation"].replace("_", " ")


# ------------------------------------------------------------------------------------------------ one unit

HIGHEST = 3.0
"""The upper panel ends here: higher, and sigmoid would look flat. A point above it waits at the edge."""


def activation_and_derivative(data: Data, controls: State) -> "go.Figure":
    """Draw φ with its tangent, and below it φ′ with its greatest value."""
    colour = figures.ACTIVATIONS[controls["activation"]]
    z, value, slope = data["at"]
    peak = _inside(*data["maximum"][1:])
    line = {"type": "scatter", "mode": "lines", "x": data["z"], "line": {"color": colour, "width": 4}}
    point = {
        "type": "scatter",
        "mode": "markers",
        "x": [z],
        "marker": {"color": figures.INK, "size": 11},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    lower = {"yaxis": "y2"}
    traces = [
        line | {"name": "φ(z)", "y": data["f"], "hovertemplate": "φ(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        line | {"name": "tangent", "x": data["z"][[0, -1]], "y": data["tangent"][[0, -1]], "hoverinfo": "skip",
                "line": {"color": figures.INK, "width": 1.5}},
        point | {"name": "φ at z", "y": [min(value, HIGHEST)],
                 "marker": point["marker"] | {"symbol": "triangle-up" if value > HIGHEST else "circle"}},
        line | lower | {"name": "φ′(z)", "y": data["derivative"],
                        "hovertemplate": "φ′(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        point | lower | {"name": "greatest slope", "x": [peak], "y": [data["maximum"][0]],
                         "marker": {"color": colour, "size": 14, "symbol": "circle-open", "line": {"width": 2}}},
        point | lower | {"name": "φ′ at z", "y": [slope]},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Activation and slope<br><sub>above: φ with its tangent; below: its slope φ′</sub>"},
        height=500,
        xaxis={"title": {"text": "z"}, "range": [-6, 6], "anchor": "y2", "dtick": 2},
        yaxis={"title": {"text": "φ(z)"}, "range": [-2, HIGHEST], "domain": UPPER, "dtick": 1},
        yaxis2={"title": {"text": "slope φ′(z)"}, "range": [-0.25, 2.15], "domain": LOWER,
                "tickvals": [0, 0.5, 1, 1.5, 2]},
        shapes=[
            figures.reference_line(1, (-6, 6), "y2"),
            {"type": "line", "x0": z, "x1": z, "yref": "paper", "y0": 0, "y1": 1, "layer": "between",
             "line": THIN | {"dash": "dot"}},
        ],
        annotations=[
            {"xref": "paper", "x": 0, "xanchor": "left", "xshift": 4, "yref": "y2", "y": 1, "yanchor": "top",
             "align": "left", "text": "1: passed on<br>unchanged", "font": {"color": figures.MUTED, "size": 12}},
            {"x": peak, "xanchor": "right" if peak == 6 else "center", "yref": "y2", "y": data["maximum"][0],
             "yanchor": "bottom", "yshift": 8, "text": _at_most(data), "font": {"color": colour}},
        ],
    )  # fmt: skip


def _inside(start: float, end: float) -> float:
    """Return the middle of what is seen of an interval."""
    return (max(start, -6.0) + min(end, 6.0)) / 2 if start < 6 else 6.0


def _at_most(data: Data) -> str:
    """Write the greatest slope, and where it is."""
    greatest, start, end = data["maximum"]
    if start == end:
        return f"max {greatest:.3g} at z = {start:.3g}" if isfinite(start) else f"approaches {greatest:.3g} as z grows"
    return f"max {greatest:.3g}, for z > {start:.3g}" if isfinite(start) else f"{greatest:.3g} everywhere"


def activation_reading(data: Data, controls: State) -> str:
    """Say what `activation_and_derivative` shows."""
    z, value, slope = map(_number, data["at"])
    name, product = _name(controls), _number(data["maximum"][0] ** 10)
    return (
        f"{name} at z = {z}: φ = {value}, slope φ′ = {slope} ({_at_most(data)}). "
        f"Ten slopes of {name} multiply to at most {product}."
    )


def greatest_slope(data: Data, controls: State) -> float:
    """Return the slope where the activation is steepest."""
    return float(data["maximum"][0])


# ------------------------------------------------------------------------------------------------ one layer


def saturation(data: Data, controls: State) -> "go.Figure":
    """Draw where the pre-activations of a layer lie under φ, and below it how steep φ is there."""
    colour = figures.ACTIVATIONS[controls["activation"]]
    is_flat = data["log_slope"] < np.log10(SATURATED_BELOW)
    bars = {"type": "bar", "width": 0.22, "yaxis": "y2", "xaxis": "x2",
            "hovertemplate": "10^%{x:.1f}: %{y:.1%}<extra></extra>"}  # fmt: skip
    traces = [
        {"type": "scatter", "mode": "lines", "name": "density of z, ratio to its peak", "x": data["z"],
         "y": data["density"], "yaxis": "y3", "fill": "tozeroy", "fillcolor": figures.band(figures.THEORY["color"]),
         "line": {"color": figures.MUTED, "width": 1.5}, "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines", "name": "φ(z)", "x": data["z"], "y": data["f"],
         "line": {"color": colour, "width": 4}, "hovertemplate": "φ(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        bars | {"name": "log₁₀ |φ′| below 0.01", "x": data["log_slope"][is_flat], "y": data["share"][is_flat],
                "marker": {"color": VANISHING}},
        bars | {"name": "log₁₀ |φ′|, 0.01 and more", "x": data["log_slope"][~is_flat], "y": data["share"][~is_flat],
                "marker": {"color": colour}},
        figures.labels(
            (SLOPE_EDGES[0] + 0.05, 0.99, f"{_percent(data['saturated'])} below 0.01", "top right"),
            (SLOPE_EDGES[-1] - 0.05, 0.99, f"E[φ′²] = {_number(data['mean_square'])}", "top left"),
            xaxis="x2", yaxis="y2", cliponaxis=False,
        ),
    ]  # fmt: skip
    zone = {"type": "rect", "yref": "y3", "y0": 0, "y1": 1.25, "layer": "below", "line": {"width": 0}}
    zone |= {"fillcolor": figures.band(VANISHING)}
    return figures.figure(
        traces,
        title={"text": "Saturation of a layer<br><sub>above: z (grey) under φ; blue: saturated</sub>"},
        height=520,
        bargap=0,
        xaxis={"title": {"text": "pre-activation z", "standoff": 2}, "range": Z_SHOWN[[0, -1]], "dtick": 4},
        xaxis2={"title": {"text": "slope |φ′(z)|"}, "range": SLOPE_EDGES[[0, -1]], "anchor": "y2",
                "tickvals": [-6, -4, -2, 0], "ticktext": ["≤ 10⁻⁶", "10⁻⁴", "0.01", "1"]},
        yaxis={"title": {"text": "φ(z)"}, "range": [-1.25, 2.5], "domain": [0.6, 1], "dtick": 1},
        yaxis2={"title": {"text": "share"}, "range": [0, 1], "domain": [0, 0.38], "anchor": "x2",
                "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"]},
        yaxis3={"range": [0, 1.25], "overlaying": "y", "visible": False},
        shapes=[
            zone | {"x0": Z_SHOWN[0], "x1": data["awake"][0]},
            zone | {"x0": data["awake"][1], "x1": Z_SHOWN[-1]},
            {"type": "line", "xref": "x2", "x0": -2, "x1": -2, "yref": "y2", "y0": 0, "y1": 1, "layer": "between",
             "line": THIN},
        ],
    )  # fmt: skip


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "less than 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def saturation_reading(data: Data, controls: State) -> str:
    """Say what `saturation` shows."""
    factor = _number(sqrt(data["mean_square"]))
    return (
        f"{_name(controls)}, {controls['inputs']}: z has mean {_number(round(float(data['center']), 2))} and "
        f"standard deviation {data['spread']:.3g}; {_percent(data['saturated'])} of the units are saturated (slope "
        f"below {SATURATED_BELOW:g}). E[φ′²] = {_number(data['mean_square'])}: the slopes alone multiply a gradient's "
        f"norm by {factor}."
    )


# ------------------------------------------------------------------------------------------------ many layers

FLOOR, CEILING = -40, 5
SMALLEST = 1e-300
"""Drawn for what is smaller, and for 0, so that the line is seen to leave the axis."""


def derivative_product(data: Data, controls: State) -> "go.Figure":
    """Draw the product of more and more slopes, from none: median, band and what no path exceeds."""
    verdict, depth = _verdict(data), len(data["median"])
    colour = figures.COLOURS[verdict]
    lines = {name: np.maximum(np.insert(data[name], 0, 1.0), SMALLEST) for name in ("low", "high", "bound", "median")}
    line = {"type": "scatter", "mode": "lines", "x": np.arange(depth + 1)}
    edge = line | {"line": {"width": 0}, "hoverinfo": "skip"}
    hover = "%{x} slopes: %{y:.2e}<extra></extra>"
    traces = [
        edge | {"name": "5th percentile", "y": lines["low"]},
        edge | {"name": "95th percentile", "y": lines["high"], "fill": "tonexty", "fillcolor": figures.band(colour)},
        line | {"name": "bound", "y": lines["bound"], "line": figures.THEORY, "hovertemplate": "bound, " + hover},
        line | {"name": "median", "y": lines["median"], "hovertemplate": hover, "line": {"color": colour, "width": 4}},
    ]  # fmt: skip
    steepest = data["bound"][0]
    bound = {0.25: "4⁻ᴸ", 1.0: "1"}.get(steepest, f"{steepest:.3g}ᴸ")
    note = {"xref": "paper", "y": 0, "yanchor": "bottom", "font": {"color": figures.MUTED, "size": 12}}
    return figures.figure(
        traces,
        title={"text": "Product of the slopes<br><sub>slopes only, weights left out; median, 5–95 %</sub>"},
        xaxis={"title": {"text": "L, slopes multiplied: one a layer"}, "range": [0, DEEPEST + 1]},
        yaxis={"title": {"text": "product of |φ′|, ratio passed on"},
               **figures.powers_of_ten_axis(FLOOR, CEILING, step=10)},
        shapes=[figures.reference_line(1, (0, DEEPEST + 1))],
        annotations=[
            note | {"x": 1, "xanchor": "right", "text": "1: passed on unchanged",
                    "yanchor": "top" if steepest > 1 else "bottom"},
            note | {"x": 0, "xanchor": "left", "xshift": 4, "yshift": 8,
                    "text": f"dashed: at most {bound}"},
            _end_label(lines["median"], verdict),
        ],
    )  # fmt: skip


def _end_label(median: np.ndarray, verdict: Verdict) -> dict[str, Any]:
    """Label the line where it ends or leaves the axis, on the side where there is room."""
    height = np.log10(median)
    end = int(np.argmax(height < FLOOR)) if height[-1] < FLOOR else len(median) - 1
    is_long = end > DEEPEST / 2
    return {
        "x": end, "xanchor": "right" if is_long else "left", "xshift": -8 if is_long else 8,
        "y": max(height[end], FLOOR + 3), "yanchor": "top" if is_long else "middle",
        "text": f"median: <b>{verdict}</b>",
    }  # fmt: skip


def _verdict(data: Data) -> Verdict:
    """Judge the median; one that only float64 takes for 0 vanishes, it is not dead."""
    is_alive = data["alive"][-1] > 0.5
    return verdict_of_ratio(max(data["median"][-1], SMALLEST) if is_alive else 0.0)


def product_reading(data: Data, controls: State) -> str:
    """Say what `derivative_product` shows."""
    verdict, depth = _verdict(data), len(data["median"])
    start = (
        f"{depth} {'layers' if depth > 1 else 'layer'} of {_name(controls)}, z with standard deviation "
        f"{controls['scale']:.3g}, weights left out"
    )
    dead = N_PATHS - round(N_PATHS * data["alive"][-1])
    if verdict is Verdict.DEAD:
        zero = "0" if controls["activation"] == "relu" else "too small for float64"
        return f"{start}: dead. On {dead:,} of {N_PATHS:,} paths a slope is {zero}, and the product is 0."
    return (
        f"{start}: the slopes multiply to {_product(data['median'][-1])}, the median of {N_PATHS:,} paths: {verdict}. "
        f"No path keeps more than {_product(data['bound'][-1])}."
    )


def _product(value: float) -> str:
    return _number(value) if value > SMALLEST else "less than 10⁻³⁰⁰"
