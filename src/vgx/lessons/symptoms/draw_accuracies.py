"""Nielsen's four accuracies: what lesson 00 draws and says about them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_accuracies import EPOCHS, HIDDEN, PUBLISHED

if TYPE_CHECKING:
    import plotly.graph_objects as go

TICKS = (10, 50, 80, 90, 95, 97)  # percent right, on an axis of the logarithm of what is wrong
FINAL = (94, 97.6)  # percent right that the right panel shows
HALF_TICK = 0.3  # of the distance between two depths
COLOURS = (figures.ACTIVATIONS["sigmoid"], figures.SECOND)


def accuracies(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the runs of two depths by epoch, and beside them where the runs of all four depths end."""
    depths = [controls["hidden"], controls["against"]]
    runs = [data["first"], data["second"] if depths[1] != depths[0] else np.full_like(data["second"], np.nan)]
    final, n_seeds = data["final"], data["final"].shape[1]
    traces = [
        *(_runs(run, colour) for run, colour in zip(runs, COLOURS, strict=True)),
        *(_median(run, colour) for run, colour in zip(runs, COLOURS, strict=True)),
        _ticks(HIDDEN, final, "ends") | {"opacity": 0.6, "line": {"color": figures.MUTED, "width": 1}},
        *(
            _ticks([depth], run[None, :, -1], "ends") | {"line": {"color": colour, "width": 1.5}}
            for depth, run, colour in zip(depths, runs, COLOURS, strict=True)
        ),
        _ticks(HIDDEN, np.median(final, axis=1, keepdims=True), "medians") | {
            "line": {"color": figures.INK, "width": 3}},
        {"type": "scatter", "mode": "markers", "xaxis": "x2", "yaxis": "y2", "name": "Nielsen", "x": HIDDEN,
         "y": list(PUBLISHED.values()), "hovertemplate": "Nielsen: %{y:.2f} %<extra></extra>",
         "marker": {"size": 11, "symbol": "diamond-open", "color": figures.INK, "line": {"width": 2.5}}},
        figures.labels(*_labels(depths), mode="markers+text",
                       marker={"color": COLOURS, "size": 10, "symbol": "square"}),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Nielsen’s networks on MNIST<br><sub>"
               f"{n_seeds} runs and their median; right: the end, ◇ Nielsen’s</sub>"},
        height=460,
        margin={"l": 56, "r": 12, "t": 64, "b": 56},
        xaxis={"range": [0, EPOCHS], "domain": [0, 0.54], "tickvals": [0, 10, 20, 30], "title": {"text": "epochs"}},
        yaxis={"type": "log", "range": [2, 0.4], "tickvals": [100 - tick for tick in TICKS],
               "ticktext": [str(tick) for tick in TICKS], "title": {"text": "right, % (log axis of errors)"}},
        xaxis2={"range": [0.4, 4.6], "domain": [0.66, 1], "anchor": "y2", "tickvals": HIDDEN, "showgrid": False,
                "title": {"text": "hidden layers"}},
        yaxis2={"range": FINAL, "anchor": "x2", "dtick": 1},
    )  # fmt: skip


def _runs(run: np.ndarray, colour: str) -> dict[str, Any]:
    """Draw all runs as one line, lifted between them: a tenth of the work of twenty."""
    wrong = np.pad(100 - run, ((0, 0), (0, 1)), constant_values=np.nan)
    epochs = np.tile(np.arange(wrong.shape[1]), len(wrong))
    return {
        "type": "scatter", "mode": "lines", "name": "runs", "x": epochs, "y": wrong.ravel(), "hoverinfo": "skip",
        "opacity": 0.35, "line": {"color": colour, "width": 1},
    }  # fmt: skip


def _ticks(depths: Sequence[int], accuracies: np.ndarray, name: str) -> dict[str, Any]:
    """Draw a short line at each accuracy of each depth: one path, where dots would be as many as runs."""
    ends = np.array([-HALF_TICK, HALF_TICK, np.nan])
    x = np.asarray(depths, dtype=float)[:, None, None] + ends
    return {
        "type": "scatter", "mode": "lines", "xaxis": "x2", "yaxis": "y2", "name": name, "hoverinfo": "skip",
        "x": np.broadcast_to(x, (*accuracies.shape, 3)).ravel(), "y": np.repeat(accuracies.ravel(), 3),
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
