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
HALF_STROKE = 0.02  # of the distance between two layers
COLOUR = figures.ACTIVATIONS["sigmoid"]


def learning_speeds(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the speeds of all draws before the first step, with Nielsen's, and beside them those of one in training."""
    start, hidden = data["start"], data["start"].shape[1]
    layers = np.arange(1, hidden + 1)
    low, median, high = np.percentile(start, [5, 50, 95], axis=0)
    published = PUBLISHED_SPEEDS.get(hidden, [np.nan] * hidden)
    filled = {"type": "scatter", "mode": "none", "fill": "toself", "hoverinfo": "skip"}  # all in one path
    behind = np.pad(data["speeds"][:, 1:].T, ((0, 0), (0, 1)), constant_values=np.nan)
    line, hover = {"type": "scatter", "mode": "lines", "xaxis": "x2"}, "after %{x} epochs: %{y:.2g}<extra></extra>"
    traces = [
        filled | _violins(np.log10(start)) | {"name": "draws", "fillcolor": figures.band(COLOUR)},
        filled | {"name": "5 to 95 %", "fillcolor": figures.INK,
                  "x": (layers[:, None] + HALF_STROKE * np.array([-1, -1, 1, 1, np.nan])).ravel(),
                  "y": np.stack([low, high, high, low, np.full(hidden, np.nan)], axis=1).ravel()},
        {"type": "scatter", "mode": "markers", "hoverinfo": "skip", "name": "median, and Nielsen",
         "x": np.tile(layers, 2), "y": np.append(median, published),
         "marker": {"size": [6] * hidden + [12] * hidden, "color": figures.INK, "opacity": 1,
                    "line": {"width": 2.5, "color": figures.INK},
                    "symbol": ["circle"] * hidden + ["diamond-open"] * hidden}},
        line | {"name": "layer 1", "x": data["epochs"], "y": data["speeds"][:, 0],
                "line": {"color": COLOUR, "width": 4}, "hovertemplate": f"layer 1 {hover}"},
        line | {"name": "layers behind", "x": np.tile([*data["epochs"], np.nan], hidden - 1), "y": behind.ravel(),
                "line": {"color": figures.MUTED, "width": 2}, "hovertemplate": hover},
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
