"""The gradient's way back through time: what lesson 06 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_norms

from .measure_through_time import LONGEST, N_NETS, factor_a_step

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

LIMIT = 30  # powers of ten to either side of 1: time runs deeper than layers
POINTS = 9
"""Lags at which a line has its points: the page stores no more, and what lies between is nearly straight."""

NAMES = {"identity": "no nonlinearity"}


def gradient_through_time(data: Data, controls: State) -> "go.Figure":
    """Draw what is left of the last state's gradient, by steps back; dashed the bound, dotted the powers of ρ."""
    steps = controls["steps"]
    lags = np.unique(np.linspace(0, steps, POINTS).round().astype(int))
    low, median, high = (np.where(line == 0, figures.SMALLEST, line) for line in data["gradient"][:, steps - lags])
    verdict = time_verdict(data)
    colour = figures.COLOURS[verdict]
    line = {"type": "scatter", "mode": "lines"}
    ends = np.array([0, steps])
    hover = "%{x} steps back: %{y:.2e}<extra></extra>"
    corner = (1 if verdict in (Verdict.VANISHING, Verdict.DEAD) else -1) * (LIMIT - 1)  # away from the lines
    traces = [
        figures.between(lags, low, high, colour, name="5–95 %"),
        line | {"name": "bound", "x": ends, "y": _powers(data["bound"], ends), "line": figures.THEORY,
                "hovertemplate": "bound, " + hover},
        line | {"name": "powers of ρ", "x": ends, "y": _powers(controls["radius"], ends),
                "line": figures.THEORY | {"dash": "dot"}, "hovertemplate": "power of ρ, " + hover},
        line | {"name": "median", "x": lags, "y": median, "line": {"color": colour, "width": 4},
                "hovertemplate": hover},
        figures.labels((0.99 * LONGEST, 10.0**corner, f"at h₀: {_number(data['gradient'][1, 0])}, <b>{verdict}</b>",
                        "top right" if corner < 0 else "bottom right"), size=14),
    ]  # fmt: skip
    across = (LONGEST, 0)
    return figures.figure(
        traces,
        title={"text": f"Gradient through time<br><sub>{N_NETS} networks: median, 5–95 %; - - bound, ··· ρ<sup>T−t"
                       "</sup></sub>"},
        xaxis={"title": {"text": "steps back from the last, T − t"}, "range": list(across), "automargin": False,
               "tickvals": [200, 150, 100, 50, 0]},
        yaxis=figures.powers_of_ten_axis(-LIMIT, LIMIT, step=10)
        | {"title": {"text": "gradient at h_t, ratio to last"}, "automargin": False},
        margin={"l": 73, "r": 20, "t": 72, "b": 56},
        shapes=[figures.reference_line(1, across)],
    )  # fmt: skip


def _powers(factor: float, lags: np.ndarray) -> np.ndarray:
    with np.errstate(under="ignore"):
        return np.float64(factor) ** lags


def time_verdict(data: Data) -> Verdict:
    """Judge the median from h_T back to h_0."""
    return Verdict(verdict_of_norms(data["gradient"][1]))


def through_time_reading(data: Data, controls: State) -> str:
    """Say what `gradient_through_time` shows."""
    steps, radius = controls["steps"], controls["radius"]
    verdict, first = time_verdict(data), data["gradient"][1, 0]
    network = (
        f"{steps} steps of {NAMES.get(controls['activation'], controls['activation'])}, {controls['recurrent']} W "
        f"with ρ = {radius:g} (σ_max ≤ {data['singular_value']:.3g}), input {controls['input_scale']:g}: "
    )
    if verdict is Verdict.OVERFLOW:
        return (
            f"{network}overflow. After {data['held']:.0f} steps the state leaves float32, and with it every gradient."
        )
    factor = f"a factor of {factor_a_step(data):.3g} a step"
    against = f"ρ^T is {_number(radius**steps)}, the bound {_number(float(data['bound']) ** steps)}."
    if verdict is Verdict.DEAD:
        gone = steps + 1 - int(np.flatnonzero(data["gradient"][1]).min())
        return f"{network}dead, {factor} until, {gone} steps back, float32 has only 0 left; {against}"
    return f"{network}the gradient at h₀ is {_number(first)} of that at h_T: {verdict}, {factor}; {against}"


def _number(value: float) -> str:
    return figures.power_of_ten(float(value))


def exponent_at_the_first_state(data: Data, controls: State) -> float:
    """Return the power of ten that the gradient has kept at h_0."""
    return float(np.log10(data["gradient"][1, 0]))
