"""What the practice lab draws and says."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import verdict_of_ratio

from .measure import DEEPEST

if TYPE_CHECKING:
    import plotly.graph_objects as go

LINEAR = {"title": {"text": "what is left of 1"}, "range": [0, 10], "tickvals": [0, 1, 2, 4, 6, 8, 10]}
POWERS = {
    "title": {"text": "what is left of 1, as a power of ten"},
    "range": [-16, 10],
    "tickvals": [-15, -10, -5, 0, 5],
}


def repeated_factor(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw what is left of 1 after each factor."""
    left, exponent = data["product"][-1], controls["exponent"]
    verdict = verdict_of_ratio(left)
    colour = figures.COLOURS[verdict]
    away = (0.9 if left < 1 else 0.1) if exponent else (0.2 if left < 1.5 else 0.05)  # where the line is not
    axis = POWERS if exponent else LINEAR
    low, high = axis["range"]
    return figures.figure(
        [{"type": "scatter", "mode": "lines+markers", "x": np.arange(len(data["shown"])),
          "name": "log10 of what is left of 1" if exponent else "what is left of 1",
          "y": data["shown"], "line": {"color": colour, "width": 3}, "marker": {"color": colour, "size": 5},
          "hovertemplate": "after %{x} factors: %{y:.3g}<extra></extra>"},
         figures.labels((DEEPEST + 0.5, low + away * (high - low), f"1 becomes {_number(left)}: <b>{verdict}</b>",
                         "middle left"), size=14)],
        title={"text": "One factor, many times<br><sub>what a number of layers leaves of 1</sub>"},
        xaxis={"title": {"text": "factors so far"}, "range": [-1, DEEPEST + 1]},
        yaxis=axis,
        shapes=[figures.reference_line(0 if exponent else 1, (-1, DEEPEST + 1))],
    )  # fmt: skip


def repeated_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `repeated_factor` shows."""
    left, factor, depth = data["product"][-1], f"{controls['factor']:.3g}", controls["depth"]
    by = factor if controls["pattern"] == "all_alike" else f"{factor} and 1/{factor} in turn"
    times = "once" if depth == 1 else f"{depth} times"
    return f"1, multiplied {times} by {by}, becomes {_number(left)}: {verdict_of_ratio(left)}."


def what_is_left(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> float:
    """Return the product of all factors."""
    return float(data["product"][-1])


def _number(value: float) -> str:
    return f"{value:.3g}" if 1e-3 < value < 1e3 else figures.power_of_ten(value)
