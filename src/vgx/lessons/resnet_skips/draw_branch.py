"""Six ways to scale a residual branch: what lesson 05 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_norms

from .measure_branch import MOST_BLOCKS, N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

POWERS = (-1, 5)  # of ten: room for 1 + l; what doubles with every block leaves the figure
POINTS = 19  # of a line, closest where it bends

BLOCKS = {
    "plain_sum": "z + F(z)",
    "sum_/√2": "(z + F(z))/√2",
    "branch_/√L": "z + F(z)/√L",
    "branch_/L": "z + F(z)/L",
    "branch_0": "z + 0·F(z)",
    "normalized_branch": "z + F(norm(z))",
}


def branch_scale(data: Data, controls: State) -> "go.Figure":
    """Draw how the variance of the stream grows with each block, and its squared gradient on the way back."""
    blocks = data["variance"].shape[-1] - 1
    passed = np.unique((blocks * np.linspace(0, 1, POINTS) ** 1.5).round().astype(int))
    traces, captions = [], []
    for quantity, axis, end, where in (("variance", "y", -1, f"after {blocks} blocks"),
                                       ("gradient", "y2", 0, "at the stream’s start")):  # fmt: skip
        low, median, high = data[quantity][:, passed]
        verdict, colour = branch_verdict(data, quantity), figures.COLOURS[branch_verdict(data, quantity)]
        line = {"type": "scatter", "mode": "lines", "yaxis": axis, "x": passed}
        hover = f"{quantity} after %{{x}} blocks: %{{y:.3g}}<extra></extra>"
        traces += [
            figures.between(passed, low, high, colour, name=f"{quantity}, 5–95 %", yaxis=axis),
            line | {"name": f"{quantity}, median", "y": median, "line": {"color": colour, "width": 4},
                    "hovertemplate": hover},
            line | {"name": f"{quantity}, theory", "y": data[f"{quantity}_theory"][passed], "line": figures.THEORY,
                    "hovertemplate": "theory, " + hover},
        ]  # fmt: skip
        captions.append(f"{where}: {_number(data[quantity][1, end])}, <b>{verdict}</b>")
    above, below = ((0, 10.0 ** (POWERS[1] - 0.06), captions[0], "top right"),  # below the upper panel, over the lower
                    (0, 10.0 ** (POWERS[0] + 0.06), f"<br>{captions[1]}", "bottom right"))  # fmt: skip
    traces.append(figures.labels(above, below, cliponaxis=False))
    across, powers = (-0.5, MOST_BLOCKS + 0.5), figures.powers_of_ten_axis(*POWERS, step=2)
    return figures.figure(
        traces,
        title={"text": f"One block: {BLOCKS[controls['way']]}<br><sub>{N_NETS} networks: median, 5–95 %; dashed: "
                       "theory</sub>"},
        height=600,
        margin={"l": 72, "r": 16, "t": 96, "b": 52},
        xaxis={"title": {"text": "blocks passed (input: 0)"}, "range": list(across), "anchor": "y2",
               "tickvals": [0, 25, 50]},
        yaxis=powers | {"domain": [0.545, 1], "title": {"text": "variance of z"}},
        yaxis2=powers | {"domain": [0, 0.455], "title": {"text": "gradient², ratio to last"}},
        shapes=[figures.reference_line(1, across, axis) for axis in ("y", "y2")],
    )  # fmt: skip


def branch_verdict(data: Data, quantity: str = "gradient") -> Verdict:
    """Judge the gradient on its way back or, by the same thresholds, the stream on its way; by norms, not squares."""
    median = np.sqrt(data[quantity][1])
    return Verdict(verdict_of_norms(median if quantity == "gradient" else median[::-1]))


def branch_reading(data: Data, controls: State) -> str:
    """Say what `branch_scale` shows."""
    variance, gradient = data["variance"][1, -1], data["gradient"][1, 0]
    theory = data["variance_theory"][-1], data["gradient_theory"][0]
    note = " Its weights get no gradient yet: β learns first." if controls["way"] == "branch_0" else ""
    return (
        f"{data['variance'].shape[-1] - 1} blocks of {BLOCKS[controls['way']]}, {controls['activation']}: the variance "
        f"of the stream goes from 1 to {_number(variance)} (theory: {_number(theory[0])}); the squared gradient at "
        f"its start is {_number(gradient)} times that at its end (theory: {_number(theory[1])}): "
        f"{branch_verdict(data)}.{note}"
    )


def _number(value: float) -> str:
    """Write up to three digits where they say more than the power of ten."""
    return f"{value:.3g}" if 0.01 <= value < 1000 else figures.power_of_ten(value)
