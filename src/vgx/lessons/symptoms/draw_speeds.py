"""How fast each layer learns: what lesson 00 draws and says about it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_speeds import PUBLISHED_SPEEDS

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_HIDDEN = 4
POWERS = (-6, 0)  # of ten, on the axis of speeds
APART = 0.3  # powers of ten between two labels, at least
N_BINS = 13
COLOUR = figures.ACTIVATIONS["sigmoid"]


def learning_speeds(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the speeds of all draws before the first step, with Nielsen's, and beside them those of one in training."""
    start, hidden = data["start"], data["start"].shape[1]
    layers = np.arange(1, hidden + 1)
    low, median, high = np.percentile(start, [5, 50, 95], axis=0)
    dots = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    strokes = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    speeds = np.full((len(data["epochs"]), MOST_HIDDEN), np.nan)
    speeds[:, :hidden] = data["speeds"]
    line = {"type": "scatter", "mode": "lines", "xaxis": "x2", "x": data["epochs"]}
    hover = "after %{x} epochs: %{y:.2g}"
    traces = [
        strokes | _violins(np.log10(start)) | {"name": "draws", "fill": "toself", "fillcolor": figures.band(COLOUR),
                                               "line": {"color": COLOUR, "width": 1}},
        strokes | {"name": "5 to 95 %", "line": {"color": figures.INK, "width": 1.5},
                   "x": np.stack([layers, layers, np.full(hidden, np.nan)], axis=1).ravel(),
                   "y": np.stack([low, high, np.full(hidden, np.nan)], axis=1).ravel()},
        dots | {"name": "median", "x": layers, "y": median, "marker": {"size": 6, "color": figures.INK}},
        dots | {"name": "Nielsen", "x": layers, "y": np.array(PUBLISHED_SPEEDS.get(hidden, [np.nan])),
                "marker": {"size": 12, "symbol": "diamond-open", "color": figures.INK, "line": {"width": 2.5}}},
        *(
            line | {"name": f"layer {n + 1}", "y": speeds[:, n],
                    "line": {"color": COLOUR, "width": 4} if n == 0 else {"color": figures.MUTED, "width": 2},
                    "hovertemplate": f"layer {n + 1} {hover}<extra></extra>"}
            for n in range(MOST_HIDDEN)
        ),
        _names(data["speeds"][-1]),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "How fast each layer learns<br><sub>"
               f"left: {len(start)} draws, ◇ Nielsen’s; right: one of them</sub>"},
        height=460,
        margin={"l": 64, "r": 58, "t": 64, "b": 56},
        xaxis={"range": [0.4, MOST_HIDDEN + 0.6], "domain": [0, 0.36], "tickvals": [1, 2, 3, 4],
               "title": {"text": "layer"}, "showgrid": False},
        xaxis2={"range": [0, 500], "domain": [0.42, 1], "anchor": "y", "tickvals": [0, 250, 500],
                "title": {"text": "epochs"}},
        yaxis=figures.powers_of_ten_axis(*POWERS, step=1) | {"title": {"text": "speed ‖∂C/∂b‖"}},
    )  # fmt: skip


def _violins(powers: np.ndarray) -> dict[str, np.ndarray]:
    """Outline how the powers of ten, of shape (n_draws, hidden), are distributed in each layer, to both sides of it."""
    outlines = []
    for layer, column in enumerate(powers.T, start=1):
        counts, edges = np.histogram(column, N_BINS)
        half, heights = 0.42 * counts / counts.max(), 10 ** ((edges[1:] + edges[:-1]) / 2)
        outlines += [(layer + half, heights), (layer - half[::-1], heights[::-1]), ([np.nan], [np.nan])]
    x, y = (np.concatenate(part) for part in zip(*outlines, strict=True))
    return {"x": x, "y": y}


def _names(ends: np.ndarray) -> dict[str, Any]:
    """Name the lines at their right ends, in their order, far enough apart to be read."""
    heights = np.log10(ends)
    for below, above in pairwise(np.argsort(ends)):
        heights[above] = max(heights[above], heights[below] + APART)
    notes = [(495, 10**height, f"\u2002layer {n}", "middle right") for n, height in enumerate(heights, start=1)]
    return figures.labels(*notes, name="names", xaxis="x2", cliponaxis=False)


def speeds_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `learning_speeds` shows."""
    start, hidden = data["start"], data["start"].shape[1]
    typical = np.median(start, axis=0)
    learned = (
        f"After 500 epochs draw {controls['draw']} costs {data['loss'][-1]:.2f} and gets {data['accuracy']:.0%} right"
    )
    if hidden == 1:
        return f"1 hidden layer: at the start it learns at {typical[0]:.2g}. {learned}."
    always = np.mean(np.all(np.diff(start, axis=1) > 0, axis=1))
    share = data["slower"][0]
    slower = "in all epochs" if share == 1 else f"in {share:.1%} of the epochs"
    return (
        f"{hidden} hidden layers: at the start the first learns at {typical[0]:.2g} and the last at {typical[-1]:.2g} "
        f"(medians); each layer is slower than the next in {always:.0%} of the draws. {learned}; its first layer was "
        f"slower than the second {slower}."
    )
