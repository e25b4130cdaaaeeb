"""Why BatchNorm helps: what lesson 07 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_why_it_helps import EVERY, LAST, NETWORKS, RATES
from .measure_why_it_helps_shown import GUESSING, TRAINS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

NAMES = {"none": "no norm", "batchnorm": "BatchNorm", "noise": "BatchNorm + noise"}
SIGNS = {"none": ("circle", "● no norm"), "batchnorm": ("square", "■ BatchNorm"), "noise": ("diamond", "◆ + noise")}
PHIS = {"relu": "ReLU", "sigmoid": "sigmoid"}
DRAWN = {  # title, axis, powers of ten at its ends, and the words of the reading
    "input_shift": ("Shift of the inputs in a step", "in widths (sd)", (-5, 1),
                    "in a step the input of a hidden unit shifts by {} of its width"),
    "gradient_shift": ("Shift of a layer’s gradient", "in its lengths", (-4, 1),
                       "when the layers before it make their step, a layer’s gradient shifts by {} of its length"),
    "loss_spread": ("Loss along the gradient", "highest − lowest", (-3, 2),
                    "up to 4 steps along the gradient, the loss spreads over {}"),
    "gradient_change": ("Change of the gradient along it", "in its lengths", (-2, 1),
                        "after a step along it, the gradient has changed by {} of its length"),
}  # fmt: skip
LOWEST, HIGHEST = 0.5, 100
RATE_ENDS = (RATES[0] / 1.3, RATES[-1] * 1.3)


def why_it_helps(data: Data, controls: State) -> "go.Figure":
    """Draw the measure by step, and below the error at the end by learning rate, of all three networks."""
    chosen = NETWORKS.index(controls["network"])
    colour, n_seeds = figures.ACTIVATIONS[controls["activation"]], data["values"].shape[1]
    title, axis, powers, _ = DRAWN[controls["measure"]]
    steps, lower = EVERY * np.arange(data["values"].shape[2]), {"xaxis": "x2", "yaxis": "y2"}
    values = _shown(data["values"], *10.0 ** np.array(powers))
    middle, error = _median(values), np.median(data["error"], axis=-1)
    line = {"type": "scatter", "mode": "lines"}
    strong, faint = {"line": {"color": colour, "width": 4}}, {"line": {"color": figures.MUTED, "width": 1.5}}
    hover = "step %{x}: %{y:.2g}<extra></extra>"
    hover_error = "rate %{x}: %{y:.1f} % wrong<extra></extra>"
    used = [RATES.index(rate) for rate in data["rates"].tolist()]
    traces = [
        line | faint | {"name": "others", **_others(steps, middle, chosen), "hovertemplate": hover},
        figures.between(steps, *_range(values[chosen], middle[chosen]), colour, name="range"),
        line | strong | {"name": "chosen", "x": steps, "y": middle[chosen], "hovertemplate": hover},
        _named(steps, middle, np.isnan(data["typical"]).all(axis=1), powers),
        line | faint | lower | {"name": "others at the end", **_others(RATES, error, chosen),
                                "hovertemplate": hover_error},
        figures.between(np.array(RATES), data["error"][chosen].min(-1), data["error"][chosen].max(-1), colour,
                        name="range at the end", **lower),
        line | strong | lower | {"name": "chosen at the end", "x": RATES, "y": error[chosen],
                                 "hovertemplate": hover_error},
        {"type": "scatter", "mode": "markers", "name": "shown above", "hoverinfo": "skip", **lower,
         "x": data["rates"], "y": [error[k, at] for k, at in enumerate(used)],
         "marker": {"size": [12 if k == chosen else 9 for k in range(len(used))], "opacity": 1,
                    "symbol": [symbol for symbol, _ in SIGNS.values()],
                    "color": [colour if k == chosen else figures.MUTED for k in range(len(used))]}},
    ]  # fmt: skip
    rate = "best rates" if controls["rate"] == "best" else f"all at rate {controls['rate']}"
    return figures.figure(
        traces,
        title={"text": f"{title}<br><sub>{PHIS[controls['activation']]}, {rate}, {n_seeds} seeds: range</sub>"},
        height=560,
        margin={"l": 64, "r": 12, "t": 64, "b": 56},
        xaxis={"type": "linear", "range": [0, 1.6 * steps[-1]], "tickvals": [0, 100, 200, 300, 400],
               "title": {"text": "step"}, "anchor": "y"},
        yaxis=figures.powers_of_ten_axis(*powers, step=1) | {"domain": [0.57, 1], "title": {"text": axis}},
        xaxis2={"type": "log", "range": np.log10(RATE_ENDS), "tickvals": [0.0125, 0.1, 0.8, 6.4, 51.2],
                "ticktext": ["0.0125", "0.1", "0.8", "6.4", "51.2"], "anchor": "y2",
                "title": {"text": "learning rate (● ■ ◆ as above)"}},
        yaxis2={"type": "log", "range": [np.log10(LOWEST), np.log10(HIGHEST)], "tickvals": [1, 10, GUESSING],
                "ticktext": ["1 %", "10 %", "guessing"], "domain": [0, 0.4], "anchor": "x2",
                "title": {"text": f"wrong, last {LAST} steps"}},
        shapes=[figures.reference_line(TRAINS, RATE_ENDS, "y2") | {"xref": "x2"}],
    )  # fmt: skip


def _shown(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Keep values inside the axis; what is no number stays away."""
    return np.clip(np.where(np.isnan(values), np.nan, values), 1.05 * low, high / 1.05)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the seeds (last axis but one), NaN where fewer than half of them are numbers."""
    enough = 2 * np.isfinite(values).sum(axis=-2) >= values.shape[-2]
    kept = np.where(enough[..., None, :], values, 0)
    return np.where(enough, np.nanmedian(kept, axis=-2), np.nan)


def _range(values: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = np.where(np.isfinite(middle), values, 0)
    return tuple(np.where(np.isfinite(middle), of(kept, axis=0), np.nan) for of in (np.nanmin, np.nanmax))


def _others(x: Any, rows: np.ndarray, but: int) -> dict[str, Any]:
    """Draw the other networks' lines as one with a gap."""
    y = np.pad(np.delete(rows, but, axis=0), ((0, 0), (0, 1)), constant_values=np.nan)
    return {"x": np.tile([*x, np.nan], len(y)), "y": y.ravel()}


def _named(steps: np.ndarray, middle: np.ndarray, over: np.ndarray, powers: tuple[int, int]) -> dict[str, Any]:
    """Name the networks right of their lines, moved so that no two names touch; one that overflows at the top left."""
    least = 0.1 * (powers[1] - powers[0])
    ends = [10.0 ** powers[1] if gone else row[np.isfinite(row)][-1] for row, gone in zip(middle, over, strict=True)]
    heights = np.log10(ends)
    order, ceiling = np.argsort(heights), powers[1] - 0.6 * least
    for k in order[::-1]:
        heights[k] = ceiling = min(heights[k], ceiling)
        ceiling -= least
    heights += max(0.0, powers[0] + 0.6 * least - heights.min())
    notes = [
        (30 if gone else 1.02 * steps[-1], round(float(10**height), 6), name + ": overflow" * gone, "middle right")
        for (_, name), height, gone in zip(SIGNS.values(), heights, over.tolist(), strict=True)
    ]
    return figures.labels(*notes, size=12)


def why_reading(data: Data, controls: State) -> str:
    """Say what the measure is typically, against the network without normalization, and which rates train."""
    chosen = NETWORKS.index(controls["network"])
    rate, best = data["rates"][chosen], " (its best)" if controls["rate"] == "best" else ""
    start = f"{PHIS[controls['activation']]}, {NAMES[controls['network']]}, rate {rate:g}{best}: "
    gone = int(np.isnan(data["typical"][chosen]).sum())
    n_seeds = data["typical"].shape[1]
    if gone == n_seeds:
        return f"{start}all {n_seeds} runs overflow. {_largest(data)}"
    words = DRAWN[controls["measure"]][3].format(_numbers(data["typical"][chosen]))
    error = data["error"][chosen, RATES.index(rate)]
    parts = [f"{_numbers(error)} % wrong at the end"]
    if controls["network"] == "noise":
        parts[0] += f" ({_number(float(np.median(data['quiet'])))} % with the noise switched off)"
    parts += [f"{gone} of {n_seeds} runs overflow"] * (gone > 0)
    return f"{start}{'; '.join([*parts, words])}{_against(data, chosen)}. {_largest(data)}"


def _against(data: Data, chosen: int) -> str:
    plain, own = data["typical"][0], data["typical"][chosen]
    if chosen == 0:
        return ""
    if np.isnan(plain).all():
        return f"; without BatchNorm the runs overflow at {data['rates'][0]:g}"
    ratio = np.nanmedian(own) / np.nanmedian(plain)
    return f", {_number(float(ratio))} times as much as without BatchNorm (rate {data['rates'][0]:g})"


def _largest(data: Data) -> str:
    said = []
    for name, rates in zip(NAMES.values(), data["largest"], strict=True):
        low, middle, high = rates.min(), np.median(rates), rates.max()
        text = f"{middle:g}" + f" ({low:g} to {high:g})" * bool(low < high) if np.isfinite(rates).all() else "none"
        said.append(f"{name}: {text}")
    return f"Largest rate that trains (under {TRAINS:g} % wrong): {', '.join(said)}."


def _numbers(values: np.ndarray) -> str:
    """Write the median over the runs and, where they differ, their range."""
    values = values[np.isfinite(values)]
    middle, low, high = (_number(float(each)) for each in (np.median(values), values.min(), values.max()))
    return middle if low == high else f"{middle} ({low} to {high})"


def _number(value: float) -> str:
    """Write two digits."""
    if 1e-3 <= value < 100 or value == 0:
        return f"{value:.2g}"
    if value >= 100:
        return f"{value:.0f}"
    power = 10.0 ** np.floor(np.log10(value))
    return f"{value / power:.1f} · {figures.power_of_ten(power)}"


def up_to_which_rate(data: Data, controls: State) -> str:
    """Answer the question of the lab: how the largest rate that trains compares with the other networks'."""
    plain, normalized, own = np.nanmedian(data["largest"], axis=1)
    if own < plain:
        return "smaller ones only"
    return "up to 0.4 again" if own == plain else "up to 3.2, as before" if own >= normalized else "something between"
