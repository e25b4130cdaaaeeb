"""The phase diagram of initialization: what lesson 03 draws and says about it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

from .measure_phase import DEPTHS, SIGMA_W

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

LIMIT = 15  # powers of ten to either side of 1
LONG = 1000  # layers: a depth scale beyond says critical
BEYOND = 17  # where the colours of overflow (up) and dead (down) stand
ON_COLOURS = "#111111"  # lines over the map, whose colours are the same on the dark page
ROW = 1 / 6
EDGES = np.log2(SIGMA_W[0]) + ROW * (np.arange(len(SIGMA_W) + 1) - 0.5)
"""Where the rows of the map part, in powers of two: Plotly draws a map much faster where both axes are linear."""

COLOURS = [  # pale where a verdict begins, full where it is extreme; healthy is fullest at ratio 1
    (-BEYOND, figures.COLOURS[Verdict.DEAD]), (-LIMIT - 1, figures.COLOURS[Verdict.DEAD]),
    (-LIMIT - 1, figures.COLOURS[Verdict.VANISHING]), (-LIMIT, figures.COLOURS[Verdict.VANISHING]),
    (-2, "#d6e9f5"), (-2, "#b5e2d5"), (0, figures.COLOURS[Verdict.HEALTHY]), (2, "#b5e2d5"), (2, "#fbe2d0"),
    (LIMIT, figures.COLOURS[Verdict.EXPLODING]), (LIMIT + 1, figures.COLOURS[Verdict.EXPLODING]),
    (LIMIT + 1, figures.COLOURS[Verdict.OVERFLOW]), (BEYOND, figures.COLOURS[Verdict.OVERFLOW]),
]  # fmt: skip


def phase_diagram(data: Data, controls: State) -> "go.Figure":
    """Draw the map of depth and σ_w, and the row at σ_w below it."""
    verdict, sigma_w = verdict_of_ratio(data["median"][-1]), controls["sigma_w"]
    falls = not data["median"][-1] > 1  # then the upper right is free
    own = figures.COLOURS[verdict]
    left, right = DEPTHS[0] - 1, DEPTHS[-1] + 1
    heat = {"type": "heatmap", "zmin": -BEYOND, "zmax": BEYOND, "showscale": False,
            "colorscale": [[(power + BEYOND) / (2 * BEYOND), colour] for power, colour in COLOURS]}  # fmt: skip
    over = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    lower = {"type": "scatter", "mode": "lines", "x": DEPTHS, "yaxis": "y2"}
    hover = "%{x} layers: %{y:.2e}<extra></extra>"
    key = np.arange(-LIMIT, LIMIT + 0.1, 0.5)
    traces = [
        heat | {"name": "first layer's gradient over the last one's", "x": np.append(DEPTHS - 1, right),
                "y": EDGES, "z": powers_of_ten(data["map"]),
                "hovertemplate": "%{x} layers: 10^%{z:.1f}<extra></extra>"},
        over | {"name": "critical line", "x": [left, right], "y": np.log2([data["critical"]] * 2),
                "line": {"color": ON_COLOURS, "dash": "dash", "width": 2.5}},
        over | {"name": "the row below", "x": [left, right, right, left, left],
                "y": np.log2(sigma_w) + ROW / 2 * np.array([-1, -1, 1, 1, -1]),
                "line": {"color": ON_COLOURS, "width": 2.5}},
        heat | {"name": "colours", "x": [right + 0.7, right + 2.5], "y": 10.0 ** np.append(key - 0.25, key[-1] + 0.25),
                "z": key[:, None], "yaxis": "y2", "hoverinfo": "skip"},
        figures.between(DEPTHS, data["low"], data["high"], own, yaxis="y2", name="5 to 95 %"),
        lower | {"name": "median", "y": data["median"], "line": {"color": own, "width": 4}, "hovertemplate": hover},
        lower | {"name": "theory", "y": data["theory"], "line": figures.THEORY, "hovertemplate": "theory, " + hover},
        figures.labels((right, 10.0 ** (13 if falls else -13), f"σ_w = {sigma_w:.3g}: {_ending(data)}", "middle left"),
                       yaxis="y2"),
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": f"Gradient, first layer over last<br><sub>{_line(data)}{_beyond(data)}</sub>"},
        height=640,
        margin={"l": 72, "r": 12, "t": 76, "b": 52},
        xaxis={"range": [left, right + 2.6], "anchor": "y2", "title": {"text": "depth (layers)"},
               "tickvals": [2, 10, 20, 30, 40, 50], "showgrid": False},
        yaxis={"range": EDGES[[0, -1]], "domain": [0.42, 1], "tickvals": np.log2([0.5, 1, 2, 5, 10]),
               "ticktext": ["0.5", "1", "2", "5", "10"], "title": {"text": "σ_w"}, "showgrid": False},
        yaxis2=figures.powers_of_ten_axis(-LIMIT, LIMIT, step=5)
        | {"domain": [0, 0.34], "title": {"text": "ratio, as colour"}},
        shapes=[figures.reference_line(1, (left, right), "y2")],
    )  # fmt: skip


def _beyond(data: Data) -> str:
    """Name the colour of overflow, which is that of the words on a light and on a dark page, where there is any."""
    return "" if np.isfinite(data["map"]).all() else "; ■ inf"


def powers_of_ten(ratios: np.ndarray) -> np.ndarray:
    """Turn ratios into the numbers that the map colours: powers of ten, ±`BEYOND` for overflow and dead."""
    with np.errstate(all="ignore"):
        powers = np.clip(np.log10(ratios), -LIMIT, LIMIT)
    verdicts = verdict_of_ratio(ratios)
    return np.select([verdicts == Verdict.OVERFLOW, verdicts == Verdict.DEAD], [BEYOND, -BEYOND], powers)


def phase_reading(data: Data, controls: State) -> str:
    """Say what `phase_diagram` shows at the row's end, how the row goes on, and where the critical line lies."""
    network = f"{controls['activation']}, σ_b = {controls['sigma_b']:.3g}, σ_w = {controls['sigma_w']:.3g}"
    ratio, depth = data["median"][-1], DEPTHS[-1]
    verdict = verdict_of_ratio(ratio)
    seen = {
        Verdict.OVERFLOW: f"at {depth} layers the numbers overflow",
        Verdict.DEAD: f"at {depth} layers no gradient arrives at the first layer: dead",
    }.get(
        verdict,
        f"at {depth} layers the first layer’s gradient is {figures.power_of_ten(ratio)} of the last one’s: {verdict}",
    )
    scale = float(data["depth_scale"])
    rate = f"it {'falls' if scale > 0 else 'grows'} tenfold every {_two_digits(2 * math.log(10) * abs(scale))} layers"
    rate = "it neither falls nor grows exponentially" if abs(scale) > LONG else rate
    return f"{network}: {seen}. Theory, deep down: {rate}; {_line(data).removeprefix('dashed: ')}."


def _two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"


def _line(data: Data) -> str:
    if np.isnan(data["critical"]):
        return "no critical point"
    return f"dashed: critical σ_w = {data['critical']:.3g}" + ("" if data["stable"] else " (unstable)")


def _ending(data: Data) -> str:
    """Write the verdict on the deepest network, with the ratio where there is one."""
    ratio = data["median"][-1]
    verdict = verdict_of_ratio(ratio)
    is_number = verdict not in (Verdict.OVERFLOW, Verdict.DEAD)
    return f"<b>{verdict}</b>" + (f", {figures.power_of_ten(ratio)}" if is_number else "")
