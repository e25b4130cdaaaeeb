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
HALF_DOT = (0.016, 0.01)  # across and up; all dots of a colour are boxes in one path, where markers would be a hundred
HALF_LINE = 0.006
LOWER = 1.9  # times as high are boxes in the lower panel, where the axis is as much shorter
CORNERS = np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
BORDERS = "M 0.5 0 L 0.5 1 M 2.5 0 L 2.5 1"  # between the networks
NORMS = {"none": "no BatchNorm", "batch": "BatchNorm"}


def depthwise_vs_standard(data: Data, controls: State) -> "go.Figure":
    """Draw for each kind of layer the dead channels of all runs, at birth and trained; below, the test accuracies."""
    layers = np.arange(len(ROLES))
    centres = np.array([NETWORKS[block][0] for block in BLOCKS])
    lower = {"yaxis": "y2"}
    traces = [
        _runs(layers - ASIDE, data["birth"], BIRTH, "at birth"),
        _runs(layers + ASIDE, data["after"], AFTER, "trained"),
        _means(np.append(layers - ASIDE, layers + ASIDE), np.concatenate([data["birth"], data["after"]]), "mean"),
        _runs(centres, data["test_accuracy"], AFTER, "test accuracy", LOWER) | lower,
        _means(centres, data["test_accuracy"], "mean accuracy", LOWER) | lower,
        figures.labels(*_names(data["test_accuracy"]), size=12, **lower),
    ]  # fmt: skip
    kernel, rate = controls["kernel"], f"{controls['learning_rate']:g}"
    return figures.figure(
        traces,
        title={"text": f"Dead channels, {kernel}×{kernel} kernels<br>"
                       f"<sub>{NORMS[controls['norm']]}; left at birth, right at rate {rate}</sub>"},
        height=560,
        margin={"l": 64, "r": 12, "t": 72, "b": 56},
        xaxis={"type": "linear", "range": ENDS, "anchor": "y2", "tickvals": layers, "ticktext": LAYERS,
               "showgrid": False, "tickangle": 0, "tickfont": {"size": 11}},
        yaxis={"type": "linear", "range": [-0.03, 1.03], "domain": [0.42, 1], "tickvals": [0, 0.5, 1],
               "ticktext": ["0", "50 %", "100 %"], "title": {"text": "channels dead"}},
        yaxis2={"type": "linear", "range": [0, 1.25], "domain": [0, 0.36], "tickvals": [0, 1],
                "ticktext": ["0", "100 %"], "title": {"text": "test right"}},
        shapes=[figures.reference_line(0.1, ENDS, "y2"),
                {"type": "path", "path": BORDERS, "layer": "between", "line": {"color": figures.GRID, "width": 1.5}}],
    )  # fmt: skip


def depthwise_reading(data: Data, controls: State) -> str:
    """Say for each network how many channels are born dead, how many are dead at the end, and how well it reads."""
    parts = []
    for b, block in enumerate(BLOCKS):
        rows = [row for row, (its_block, _) in enumerate(ROLES) if its_block == block]
        finite = np.isfinite(data["test_accuracy"][b])
        over = f", {np.sum(~finite)} of {finite.size} runs overflow" if not finite.all() else ""
        layers = [
            f"{ROLES[row][1] + ' ' if len(rows) > 1 else ''}{figures.percent(data['birth'][row].mean())} → "
            + (figures.percent(np.nanmean(data["after"][row])) if finite.any() else "overflow")
            for row in rows
        ]
        right = f" ({figures.percent(np.nanmean(data['test_accuracy'][b]))} right{over})" if finite.any() else ""
        parts.append(f"{NETWORKS[block][1]}: {', '.join(layers)}{right}")
    kernel = controls["kernel"]
    setting = f"{kernel} × {kernel}, {NORMS[controls['norm']]}, rate {controls['learning_rate']:g}"
    return f"Channels dead at birth → trained, means of {data['birth'].shape[1]} runs, {setting}: {'; '.join(parts)}."


def _boxes(x: np.ndarray, y: np.ndarray, half: tuple[float, float], colour: str, name: str) -> dict[str, Any]:
    """Draw boxes as one outline, from corner to corner and the same way back: a gap would cost a node."""
    drawn = np.isfinite(y).ravel()
    across, up = (np.ravel(at)[drawn, None] + size * side for at, size, side in zip((x, y), half, CORNERS, strict=True))
    return {
        "type": "scatter", "mode": "none", "name": name, "hoverinfo": "skip", "fill": "toself", "fillcolor": colour,
        "x": np.append(across, across[::-1, 0]), "y": np.append(up, up[::-1, 0]),
    }  # fmt: skip


def _runs(places: np.ndarray, shares: np.ndarray, colour: str, name: str, height: float = 1) -> dict[str, Any]:
    """Draw a dot a run, side by side in the order of the seeds."""
    x = places[:, None] + np.linspace(-HALF_STROKE, HALF_STROKE, shares.shape[1])
    return _boxes(x, shares, (HALF_DOT[0], height * HALF_DOT[1]), colour, name) | {"opacity": 0.7}


def _means(places: np.ndarray, shares: np.ndarray, name: str, height: float = 1) -> dict[str, Any]:
    """Draw a stroke at the mean of the runs that did not overflow."""
    finite = np.isfinite(shares)
    means = np.where(finite, shares, 0).sum(axis=1) / np.where(finite.any(axis=1), finite.sum(axis=1), np.nan)
    return _boxes(places, means, (HALF_STROKE, height * HALF_LINE), figures.INK, name)


def _names(accuracies: np.ndarray) -> list[tuple[float, float, str, str]]:
    """Name the networks over their accuracies, and say below how many runs have none."""
    notes = []
    for (place, name), runs in zip((NETWORKS[block] for block in BLOCKS), accuracies, strict=True):
        over = int(np.sum(~np.isfinite(runs)))
        notes.append((place, 1.24, f"{name}<br>{over} overflow" if over else name, "bottom center"))
    return notes
