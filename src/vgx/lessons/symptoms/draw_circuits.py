"""Circuits for parity: what lesson 00 draws and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_circuits import AND, INPUT, NOT, OR, THRESHOLD, gate_count

if TYPE_CHECKING:
    import plotly.graph_objects as go

SYMBOLS = np.zeros(5, dtype=int)  # numbers as Plotly counts them: a page keeps them in a byte
SYMBOLS[[INPUT, NOT, AND, OR, THRESHOLD]] = 0, 8, 1, 2, 14  # circle, triangle-right, square, diamond, hexagon
KEYS = {"and_or_not": "▷ NOT, □ AND, ◇ OR", "threshold": "⬡ neuron that steps from 0 to 1"}
NAMES = {"pairwise": "XOR by pairs", "chain": "a chain of XORs", "two_layers": "two layers"}
BITS = np.arange(2, 33)
CROWDED = 40  # gates in a column
NOTHING = "\N{NO-BREAK SPACE}"  # where no text was, Plotly adds none later
UNITS = 1000  # of the drawing's width and height: whole numbers keep the page small


def parity_circuit(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw a circuit with its signals, and below how the number of gates grows with the number of bits."""
    kinds, values, wires = data["kinds"], data["values"], data["wires"]
    x, y = _places(data)
    crowd = np.bincount(data["layers"])
    thin = 1.0 if crowd.max() < CROWDED else 0.5
    wire = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "cliponaxis": False}
    node = {"type": "scatter", "mode": "markers", "hoverinfo": "skip", "cliponaxis": False}
    on = wires[values[wires[:, 0]]]
    traces = [
        wire | _path(x, y, wires) | {"name": "wires", "opacity": 0.4, "line": {"color": figures.MUTED, "width": thin}},
        wire | _path(x, y, on) | {"name": "wires that carry a 1", "line": {"color": figures.INK, "width": thin}},
    ]  # fmt: skip
    beside = np.array([crowd[data["layers"][kinds == kind]].max() for kind in kinds])  # gates in the same column
    for name, here, fill, least in [("off", ~values, figures.GRID, 2.0), ("on", values, figures.INK, 7.0)]:
        marker = {"symbol": SYMBOLS[kinds[here]], "size": np.clip(150 / beside[here], least, 12), "opacity": 1}
        marker |= {"color": fill, "line": {"color": figures.MUTED, "width": 1}}
        traces.append(node | {"name": name, "x": x[here], "y": y[here], "marker": marker})
    traces += [*_growth(controls), _names(controls), _words(data, controls, x, y)]
    return figures.figure(
        traces,
        title={"text": f"Is the number of ones odd?<br><sub>black carries a 1; {KEYS[controls['gates']]}</sub>"},
        height=600,
        margin={"l": 58, "r": 16, "t": 64, "b": 52},
        xaxis={"range": [-60, 1060], "visible": False, "anchor": "y"},
        yaxis={"range": [UNITS + 20, -20], "visible": False, "domain": [0.36, 1]},
        xaxis2={"range": [1, 33], "title": {"text": "bits"}, "anchor": "y2", "tickvals": [2, 8, 16, 24, 32]},
        yaxis2=figures.powers_of_ten_axis(0, 10, step=2)
        | {"domain": [0, 0.26], "anchor": "x2", "title": {"text": "gates"}},
    )  # fmt: skip


def _places(data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Spread the circuit over the drawing: inputs left, output right, the first bit on top."""
    layers, rows = data["layers"], data["rows"]
    x = UNITS * layers / layers[-1]
    y = UNITS * (rows + 0.5) / (data["kinds"] == INPUT).sum()
    return np.rint(x), np.rint(y)


def _path(x: np.ndarray, y: np.ndarray, wires: np.ndarray) -> dict[str, np.ndarray]:
    """Walk along all wires, there and back, without a gap where they are connected: each part would cost a node."""
    ways: dict[int, list[int]] = {}
    for source, gate in wires.tolist():
        ways.setdefault(source, []).append(gate)
        ways.setdefault(gate, []).append(source)
    walk: list[int] = []
    for start in ways:
        trail = [start] if ways[start] else []
        walk += [-1] * bool(trail and walk) + trail
        while trail:
            here = trail[-1]
            if ways[here]:
                trail.append(ways[here].pop())
                ways[trail[-1]].remove(here)
            else:
                trail.pop()
            walk += trail[-1:]
    return {"x": np.append(x, np.nan)[walk], "y": np.append(y, np.nan)[walk]}


def _growth(controls: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the lower figure: the gates chosen, AND, OR and NOT in two layers, and where we are."""
    line = {"type": "scatter", "mode": "lines", "xaxis": "x2", "yaxis": "y2"}
    gates, hover = controls["gates"], "%{x} bits: %{y} gates<extra></extra>"
    here = gate_count(controls["bits"], controls["circuit"], gates)
    both = np.array([gate_count(BITS, way, gates) for way in ("two_layers", "chain")], dtype=float)
    return [
        line | {"name": "AND, OR, NOT in two layers", "x": BITS, "y": gate_count(BITS, "two_layers", "and_or_not"),
                "line": {"color": figures.MUTED, "width": 1.5}, "hoverinfo": "skip"},
        line | {"name": "two layers; deep", "x": np.tile(np.r_[BITS, np.nan], 2),
                "y": np.pad(both, ((0, 0), (0, 1)), constant_values=np.nan).ravel(),
                "line": {"color": figures.INK, "width": 3}, "hovertemplate": hover},
        line | {"name": "here", "mode": "markers", "x": np.array([controls["bits"]]), "y": np.array([here]),
                "marker": {"color": figures.INK, "size": 11}, "hovertemplate": hover},
    ]  # fmt: skip


def _words(data: Mapping[str, np.ndarray], controls: Mapping[str, Any], x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Write the bits beside the inputs and the answer beside the output; point at the AND that knows this input."""
    kinds, values = data["kinds"], data["values"]
    gap = "\u2002\u2002"  # past the marker
    words = [(x[bit], y[bit], f"{values[bit]:d}{gap}", "middle left") for bit in np.flatnonzero(kinds == INPUT)]
    words.append((x[-1], y[-1], f"{gap}<b>{values[-1]:d}</b>", "middle right"))
    here = np.flatnonzero((kinds == AND) & values)
    known = controls["circuit"] == "two_layers" and len(here)
    words.append(
        (x[here[0]], y[here[0]], "\u2002<b>this AND</b>", "top right") if known else (0, 0, NOTHING, "top right")
    )
    return figures.labels(*words, name="words", cliponaxis=False)


def _names(controls: Mapping[str, Any]) -> dict[str, Any]:
    """Name the lines of the lower figure."""
    threshold = controls["gates"] == "threshold"
    deep, flat = ("neurons, deep", "neurons, two layers") if threshold else ("deep: by pairs or in a chain", NOTHING)
    return figures.labels(
        (24, 10**8.2, "two layers of AND and OR", "top left"),
        (32.5, 10**2.1, deep, "top left"),
        (32.5, 10**1.15, flat, "bottom left"),
        name="names", xaxis="x2", yaxis="y2",
    )  # fmt: skip


def parity_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `parity_circuit` shows."""
    kinds, layers = data["kinds"], int(data["layer_count"])
    count, bits = int((kinds != INPUT).sum()), int((kinds == INPUT).sum())
    ones = int(data["values"][:bits].sum())
    parts = {kind: int((kinds == number).sum()) for kind, number in [("AND", AND), ("OR", OR), ("NOT", NOT)]}
    of = "neurons" if controls["gates"] == "threshold" else "gates (" + _listed(parts) + ")"
    way = NAMES[controls["circuit"]]
    deep = f" in {layers} layers" if controls["circuit"] != "two_layers" else ""
    parity = "odd, and the output is 1" if data["values"][-1] else "even, and the output is 0"
    return f"{bits} bits, {way}: {count} {of}{deep}. {ones} of the bits {'is' if ones == 1 else 'are'} 1: {parity}."


def _listed(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in parts.items() if count)


def and_gates(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> float:
    """Return how many AND gates the circuit has."""
    return float((data["kinds"] == AND).sum())
