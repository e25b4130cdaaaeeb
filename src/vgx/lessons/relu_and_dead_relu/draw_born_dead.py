"""Networks dead at birth: what lesson 04 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_born_dead import DEEPEST, N_NETS, N_NETS_TOGETHER

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

MARKED = np.array([1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50])
WEIGHTS = {
    "zero_biases": "symmetric weights, biases 0",
    "random_biases": "symmetric weights and biases",
    "asymmetric": "asymmetric weights and biases",
}


def born_dead(data: Data, controls: State) -> "go.Figure":
    """Draw by depth the share of networks dead for one digit, for a hundred together, and the exact formula."""
    depths, colour = np.arange(1, DEEPEST + 1), figures.ACTIVATIONS["relu"]
    together = data["together"]
    reach = 2 * np.sqrt(together * (1 - together) / N_NETS_TOGETHER)
    line = {"type": "scatter", "mode": "lines", "x": depths}
    traces = [
        figures.between(depths, together - reach, together + reach, colour, name="± 2 standard errors"),
        line | {"name": "exact, one input", "y": data["exact"], "line": figures.THEORY,
                "hovertemplate": "exact, %{x} layers: %{y:.2%}<extra></extra>"},
        line | {"name": "100 digits", "y": together, "line": {"color": colour, "width": 4},
                "hovertemplate": "100 digits, %{x} layers: %{y:.2%}<extra></extra>"},
        {"type": "scatter", "mode": "markers", "name": "one digit", "x": MARKED, "y": data["one"][MARKED - 1],
         "marker": {"size": 9, "symbol": "circle-open", "color": figures.INK, "line": {"width": 2}},
         "hovertemplate": "one digit, %{x} layers: %{y:.2%}<extra></extra>"},
    ]  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "Networks dead at birth<br><sub>○ one digit; line: 100; dashed: 1 − (1 − 2⁻ⁿ)ᴸ</sub>"},
        xaxis={"range": [0, DEEPEST + 1], "tickvals": [1, 10, 20, 30, 40, 50], "title": {"text": "hidden layers L"}},
        yaxis={"range": [-0.03, 1.03], "tickvals": [0, 0.25, 0.5, 0.75, 1],
               "ticktext": ["0", "25 %", "50 %", "75 %", "100 %"], "title": {"text": "share of networks dead"}},
    )  # fmt: skip


def born_dead_reading(data: Data, controls: State) -> str:
    """Say what `born_dead` shows at 10 and at 50 hidden layers."""
    formula = "one input, symmetric weights" if controls["initialization"] == "asymmetric" else "exact"
    names = ("one", "together", "exact")
    one, together, exact = ([f"{100 * data[name][L - 1]:.1f} %" for L in (10, 50)] for name in names)
    return (
        f"{controls['width']} units a layer, {WEIGHTS[controls['initialization']]}: with 10 hidden layers {one[0]} of "
        f"{N_NETS:,} networks are dead for one digit ({formula}: {exact[0]}) and {together[0]} for 100 digits "
        f"together; with 50 layers {one[1]} ({exact[1]}) and {together[1]}."
    )
