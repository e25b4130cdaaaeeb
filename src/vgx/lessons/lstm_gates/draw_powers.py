"""Powers of a matrix: what lesson 06 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import verdict_of_ratio

from .measure_powers import LAST, N_DRAWS, STEPS, WIDTH

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

POWERS = (-4, 4)  # of ten
ACROSS = (-2, LAST + 2)
PLANE = {"x": [-1, 12.5], "y": [-0.12, 1.6]}


def powers(data: Data, controls: State) -> "go.Figure":
    """Draw ‖Wᵗ‖ by t with its peak, between ρᵗ and σ_maxᵗ, and below the way of one state through the plane."""
    rho, k, t = controls["rho"], controls["k"], controls["t"]
    norm, (peak, most) = data["at"][0], data["peak"]
    colour = figures.COLOURS[verdict_of_ratio(norm)]
    line = {"type": "scatter", "mode": "lines"}
    hover = "t = %{x}: %{y:.3g}<extra></extra>"
    way = data["state"]
    seen = np.flatnonzero(np.abs(way[:, 0]) < 2 * PLANE["x"][1])  # and one more, so that the line leaves the panel
    way = way[: seen[-1] + 2]
    at, height, words, place = _peak_label(peak, most)
    traces = [
        _gaussian_band(data["gaussian"]),
        line | _drawn(data["radius"]) | {
            "name": "ρᵗ", "line": figures.THEORY | {"dash": "dot"}, "hovertemplate": "ρᵗ, " + hover},
        line | _drawn(data["bound"]) | {
            "name": "σ_maxᵗ", "line": {"color": figures.MUTED, "width": 1.5, "dash": "dash"},
            "hovertemplate": "σ_maxᵗ, " + hover},
        line | _drawn(data["norm"]) | {
            "name": "‖Wᵗ‖", "line": {"color": colour, "width": 4}, "hovertemplate": "‖Wᵗ‖, " + hover},
        {"type": "scatter", "mode": "markers+text", "name": "step t", "x": [t, at], "y": [norm, height],
         "text": ["", words], "textposition": place, "textfont": {"size": 13}, "hovertemplate": hover,
         "marker": {"color": colour, "size": [13, 0], "opacity": 1, "line": {"color": figures.INK, "width": 1.5}}},
        line | {"name": "state", "mode": "lines+markers+text", "x": way[:, 0], "y": way[:, 1], "xaxis": "x2",
                "yaxis": "y2", "line": {"color": colour, "width": 2}, "marker": {"size": 5, "color": colour},
                "text": ["start (0, 1)"], "textposition": "top right", "textfont": {"size": 13},
                "hovertemplate": "(%{x:.3g}, %{y:.3g})<extra></extra>"},
    ]  # fmt: skip
    quarter = f"M 0,1 {' '.join(f'L {x:.3f},{y:.3f}' for x, y in _quarter_circle())}"
    return figures.figure(
        traces,
        title={"text": f"W = [[{rho:g}, {k:g}], [0, {rho:g}]]<br><sub>·· ρᵗ, -- σ_maxᵗ; band: Gaussian W, "
               f"{WIDTH} units</sub>"},
        height=600,
        margin={"l": 72, "r": 16, "t": 72, "b": 52},
        xaxis={"range": list(ACROSS), "tickvals": [0, 20, 40, 60, 80, 100], "anchor": "y", "title": {"text": "step t"}},
        yaxis=figures.powers_of_ten_axis(*POWERS, step=2)
        | {"domain": [0.46, 1], "title": {"text": "spectral norm ‖Wᵗ‖"}},
        xaxis2={"range": PLANE["x"], "tickvals": [0, 4, 8, 12], "anchor": "y2",
                "title": {"text": "unit 1 (arc: length 1)"}},
        yaxis2={"range": PLANE["y"], "tickvals": [0, 1], "domain": [0, 0.3], "title": {"text": "unit 2"}},
        shapes=[
            figures.reference_line(1, ACROSS),
            {"type": "path", "xref": "x2", "yref": "y2", "path": quarter, "layer": "between",
             "line": {"color": figures.MUTED, "width": 1.5}},
        ],
    )  # fmt: skip


def powers_reading(data: Data, controls: State) -> str:
    """Say what `powers` shows."""
    rho, t = controls["rho"], controls["t"]
    (norm, radius, bound), (peak, most) = data["at"], data["peak"]
    median = data["gaussian"][1].max()
    gaussian = f"reach {_number(median)} within {LAST} steps" if median > 1 + 1e-9 else "never exceed 1"
    largest = f"largest singular value {_number(data['bound'][1])}"
    if np.isinf(most):
        regime = f"Spectral radius {rho:g}: ‖Wᵗ‖ grows without end"
    elif peak == 0:
        regime = f"Spectral radius {rho:g}, {largest}: ‖Wᵗ‖ never exceeds 1"
    else:
        regime = (
            f"Spectral radius {rho:g}, yet ‖Wᵗ‖ grows {_number(most)}-fold in {peak:.0f} "
            f"step{'' if peak == 1 else 's'} and is below 1 only from step {data['below']:.0f} on ({largest})"
        )
    return (
        f"{regime}. At t = {t} it is {_number(norm)}, ρᵗ {_number(radius)} and σ_maxᵗ {_number(bound)}. Gaussian "
        f"matrices of that radius, {WIDTH} units, {gaussian} (median of {N_DRAWS})."
    )


def largest_norm(data: Data, controls: State) -> float:
    """Return the peak of ‖Wᵗ‖."""
    return float(data["peak"][1])


def _drawn(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the axis shows of a line and a little more, so that the line is seen to leave it."""
    seen = np.flatnonzero((values > 10.0 ** (POWERS[0] - 3)) & (values < 10.0 ** (POWERS[1] + 3)))
    return {"x": STEPS[seen], "y": values[seen]}


def _gaussian_band(norms: np.ndarray) -> dict[str, Any]:
    low, _, high = norms
    return figures.between(STEPS, low, high, figures.SECOND, name=f"{N_DRAWS} Gaussian matrices, 5–95 %")


def _peak_label(peak: float, most: float) -> tuple[float, float, str, str]:
    if np.isinf(most):
        return LAST, 10.0 ** (POWERS[0] + 0.2), "no peak", "top left"
    if peak == 0:
        return LAST, 10.0 ** (POWERS[1] - 0.2), "no growth", "bottom left"
    return peak, most * 10**0.2, f"peak: {_number(most)} at t = {peak:.0f}", "top right"


def _quarter_circle() -> np.ndarray:
    angles = np.linspace(np.pi / 2, 0, 25)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _number(value: float) -> str:
    """Write up to three digits where they say more than the power of ten."""
    return f"{value:.3g}" if 0.01 <= value < 1000 else figures.power_of_ten(value)
