"""Gradient descent at a cliff of the loss: what lesson 08 draws of it and says about it."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_cliff import FAR, LANDSCAPE, RIDGE, STEPS, cliff_loss, landscape, wall

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

HEIGHT = 2.2  # of a loss of 1 in the picture, as many units of b
FRAME = np.array([[3.45, 1.15], [6.85, 5.0]])  # the picture's lower left and upper right
MARGIN = 0.015 * (FRAME[1] - FRAME[0])  # Plotly leaves out what stands beyond the frame
POWERS = (-4, 0)  # of ten of the loss that the lower panel shows
FLOOR = 10.0 ** (POWERS[0] + 0.1)
SMALL = 1e-6  # losses below are not told apart
SIZES = [14] + [7] * (STEPS - 1)
TICKS = (-2, -2.5, -3, -3.5)  # of b


def cliff(data: Data, controls: State) -> "go.Figure":
    """Draw the way over the loss in relief, w to the right and b into the picture, and below it the loss by step."""
    colour = figures.COLOURS[Verdict.EXPLODING if thrown_at(data) else Verdict.HEALTHY]
    x, y, leaves = _framed(data["w"], _upwards(data["b"], data["loss"]))
    clipped = np.flatnonzero(data["clipped"])
    loss = np.maximum(data["loss"], FLOOR)
    last = len(x) - 1
    over = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    below = {"type": "scatter", "xaxis": "x2", "yaxis": "y2"}
    ring = {"symbol": "circle-open", "size": 12, "color": figures.INK, "opacity": 1, "line": {"width": 1.5}}
    traces = [
        over | _face() | {"name": "cliff", "mode": "none", "fill": "toself", "fillcolor": figures.band(figures.MUTED)},
        over | _relief() | {"name": "loss in relief", "line": {"color": figures.MUTED, "width": 1}, "opacity": 0.7},
        over | {"name": "way", "mode": "lines+markers", "x": x[:-1], "y": y[:-1], "line": {"color": colour, "width": 2},
                "marker": {"size": SIZES, "color": colour, "opacity": 1, "line": {"width": 0}}},
        over | {"name": "clipped", "mode": "markers", "x": x[clipped[clipped < last]], "y": y[clipped[clipped < last]],
                "marker": ring},
        over | {"name": "end", "mode": "lines+markers", "x": x[-2:], "y": y[-2:], "line": {"color": colour, "width": 2},
                "marker": {"symbol": "arrow" if leaves else "square", "angleref": "previous" if leaves else "up",
                           "size": [0, 22 if leaves else 12], "color": colour if leaves else figures.INK, "opacity": 1,
                           "line": {"width": 0}}},
        figures.labels(
            (LANDSCAPE["w"][1], FRAME[1, 1] - 0.02, "plateau: loss about 0.4", "bottom left"),
            (LANDSCAPE["w"][1], FRAME[0, 1] + 0.33, "floor: loss below 0.1", "bottom left"),
        ),
        below | {"name": "loss", "mode": "lines+markers", "x": np.arange(STEPS + 1), "y": loss,
                 "line": {"color": colour, "width": 2}, "marker": {"size": 6, "color": colour, "opacity": 1},
                 "hovertemplate": "step %{x}: loss %{y:.2g}<extra></extra>"},
        below | {"name": "clipped steps", "mode": "markers", "x": clipped, "y": loss[clipped], "marker": ring,
                 "hoverinfo": "skip"},
    ]  # fmt: skip
    ticks = [float(_upwards(b, _loss_at_the_left(b))) for b in TICKS]
    return figures.figure(
        traces,
        title={"text": f"Gradient descent at a cliff<br><sub>{_legend(data, len(x) - 1, leaves)}</sub>"},
        height=640,
        margin={"l": 60, "r": 14, "t": 68, "b": 50},
        xaxis={"range": FRAME[:, 0], "anchor": "y", "tickvals": [4, 5, 6], "showgrid": False,
               "title": {"text": "w"}, "automargin": False, "fixedrange": True},
        yaxis={"range": FRAME[:, 1], "domain": [0.36, 1], "tickvals": ticks, "showgrid": False, "fixedrange": True,
               "ticktext": [f"{b:g}".replace("-", "−") for b in TICKS], "title": {"text": "b (backwards)"},
               "automargin": False},
        xaxis2={"range": [-1, STEPS + 1], "anchor": "y2", "title": {"text": "steps of gradient descent"},
                "automargin": False},
        yaxis2=figures.powers_of_ten_axis(*POWERS, step=2)
        | {"domain": [0, 0.24], "title": {"text": "loss"}, "anchor": "x2", "automargin": False},
    )  # fmt: skip


def _upwards(b: np.ndarray | float, loss: np.ndarray | float) -> np.ndarray:
    """Where a place stands in the picture: the further back (b falls) and the higher its loss, the higher up."""
    return HEIGHT * np.asarray(loss) - np.asarray(b)


def _loss_at_the_left(b: float) -> float:
    """Return the loss at the left edge."""
    _, heights, loss = landscape()
    return float(np.interp(-b, -heights, loss[:, 0]))


@cache
def _relief() -> dict[str, np.ndarray]:
    """Return the lines of constant b, one after the other, with as few points as show them."""
    w, b, loss = landscape()
    lines = [np.array([w, up])[:, _bends(w, up, 0.004)].round(3) for up in _upwards(b[:, None], loss)]
    x, y = np.hstack([np.append(line, [[np.nan], [np.nan]], axis=1) for line in lines])
    return {"x": x, "y": y}


def _bends(x: np.ndarray, y: np.ndarray, error: float) -> list[int]:
    """Choose the points between which a line is straight, to within ``error`` (Douglas and Peucker)."""
    away = abs(y - np.interp(x, x[[0, -1]], y[[0, -1]]))
    far = int(away.argmax())
    if away[far] <= error:
        return [0, len(x) - 1]
    return [*_bends(x[: far + 1], y[: far + 1], error)[:-1], *(far + k for k in _bends(x[far:], y[far:], error))]


@cache
def _face() -> dict[str, np.ndarray]:
    """Return the outline of the cliff: its foot from left to right, its edge back."""
    w = np.linspace(RIDGE, LANDSCAPE["w"][1], 25)
    width = np.minimum(0.1 * (w - RIDGE), 0.03)  # of the strip that is shaded: it begins where the cliff does
    foot, edge = (_upwards(wall(w) + side, cliff_loss(w, wall(w) + side)["loss"]) for side in (width, -width))
    return {"x": np.append(w, w[:0:-1]).round(3), "y": np.append(foot, edge[:0:-1]).round(3)}


def _framed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Cut a way where it first leaves the picture, and say whether it does; what comes after is not drawn."""
    way, (low, high) = np.stack([x, y], axis=-1), (FRAME[0] + MARGIN, FRAME[1] - MARGIN)
    outside = np.flatnonzero(((way < low) | (way > high)).any(axis=-1))
    if not outside.size:
        return x, y, False
    before, out = way[outside[0] - 1], way[outside[0]]
    border = np.where(out > before, high, low)
    with np.errstate(divide="ignore"):
        share = np.min((border - before) / (out - before))  # of the step that is seen
    x, y = np.append(way[: outside[0]], [before + share * (out - before)], axis=0).T
    return x, y, True


def _legend(data: Data, last: int, leaves: bool) -> str:
    """Say what the marks mean, and where the step goes that leaves the picture."""
    if not leaves:
        return "height: the loss; ● start, ■ end, ○ clipped"
    return f"{'○ clipped' if data['clipped'].any() else '● start'}; step {last} lands at {_place(data, last)}"


def _place(data: Data, step: int) -> str:
    return ", ".join(f"{name} = {_short(data[name][step])}" for name in "wb")


def thrown_at(data: Data) -> int:
    """Return the first step that is longer than `FAR`, counted from 1; 0 where there is none."""
    far = np.flatnonzero(data["length"] > FAR)
    return int(far[0]) + 1 if far.size else 0


def cliff_reading(data: Data, controls: State) -> str:
    """Say what `cliff` shows."""
    how = {"no_clipping": "no clipping", "by_norm": f"norm at most {controls['limit']:g}",
           "by_value": f"entries at most {controls['limit']:g}"}[controls["rule"]]  # fmt: skip
    far, loss, clipped = thrown_at(data), data["loss"][-1], int(data["clipped"].sum())
    longest = f"the longest step is {_short(data['length'].max())}"
    if far:
        longest = (
            f"step {far} meets a gradient of {_short(data['norm'][far - 1])} and is {_short(data['length'][far - 1])} "
            f"long; it lands at {_place(data, far)}, where the gradient is {_short(data['norm'][far])}"
        )
    cut = "" if how == "no clipping" else f" {clipped} of {STEPS} steps {'was' if clipped == 1 else 'were'} clipped."
    return (
        f"Start {controls['start'].replace('_', ' ')}, rate {controls['rate']:g}, {how}: {longest}; "
        f"after {STEPS} steps the loss is {_short(loss) if loss > SMALL else 'below 10⁻⁶'}.{cut}"
    )


def cliff_answer(data: Data, controls: State) -> float:
    """Answer the question of the lab: the length of the first step, as a power of ten."""
    return float(np.log10(data["length"][0]))


def _short(value: float) -> str:
    """Write a number of either sign to two digits."""
    size = float(f"{abs(value):.2g}")
    text = figures.power_of_ten(size) if 0 < size < 0.0001 or size >= 1e8 else f"{size:,.10g}"
    return f"−{text}" if value < 0 else text
