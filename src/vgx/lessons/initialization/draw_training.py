"""Does it train? What lesson 03 draws and says about it."""

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_training import OPTIMIZERS, WEIGHTS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

NAMES = {"xavier": "Xavier", "he": "He", "orthogonal": "orthogonal", "pytorch_default": "PyTorch"}
OPTIMIZER_NAMES = {"sgd": "SGD", "adam": "Adam"}
DASHES = {"xavier": "dash", "he": "solid", "orthogonal": "dot", "pytorch_default": "dashdot"}
SAMPLES = {"xavier": "╌╌", "he": "──", "orthogonal": "┈┈", "pytorch_default": "─·"}
GUESSING = log(10)
"""The loss of a network that gives each of ten classes the same probability."""

STUCK_ABOVE = 0.95 * GUESSING
LEARNS_FROM = 0.8  # of the test images right
ABOVE = 9  # a loss that lies beyond the axis
COLOURS = {
    "stuck": figures.COLOURS[Verdict.VANISHING],
    "slow": figures.MUTED,
    "learns": figures.COLOURS[Verdict.HEALTHY],
    "overflow": figures.COLOURS[Verdict.OVERFLOW],
}


def ranked(data: Data) -> Data:
    """Let an overflow count as the worst: its loss is endless, and no image is right."""
    over = ~np.isfinite(data["loss"])
    return {"loss": np.where(over, np.inf, data["loss"]), "test_accuracy": np.where(over, 0.0, data["test_accuracy"])}


def training_verdicts(data: Data) -> dict[str, str]:
    """Judge each initializer by its median network after the last epoch.

    Returns
    -------
    dict of str to str
        "overflow" if its loss is no number, "stuck" if it stays within 5 % of guessing, "learns" if 80 % of the
        test images are right, else "slow".
    """
    words, data = {}, ranked(data)
    for name, loss, accuracy in zip(WEIGHTS, data["loss"][..., -1], data["test_accuracy"][..., -1], strict=True):
        if not np.isfinite(np.median(loss)):
            words[name] = "overflow"
        elif np.median(loss) > STUCK_ABOVE:
            words[name] = "stuck"
        else:
            words[name] = "learns" if np.median(accuracy) >= LEARNS_FROM else "slow"
    return words


def does_it_train(data: Data, controls: State) -> "go.Figure":
    """Draw loss and accuracy by epoch, one line an initializer with a band over the seeds."""
    words, epochs = training_verdicts(data), np.arange(data["loss"].shape[-1])
    n_seeds, last, data = data["loss"].shape[1], len(epochs) - 1, ranked(data)
    traces = []
    for quantity, axis, bounds in (("loss", "y", (0, 2.6)), ("test_accuracy", "y2", (0, 1))):
        middles = dict(zip(words, np.median(data[quantity], axis=1), strict=True))
        traces.append(_bands(epochs, data[quantity]) | {"yaxis": axis})
        traces += [
            {"type": "scatter", "mode": "lines", "name": NAMES[name], "x": epochs, "y": middles[name], "yaxis": axis,
             "line": {"color": COLOURS[word], "width": 3, "dash": DASHES[name]},
             "hovertemplate": f"{NAMES[name]}, epoch %{{x}}: %{{y:.3f}}<extra></extra>"}
            for name, word in words.items()
        ]  # fmt: skip
        ends = {name: float(np.clip(y[np.isfinite(y)][-1], *bounds)) for name, y in middles.items()}
        places = _apart(ends, *bounds)
        notes = [(1.01 * last, places[name], f"{SAMPLES[name]} {NAMES[name]}", "middle right") for name in words]
        traces.append(figures.labels(*notes, yaxis=axis, cliponaxis=False))
    rate = f"{OPTIMIZERS[controls['optimizer']] * controls['rate']:.2g}"
    title = f"{controls['depth']} layers of ReLU on MNIST"
    return figures.figure(
        traces,
        title={"text": f"{title}<br><sub>{OPTIMIZER_NAMES[controls['optimizer']]}, rate {rate}: median and range of "
                       f"{n_seeds} seeds</sub>"},
        height=560,
        margin={"l": 64, "r": 124, "t": 72, "b": 52},
        xaxis={"title": {"text": "epoch"}, "range": [0, 1.02 * last], "anchor": "y2", "dtick": 5},
        yaxis={"title": {"text": "training loss"}, "range": [0, 2.6], "domain": [0.54, 1],
               "tickvals": [0, 1, GUESSING], "ticktext": ["0", "1", "guess"]},
        yaxis2={"title": {"text": "test accuracy"}, "range": [0, 1], "domain": [0, 0.44],
                "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"]},
        shapes=[*(figures.reference_line(at, (0, last), axis) for at, axis in ((GUESSING, "y"), (0.1, "y2")))],
    )  # fmt: skip


def _bands(epochs: np.ndarray, curves: np.ndarray) -> dict[str, Any]:
    """Outline from the lowest to the highest seed for each initializer, all in one trace."""
    ends = np.minimum([curves.max(axis=1), curves.min(axis=1)[:, ::-1]], ABOVE)  # there and back, then lifted
    outlines = np.pad(np.concatenate(ends, axis=1), ((0, 0), (0, 1)), constant_values=np.nan)
    return {
        "type": "scatter", "mode": "none", "name": "lowest to highest", "hoverinfo": "skip", "fill": "toself",
        "x": np.tile([*epochs, *epochs[::-1], epochs[0]], len(curves)), "y": outlines.ravel(),
        "fillcolor": figures.band(figures.MUTED),
    }  # fmt: skip


def _apart(ends: Mapping[str, float], low: float, high: float) -> dict[str, float]:
    """Move labels so that neighbours keep a ninth of the axis between them, and all stay inside."""
    names, distance = sorted(ends, key=lambda name: ends[name]), (high - low) / 9
    heights = np.maximum([ends[name] for name in names], low + distance * (np.arange(len(names)) + 0.5))
    ceiling = high - distance / 2
    for k in reversed(range(len(heights))):
        heights[k] = min(heights[k], ceiling)
        ceiling = heights[k] - distance
    return dict(zip(names, heights.round(3).tolist(), strict=True))


def training_reading(data: Data, controls: State) -> str:
    """Say what `does_it_train` shows."""
    words, rate = training_verdicts(data), OPTIMIZERS[controls["optimizer"]] * controls["rate"]
    optimizer, parts = OPTIMIZER_NAMES[controls["optimizer"]], []
    for k, (name, word) in enumerate(words.items()):
        finite, accuracy = np.isfinite(data["loss"][k, :, -1]), ranked(data)["test_accuracy"][k, :, -1]
        if word in ("learns", "slow"):
            lowest, highest = 100 * accuracy[finite].min(), 100 * accuracy.max()
            word += f" ({100 * np.median(accuracy):.0f} % right, {lowest:.0f} to {highest:.0f} %"
            word += ")" if finite.all() else f"; {np.sum(~finite)} of {finite.size} overflowed)"
        parts.append(f"{NAMES[name]} {word}")
    epochs = data["loss"].shape[-1] - 1
    setting = f"{controls['depth']} layers of ReLU, {optimizer} at rate {rate:.2g}, after {epochs} epochs"
    return f"{setting}: {'; '.join(parts)}."


def who_learns(data: Data, controls: State) -> str:
    """Answer the question of the lab: which of Xavier's and He's networks gets anywhere."""
    words = training_verdicts(data)
    xavier, he = (words[name] in ("learns", "slow") for name in ("xavier", "he"))
    return {(True, True): "both", (False, True): "only He", (True, False): "only Xavier"}.get((xavier, he), "neither")
