"""The live rendering: ipywidgets over a Plotly FigureWidget, updated in place, recomputed by Python at every move."""

import asyncio
import base64
import html
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..sweep import Grid
from .controls import Choice, Control, Slider
from .paths import flatten, nest, same
from .spec import Lab

if TYPE_CHECKING:
    import ipywidgets

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
        self.fields = {name: _field(lab, name, control) for name, control in lab.controls.items()}
        self.reading, self.status = widgets.HTML(), widgets.HTML()
        self.drawn, self.reading.value = self.compute(self.state)
        self.figure = go.FigureWidget(nest(self.drawn))
        self.waiting: dict[str, Any] | None = None
        self.task: asyncio.Task | None = None
        for field in self.fields.values():
            field.observe(self.moved, names="value")
        parts = [
            widgets.HTML(f"<style>{_style()}</style>"),
            *([_prediction(self)] if lab.predict else []),
            _box("vgx-controls", *self.fields.values()),
            self.figure,
            self.reading,
            _box("vgx-actions", *self.buttons(), self.status),
        ]
        self.reading.add_class("vgx-reading")
        self.status.add_class("vgx-status")
        self.widget = widgets.VBox(parts).add_class("vgx-lab").add_class(f"vgx-{lab.name}")

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
        data = self.lab.data(**state)
        return flatten(self.lab.draw(data, state)), html.escape(self.lab.read(data, state))

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
            drawn, reading = self.compute(state)
        except Exception as error:
            self.say(f"This state failed: {type(error).__name__}: {error}")
            return
        self.show(drawn)
        self.reading.value = reading
        self.say("")

    def show(self, drawn: dict) -> None:
        """Send the difference between what is drawn and what should be."""
        changed = {
            path: leaf for path, leaf in drawn.items() if path not in self.drawn or not same(leaf, self.drawn[path])
        }
        with self.figure.batch_update():
            if drawn.keys() == self.drawn.keys():
                for (part, *path), leaf in changed.items():
                    target, path = (
                        (self.figure.data[path[0]], path[1:]) if part == "data" else (self.figure.layout, path)
                    )
                    target[tuple(path)] = leaf
            else:  # other traces or annotations than before
                spec = nest(drawn)
                self.figure.data = ()
                self.figure.add_traces(spec["data"])
                self.figure.layout = spec["layout"]
        self.drawn = drawn

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
        query = "&".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in self.state.items())
        self.offer("Put this behind the address of the lesson's page in the book:", f"#{self.lab.name}?{query}")

    def python(self) -> None:
        """Show the code that opens this state."""
        given = ", ".join(f"{name}={value!r}" for name, value in self.state.items())
        self.offer("Copy this:", f"from {self.lab.module} import {self.lab.variable}\n\n{self.lab.variable}({given})")

    def csv(self) -> None:
        """Offer the figure's numbers as a file."""
        lines = ["series,x,y"]
        for trace in self.figure.data:
            name = '"' + str(trace.name or "").replace('"', '""') + '"'
            lines += [f"{name},{x},{y}" for x, y in zip(trace.x, trace.y, strict=True)]
        data = base64.b64encode("\n".join([*lines, ""]).encode()).decode()
        self.status.value = (
            f'<a download="{self.lab.name}.csv" href="data:text/csv;base64,{data}">Save {self.lab.name}.csv</a>'
        )

    def reset(self) -> None:
        """Go back to the opening state."""
        self.state = self.lab.defaults
        self.say("Back at the start.")

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


@cache
def _style() -> str:
    return files(__package__).joinpath("assets/vgx-lab.css").read_text(encoding="utf-8")


def _box(name: str, *children: "ipywidgets.Widget") -> "ipywidgets.Box":
    import ipywidgets as widgets

    return widgets.HBox(children).add_class(name)


def _field(lab: Lab, name: str, control: Control) -> "ipywidgets.Widget":
    """Make the widget of a control. Over a recording, sliders know the recorded values only."""
    import ipywidgets as widgets

    common = {
        "description": control.label or name.replace("_", " "),
        "style": {"description_width": "initial"},
    }
    if isinstance(control, Slider) and isinstance(lab.compute, Grid):
        stops = [(control.text(stop), stop) for stop in control.stops]
        return widgets.SelectionSlider(options=stops, value=control.default, **common)
    if isinstance(control, Slider) and control.log:
        low, high = np.log10([control.low, control.high])
        step = (high - low) / 200
        return widgets.FloatLogSlider(control.default, min=low, max=high, step=step, readout_format=".3g", **common)
    if isinstance(control, Slider):
        kind, step = (
            (widgets.IntSlider, 1) if control.integer else (widgets.FloatSlider, (control.high - control.low) / 200)
        )
        return kind(control.default, min=control.low, max=control.high, step=step, **common)
    if isinstance(control, Choice):
        options = [(control.text(option), option) for option in control.options]
        return widgets.Dropdown(options=options, value=control.default, **common)
    return widgets.Checkbox(control.default, indent=False, **common)


# ---------------------------------------------------------------- a question before looking


def _prediction(live: LiveLab) -> "ipywidgets.VBox":
    """Ask, keep the answer in a file of the reader's own, and compare it with what the lab measures."""
    import ipywidgets as widgets

    predict, kept = live.lab.predict, _Kept(live.lab.name)
    if predict.choices:
        field = widgets.Dropdown(options=["", *predict.choices], value=kept.answer or "")
    else:
        field = widgets.Text(
            kept.answer or "",
            placeholder="a number",
            description="10 to the power" if predict.power_of_ten else "",
        )
    field.style.description_width = "initial"
    keep, show = widgets.Button(description="Keep my answer"), widgets.Button(description="Show me")
    answer = widgets.HTML()

    def compare(_: Any = None) -> None:
        try:
            guess = field.value if predict.choices else float(field.value)
            answer.value = html.escape(predict.compare(guess, live.lab.truth()))
            kept.answer = field.value
        except ValueError as error:
            answer.value = html.escape(str(error))

    def open_the_state(_: Any) -> None:
        live.state = live.lab.state(**predict.at)

    keep.on_click(compare)
    show.on_click(open_the_state)
    if kept.answer:
        compare()
    question = widgets.HTML(f"<strong>Predict.</strong> {html.escape(predict.question)}")
    return widgets.VBox([question, widgets.HBox([field, keep, show]), answer]).add_class("vgx-predict")


class _Kept:
    """The answer to one lab's question, in a file in the reader's home; forgotten where no file can be written."""

    def __init__(self, name: str) -> None:
        from platformdirs import user_data_path

        self.path: Path = user_data_path("vgx") / "predictions" / f"{name}.txt"

    @property
    def answer(self) -> str | None:
        with suppress(OSError):
            return self.path.read_text(encoding="utf-8")
        return None

    @answer.setter
    def answer(self, text: str) -> None:
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(text, encoding="utf-8")
