"""By how much clipping turns a gradient: what lesson 08 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_direction import LIMITS, N_GRADIENTS, TAILS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

NAMES = {tail: "Gaussian" if np.isinf(dof) else f"Student t, {dof:g} degrees of freedom" for tail, dof in TAILS.items()}


def direction(data: Data, controls: State) -> "go.Figure":
    """Draw by limit the angle after clipping by value and by norm; below, what is cut and what length is left."""
    colour, here = figures.SECOND, controls["limit"]
    low, median, high = data["angle"]
    line = {"type": "scatter", "mode": "lines", "x": LIMITS}
    dots = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    captions = (
        f"by value: <b>{data['angle_here'][1]:.3g}°</b>   by norm: <b>0°</b>",
        f"cut: {figures.percent(data['share_here'][1])}   length left: {figures.percent(data['length_here'][1])}",
    )
    traces = [
        figures.between(LIMITS, low, high, colour, name="angle, 5–95 %"),
        line | {"name": "angle, median", "y": median, "line": {"color": colour, "width": 4},
                "hovertemplate": "limit %{x:.3g}: turned by %{y:.3g}°<extra></extra>"},
        line | {"name": "infinitely many entries", "y": data["theory"], "line": figures.THEORY,
                "hovertemplate": "infinitely many entries, limit %{x:.3g}: %{y:.3g}°<extra></extra>"},
        dots | {"name": "angle here", "x": [here, here], "y": [data["angle_here"][1], 0],
                "marker": {"size": 11, "color": [colour, figures.INK]}},
        line | {"name": "share cut", "yaxis": "y2", "y": data["share"][1], "line": {"color": colour, "width": 3},
                "hovertemplate": "limit %{x:.3g}: %{y:.1%} of the entries cut<extra></extra>"},
        line | {"name": "length left", "yaxis": "y2", "y": data["length"][1],
                "line": {"color": figures.INK, "width": 3},
                "hovertemplate": "limit %{x:.3g}: %{y:.1%} of the length left<extra></extra>"},
        figures.labels((1, 99, captions[0], "middle center")),
        figures.labels((1, 1.13, captions[1], "middle center"), (0.011, 0.76, "entries cut", "middle right"),
                       (0.011, 0.24, "length left", "middle right"), yaxis="y2"),
    ]  # fmt: skip
    ends = (float(np.log10(LIMITS[0])), float(np.log10(LIMITS[-1])))
    return figures.figure(
        traces,
        title={"text": f"{controls['entries']:,} entries, {_short(controls['tail'])}"
                       f"<br><sub>{N_GRADIENTS} gradients: median, 5–95 %; - - ∞ entries</sub>"},
        height=560,
        margin={"l": 64, "r": 16, "t": 76, "b": 52},
        xaxis={"type": "log", "range": list(ends), "anchor": "y2", "tickvals": [0.01, 0.1, 1, 10, 100],
               "ticktext": ["0.01", "0.1", "1", "10", "100"], "title": {"text": "limit, in mean entry sizes"}},
        yaxis={"domain": [0.43, 1], "range": [-4, 108], "tickvals": [0, 30, 60, 90],
               "ticktext": ["0°", "30°", "60°", "90°"], "title": {"text": "angle turned"}},
        yaxis2={"domain": [0, 0.36], "range": [-0.05, 1.26], "tickvals": [0, 0.5, 1],
                "ticktext": ["0", "50 %", "100 %"], "title": {"text": "share"}},
        shapes=[figures.reference_line(0, (LIMITS[0], LIMITS[-1]))],
    )  # fmt: skip


def _short(tail: str) -> str:
    return NAMES[tail].replace("degrees of freedom", "dof")


def direction_reading(data: Data, controls: State) -> str:
    """Say what `direction` shows at the limit."""
    low, median, high = (f"{angle:.3g}°" for angle in data["angle_here"])
    cut, left = (figures.percent(data[f"{name}_here"][1]) for name in ("share", "length"))
    return (
        f"{controls['entries']:,} entries, {NAMES[controls['tail']]}, a limit of {controls['limit']:g} times their "
        f"mean size: by value, {cut} are cut, {left} of the length is left, and the gradient turns by {median} "
        f"({low} to {high}; infinitely many entries: {data['theory_here']:.3g}°). By norm, shortened as much, it "
        "turns by 0°."
    )


def degrees_turned(data: Data, controls: State) -> float:
    """Return the median angle, in degrees, by which clipping by value turns the gradient."""
    return round(float(data["angle_here"][1]), 1)
