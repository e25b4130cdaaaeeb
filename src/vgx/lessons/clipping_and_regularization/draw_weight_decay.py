"""Weight decay: what lesson 08 draws of it and says about it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure_weight_decay import BATCH, RATE, STRENGTHS, TRAINED_ON, WIDTH
from .measure_weight_decay_shown import half_life

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

PLACES = np.log10([1e-6, *STRENGTHS[1:]])  # on the axis of strengths: none stands one decade left of the least
TICKED = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
ENDS = (-6.4, -0.6)
LOWEST, HIGHEST = -12, 10  # powers of ten of the gradient's ratio
STEPS_AN_EPOCH = TRAINED_ON // BATCH
SEVERAL = 0.05  # of the digits: less is no clear difference
NAMES = {"tanh": "tanh", "relu": "ReLU"}
GUESSING = 0.1


def weight_decay(data: Data, controls: State) -> "go.Figure":
    """Draw by strength the gradient's ratio, first to last hidden layer, and the share of the digits that are right."""
    ratio, rights = _median(data["gradient"]), data["accuracy"].round(2)
    words = verdict_of_ratio(ratio)
    plain = {"size": 11, "opacity": 1, "line": {"width": 0}, "color": figures.MUTED}
    judged = plain | {"color": [figures.COLOURS[word] for word in words]}
    gone = np.isnan(data["accuracy"]).mean(axis=1)
    point = {"type": "scatter", "mode": "lines+markers", "x": PLACES, "marker": plain, "cliponaxis": False,
             "line": {"color": figures.MUTED, "width": 1.5}, "customdata": STRENGTHS}  # fmt: skip
    lower, start = {"yaxis": "y2"}, np.median(data["start"])
    traces = [
        {"type": "scatter", "mode": "lines", "name": "before training", "x": ENDS, "y": [start, start],
         "line": {"color": figures.MUTED, "width": 2, "dash": "dot"}, "hoverinfo": "skip"},
        point | {"name": "gradient", "y": _shown(ratio), **_bars(_shown(data["gradient"]), _shown(ratio)),
                 "marker": judged, "hovertemplate": "λ = %{customdata}: ratio %{y:.1e}<extra></extra>"},
        point | lower | {"name": "right", "y": _median(rights), **_bars(rights, _median(rights)),
                         "hovertemplate": "λ = %{customdata}: %{y:.0%} right<extra></extra>"},
        {"type": "scatter", "mode": "markers", "name": "overflowed", "x": PLACES, "cliponaxis": False,
         "y": np.where(gone > 0, gone, np.nan), "hovertemplate": "%{y:.0%} of the runs overflowed<extra></extra>",
         "marker": {"symbol": "x", "size": 10, "opacity": 1, "color": figures.COLOURS[Verdict.OVERFLOW]}} | lower,
    ]  # fmt: skip
    powers = figures.powers_of_ten_axis(LOWEST, HIGHEST, step=4)
    powers["ticktext"][0] = "≤ " + powers["ticktext"][0]
    return figures.figure(
        traces,
        title={"text": f"{controls['kind']} decay: {controls['depth']} layers of {NAMES[controls['activation']]}"
                       f"<br><sub>{controls['scale']:g} × critical, epoch {controls['epoch']}, {len(data['start'])} "
                       "seeds; ✕: overflow</sub>"},
        height=560,
        margin={"l": 68, "r": 16, "t": 72, "b": 84},
        xaxis={"type": "linear", "range": ENDS, "anchor": "y2", "tickangle": 0, "tickvals": PLACES[_ticked()],
               "ticktext": [f"{_strength(STRENGTHS[k])}<br>{_epochs(STRENGTHS[k], controls)}" for k in _ticked()],
               "title": {"text": "strength λ<br><sub>below: half-life by decay alone, epochs</sub>"}},
        yaxis=powers | {"domain": [0.43, 1], "title": {"text": "gradient, first / last layer"}},
        yaxis2={"range": [-0.04, 1.04], "domain": [0, 0.36], "tickvals": [0, GUESSING, 0.5, 1],
                "ticktext": ["0", "10 %", "50 %", "100 %"], "title": {"text": "digits right"}},
        shapes=[figures.reference_line(1, ENDS), figures.reference_line(GUESSING, ENDS, "y2")],
    )  # fmt: skip


def _ticked() -> list[int]:
    return [STRENGTHS.index(strength) for strength in TICKED]


def _epochs(strength: float, controls: State) -> str:
    """Write how many epochs decay alone needs to halve a weight of the usual size."""
    variance = (1 if controls["activation"] == "tanh" else 2) / WIDTH
    weight = controls["scale"] * math.sqrt(variance)
    epochs = half_life(controls["kind"], strength, rate=RATE, weight=weight) / STEPS_AN_EPOCH
    if math.isinf(epochs):
        return "∞"
    if epochs >= 1000:
        return f"{epochs / 1000:.2g}k"
    return f"{epochs:.1g}" if epochs < 1 else f"{epochs:.0f}"


def _shown(ratio: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # two digits, for the page's weight; NaN stays
        return 10.0 ** np.clip(np.log10(ratio), LOWEST + 0.2, HIGHEST).round(2)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the runs that did not overflow, NaN where these are fewer than half of them."""
    finite = np.isfinite(values)
    enough = 2 * finite.sum(axis=1) >= values.shape[1]
    return np.array([np.median(row[of]) if e else np.nan for row, of, e in zip(values, finite, enough, strict=True)])


def _bars(values: np.ndarray, middle: np.ndarray) -> dict[str, Any]:
    """Draw the range of the runs that did not overflow."""
    with np.errstate(all="ignore"):
        low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    return {"error_y": {"array": high - middle, "arrayminus": middle - low, "width": 0, "thickness": 1.5,
                        "color": figures.MUTED}}  # fmt: skip


def _strength(value: float) -> str:
    """Write a strength: 0, a power of ten, or a multiple of one."""
    if value == 0:
        return "0"
    power = math.floor(math.log10(value) + 1e-9)
    digit, ten = round(value / 10.0**power), "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return ten if digit == 1 else f"{digit} · {ten}"


def _when(epoch: int) -> str:
    return "before training" if epoch == 0 else f"after {epoch} epoch{'s' * (epoch > 1)}"


def weight_decay_reading(data: Data, controls: State) -> str:
    """Say what there is without decay, at the strength that serves best, and from where decay does harm."""
    ratio, right, size, radius = (_median(data[name]) for name in ("gradient", "accuracy", "size", "radius"))
    name = f"{controls['depth']} layers of {NAMES[controls['activation']]}, {controls['scale']:g} × critical"
    begin = f"{name}, {_when(controls['epoch'])}"
    start, first = figures.power_of_ten(np.median(data["start"])), np.median(data["start_largest"])
    if controls["epoch"] == 0:
        return (
            f"{begin}: the first hidden layer’s gradient is {start} times the last one’s; the hidden layers’ weights "
            f"have a largest singular value of {first:.1f}. Decay has done nothing yet."
        )
    gone = np.isnan(data["accuracy"])
    over = f"{gone[1:].sum()} of {gone[1:].size} runs with {controls['kind']} overflowed, without decay {gone[0].sum()}"
    over = f"{over} of {gone[0].size}"
    if np.isnan(right).all():
        return f"{begin}: {over}; before training the first hidden layer’s gradient was {start} times the last one’s."
    low, high = np.fmin.reduce(data["accuracy"], axis=1), np.fmax.reduce(data["accuracy"], axis=1)

    def at(k: int) -> str:
        return (
            f"{figures.percent(right[k])} ({100 * low[k]:.0f}–{100 * high[k]:.0f} %; ratio "
            f"{figures.power_of_ten(ratio[k])}, weights × {size[k]:.2g}, spectral radius {radius[k]:.2g})"
        )

    parts = ["most runs overflowed without decay" if np.isnan(right[0]) else f"digits right without decay {at(0)}"]
    fewer = (right < right[0] - SEVERAL) & (high < low[0])  # no run has as many as the worst without decay
    best, worse = int(np.nanargmax(right)), np.flatnonzero(~fewer)[-1] + 1
    if right[best] >= np.nan_to_num(right[0]) + SEVERAL:
        parts.append(f"most at λ = {_strength(STRENGTHS[best])}, {at(best)}")
    if worse < len(STRENGTHS):
        parts.append(f"clearly fewer from λ = {_strength(STRENGTHS[worse])} on, {at(worse)}")
    if len(parts) == 1:
        parts.append("with it no clear change")
    parts += [over] if gone.any() else []
    return f"{begin} (before training: ratio {start}): {'; '.join(parts)}."


def least_that_survives(data: Data, controls: State) -> str:
    """Answer the question of the lab: the least strength at which most runs do not overflow."""
    survives = np.flatnonzero(np.isfinite(_median(data["accuracy"])))
    return _strength(STRENGTHS[survives[0]]) if survives.size else "none of them"
