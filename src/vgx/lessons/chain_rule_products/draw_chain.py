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
ROW = 4.2  # where the neurons stand, over their terms: above the longest bar
PRODUCTS = (-9, 9)  # and the line
GREW, SHRANK = Verdict.EXPLODING, Verdict.VANISHING  # the colours of a term
MOST_TERMS = 6  # that the sentence lists
_LOWER = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def scalar_chain(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the neurons, under each its term as a bar, and the product of the terms from the output back."""
    depth, terms, products = len(data["terms"]), np.abs(data["terms"]), np.abs(data["products"])
    neurons = np.arange(1, depth + 1)  # between the input at 0 and the cost
    with np.errstate(divide="ignore"):
        powers = np.clip(np.log10(terms), *TERMS)
    colour = figures.COLOURS[verdict_of_ratio(products[0])]
    low, text = products[0] < 1, f"∂C/∂b₁: <b>{figures.power_of_ten(products[0])}</b> × ∂C/∂a"
    corner = (ENDS[1] - 0.05, 10.0 ** PRODUCTS[0 if low else 1], text, "top left" if low else "bottom left")
    traces = [
        {"type": "bar", "name": "log10 of terms", "x": neurons, "y": powers, "width": 0.5, "hoverinfo": "skip",
         "marker": {"color": [figures.COLOURS[GREW if term > 1 else SHRANK] for term in terms]}},
        figures.labels(
            (0.4, ROW, "a₀ ", "middle left"),
            *((neuron, ROW, _written(term), "bottom center") for neuron, term in zip(neurons, terms, strict=True)),
            (depth + 0.6, ROW, " C", "middle right"),
            size=11, name="neurons and terms", mode="lines+markers+text", line={"color": figures.INK, "width": 1.5},
            marker={"size": [0, *[14] * depth, 0], "color": figures.INK, "opacity": 1, "line": {"width": 0}},
        ),
        figures.labels(corner, size=14, name="gradient of the first bias", yaxis="y2"),
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
        xaxis={"title": {"text": "neuron (input left, output right)"}, "range": ENDS,
               "tickvals": np.arange(1, LONGEST + 1), "anchor": "y2", "showgrid": False},
        yaxis=_powers(*TERMS, step=2) | side | {
            "range": [TERMS[0], ROW + 1], "domain": [0.44, 1], "showline": False,
            "title": {"text": "|term|", "standoff": 4}},
        yaxis2=figures.powers_of_ten_axis(*PRODUCTS, step=6) | side | {
            "domain": [0, 0.38], "anchor": "x", "title": {"text": "|product|", "standoff": 4}},
        shapes=[figures.reference_line(0, ENDS), figures.reference_line(1, ENDS, "y2")],
    )  # fmt: skip


def _written(term: float) -> str:
    """Write a term to two digits; as a power of ten if that were too long for its place."""
    return f"{float(f'{term:.2g}'):g}" if 1e-3 <= term < 1e3 else figures.power_of_ten(term)


def _powers(lowest: int, highest: int, *, step: int) -> dict[str, Any]:
    """Return an axis of logarithms that reads like a logarithmic axis: its bars begin at 1."""
    axis = figures.powers_of_ten_axis(lowest, highest, step)
    return {"ticktext": axis["ticktext"], "tickvals": np.log10(axis["tickvals"])}


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
