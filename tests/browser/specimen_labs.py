"""Two labs for the tests: all that a lesson's lab might show, and does not."""

import time

import numpy as np

from vgx import figures
from vgx.lab import Choice, Lab, Predict, Slider, Toggle

HOLES = {"nan": np.nan, "inf": np.inf, "minus inf": -np.inf, "zero": 0.0, "none": 1.0}


def lines(length: int, rate: float, hole: str, flipped: bool) -> dict[str, np.ndarray]:
    """A ragged line with holes: at its start, in its middle, or all of it."""
    x = np.arange(1, length + 1)
    y = rate**x
    y[: length // 3] = HOLES[hole]
    y[-1] = np.nan if hole == "none" else y[-1]
    return {"x": x, "y": y[::-1] if flipped else y, "all": np.full(length, HOLES[hole])}


def draw_lines(data, state):
    traces = [
        {"type": "scatter", "mode": "lines", "name": 'a "line", with commas', "x": data["x"], "y": data["y"]},
        {"type": "scatter", "mode": "markers", "name": "all", "x": data["x"], "y": data["all"], "yaxis": "y2"},
    ]
    if state["hole"] == "zero":
        traces.append({"type": "scatter", "mode": "lines", "name": "only here", "x": [1, 9], "y": [1.0, 2.0]})
    return figures.figure(
        traces,
        title={"text": "Lines with holes"},
        xaxis={"range": [0, 10]},
        yaxis={"type": "log", "range": [-10, 10]},
        yaxis2={"overlaying": "y", "side": "right", "range": [-1, 2]},
        annotations=[{"x": 1, "y": 0, "text": f"{state['hole']} &lt; &amp;"}] * (1 + state["flipped"]),
    )


def read_lines(data, state):
    hole, order = state["hole"], "last" if state["flipped"] else "first"
    return (
        f"{state['length']} points at {state['rate']:.3g}, {hole} < & > {order}: {np.isfinite(data['y']).sum()} finite."
    )


def hills(width: float, kind: str) -> dict[str, np.ndarray]:
    """A field with a hole."""
    x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-2, 2, 7))
    z = np.exp(-(x**2 + y**2) / width) * (1 if kind == "hill" else -1)
    z[2, 3:5] = np.nan
    return {"z": z}


def draw_hills(data, state):
    return figures.figure(
        [{"type": "heatmap", "z": data["z"], "zmin": -1, "zmax": 1, "showscale": False}], title={"text": "Hills"}
    )


def read_hills(data, state):
    return f"A {state['kind']} of width {state['width']:.3g}."


holes = Lab(
    "holes",
    controls={
        "length": Slider(3, 9, default=9, stops=(3, 9), integer=True),
        "rate": Slider(0.1, 10, default=0.1, stops=4, log=True, unit="×"),
        "hole": Choice(tuple(HOLES)),
        "flipped": Toggle(label="back to front"),
    },
    compute=lines,
    draw=draw_lines,
    read=read_lines,
    alt="Line chart with holes.",
    predict=Predict(
        "What is there?", answer=lambda data, state: state["hole"], at={"hole": "inf"}, choices=("nan", "inf")
    ),
)

hilly = Lab(
    "hilly",
    controls={"width": Slider(0.5, 3, default=1, stops=6), "kind": Choice(("hill", "hollow"))},
    compute=hills,
    draw=draw_hills,
    read=read_hills,
    alt="Heat map.",
    predict=Predict("How high?", answer=lambda data, state: float(np.nanmax(data["z"])), at={"width": 2.0}),
)

LABS = {lab.name: lab for lab in (holes, hilly)}
PLACES = [("specimens", name) for name in LABS]

# ------------------------------------------------------------------------------------------------ live only

SECONDS = 0.1
calls = 0


def slowly(x: int, mode: str) -> dict[str, np.ndarray]:
    """Take a while; fail if told to."""
    global calls
    calls += 1
    time.sleep(SECONDS)
    if mode == "failing":
        raise ArithmeticError(f"there is <no> {x}")
    return {"y": np.array([float(x), calls])}


stubborn = Lab(
    "stubborn",
    controls={"x": Slider(0, 200, default=100, stops=3, integer=True), "mode": Choice(("fine", "failing"))},
    compute=slowly,
    draw=lambda data, state: figures.figure([{"type": "scatter", "x": [1, 2], "y": data["y"]}]),
    read=lambda data, state: f"x is {data['y'][0]:g} after {data['y'][1]:g} calls",
    alt="Two points.",
)
