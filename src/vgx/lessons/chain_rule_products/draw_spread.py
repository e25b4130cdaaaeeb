"""The typical network and the average one: what lesson 02 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import verdict_of_ratio

if TYPE_CHECKING:
    import plotly.graph_objects as go

RATIOS = (-15, 3)  # powers of ten
N_BINS = 30
N_POINTS = 41


def spread(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw how the squared gradients of many networks spread, with theory's bell, the median and the mean."""
    powers = np.log10(data["ratios"])
    counts, edges = np.histogram(powers, N_BINS)
    peak = 1 / (powers.std() * np.sqrt(2 * np.pi))  # of the bell with this spread
    height = counts / counts.sum() / np.diff(edges) / peak
    x, bell = _bell(np.asarray(data["theory"]) / np.log(10), peak)
    median, mean = float(data["median"]), float(data["mean"])
    colour = figures.COLOURS[verdict_of_ratio(np.sqrt(median))]
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    shown = max(median, 10.0 ** RATIOS[0])
    average = "<br>\u2002".join(["exact", "average"] if len(data["theory"]) else ["average", "of these"])
    notes = [
        (shown, 1.74, f"typical\u2002<br><b>{figures.power_of_ten(median)}</b>\u2002", "bottom left"),
        (mean, 1.74, f"\u2002{average}<br>\u2002<b>{figures.power_of_ten(mean)}</b>", "bottom right"),
    ]
    traces = [
        line | {"name": "networks", "x": 10 ** ((edges[1:] + edges[:-1]) / 2), "y": height, "fill": "tozeroy",
                "fillcolor": figures.band(colour), "line": {"color": colour, "width": 2, "shape": "hvh"}},
        line | {"name": "theory", "x": x, "y": bell, "line": figures.THEORY},
        figures.labels(*notes, size=14, cliponaxis=False),
    ]  # fmt: skip
    upright = {"type": "line", "yref": "paper", "y0": 0, "y1": 1}
    return figures.figure(
        traces,
        title={"text": f"Typical and average network<br><sub>{_subtitle(data)}</sub>"},
        xaxis={"title": {"text": "‖∂C/∂z₁‖², ratio to the last layer’s"}} | figures.powers_of_ten_axis(*RATIOS, step=3),
        yaxis={"title": {"text": "density, ratio to a bell’s peak"}, "range": [0, 1.75], "tickvals": [0, 0.5, 1]},
        shapes=[
            upright | {"x0": shown, "x1": shown, "line": {"color": colour, "width": 3}},
            upright | {"x0": mean, "x1": mean, "line": {"color": figures.MUTED, "width": 1}},
        ],
    )  # fmt: skip


def _subtitle(data: Mapping[str, np.ndarray]) -> str:
    draws = f"{round(len(data['ratios']) / (1 - data['dead']))} draws"
    dead = f", {100 * data['dead']:.2g} % dead" if data["dead"] else ""
    return draws + dead + ("; dashed: the bell of theory" if len(data["theory"]) else "")


def _average(data: Mapping[str, np.ndarray]) -> str:
    """Say whether the average is the exact one, of all possible draws, or, where no theory gives it, that of these."""
    return "exact average" if len(data["theory"]) else "average of these"


def _bell(moments: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of the Gaussian of these moments, in powers of ten; without moments, none."""
    if not len(moments):
        return np.empty(0), np.empty(0)
    steps = np.linspace(-3.5, 3.5, N_POINTS)
    center, sd = moments
    return 10 ** (center + sd * steps), np.exp(-(steps**2) / 2) / (sd * np.sqrt(2 * np.pi)) / peak


def spread_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `spread` shows."""
    low, median, high, mean = (float(data[name]) for name in ("low", "median", "high", "mean"))
    network = f"{controls['depth']} layers of {controls['width']} {controls['activation']} units"
    below = f"{float(f'{mean / median:.2g}'):,.0f}" if mean / median < 1e4 else figures.power_of_ten(mean / median)
    if mean / median < 10:
        below = f"{mean / median:.2g}"
    span = "reach down to no gradient at all" if low == 0 else f"span {np.log10(high / low):.1f} powers of ten"
    dead = f", and {100 * data['dead']:.2g} % are dead" if data["dead"] else ""
    return (
        f"{network}: the typical squared gradient of layer 1 is {figures.power_of_ten(median)} of the last layer's, "
        f"the {_average(data)} {figures.power_of_ten(mean)}. The typical network gets {below} times less than the "
        f"average; the middle 90 % {span}{dead}."
    )
