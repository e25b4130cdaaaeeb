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
NORMS = {"none": "no BatchNorm", "batch": "BatchNorm"}


def depthwise_vs_standard(data: Data, controls: State) -> "go.Figure":
    """Draw for each kind of layer the dead channels of all runs, at birth and trained; below, the test accuracies."""
    layers, n_seeds = np.arange(len(ROLES)), data["birth"].shape[1]
    centres = np.array([NETWORKS[block][0] for block in BLOCKS])
    lower = {"yaxis": "y2"}
    traces = [
        _runs(layers - ASIDE, data["birth"], BIRTH, "at birth"),
        _runs(layers + ASIDE, data["after"], AFTER, "trained"),
        _means(np.append(layers - ASIDE, layers + ASIDE), np.concatenate([data["birth"], data["after"]]), "mean"),
        _runs(centres, data["test_accuracy"], AFTER, "test accuracy") | lower,
        _means(centres, data["test_accuracy"], "mean accuracy") | lower,
        figures.labels(*_names(data["test_accuracy"]), size=12, **lower),
    ]  # fmt: skip
    kernel, rate = controls["kernel"], f"{controls['learning_rate']:g}"
    return figures.figure(
        traces,
        title={"text": f"Dead channels, {kernel}×{kernel}, {NORMS[controls['norm']]}<br>"
                       f"<sub>left at birth, right trained at rate {rate}; {n_seeds} runs</sub>"},
        height=560,
        margin={"l": 64, "r": 12, "t": 72, "b": 56},
        xaxis={"range": ENDS, "anchor": "y2", "tickvals": layers, "ticktext": LAYERS, "showgrid": False,
               "tickangle": 0, "tickfont": {"size": 11}},
        yaxis={"range": [-0.03, 1.03], "domain": [0.42, 1], "tickvals": [0, 0.5, 1],
               "ticktext": ["0", "50 %", "100 %"], "title": {"text": "channels dead"}},
        yaxis2={"range": [0, 1.25], "domain": [0, 0.36], "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"],
                "title": {"text": "test right"}},
        shapes=[figures.reference_line(0.1, ENDS, "y2"), *(_border(at) for at in (0.5, 2.5))],
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


def _names(accuracies: np.ndarray) -> list[tuple[float, float, str, str]]:
    """Name the networks over their accuracies, and say below how many runs have none."""
    notes = []
    for (place, name), runs in zip((NETWORKS[block] for block in BLOCKS), accuracies, strict=True):
        over = int(np.sum(~np.isfinite(runs)))
        text = f"{over} overflow" if over else "\N{NO-BREAK SPACE}"  # where no text was, Plotly adds none later
        notes += [(place, 1.06, name, "top center"), (place, 0.82, text, "middle center")]
    return notes


def _border(at: float) -> dict[str, Any]:
    """Return the line between two networks."""
    return {
        "type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "layer": "between",
        "line": {"color": figures.GRID, "width": 1.5},
    }  # fmt: skip


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"
