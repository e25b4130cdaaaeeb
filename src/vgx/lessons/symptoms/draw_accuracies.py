"""Nielsen's four accuracies: what lesson 00 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_accuracies import EPOCHS, HIDDEN, PUBLISHED

if TYPE_CHECKING:
    import plotly.graph_objects as go

TICKS = (10, 50, 80, 90, 95, 97)  # percent right, on an axis of the logarithm of what is wrong
FINAL = (94, 97.6)  # percent right that the right panel shows
HALF_TICK = 0.3  # of the distance between two depths
HALF_STROKE = 0.004  # percent
CORNERS = np.array([[-1, 1, 1, -1, np.nan], [-1, -1, 1, 1, np.nan]])
COLOURS = (figures.ACTIVATIONS["sigmoid"], figures.SECOND)


def accuracies(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw median and range of two depths by epoch, and beside them where the runs of all four depths end."""
    depths = [controls["hidden"], controls["against"]]
    runs = [data["first"], data["second"] if depths[1] != depths[0] else np.full_like(data["second"], np.nan)]
    final, n_seeds = data["final"], data["final"].shape[1]
    colours = [COLOURS[depths.index(depth)] if depth in depths else figures.INK for depth in HIDDEN]
    traces = [
        *(_range(run, colour) for run, colour in zip(runs, COLOURS, strict=True)),
        *(_median(run, colour) for run, colour in zip(runs, COLOURS, strict=True)),
        _ends(final),
        {"type": "scatter", "mode": "markers", "xaxis": "x2", "yaxis": "y2", "name": "median, and Nielsen",
         "x": [*HIDDEN, *HIDDEN], "y": [*np.median(final, axis=1), *PUBLISHED.values()],
         "text": ["median"] * 4 + ["Nielsen"] * 4, "hovertemplate": "%{text}: %{y:.2f} %<extra></extra>",
         "marker": {"size": [24] * 4 + [11] * 4, "symbol": ["line-ew-open"] * 4 + ["diamond-open"] * 4,
                    "color": [*colours, *[figures.INK] * 4], "line": {"width": [4] * 4 + [2.5] * 4}}},
        figures.labels(*_labels(depths), mode="markers+text",
                       marker={"color": COLOURS, "size": 10, "symbol": "square"}),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Nielsen’s networks on MNIST<br><sub>"
               f"{n_seeds} runs: median, range; right: the end, ◇ Nielsen’s</sub>"},
        height=460,
        margin={"l": 56, "r": 12, "t": 64, "b": 56},
        xaxis={"range": [0, EPOCHS], "domain": [0, 0.54], "tickvals": [0, 10, 20, 30], "title": {"text": "epochs"}},
        yaxis={"type": "log", "range": [2, 0.4], "tickvals": [100 - tick for tick in TICKS],
               "ticktext": [str(tick) for tick in TICKS], "title": {"text": "right, % (log axis of errors)"}},
        xaxis2={"range": [0.4, 4.6], "domain": [0.66, 1], "anchor": "y2", "tickvals": HIDDEN, "showgrid": False,
                "title": {"text": "hidden layers"}},
        yaxis2={"range": FINAL, "anchor": "x2", "dtick": 1},
    )  # fmt: skip


def _range(run: np.ndarray, colour: str) -> dict[str, Any]:
    wrong = 100 - run
    return figures.between(np.arange(wrong.shape[1]), wrong.min(axis=0), wrong.max(axis=0), colour, name="range")


def _ends(final: np.ndarray) -> dict[str, Any]:
    """Draw a stroke at the end of each run: thin boxes, all of them one path, where lines or dots would be 80."""
    x, y = np.array(HIDDEN)[:, None, None] + HALF_TICK * CORNERS[0], final[..., None] + HALF_STROKE * CORNERS[1]
    return {
        "type": "scatter", "mode": "none", "xaxis": "x2", "yaxis": "y2", "name": "ends", "hoverinfo": "skip",
        "fill": "toself", "fillcolor": figures.MUTED, "x": np.broadcast_to(x, y.shape).ravel(), "y": y.ravel(),
    }  # fmt: skip


def _median(run: np.ndarray, colour: str) -> dict[str, Any]:
    wrong = 100 - np.median(run, axis=0)
    return {
        "type": "scatter", "mode": "lines", "name": "median", "x": np.arange(len(wrong)), "y": wrong,
        "line": {"color": colour, "width": 4}, "hovertemplate": "after %{x} epochs: %{y:.2f} % wrong<extra></extra>",
    }  # fmt: skip


def _labels(depths: list[int]) -> list[tuple[float, float, str, str]]:
    """Name the two depths in a corner that no line crosses; the same one only once."""
    first, second = (_depth(depth) for depth in depths)
    second = "\N{NO-BREAK SPACE}" if first == second else second  # where no text was, Plotly adds none later
    return [(EPOCHS - 0.5, wrong, text, "middle left") for wrong, text in ((50, first), (70, second))]


def _depth(hidden: int) -> str:
    return f"{hidden} hidden layer{'s' * (hidden > 1)}"


def accuracies_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `accuracies` shows."""
    hidden, against = controls["hidden"], controls["against"]
    first, second = (data[name][:, -1] for name in ("first", "second"))
    begun = [np.median(data[name][:, 1]) for name in ("first", "second")]
    if hidden == against:
        return (
            f"{_depth(hidden)}: after {EPOCHS} epochs {first.min():.2f} to {first.max():.2f} % right, median "
            f"{np.median(first):.2f} (Nielsen: {PUBLISHED[hidden]:.2f}); after the first epoch {begun[0]:.1f}. "
            f"Choose another depth to compare with."
        )
    return (
        f"{hidden} against {_depth(against)}: after {EPOCHS} epochs the medians are {np.median(first):.2f} and "
        f"{np.median(second):.2f} % right (Nielsen: {PUBLISHED[hidden]:.2f} and {PUBLISHED[against]:.2f}); "
        f"{against} is better than {hidden} in {wins_in_percent(data, controls):.0f} % of all pairs of runs. "
        f"After the first epoch: {begun[0]:.1f} and {begun[1]:.1f} %."
    )


def wins_in_percent(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> float:
    """Count in how many of all pairs of runs the second depth ends better than the first; a tie is half a win."""
    first, second = data["first"][:, -1], data["second"][:, -1, None]
    return 100 * float(np.mean(second > first) + np.mean(second == first) / 2)
