"""What batch normalization does to the gradient: what lesson 07 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_norms

from .measure_batchnorm_explodes import BINS, DEEPEST, N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

POWERS = (-3, 15)  # of ten
POINTS = 11
WAY_NAMES = {"plain": "no skips", "skip": "skips", "skip,_branch_/√L": "skips, branch/√L"}


def batchnorm_explodes(data: Data, controls: State) -> "go.Figure":
    """Draw the gradient by layer against theory, and below what the batch makes of a unit's values."""
    depth, verdict = data["gradient"].shape[-1], explosion_verdict(data)
    layers = np.unique(np.linspace(1, depth, POINTS).round().astype(int))
    low, median, high = data["gradient"][:, layers - 1]
    colour, line = figures.COLOURS[verdict], {"type": "scatter", "mode": "lines", "x": layers}
    hover = "layer %{x}: %{y:.3g}<extra></extra>"
    caption = f"at layer 1: {_number(data['gradient'][1, 0])}, <b>{verdict}</b>"
    traces = [
        figures.between(layers, low, high, colour, name="5–95 %"),
        line | {"name": "median", "y": median, "line": {"color": colour, "width": 4}, "hovertemplate": hover},
        line | {"name": "theory, infinite batch", "y": data["large_batch"][layers - 1],
                "line": figures.THEORY | {"dash": "dot"}, "hovertemplate": "infinite batch, " + hover},
        line | {"name": "theory", "y": data["theory"][layers - 1], "line": figures.THEORY,
                "hovertemplate": "theory, " + hover},
        {"type": "bar", "name": "normalized values", "x": (BINS[:-1] + BINS[1:]) / 2, "y": data["counts"],
         "marker": {"color": figures.MUTED, "line": {"width": 0}}, "xaxis": "x2", "yaxis": "y2",
         "hovertemplate": "%{y:.1%} near %{x:.1f}<extra></extra>"},
        figures.labels((1, 10.0 ** (POWERS[1] - 0.2), caption, "top right"), cliponaxis=False),
    ]  # fmt: skip
    across = (0.5, DEEPEST + 0.5)
    return figures.figure(
        traces,
        title={"text": f"{N_NETS} nets with BatchNorm, {WAY_NAMES[controls['way']]}<br><sub>5–95 %; "
                       "- - theory, ··· for batch ∞</sub>"},
        height=600,
        bargap=0,
        margin={"l": 73, "r": 16, "t": 96, "b": 56},
        xaxis={"type": "linear", "title": {"text": "layer (input left, output right)"}, "range": list(across),
               "tickvals": [1, 10, 25, 50]},
        yaxis=figures.powers_of_ten_axis(*POWERS, step=5)
        | {"domain": [0.44, 1], "title": {"text": "gradient, ratio to last"}},
        xaxis2={"title": {"text": "value in layer 1 after BatchNorm"}, "range": [BINS[0], BINS[-1]],
                "anchor": "y2", "tickvals": [-3, -2, -1, 0, 1, 2, 3]},
        yaxis2={"domain": [0, 0.22], "range": [0, 0.55], "anchor": "x2", "tickvals": [0, 0.5],
                "ticktext": ["0", "50 %"], "title": {"text": "share"}},
        shapes=[figures.reference_line(1, across)],
    )  # fmt: skip


def explosion_verdict(data: Data) -> Verdict:
    """Judge the gradient of the median network."""
    return Verdict(verdict_of_norms(data["gradient"][1]))


def explosion_reading(data: Data, controls: State) -> str:
    """Say what `batchnorm_explodes` shows."""
    low, first, high = map(_number, data["gradient"][:, 0])
    sentence = (
        f"{data['gradient'].shape[-1]} layers of {controls['activation']} with BatchNorm, "
        f"{WAY_NAMES[controls['way']]}, batch of {controls['batch']}: the first layer's gradient is {first} times the "
        f"last one's ({low} to {high}): {explosion_verdict(data)}. "
    )
    if controls["batch"] == 2:
        return sentence + "Of two values BatchNorm leaves the sign only: +1 for one input, −1 for the other."
    if controls["batch"] == 3:
        return sentence + "With three values theory has no bound: 1/σ² is infinite on average."
    theory, large = map(_number, (data["theory"][0], data["large_batch"][0]))
    return sentence + f"Theory: {theory}, and {large} for an infinite batch."


def _number(value: float) -> str:
    """Write two digits where they say more than the power of ten."""
    return f"{float(f'{value:.2g}'):,.0f}" if 100 < value < 1e6 else figures.power_of_ten(value)


def exponent_of_explosion(data: Data, controls: State) -> float:
    """Return the power of ten by which the first layer's gradient is longer than the last one's."""
    return float(np.log10(data["gradient"][1, 0]))
