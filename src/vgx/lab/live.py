"""The live rendering: ipywidgets over a Plotly FigureWidget, updated in place, recomputed by Python at every move."""

import asyncio
import base64
import html
import json
import math
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from ..sweep import Grid
from .controls import Choice, Control, Slider
from .paths import nest, same
from .question import question
from .rerun import Rerun
from .spec import Lab

if TYPE_CHECKING:
    import ipywidgets
    import plotly.graph_objects as go

PAUSE = 0.005
"""Seconds in which moves that have already arrived may overtake the one to be computed."""


def widget(lab: Lab) -> "ipywidgets.VBox":
    """Build the widget of a lab, showing its opening state."""
    return LiveLab(lab).widget


class LiveLab:
    """A lab in a running kernel: the controls' values in, the figure and its reading out.

    However fast the controls move, at most one state is being computed and at most one is waiting: the last one.
    A state that cannot be computed shows its error in the lab, and the next move starts afresh.
    """

    def __init__(self, lab: Lab) -> None:
        import ipywidgets as widgets
        import plotly.graph_objects as go

        self.lab = lab
        self.drawn, reading = self.compute(lab.defaults)  # first: what raises leaves no widgets behind
        self.fields = {name: _field(lab, name, control) for name, control in lab.controls.items()}
        self.reading, self.status = widgets.HTML(reading), widgets.HTML()
        self.figure = go.FigureWidget(nest(self.drawn))
        self.waiting: dict[str, Any] | None = None
        self.task: asyncio.Task | None = None
        for field in self.fields.values():
            field.observe(self.moved, names="value")
        parts = [
            widgets.HTML(f"<style>{_style()}</style>"),
            *([question(self)] if lab.predict else []),
            _box("vgx-controls", *self.fields.values()),
            self.figure,
            self.reading,
            _box("vgx-actions", *self.buttons(), *([Rerun(self).button] if lab.rerun else []), self.status),
        ]
        self.reading.add_class("vgx-reading")
        self.status.add_class("vgx-status")
        self.widget = widgets.VBox(parts).add_class("vgx-lab").add_class(f"vgx-{lab.name}")
        self.widget.observe(self.close, names="comm")

    @property
    def state(self) -> dict[str, Any]:
        """Where the controls stand."""
        return {name: field.value for name, field in self.fields.items()}

    @state.setter
    def state(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self.fields[name].value = value

    def compute(self, state: Mapping[str, Any]) -> tuple[dict, str]:
        """Measure, draw and read one state."""
        state = self.lab.state(**state)
        drawn, reading = self.lab.render(self.lab.data(**state), state)
        return drawn, html.escape(reading)

    def moved(self, change: Any = None) -> None:
        """Note that a control moved; compute now, or as soon as the state before is done."""
        self.waiting = self.state
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no event loop, so nothing can overtake
            self.catch_up()
            return
        if self.task is None or self.task.done():
            self.task = loop.create_task(self.follow())

    async def follow(self) -> None:
        """Show waiting states until none is left."""
        while self.waiting is not None:
            await asyncio.sleep(PAUSE)
            self.catch_up()

    def catch_up(self) -> None:
        """Show the waiting state, or why it can't be shown."""
        state, self.waiting = self.waiting, None
        try:
            drawn, self.reading.value = self.compute(state)
            self.show(drawn)
        except Exception as error:
            self.say(f"This state failed: {type(error).__name__}: {error}")
        else:
            self.say("")

    def show(self, drawn: dict) -> None:
        """Send the difference between what is drawn and what should be."""
        before, self.drawn = self.drawn, {}  # should Plotly refuse something, the next move draws all
        if _structure(drawn) == _structure(before):
            with self.figure.batch_update():
                for (part, *path), leaf in drawn.items():
                    if not same(leaf, before[part, *path]):
                        target = self.figure.data[path.pop(0)] if part == "data" else self.figure.layout
                        target[tuple(path)] = leaf
        else:
            spec = nest(drawn)
            self.figure.data = ()
            self.figure.add_traces(spec["data"])
            self.figure.layout = spec["layout"]
        self.drawn = drawn

    def close(self, change: Any = None) -> None:
        """Close every widget of the lab: what holds them was closed, which alone would keep them in memory."""
        if sys.is_finalizing():
            return
        from ipywidgets import Widget

        waiting: list[Any] = [self.widget]
        while waiting:
            widget = waiting.pop()
            held = [getattr(widget, name) for name in widget.keys]
            waiting += [part for part in (*held, *getattr(widget, "children", ())) if isinstance(part, Widget)]
            widget.close()

    # ---------------------------------------------------------------- buttons

    def buttons(self) -> list["ipywidgets.Button"]:
        """Make the same four buttons as on the page."""
        import ipywidgets as widgets

        made = []
        for text, action in [
            ("Copy link", self.link), ("Copy as Python", self.python), ("Data as CSV", self.csv), ("Reset", self.reset)
        ]:  # fmt: skip
            button = widgets.Button(description=text)
            button.on_click(lambda _, action=action: action())
            made.append(button)
        return made

    def link(self) -> None:
        """Show what opens this state in the book."""
        nearest = {name: _nearest_stop(self.lab.controls[name], value) for name, value in self.state.items()}
        query = urlencode({name: json.dumps(value).strip('"') for name, value in nearest.items()})
        self.offer(
            "Put this behind the address of the lesson's page in the book"
            f"{'' if nearest == self.state else ', where the nearest state is'}:",
            f"#{self.lab.name}?{query}",
        )

    def python(self) -> None:
        """Show the code that opens this state."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.state.items())
        self.offer("Copy this:", f"from {self.lab.module} import {self.lab.variable}\n\n{self.lab.variable}({given})")

    def csv(self) -> None:
        """Offer the figure's numbers as a file."""
        data = base64.b64encode(table(self.figure).encode()).decode()
        self.status.value = (
            f'<a download="{self.lab.name}.csv" href="data:text/csv;base64,{data}">Save {self.lab.name}.csv</a>'
        )

    def reset(self) -> None:
        """Go back to the opening state, and from a fresh run to the recording."""
        if self.state == self.lab.defaults:
            self.moved()
        self.state = self.lab.defaults

    def offer(self, message: str, text: str) -> None:
        """Show text to be copied."""
        rows = text.count("\n") + 1
        self.status.value = (
            f'{message}<textarea readonly rows="{rows}" aria-label="text to copy" onfocus="this.select()">'
            f"{html.escape(text)}</textarea>"
        )

    def say(self, message: str) -> None:
        """Show a message, or none."""
        self.status.value = html.escape(message)


def _structure(drawn: Mapping[tuple, Any]) -> tuple:
    """Tell which leaves there are, and of what type the traces: what cannot be changed in place."""
    return drawn.keys(), [leaf for path, leaf in drawn.items() if len(path) == 3 and path[::2] == ("data", "type")]


def _nearest_stop(control: Control, value: Any) -> Any:
    if value in control.stops:
        return value
    scale = math.log if control.log else float
    return min(control.stops, key=lambda stop: abs(scale(stop) - scale(value)))


def table(figure: "go.Figure") -> str:
    """Write a figure's traces as CSV, as the static page does: a line a point, or a line a cell of a heat map."""
    header = "series,x,y,z" if any("z" in trace for trace in figure.data) else "series,x,y"
    rows = (",".join(map(_cell, (trace.name or "", *point))) for trace in figure.data for point in _points(trace))
    return "\n".join([header, *rows, ""])


def _points(trace: "go.Trace") -> Iterator[tuple]:
    if "z" not in trace:
        x = range(len(trace.y)) if trace.x is None else trace.x
        return zip(x, trace.y, strict=True)
    rows, columns = np.shape(trace.z)
    x = range(columns) if trace.x is None else trace.x
    y = range(rows) if trace.y is None else trace.y
    return ((x[j], y[i], trace.z[i][j]) for i in range(rows) for j in range(columns))


def _cell(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else json.dumps(value)


@cache
def _style() -> str:
    return files(__package__).joinpath("assets/vgx-lab.css").read_text(encoding="utf-8")


def _box(name: str, *children: "ipywidgets.Widget") -> "ipywidgets.Box":
    import ipywidgets as widgets

    return widgets.HBox(children).add_class(name)


def _step(low: float, high: float, default: float) -> float:
    """Cut a range into about 200 steps, one of which ends at the default: the page stops at whole steps only."""
    part = default - low or high - low
    return part / max(1, round(200 * part / (high - low)))


def _field(lab: Lab, name: str, control: Control) -> "ipywidgets.Widget":
    """Make the widget of a control. Over a recording, sliders know the recorded values only."""
    import ipywidgets as widgets

    unit = f" ({control.unit.strip()})" if isinstance(control, Slider) and control.unit else ""
    common = {
        "description": (control.label or name.replace("_", " ")) + unit,
        "style": {"description_width": "initial"},
    }
    if isinstance(control, Slider) and isinstance(lab.compute, Grid):
        stops = [(control.text(stop), stop) for stop in control.stops]
        return widgets.SelectionSlider(options=stops, value=control.default, **common)
    if isinstance(control, Slider):
        low, high, default = control.low, control.high, control.default
        if control.integer:
            return widgets.IntSlider(default, min=low, max=high, **common)
        kind = widgets.FloatLogSlider if control.log else widgets.FloatSlider
        if control.log:
            low, high, default = np.log10([low, high, default])
        step = _step(low, high, default)
        return kind(control.default, min=low, max=high, step=step, readout_format=".3g", **common)
    if isinstance(control, Choice):
        options = [(control.text(option), option) for option in control.options]
        return widgets.Dropdown(options=options, value=control.default, **common)
    return widgets.Checkbox(control.default, indent=False, **common)
