"""Loss curves and their four words: what lesson 00 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure_loss_curves import CHANCE, STEPS_PER_EPOCH, verdict_of_state, verdicts

if TYPE_CHECKING:
    import plotly.graph_objects as go

LOSSES = (-3, 3)  # powers of ten
PLURAL = {"learns": "learn", "stuck": "stuck", "oscillates": "oscillate", "overflows": "overflow"}


def loss_curves(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the loss of every run and their median over the training, against the loss of guessing."""
    loss = np.asarray(data["loss"], dtype=float)
    words = verdicts(loss)
    word = verdict_of_state(words)
    colour = figures.ACTIVATIONS[controls["activation"]]
    steps = STEPS_PER_EPOCH * np.arange(loss.shape[1])
    ends = (0, int(steps[-1]))
    overflows = _overflow_steps(loss, steps)
    last = np.fmax.reduce(overflows)
    top = 10.0 ** LOSSES[1]
    shown = np.where(np.isfinite(loss), np.maximum(loss, 10.0 ** LOSSES[0]), np.nan)
    lifted = np.pad(shown, ((0, 0), (0, 1)), constant_values=np.nan)  # all runs in one line, lifted between them
    n_runs = len(loss)
    traces = [
        {"type": "scatter", "mode": "lines", "name": "runs", "x": np.tile([*steps, steps[-1]], n_runs),
         "y": lifted.ravel(), "opacity": 0.6, "hoverinfo": "skip", "line": {"color": colour, "width": 1.5}},
        {"type": "scatter", "mode": "lines", "name": "median", "x": steps, "y": _median(loss),
         "line": {"color": colour, "width": 4}, "hovertemplate": "step %{x}: median loss %{y:.3g}<extra></extra>"},
        {"type": "scatter", "mode": "markers", "name": "first loss, and overflow", "hoverinfo": "skip",
         "cliponaxis": False, "x": [*np.zeros(n_runs), *overflows], "y": [*shown[:, 0], *np.full(n_runs, top)],
         "marker": {"symbol": ["circle"] * n_runs + ["x"] * n_runs, "size": [5] * n_runs + [10] * n_runs,
                    "color": [colour] * n_runs + [figures.COLOURS[Verdict.OVERFLOW]] * n_runs}},
        figures.labels(
            (0.99 * ends[1], top / 10**0.4, f"<b>{word}</b>: {_count(words, word)}", "bottom left"),
            (0.99 * ends[1], 1.15 * CHANCE, "ln 10 = 2.30: guessing", "top left"),
            (last, top / 10**0.1, "  overflow  ", f"middle {'left' if last > ends[1] / 2 else 'right'}"),
            cliponaxis=False,
        ) | {"textfont": {"size": [15, 12, 13], "color": [figures.INK, figures.MUTED, figures.INK]}},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": f"Loss of {n_runs} training runs<br><sub>{_state(controls, short=True)}</sub>"},
        xaxis={"title": {"text": f"step ({STEPS_PER_EPOCH} to an epoch)"}, "range": list(ends)},
        yaxis={"title": {"text": "cross-entropy"}} | figures.powers_of_ten_axis(*LOSSES, step=1),
        shapes=[figures.reference_line(CHANCE, ends)],
    )


def loss_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what the runs did, and with what loss."""
    loss = np.asarray(data["loss"], dtype=float)
    words = verdicts(loss)
    word = verdict_of_state(words)
    counts = [_runs(words, each) for each in dict.fromkeys([word, *PLURAL]) if each in words]
    start = _start(data) if controls["depth"] > 1 else ""  # of one layer, the first is the last
    told = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
    return f"{_state(controls)}: {told}; {_what(loss[words == word], word)}{start}."


def loss_word(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Answer the lab's question: what most of the runs did."""
    return verdict_of_state(verdicts(data["loss"]))


def _what(loss: np.ndarray, word: str) -> str:
    """Say the numbers of the runs that share the commonest word."""
    last = STEPS_PER_EPOCH * (loss.shape[1] - 1)
    if word == "overflows":
        epochs = np.argmin(np.isfinite(loss), axis=1)
        when = f"within {STEPS_PER_EPOCH * epochs.max()} steps" if epochs.max() else "before the first step"
        return f"{when} the loss is no longer a number"
    end = np.median(loss[:, -1])
    if word == "oscillates":
        half = loss[:, loss.shape[1] // 2 :]
        low, high = np.median(half.min(axis=1)), np.median(half.max(axis=1))
        return f"in the second half a typical run’s lowest loss is {_three(low)}, its highest {_three(high)}"
    if word == "stuck":
        guess = "what guessing gives" if abs(end / CHANCE - 1) < 0.02 else f"guessing gives {CHANCE:.2f}"
        return f"after {last} steps the loss is still {_three(end)}, {guess}"
    yet = ", still no better than guessing" if end > 0.98 * CHANCE else ""
    return f"the median loss falls from {_three(np.median(loss[:, 0]))} to {_three(end)} in {last} steps{yet}"


def _start(data: Mapping[str, np.ndarray]) -> str:
    """Say whether the gradient vanishes or explodes: often it doesn't, and only the step is too short or too long."""
    with np.errstate(all="ignore"):
        ratio = float(np.median(data["gradient_ratio"]))
    if not np.isfinite(ratio):
        return ""
    times = f"{float(f'{ratio:.2g}'):g}" if 1e-4 <= ratio < 1e4 else figures.power_of_ten(ratio)
    judged = verdict_of_ratio(ratio)
    return f". At the start the first hidden layer’s gradient is {times} times the last one’s: {judged}"


def _runs(words: np.ndarray, word: str) -> str:
    count = int((words == word).sum())
    is_stuck = "is " if count == 1 else "are "
    verb = f"{is_stuck}stuck" if word == "stuck" else word if count == 1 else PLURAL[word]
    return f"{f'all {count}' if count == len(words) > 1 else count} run{'s' * (count > 1)} {verb}"


def _three(loss: float) -> str:
    """Write a loss to three digits, 2.3 as 2.30, or as a power of ten."""
    return f"{loss:#.3g}".rstrip(".") if 1e-3 <= loss < 1000 else figures.power_of_ten(loss)


def _count(words: np.ndarray, word: str) -> str:
    return f"{(words == word).sum()} of {len(words)} runs"


def _state(controls: Mapping[str, Any], *, short: bool = False) -> str:
    depth, activation, scale, rate = (controls[name] for name in ("depth", "activation", "scale", "learning_rate"))
    layers = f"layer{'s' * (depth > 1)}"
    if short:
        return f"{depth} {layers} of {activation}, scale {scale:g}, rate {rate:g}"
    return f"{depth} hidden {layers} of {activation} units, init scale {scale:g}, learning rate {rate:g}"


def _median(loss: np.ndarray) -> np.ndarray:
    """Return the median over the runs, where an overflow counts as the largest; NaN where that is the median."""
    median = np.median(np.where(np.isfinite(loss), loss, np.inf), axis=0)
    return np.where(np.isfinite(median), np.maximum(median, 10.0 ** LOSSES[0]), np.nan)


def _overflow_steps(loss: np.ndarray, steps: np.ndarray) -> np.ndarray:
    finite = np.isfinite(loss)
    return np.where(finite.all(axis=1), np.nan, steps[np.argmin(finite, axis=1)].astype(float))
