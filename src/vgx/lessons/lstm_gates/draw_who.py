"""Who did it: what lesson 06 draws and says about the effect of the past on an answer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_who import DIGITS, LENGTH, MODULES

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

COLOURS = {"rnn": figures.ACTIVATIONS["tanh"], "lstm": figures.ACTIVATIONS["sigmoid"]}
"""A cell has the colour of what bounds it: an RNN's state a tanh, an LSTM's gates a sigmoid."""

PLACES = np.arange(1, LENGTH + 1)
ENDS = (0.3, LENGTH + 0.7)
HALF_BAR, HALF_RANGE = 0.36, 0.04
FINE = 200  # steps to 100 % in which a share is drawn: half a pixel
LAST = 3  # digits at the end, which an untrained network hears best


def who_did_it(data: Data, controls: State) -> "go.Figure":
    """Draw under an answer's digits their shares of its gradient; below, how often the answer is right by place."""
    cell = controls["cell"]
    low, share, high = (_rounded(of(data["share"], axis=0)) for of in (np.min, np.median, np.max))
    changed = np.median(data["changed"], axis=0)
    traces = [
        _boxes(np.zeros(LENGTH), share, HALF_BAR, COLOURS[cell], "share of the gradient") | {"opacity": 0.6},
        _boxes(low, high, HALF_RANGE, figures.INK, "range"),
        {"type": "scatter", "mode": "markers", "name": "exchanged", "x": PLACES, "cliponaxis": False,
         "y": np.where(changed > 0, changed, np.nan),
         "marker": {"symbol": "diamond-open", "size": 9, "color": figures.INK, "line": {"width": 2}},
         "hovertemplate": "another digit here: %{y:.0%} of them change the answer<extra></extra>"},
        *(_accuracy(kind, accuracies) for kind, accuracies in zip(MODULES, data["accuracy"], strict=True)),
        figures.labels(*(_name(*each) for each in zip(MODULES, data["accuracy"], strict=True)), yaxis="y2"),
    ]  # fmt: skip
    mark, digits = int(data["mark"]), data["digits"]
    symbols = [f"<b>{digit}<br>▲</b>" if place == mark else str(digit) for place, digit in enumerate(digits)]
    return figures.figure(
        traces,
        title={"text": f"{MODULES[cell]}, {_after(controls['step'])}<br>"
                       "<sub>bars: gradient; ◇: exchanges that matter</sub>"},
        height=540,
        margin={"l": 64, "r": 12, "t": 72, "b": 24},
        xaxis={"type": "linear", "range": ENDS, "anchor": "y", "tickvals": PLACES, "ticktext": symbols, "tickangle": 0,
               "showgrid": False,
               "title": {"text": f"marked ▲ {digits[mark]}; answers {' '.join(map(str, data['answers']))}"}},
        yaxis={"type": "linear", "range": [-0.03, 1.03], "domain": [0.5, 1], "tickvals": [0, 0.5, 1],
               "ticktext": ["0", "50 %", "100 %"], "title": {"text": "share"}},
        yaxis2={"type": "linear", "range": [-0.12, 1.2], "domain": [0, 0.3], "tickvals": [1 / DIGITS, 0.5, 1],
                "ticktext": ["guess", "50 %", "100 %"], "title": {"text": "right if ▲ here"}},
        shapes=[figures.reference_line(1 / DIGITS, ENDS, "y2")],
    )  # fmt: skip


def who_reading(data: Data, controls: State) -> str:
    """Say what the networks answer, what the marked digit and the last ones have of the gradient, and what decides."""
    mark, right = int(data["mark"]), data["digits"][data["mark"]]
    answers, lag = data["answers"], LENGTH - 1 - mark
    named = int(np.sum(answers == right))
    where = f"mark {lag} step{'s' * (lag != 1)} back" if lag else "mark at the end"
    of_mark, of_last = data["share"][:, mark], data["share"][:, -LAST:].sum(axis=1)
    ends = f" ({low} to {high})" if (low := _share(of_mark.min())) != (high := _share(of_mark.max())) else ""
    changed = np.round(9 * np.median(data["changed"], axis=0)).astype(int)
    others = np.delete(changed, mark).max()
    return (
        f"{MODULES[controls['cell']]} {_after(controls['step'])}, {where}: {named} of {len(answers)} networks "
        f"name{'s' * (named == 1)} the {right} (answers {', '.join(map(str, answers))}). The marked digit has "
        f"{_share(np.median(of_mark))} of the gradient{ends}, the last {LAST} digits have "
        f"{_share(np.median(of_last))}. Exchanged, the marked digit changes the answer in {changed[mark]} of 9 cases, "
        f"another one in {f'up to {others}' if others else 'none'} (medians)."
    )


def share_of_the_mark(data: Data, _: State) -> float:
    """Return the marked digit's share of the gradient in per cent, the median over the networks."""
    return 100 * float(np.median(data["share"][:, int(data["mark"])]))


def _boxes(low: np.ndarray, high: np.ndarray, half: float, colour: str, name: str) -> dict[str, Any]:
    """Draw a box a digit as one outline, from box to box along the bottom and the same way back."""
    x = PLACES[:, None] + half * np.array([-1, -1, 1, 1, -1])
    y = np.stack([low, high, high, low, low], axis=1)
    return {
        "type": "scatter", "mode": "none", "name": name, "hoverinfo": "skip", "fill": "toself", "fillcolor": colour,
        "x": np.append(x, x[::-1, 0]), "y": np.append(y, y[::-1, 0]),
    }  # fmt: skip


def _accuracy(cell: str, accuracies: np.ndarray) -> dict[str, Any]:
    """Draw a cell's accuracy by place of the mark: median and, as error bars, the range over the networks."""
    low, middle, high = (of(accuracies, axis=0) for of in (np.min, np.median, np.max))
    return {
        "type": "scatter", "mode": "lines", "name": MODULES[cell], "x": PLACES, "y": middle, "yaxis": "y2",
        "line": {"color": COLOURS[cell], "width": 3, "dash": "dot" if cell == "rnn" else "solid"},
        "error_y": {"array": high - middle, "arrayminus": middle - low, "width": 0, "thickness": 1.5},
        "hovertemplate": f"{MODULES[cell]}, mark here: %{{y:.0%}} right<extra></extra>",
    }  # fmt: skip


def _name(cell: str, accuracies: np.ndarray) -> tuple[float, float, str, str]:
    """Name a line at its left end, the LSTM's from above, the RNN's from below."""
    return (
        PLACES[0],
        float(np.median(accuracies[:, 0])),
        MODULES[cell],
        f"{'top' if cell == 'lstm' else 'bottom'} right",
    )


def _rounded(share: np.ndarray) -> np.ndarray:
    return np.round(FINE * share) / FINE


def _share(share: float) -> str:
    """Write a share in per cent, a small one as a power of ten: what is forgotten is forgotten geometrically."""
    return figures.percent(share) if share >= 0.005 else figures.power_of_ten(share)


def _after(step: int) -> str:
    return f"after {step:,} steps" if step else "before the first step"
