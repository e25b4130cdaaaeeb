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
    notes = [
        (peak, data["maximum"][0], _at_most(data), "top left" if peak == 6 else "top center"),
        (z, slope, "", "top center"),
        (-5.95, 0.97, "1: passed on<br>unchanged", "bottom right"),
    ]
    traces = [
        line | {"name": "φ(z)", "y": data["f"], "hovertemplate": "φ(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        line | {"name": "tangent", "x": data["z"][[0, -1]], "y": data["tangent"][[0, -1]], "hoverinfo": "skip",
                "line": {"color": figures.INK, "width": 1.5}},
        point | {"name": "φ at z", "y": [min(value, HIGHEST)],
                 "marker": point["marker"] | {"symbol": "triangle-up" if value > HIGHEST else "circle"}},
        line | lower | {"name": "φ′(z)", "y": data["derivative"],
                        "hovertemplate": "φ′(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        figures.labels(*notes, name="greatest slope; φ′ at z", mode="markers+text", yaxis="y2", cliponaxis=False) | {
            "textfont": {"size": [13, 13, 12], "color": [figures.INK, figures.INK, figures.MUTED]},
            "marker": {"symbol": ["circle-open", "circle", "circle"], "size": [14, 11, 0], "line": {"width": [2, 0, 0]},
                       "color": [colour, figures.INK, figures.INK]}},
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
    traces = [
        {"type": "scatter", "mode": "lines", "name": "density of z, ratio to its peak", "x": data["z"],
         "y": data["density"], "yaxis": "y3", "fill": "tozeroy", "fillcolor": figures.band(figures.THEORY["color"]),
         "line": {"color": figures.MUTED, "width": 1.5}, "hoverinfo": "skip"},
        {"type": "scatter", "mode": "lines", "name": "φ(z)", "x": data["z"], "y": data["f"],
         "line": {"color": colour, "width": 4}, "hovertemplate": "φ(%{x:.3g}) = %{y:.3g}<extra></extra>"},
        {"type": "bar", "name": "log₁₀ |φ′|", "x": data["log_slope"], "y": data["share"], "width": 0.22,
         "yaxis": "y2", "xaxis": "x2", "marker": {"color": np.where(is_flat, VANISHING, colour).tolist()},
         "hovertemplate": "10^%{x:.1f}: %{y:.1%}<extra></extra>"},
        figures.labels(
            (SLOPE_EDGES[0] + 0.05, 0.99, f"{figures.percent(data['saturated'])} below 0.01", "top right"),
            (SLOPE_EDGES[-1] - 0.05, 0.99, f"E[φ′²] = {_number(data['mean_square'])}", "top left"),
            xaxis="x2", yaxis="y2", cliponaxis=False,
        ),
    ]  # fmt: skip
    zones = "".join(f"M{start:.3f},0V1.25H{end:.3f}V0Z" for start, end in zip(*_saturated(data), strict=True))
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
            {"type": "path", "path": zones, "yref": "y3", "layer": "below", "line": {"width": 0},
             "fillcolor": figures.band(VANISHING)},
            {"type": "line", "xref": "x2", "x0": -2, "x1": -2, "yref": "y2", "y0": 0, "y1": 1, "layer": "between",
             "line": THIN},
        ],
    )  # fmt: skip


def _saturated(data: Data) -> tuple[list[float], list[float]]:
    """Return where the two zones start and end in which φ is flat."""
    low, high = data["awake"]
    return [Z_SHOWN[0], high], [low, Z_SHOWN[-1]]


def saturation_reading(data: Data, controls: State) -> str:
    """Say what `saturation` shows."""
    factor = _number(sqrt(data["mean_square"]))
    return (
        f"{_name(controls)}, {controls['inputs']}: z has mean {_number(round(float(data['center']), 2))} and "
        f"standard deviation {data['spread']:.3g}; {figures.percent(data['saturated'])} of the units are saturated "
        f"(slope below {SATURATED_BELOW:g}). E[φ′²] = {_number(data['mean_square'])}: the slopes alone multiply a "
        f"gradient's norm by {factor}."
    )


# ------------------------------------------------------------------------------------------------ many layers

FLOOR, CEILING = -40, 5


def derivative_product(data: Data, controls: State) -> "go.Figure":
    """Draw the product of more and more slopes, from none: median, band and what no path exceeds."""
    verdict, depth = _verdict(data), len(data["median"])
    colour = figures.COLOURS[verdict]
    lines = {
        name: np.maximum(np.insert(data[name], 0, 1.0), figures.SMALLEST) for name in ("low", "high", "bound", "median")
    }
    line = {"type": "scatter", "mode": "lines", "x": np.arange(depth + 1)}
    hover = "%{x} slopes: %{y:.2e}<extra></extra>"
    steepest = data["bound"][0]
    bound = {0.25: "4⁻ᴸ", 1.0: "1"}.get(steepest, f"{steepest:.3g}ᴸ")
    traces = [
        figures.between(line["x"], lines["low"], lines["high"], colour, name="5 to 95 %"),
        line | {"name": "bound", "y": lines["bound"], "line": figures.THEORY, "hovertemplate": "bound, " + hover},
        line | {"name": "median", "y": lines["median"], "hovertemplate": hover, "line": {"color": colour, "width": 4}},
        figures.labels(
            (DEEPEST + 0.5, 1.0, "1: passed on unchanged", "bottom left" if steepest > 1 else "top left"),
            (0.5, 3.0, f"dashed: at most {bound}", "top right"),
            _end_label(lines["median"], verdict),
        ) | {"textfont": {"size": [12, 12, 14], "color": [figures.MUTED, figures.MUTED, figures.INK]}},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Product of the slopes<br><sub>slopes only, weights left out; median, 5–95 %</sub>"},
        xaxis={"title": {"text": "L, slopes multiplied: one a layer"}, "range": [0, DEEPEST + 1]},
        yaxis={"title": {"text": "product of |φ′|, ratio passed on"},
               **figures.powers_of_ten_axis(FLOOR, CEILING, step=10)},
        shapes=[figures.reference_line(1, (0, DEEPEST + 1))],
    )  # fmt: skip


def _end_label(median: np.ndarray, verdict: Verdict) -> tuple[float, float, str, str]:
    """Label the line where it ends or leaves the axis, on the side where there is room."""
    height = np.log10(median)
    end = int(np.argmax(height < FLOOR)) if height[-1] < FLOOR else len(median) - 1
    is_long = end > DEEPEST / 2
    place = "bottom left" if is_long else "middle right"
    return end - 0.5 if is_long else end + 0.5, 10.0 ** max(height[end], FLOOR + 3), f"median: <b>{verdict}</b>", place


def _verdict(data: Data) -> Verdict:
    """Judge the median; one that only float64 takes for 0 vanishes, it is not dead."""
    is_alive = data["alive"][-1] > 0.5
    return verdict_of_ratio(max(data["median"][-1], figures.SMALLEST) if is_alive else 0.0)


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
    return _number(value) if value > figures.SMALLEST else "less than 10⁻³⁰⁰"
