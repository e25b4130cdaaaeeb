"""Training with a clipped gradient: what lesson 08 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_clipped_training import LAST, LEARNED, LIMITS, MAX_STEPS, MOMENTUM, NAIVE, PERCENTILES, WINDOWS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

COLOURS = {
    "solved": figures.COLOURS[Verdict.HEALTHY],
    "unsolved": figures.INK,
    "exploded": figures.COLOURS[Verdict.EXPLODING],
    "overflow": figures.COLOURS[Verdict.OVERFLOW],
}
ASTRAY = 1.1 * NAIVE  # 6,400 sequences tell the naive error to about 2 %
LOSS_POWERS, NORM_POWERS = (-3, 3), (-2, 4)
ENDS, WIDEST = (0.9, MAX_STEPS), 70_000  # right of the steps stand the percentiles
COLUMNS = (1.15 * MAX_STEPS, 4.2 * MAX_STEPS, 1.15 * MAX_STEPS)
MIDDLES = (WINDOWS + np.append(WINDOWS[1:], MAX_STEPS + 1) - 1) / 2


def clipped_training_word(data: Data) -> str:
    """Judge ten runs by the median of their losses at the end, a run that overflowed counting as the highest.

    Returns
    -------
    str
        "overflow"; "exploded" if it is above the error of who always answers 1; "solved" if it is below 0.01; else
        "unsolved".
    """
    end = np.median(_last(data))
    if np.isinf(end):
        return "overflow"
    return "exploded" if end > ASTRAY else "solved" if end < LEARNED else "unsolved"


def clipped_training(data: Data, controls: State) -> "go.Figure":
    """Draw the loss by training step; below it the gradient's norm before clipping, the limit, and percentiles."""
    word, limit = clipped_training_word(data), LIMITS[controls["limit"]]
    loss = np.clip(np.nan_to_num(data["loss"], nan=np.inf), *_inside(LOSS_POWERS))
    norm = np.clip(data["norm"], *_inside(NORM_POWERS))
    line, below = {"type": "scatter", "mode": "lines", "x": MIDDLES}, {"yaxis": "y2"}
    hatched = {"shape": "/" if np.isfinite(data["ended"]).any() else ""}
    traces = [
        figures.between(MIDDLES, loss.min(axis=0), loss.max(axis=0), COLOURS[word], name="all runs",
                        fillpattern=hatched),
        line | {"name": "loss", "y": np.median(loss, axis=0), "line": {"color": COLOURS[word], "width": 3.5},
                "hovertemplate": "step %{x:.0f}: loss %{y:.3g}<extra></extra>"},
        line | below | {"name": "90 %, largest", "x": np.tile(np.append(MIDDLES, np.nan), 2),
                        "y": np.pad(norm[1:], ((0, 0), (0, 1)), constant_values=np.nan).ravel(),
                        "line": {"color": figures.MUTED, "width": 1},
                        "hovertemplate": "step %{x:.0f}: %{y:.2g}<extra></extra>"},
        line | below | {"name": "median norm", "y": norm[0], "line": {"color": COLOURS[word], "width": 3.5},
                        "hovertemplate": "step %{x:.0f}: half below %{y:.2g}<extra></extra>"},
        _percentiles(data["percentiles"]),
        figures.labels((COLUMNS[0], NAIVE, "1/6", "middle right"), (COLUMNS[0], LEARNED, "solved", "middle right")),
    ]  # fmt: skip
    lines = [figures.reference_line(NAIVE, ENDS) | {"line": figures.THEORY}, figures.reference_line(LEARNED, ENDS)]
    if np.isfinite(limit):
        cut = {"line": {"color": figures.INK, "width": 2, "dash": "dash"}}
        lines.append(figures.reference_line(limit, ENDS, yref="y2") | cut)
    title = "not clipped" if np.isinf(limit) else f"clipped to {limit:g}"
    return figures.figure(
        traces,
        title={"text": f"Rate {controls['rate']:g}, {title}<br><sub>{_outcome(data)}; "
                       f"{figures.percent(float(data['clipped'].mean()))} clipped</sub>"},
        height=600,
        margin={"l": 64, "r": 12, "t": 64, "b": 52},
        xaxis={"type": "log", "range": np.log10([ENDS[0], WIDEST]), "anchor": "y2", "tickvals": [1, 10, 100, 1000],
               "ticktext": ["1", "10", "100", "1,000"], "title": {"text": "training step"}},
        yaxis=figures.powers_of_ten_axis(*LOSS_POWERS, step=1)
        | {"domain": [0.56, 1], "title": {"text": "loss: median, range"}},
        yaxis2=figures.powers_of_ten_axis(*NORM_POWERS, step=1)
        | {"domain": [0, 0.47], "title": {"text": "gradient norm, - - limit"}},
        shapes=lines,
    )  # fmt: skip


def _inside(powers: tuple[int, int]) -> tuple[float, float]:
    """Return the ends of an axis, so that what lies beyond is drawn at its edge."""
    return 10.0 ** powers[0], 10.0 ** powers[1]


def _percentiles(values: np.ndarray) -> dict[str, Any]:
    """Mark percentiles of the norms right of the steps, in columns so that no two texts touch; none beyond the axis."""
    low, high = _inside(NORM_POWERS)
    notes = [
        (x, round(float(value), 4) if low < value < high else np.nan, f"{percent} %", "middle right")
        for x, value, percent in zip(COLUMNS, values, PERCENTILES, strict=True)
    ]
    marker = {"symbol": "line-ew-open", "size": 9, "color": figures.INK, "opacity": 1, "line": {"width": 2}}
    return figures.labels(*notes, mode="markers+text", marker=marker, yaxis="y2", name="percentiles", size=12)


def _outcome(data: Data) -> str:
    last = _last(data)
    n_over, solved = int(np.isinf(last).sum()), f"{(last < LEARNED).sum()} of {len(last)} solved"
    return f"{n_over} of {len(last)} overflow" if n_over else f"ends at {_number(np.median(last))}; {solved}"


def _last(data: Data) -> np.ndarray:
    """Return the losses at the end, infinite for runs that overflowed."""
    return np.nan_to_num(data["last"], nan=np.inf, posinf=np.inf)


def clipped_training_reading(data: Data, controls: State) -> str:
    """Say what `clipped_training` shows, and how long a step can be."""
    last, ended, limit = _last(data), data["ended"], LIMITS[controls["limit"]]
    n_over, rate = int(np.isfinite(ended).sum()), controls["rate"]
    text = f"{(last < LEARNED).sum()} of {len(last)} runs end below {LEARNED:g}, {n_over or 'none'} overflow"
    if n_over:
        text += f" (after {_range(ended[np.isfinite(ended)], 4)} steps)"
    if n_over < len(last):
        losses = last[np.isfinite(last)]
        rest = "the others’ loss" if n_over else "the loss"
        text += f"; {rest} in the last {LAST} steps is {_range(losses)} (always answering 1: {NAIVE:.2g})"
    half, most, nearly_all = (_number(value) for value in data["percentiles"])
    text += f". Half of the gradients are shorter than {half}, 90 % than {most}, 99 % than {nearly_all}"
    if np.isinf(limit):
        return f"Rate {rate:g}, not clipped: {text}."
    share, longest = figures.percent(float(data["clipped"].mean())), limit * rate / (1 - MOMENTUM)
    return (
        f"Rate {rate:g}, limit {limit:g}: {text}; {share} of the steps were clipped, and none can be longer than "
        f"{limit:g} × {rate:g} / (1 − {MOMENTUM:g}) = {longest:.2g}."
    )


def _number(value: float, digits: int = 2) -> str:
    return f"{float(f'{value:.{digits}g}'):,g}" if value < 1e4 else figures.power_of_ten(float(value))


def _range(values: np.ndarray, digits: int = 2) -> str:
    """Write the smallest and the largest of some numbers, once if they read the same."""
    return " to ".join(dict.fromkeys(_number(end, digits) for end in (values.min(), values.max())))


def against_answering_1(data: Data, controls: State) -> str:
    """Answer the question of the lab: how good the middle run is at the end."""
    end = np.median(_last(data))
    if np.isinf(end):
        return "they overflow"
    return "no better than that" if end > NAIVE else "solved" if end < LEARNED else "better, but not solved"
