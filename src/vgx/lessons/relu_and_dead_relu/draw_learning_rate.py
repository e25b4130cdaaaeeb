"""What a learning rate kills: what lesson 04 draws and says about it."""

from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_dead_by_rate import EPOCHS
from .measure_learning_rate import LEARNING_RATES, TRAINED

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

CHANCE = log(10)
MANY = 0.1  # of the units dead
LOSSES = (-5, 5)  # powers of ten
LAST_EPOCH = EPOCHS[-1]
ENDS = (LEARNING_RATES[0] / 10**0.1, LEARNING_RATES[-1] * 10**0.1)
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}


def learning_rate_kills(data: Data, controls: State) -> "go.Figure":
    """Draw by learning rate the share of dead units and the training loss, medians and ranges over the seeds."""
    colour = figures.ACTIVATIONS[controls["activation"]]
    gone = np.mean(~np.isfinite(data["loss"]), axis=1)
    line = {"type": "scatter", "mode": "lines", "x": LEARNING_RATES}
    own = {"line": {"color": colour, "width": 3}}
    lower = {"yaxis": "y2"}
    traces = [
        _band(data["dead"], colour),
        line | {"name": "z < 0 on every digit", "y": _median(data["negative"]),
                "line": {"color": figures.INK, "width": 2, "dash": "dot"},
                "hovertemplate": "rate %{x}: %{y:.1%} of the units negative on every digit<extra></extra>"},
        line | own | {"name": "dead", "y": _median(data["dead"]),
                      "hovertemplate": "rate %{x}: %{y:.1%} of the units dead<extra></extra>"},
        {"type": "scatter", "mode": "markers", "name": "runs that overflowed", "x": LEARNING_RATES,
         "y": np.where(gone > 0, gone, np.nan), "cliponaxis": False,
         "marker": {"symbol": "x", "size": 10, "color": figures.COLOURS[Verdict.OVERFLOW]},
         "hovertemplate": "rate %{x}: %{y:.0%} of the runs overflowed<extra></extra>"},
        _band(_shown(data["loss"]), colour) | lower,
        line | own | lower | {"name": "loss", "y": _median(_shown(data["loss"])),
                              "hovertemplate": "rate %{x}: loss %{y:.3g}<extra></extra>"},
    ]  # fmt: skip
    name = f"{TRAINED[controls['activation']]} with {OPTIMIZERS[controls['optimizer']]}"
    when = "at the start" if controls["epoch"] == 0 else _epochs(controls["epoch"])
    return figures.figure(
        traces,
        title={"text": f"Dead units: {name}<br>"
                       f"<sub>{when}; dotted: z < 0; ✕: overflow</sub>"},
        height=540,
        margin={"l": 68, "r": 16, "t": 72, "b": 52},
        xaxis=figures.powers_of_ten_axis(-3, 0, step=1) | {"range": np.log10(ENDS), "anchor": "y2",
                                                           "title": {"text": "learning rate"}},
        yaxis={"range": [-0.03, 1.03], "domain": [0.53, 1], "tickvals": [0, 0.5, 1],
               "ticktext": ["0", "50 %", "100 %"], "title": {"text": "units dead"}},
        yaxis2={"type": "log", "range": LOSSES, "tickvals": [1e-4, 1e-2, CHANCE, 1e2, 1e4],
                "ticktext": ["10⁻⁴", "10⁻²", "guessing", "10²", "10⁴"], "domain": [0, 0.45],
                "title": {"text": "training loss"}},
        shapes=[figures.reference_line(CHANCE, ENDS, "y2")],
    )  # fmt: skip


def learning_rate_reading(data: Data, controls: State) -> str:
    """Say where the loss is least, where units begin to die, and where the loss is no better than that of guessing."""
    name = f"{TRAINED[controls['activation']]} with {OPTIMIZERS[controls['optimizer']]}"
    dead, loss, over = _median(data["dead"]), _median(data["loss"]), np.sum(~np.isfinite(data["loss"]), axis=1)
    if controls["epoch"] == 0:
        share = figures.percent(dead[0])
        return f"{name}, before the first step: {share} of the units are dead, the loss is {loss[0]:.3g}."
    best = int(np.nanargmin(loss))
    parts = [
        f"the loss is least at rate {LEARNING_RATES[best]:g} "
        f"({_number(loss[best])}, {figures.percent(dead[best])} dead)"
    ]
    many = np.flatnonzero(dead >= MANY)
    if many.size:
        rate, share, then = LEARNING_RATES[many[0]], figures.percent(dead[many[0]]), _number(loss[many[0]])
        parts.append(f"at {rate:g} already {share} of the units are dead and the loss is {then}")
    worse = np.flatnonzero(loss[best:] >= CHANCE) + best
    if worse.size:
        said = f"from {LEARNING_RATES[worse[0]]:g} on it is above guessing’s {CHANCE:.2f}"
        said += f", up to {figures.percent(most)} are dead" if (most := np.nanmax(dead[worse])) else ""
        parts.append(said + _right(data["test_accuracy"][worse]) * (controls["epoch"] == LAST_EPOCH))
    if controls["activation"] == "leaky_relu":
        share = figures.percent(np.nanmax(_median(data["negative"])))
        parts.append(f"no unit is dead, though up to {share} are negative on every digit")
    elif not many.size:
        parts.append("where half of the runs or more go on, less than a tenth of the units is dead")
    if over.any():
        counts = (f"{count} at {rate:g}" for rate, count in zip(LEARNING_RATES, over, strict=True) if count)
        parts.append(f"of {data['loss'].shape[1]} runs overflow {' and '.join(counts)}")
    return f"{name}, after {_epochs(controls['epoch'])}: {'; '.join(parts)}."


def _right(accuracies: np.ndarray) -> str:
    """Say how many test digits are right at several rates."""
    medians = _median(accuracies)
    low, high = (f"{100 * end:.0f}" for end in (np.nanmin(medians), np.nanmax(medians)))
    return f", {low if low == high else f'{low} to {high}'} % of the test digits are right"


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the runs that did not overflow, NaN where these are fewer than half of them."""
    finite = np.isfinite(values)
    enough = 2 * finite.sum(axis=1) >= values.shape[1]
    return np.array([np.median(row[of]) if e else np.nan for row, of, e in zip(values, finite, enough, strict=True)])


def _shown(loss: np.ndarray) -> np.ndarray:
    return np.clip(loss, 10.0 ** LOSSES[0], 10.0 ** LOSSES[1])  # NaN stays


def _band(values: np.ndarray, colour: str) -> dict[str, Any]:
    """Draw the range of the runs that did not overflow, at the rates where there are any."""
    some = np.isfinite(values).any(axis=1)
    rates = np.array(LEARNING_RATES)[some]
    low, high = np.nanmin(values[some], axis=1), np.nanmax(values[some], axis=1)
    return figures.between(rates, low, high, colour, name="range")


def _number(loss: float) -> str:
    """Write a loss to two digits."""
    if 1e-3 <= loss < 100:
        return f"{loss:.2g}"
    power = 10.0 ** np.floor(np.log10(loss))
    return f"{loss / power:.1f} · {figures.power_of_ten(power)}"


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count > 1)}"
