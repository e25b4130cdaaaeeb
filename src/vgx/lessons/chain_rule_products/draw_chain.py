"""The chain with one neuron a layer: what lesson 02 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, verdict_of_ratio

if TYPE_CHECKING:
    import plotly.graph_objects as go

SUBTITLE = "bars: the terms; line: their product, from C back"
LONGEST = 8
ENDS = (-0.4, LONGEST + 1.4)  # of the axis of neurons
TERMS = (-4, 2)  # powers of ten that the bars show
PRODUCTS = (-9, 9)  # and the line
MOST_TERMS = 6  # that the sentence lists
_LOWER = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def scalar_chain(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the neurons, under each its term as a bar, and the product of the terms from the output back."""
    depth, terms, products = len(data["terms"]), np.abs(data["terms"]), np.abs(data["products"])
    stations = np.arange(depth + 2)  # input, neurons, cost
    neurons = stations[1:-1]
    with np.errstate(divide="ignore"):
        powers = np.clip(np.log10(terms), *TERMS)
    colour = figures.COLOURS[verdict_of_ratio(products[0])]
    quiet = {"type": "scatter", "yaxis": "y3", "hoverinfo": "skip"}
    bar = {"type": "bar", "x": neurons, "width": 0.5, "hoverinfo": "skip"}
    row = np.full(depth, TERMS[1] + 0.7)  # above the longest bar
    traces = [
        quiet | {"name": "neurons", "mode": "markers+text", "x": stations, "y": 0 * stations,
                 "text": ["a₀", *map(str, neurons), "C"], "textfont": {"size": 13},
                 "marker": {"symbol": "circle-open", "size": [0, *[22] * depth, 0], "color": figures.INK}},
        quiet | {"name": "signal", "mode": "markers", "x": stations[1:] - 0.5, "y": 0 * stations[1:],
                 "marker": {"symbol": "triangle-right", "size": 6, "color": figures.MUTED}},
        bar | {"name": "log10 of terms above 1", "y": np.maximum(powers, 0),
               "marker": {"color": figures.COLOURS[Verdict.EXPLODING]}},
        bar | {"name": "log10 of terms below 1", "y": np.minimum(powers, 0),
               "marker": {"color": figures.COLOURS[Verdict.VANISHING]}},
        {"type": "scatter", "name": "terms", "mode": "text", "x": neurons, "y": row, "hoverinfo": "skip",
         "text": [_written(term) for term in terms], "textfont": {"size": 11}},
        {"type": "scatter", "name": "product from the output back", "mode": "lines+markers", "x": neurons,
         "y": products, "yaxis": "y2", "line": {"color": colour, "width": 3}, "marker": {"size": 7},
         "hovertemplate": "neuron %{x}: %{y:.2e}<extra></extra>"},
    ]  # fmt: skip
    side = {"automargin": False, "tickfont": {"size": 12}}
    return figures.figure(
        traces,
        title={"text": f"A chain with one neuron a layer<br><sub>{SUBTITLE}</sub>"},
        height=480,
        margin={"l": 68, "r": 12, "t": 64, "b": 48},
        barmode="overlay",
        xaxis={"title": {"text": "neuron (input left, output right)"}, "range": ENDS,
               "tickvals": np.arange(1, LONGEST + 1), "anchor": "y2", "showgrid": False},
        yaxis=_powers(*TERMS, step=2) | side | {"range": [TERMS[0], TERMS[1] + 1.2], "domain": [0.44, 0.86],
                                                "title": {"text": "|term|", "standoff": 4}},
        yaxis2=figures.powers_of_ten_axis(*PRODUCTS, step=3) | side | {
            "domain": [0, 0.38], "anchor": "x", "title": {"text": "|product|", "standoff": 4}},
        yaxis3={"range": [-1, 1], "domain": [0.88, 1], "visible": False, "anchor": "x"},
        shapes=[figures.reference_line(0, ENDS), figures.reference_line(1, ENDS, "y2")],
        annotations=[_label_of_first(products[0])],
    )  # fmt: skip


def _written(term: float) -> str:
    """Write a term to two digits; as a power of ten if that were too long for its place."""
    return f"{float(f'{term:.2g}'):g}" if 1e-3 <= term < 1e3 else figures.power_of_ten(term)


def _powers(lowest: int, highest: int, *, step: int) -> dict[str, Any]:
    """Return an axis of logarithms that reads like a logarithmic axis: its bars begin at 1."""
    axis = figures.powers_of_ten_axis(lowest, highest, step)
    return {"ticktext": axis["ticktext"], "tickvals": np.log10(axis["tickvals"])}


def _label_of_first(product: float) -> dict[str, Any]:
    """Say where the line ends, in the corner on the side of 1 on which it ends."""
    below = product < 1
    return {
        "xref": "paper", "x": 1, "xanchor": "right", "xshift": -4, "yref": "y2", "y": PRODUCTS[0 if below else 1],
        "yanchor": "bottom" if below else "top", "text": f"∂C/∂b₁: <b>{figures.power_of_ten(product)}</b> × ∂C/∂a",
    }  # fmt: skip


def chain_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `scalar_chain` shows."""
    depth, terms, product = len(data["terms"]), np.abs(data["terms"]), abs(float(data["products"][0]))
    chain = f"{depth} {controls['activation']} neurons, weights times {controls['scale']:.3g}, draw {controls['draw']}"
    if controls["awake"]:
        chain += ", every z held at 0.1"
    if depth <= MOST_TERMS:
        factors = "terms of size " + " × ".join(_written(term) for term in terms)
    else:
        factors = f"{int((terms > 1).sum())} of {depth} terms exceed 1 in size"
    last = f"∂C/∂a{str(depth).translate(_LOWER)}"
    if product == 0:
        off = int(np.flatnonzero(terms == 0)[-1]) + 1
        return f"{chain}: {factors}; neuron {off} is flat, and nothing of {last} reaches ∂C/∂b₁: dead."
    ratio = figures.power_of_ten(product)
    return f"{chain}: {factors}; ∂C/∂b₁ is {ratio} times {last} in size: {verdict_of_ratio(product)}."
