"""Degradation: what lesson 05 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_degradation import DEGRADATION_DEPTHS, GUESSING, NETWORKS, NORMS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

NORM_NAMES = {"none": "no norm", "batch": "BatchNorm"}
COLOURS = {
    "degraded": figures.COLOURS[Verdict.VANISHING],
    "worse": figures.MUTED,
    "holds": figures.COLOURS[Verdict.HEALTHY],
}
DEGRADED_FROM = 3  # times the median error of the shallow network
LOWEST, HIGHEST = 0.1, 100
PLACES = tuple(range(len(DEGRADATION_DEPTHS)))  # on the axis of depths: on a log axis 20 and 32 would touch
TICKS = (0.1, 1, 10, GUESSING)


def degradation_word(data: Data) -> str:
    """Judge a network by its training error after the last epoch, against the shallow one's.

    Returns
    -------
    str
        "holds" unless every run is worse than every run of the shallow network; then "degraded" if the median is more
        than three times as high, else "worse".
    """
    deep, shallow = data["error"][:, -1], data["shallow"][:, -1]
    if deep.min() <= shallow.max():
        return "holds"
    return "degraded" if np.median(deep) > DEGRADED_FROM * np.median(shallow) else "worse"


def degradation(data: Data, controls: State) -> "go.Figure":
    """Draw the training error by epoch beside that of the shallow network, and where each depth ends."""
    depth, network, norm = (controls[name] for name in ("depth", "network", "norm"))
    word, epochs, n_seeds = degradation_word(data), np.arange(data["error"].shape[1]), len(data["error"])
    colour, shown = COLOURS[word], {name: np.maximum(data[name], LOWEST) for name in ("error", "shallow")}
    line, right = {"type": "scatter", "mode": "lines"}, {"xaxis": "x2"}
    chosen, at = (NETWORKS.index(network), NORMS.index(norm)), DEGRADATION_DEPTHS.index(depth)
    ends = np.array([np.maximum(data[name][chosen], LOWEST) for name in ("final", "low", "high")])
    hover = "epoch %{x}: %{y:.2f} % wrong<extra></extra>"
    traces = [
        *(figures.between(epochs, shown[name].min(axis=0), shown[name].max(axis=0), its, name="range")
          for name, its in (("shallow", figures.SECOND), ("error", colour))),
        line | {"name": "shallow", "x": epochs, "y": np.median(shown["shallow"], axis=0), "hovertemplate": hover,
                "line": {"color": figures.SECOND, "width": 3, "dash": "dash"}},
        line | {"name": "deep", "x": epochs, "y": np.median(shown["error"], axis=0), "hovertemplate": hover,
                "line": {"color": colour, "width": 4}},
        line | right | {"name": "other networks", "line": {"color": figures.MUTED, "width": 1.5},
                        **_others(data["final"][:, NORMS.index(norm)], NETWORKS.index(network))},
        figures.between(np.array(PLACES), *ends[1:], colour, name="range at the end", **right),
        line | right | {"name": network, "x": PLACES, "y": ends[0], "customdata": DEGRADATION_DEPTHS,
                        "line": {"color": colour, "width": 4},
                        "hovertemplate": "%{customdata} layers: %{y:.2f} % wrong<extra></extra>"},
        _named(data["final"][:, NORMS.index(norm), -1], (at, ends[0, at]), colour),
    ]  # fmt: skip
    rate = f"{data['rates'][NETWORKS.index(network), NORMS.index(norm), DEGRADATION_DEPTHS.index(depth)]:g}"
    rate = f"best rate ({rate})" if controls["rate"] == "best" else f"rate {rate}"
    return figures.figure(
        traces,
        title={"text": f"Training error on MNIST, {NORM_NAMES[norm]}<br><sub>{rate}, {n_seeds} seeds: median, range"
                       "</sub>"},
        height=456,
        margin={"l": 56, "r": 12, "t": 64, "b": 72},
        xaxis={"type": "linear", "range": [0, len(epochs) - 1], "domain": [0, 0.4], "tickvals": [0, 6, 12],
               "title": {"text": f"epoch<br><sub>- - {DEGRADATION_DEPTHS[0]}, — {depth} layers</sub>"}},
        yaxis={"type": "log", "range": [np.log10(LOWEST * 0.9), np.log10(HIGHEST)], "tickvals": TICKS,
               "ticktext": [f"{tick:g}" for tick in TICKS], "title": {"text": "training images wrong, %"}},
        xaxis2={"type": "linear", "range": [-0.4, len(PLACES) + 1.6], "domain": [0.45, 1], "tickangle": 0,
                "tickvals": PLACES, "ticktext": [str(each) for each in DEGRADATION_DEPTHS],
                "title": {"text": f"layers (epoch {len(epochs) - 1})"}},
    )  # fmt: skip


def _others(final: np.ndarray, but: int) -> dict[str, Any]:
    """Draw the medians of the other networks as one line with gaps."""
    rows = np.pad(np.delete(final, but, axis=0), ((0, 0), (0, 1)), constant_values=np.nan)
    return {
        "x": np.tile([*PLACES, np.nan], len(rows)), "y": np.maximum(rows, LOWEST).ravel(),
        "hovertemplate": "%{y:.2f} % wrong<extra></extra>",
    }  # fmt: skip


def _named(final: np.ndarray, now: tuple[int, float], colour: str) -> dict[str, Any]:
    """Name the networks beside their deepest points, moved so that no two names touch, and mark the depth shown."""
    order, least = np.argsort(final), np.log10(1.45)
    heights = np.log10(np.maximum(final[order], LOWEST))
    ceiling = np.log10(HIGHEST * 0.85)
    for k in reversed(range(len(heights))):
        heights[k] = min(heights[k], ceiling)
        ceiling = heights[k] - least
    places = dict(zip(order.tolist(), 10**heights, strict=True))
    notes = [(PLACES[-1] + 0.3, round(float(places[k]), 3), name, "middle right") for k, name in enumerate(NETWORKS)]
    marker = {"size": [13] + [0] * len(NETWORKS), "color": colour, "opacity": 1, "line": {"width": 0}}
    return figures.labels((*now, "", "middle right"), *notes, mode="markers+text", marker=marker, xaxis="x2",
                          name="networks", size=12, cliponaxis=False)  # fmt: skip


def degradation_reading(data: Data, controls: State) -> str:
    """Say what `degradation` shows, and what was to be seen before training."""
    depth, network, norm = (controls[name] for name in ("depth", "network", "norm"))
    used = data["rates"][NETWORKS.index(network), NORMS.index(norm)]
    deep, shallow = used[DEGRADATION_DEPTHS.index(depth)], used[0]
    over = f"; {data['overflowed']} of {len(data['error'])} overflowed" if data["overflowed"] else ""
    return (
        f"{depth} layers, {network}, {NORM_NAMES[norm]}, rate {deep:g}: {_range(data['error'][:, -1])} % of the "
        f"training images are wrong{over}; with {DEGRADATION_DEPTHS[0]} layers, rate {shallow:g}, "
        f"{_range(data['shallow'][:, -1])} %: {degradation_word(data)}. Before training, {_neighbours(data):.0f} % of "
        f"the images had another digit for their nearest neighbour at the last hidden layer (mean cosine "
        f"{np.median(data['cosine']):.2f}), and the first layer’s gradient was "
        f"{figures.power_of_ten(float(np.median(data['gradient'])))} times the last one’s."
    )


def _range(percent: np.ndarray) -> str:
    digits = 0 if np.median(percent) >= 10 else 1
    return f"{np.median(percent):.{digits}f} ({percent.min():.{digits}f} to {percent.max():.{digits}f})"


def _neighbours(data: Data) -> float:
    return float(np.median(data["neighbours"]))


def percent_wrong(data: Data, controls: State) -> float:
    """Answer the question of the lab: the median training error after the last epoch."""
    return float(np.median(data["error"][:, -1]))
