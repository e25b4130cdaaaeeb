"""Depthwise against standard convolutions: what lesson 04 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_depthwise import BLOCKS, ROLES

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

BIRTH, AFTER = figures.MUTED, figures.ACTIVATIONS["relu"]
LAYERS = ("standard", "depth-<br>wise", "point-<br>wise", "expan-<br>sion", "depth-<br>wise")
NETWORKS = {"standard": (0.0, "standard"), "depthwise": (1.5, "MobileNet"), "bottleneck": (3.5, "MobileNetV2")}
"""Where a network's layers have their middle on the axis, and its name."""

ASIDE, HALF_STROKE = 0.21, 0.15  # layers lie 1 apart: at birth stands to the left, trained to the right
ENDS = (-0.55, 4.55)
NORMS = {"none": "no normalization", "batch": "BatchNorm"}


def depthwise_vs_standard(data: Data, controls: State) -> "go.Figure":
    """Draw for each kind of layer the dead channels of all runs, at birth and trained; below, the test accuracies."""
    layers, n_seeds = np.arange(len(ROLES)), data["birth"].shape[1]
    centres = np.array([NETWORKS[block][0] for block in BLOCKS])
    lower = {"yaxis": "y2"}
    traces = [
        _runs(layers - ASIDE, data["birth"], BIRTH, "at birth"),
        _runs(layers + ASIDE, data["after"], AFTER, "trained"),
        _means(layers - ASIDE, data["birth"], "mean at birth"),
        _means(layers + ASIDE, data["after"], "mean, trained"),
        _runs(centres, data["test_accuracy"], AFTER, "test accuracy") | lower,
        _means(centres, data["test_accuracy"], "mean accuracy") | lower,
        figures.labels(*(_network(block, runs) for block, runs in zip(BLOCKS, data["test_accuracy"], strict=True)),
                       size=12, **lower),
    ]  # fmt: skip
    kernel = controls["kernel"]
    return figures.figure(
        traces,
        title={"text": f"Dead channels, {kernel} × {kernel}, {NORMS[controls['norm']]}<br>"
                       f"<sub>grey at birth, coloured trained at rate {controls['learning_rate']:g}: {n_seeds} runs, "
                       "means</sub>"},
        height=560,
        margin={"l": 64, "r": 12, "t": 72, "b": 56},
        xaxis={"range": ENDS, "anchor": "y2", "tickvals": layers, "ticktext": LAYERS, "showgrid": False},
        yaxis={"range": [-0.03, 1.03], "domain": [0.42, 1], "tickvals": [0, 0.5, 1],
               "ticktext": ["0", "50 %", "100 %"], "title": {"text": "channels dead"}},
        yaxis2={"range": [0, 1.25], "domain": [0, 0.36], "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"],
                "title": {"text": "test right"}},
        shapes=[figures.reference_line(0.1, ENDS, "y2")],
    )  # fmt: skip


def depthwise_reading(data: Data, controls: State) -> str:
    """Say for each network how many channels are born dead, how many are dead at the end, and how well it reads."""
    parts = []
    for b, block in enumerate(BLOCKS):
        rows = [row for row, (its_block, _) in enumerate(ROLES) if its_block == block]
        finite = np.isfinite(data["test_accuracy"][b])
        over = f", {np.sum(~finite)} of {finite.size} runs overflow" if not finite.all() else ""
        layers = [
            f"{ROLES[row][1] + ' ' if len(rows) > 1 else ''}{_percent(data['birth'][row].mean())} → "
            + (_percent(np.nanmean(data["after"][row])) if finite.any() else "overflow")
            for row in rows
        ]
        right = f" ({_percent(np.nanmean(data['test_accuracy'][b]))} right{over})" if finite.any() else ""
        parts.append(f"{NETWORKS[block][1]}: {', '.join(layers)}{right}")
    kernel = controls["kernel"]
    setting = f"{kernel} × {kernel}, {NORMS[controls['norm']]}, rate {controls['learning_rate']:g}"
    return f"Channels dead at birth → trained, means of {data['birth'].shape[1]} runs, {setting}: {'; '.join(parts)}."


def _runs(places: np.ndarray, shares: np.ndarray, colour: str, name: str) -> dict[str, Any]:
    """Draw a dot a run, side by side in the order of the seeds."""
    beside = np.linspace(-HALF_STROKE, HALF_STROKE, shares.shape[1])
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": (places[:, None] + beside).ravel().round(3),
        "y": shares.ravel(), "marker": {"size": 5, "color": colour, "opacity": 0.7}, "cliponaxis": False,
        "hovertemplate": f"{name}: %{{y:.1%}}<extra></extra>",
    }  # fmt: skip


def _means(places: np.ndarray, shares: np.ndarray, name: str) -> dict[str, Any]:
    """Draw a stroke at the mean of the runs that did not overflow."""
    finite = np.isfinite(shares)
    means = np.where(finite, shares, 0).sum(axis=1) / np.where(finite.any(axis=1), finite.sum(axis=1), np.nan)
    x = places[:, None] + np.array([-HALF_STROKE, HALF_STROKE, np.nan])
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": x.ravel().round(3), "y": np.repeat(means, 3),
        "line": {"color": figures.INK, "width": 3}, "cliponaxis": False,
        "hovertemplate": f"{name}: %{{y:.1%}}<extra></extra>",
    }  # fmt: skip


def _network(block: str, accuracies: np.ndarray) -> tuple[float, float, str, str]:
    """Name a network over its accuracies, and say there how many runs have none."""
    place, name = NETWORKS[block]
    over = int(np.sum(~np.isfinite(accuracies)))
    return place, 1.06, f"{name}: {over} overflow" if over else name, "top center"


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"
