"""The static rendering: every state of a lab computed and drawn beforehand, as markup and one payload script."""

import gzip
import html
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .. import figures
from ..sweep import Grid, tabulate
from . import cache, encode
from .controls import Choice, Predict, Slider, Toggle
from .spec import Lab, one_blas_thread

MOST_STATES = 1_500
MOST_BYTES = 300_000  # gzipped


class OverBudgetError(ValueError):
    """A lab has too many states, or its payload is too heavy for a page."""


def render(lab: Lab, folder: Path) -> str:
    """Write the payload of a lab into ``folder``, unless it is there already, and return the lab's markup.

    Parameters
    ----------
    lab : Lab
        What to show.
    folder : Path
        Where grids and payloads are kept, by content: a change in what they depend on gives another name.

    Raises
    ------
    OverBudgetError
        If the lab has more than 1,500 states or its payload more than 300 kB gzipped.
    """
    states = math.prod(len(stops) for stops in lab.axes.values())
    if states > MOST_STATES:
        sizes = " x ".join(f"{len(stops)} {name}" for name, stops in lab.axes.items())
        raise OverBudgetError(f"lab {lab.name!r} has {states} states ({sizes}); at most {MOST_STATES} fit on a page")
    folder.mkdir(parents=True, exist_ok=True)
    grid = _grid(lab, folder)
    path = payload_path(lab, folder)
    if not path.exists():
        script = f"vgxLabs.define({json.dumps(path.stem)}, {_literal(payload(lab, grid))});\n"
        size = len(gzip.compress(script.encode()))
        if size > MOST_BYTES:
            raise OverBudgetError(
                f"lab {lab.name!r} takes {size:,} bytes gzipped; at most {MOST_BYTES:,} fit on a page"
            )
        cache.write(path, script.encode())
    return markup(lab, grid, path.stem)


def payload_path(lab: Lab, folder: Path) -> Path:
    """Where the payload of a lab is kept: its name tells everything that it depends on."""
    functions, predict = [lab.compute, lab.draw, lab.read, payload], lab.predict
    spec: list[Any] = [lab.module, _spec(lab)]
    if predict:
        functions.append(predict.answer)
        spec += [predict.at, predict.choices, predict.power_of_ten]
    return folder / f"{lab.name}-{cache.key(*functions, spec=repr(spec))}.js"


def _grid(lab: Lab, folder: Path) -> Grid:
    if isinstance(lab.compute, Grid):
        return lab.compute
    path = folder / f"{lab.name}-{cache.key(lab.compute, spec=repr(lab.axes))}.npz"
    if path.exists():
        return Grid.load(path, fn=lab.compute)
    with one_blas_thread():
        grid = tabulate(lab.compute, lab.axes, vectorized=lab.vectorized, progress=False)
    grid.save(path)
    return grid


def payload(lab: Lab, grid: Grid) -> dict[str, Any]:
    """Draw every state of a lab and encode what `vgx-lab.js` needs."""
    drawn, readings = zip(*(lab.render(grid(**state), state) for state in lab.states()), strict=True)
    return {
        "name": lab.name,
        "module": lab.module,
        "variable": lab.variable,
        "controls": _spec(lab),
        "predict": _prediction(lab, grid),
        "dark": figures.DARK,
        "readings": {"path": [], **encode.words(readings)},
        **encode.encode(drawn),
    }


def _spec(lab: Lab) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "stops": list(control.stops),
            "texts": [control.text(stop) for stop in control.stops],
            "python": [repr(stop) for stop in control.stops],
            "opening": control.stops.index(control.default),
        }
        for name, control in lab.controls.items()
    ]


def _prediction(lab: Lab, grid: Grid) -> dict[str, Any] | None:
    if lab.predict is None:
        return None
    at = lab.predict.at
    return {
        "at": {name: str(value).lower() if isinstance(value, bool) else value for name, value in at.items()},
        "truth": lab.truth(grid(**at)),
        "powerOfTen": lab.predict.power_of_ten,
        "choices": list(lab.predict.choices) or None,
    }


def _literal(value: Any) -> str:
    """Write a script literal: JSON with NaN and Infinity, safe inside a script element."""

    def plain(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray | np.generic):
            return leaf.tolist()
        raise TypeError(f"a figure holds a {type(leaf).__name__}, which no page can show: {leaf!r}")

    return json.dumps(value, default=plain, separators=(",", ":")).replace("</", "<\\/")


# ------------------------------------------------------------------------------------------------ markup


def markup(lab: Lab, grid: Grid, payload_id: str) -> str:
    """Write the lab's HTML: complete without a script, but for the figure itself."""
    reading = lab.read(grid(**lab.defaults), lab.defaults)
    controls = "".join(_control(name, control) for name, control in lab.controls.items())
    buttons = "".join(
        f'<button type="button" data-action="{action}">{text}</button>'
        for action, text in [
            ("link", "Copy link"),
            ("python", "Copy as Python"),
            ("csv", "Data as CSV"),
            ("reset", "Reset"),
        ]
    )
    return (
        f'<figure class="vgx-lab" data-lab="{lab.name}" data-payload="{payload_id}">'
        f"{_question(lab.predict) if lab.predict else ''}"
        f'<div class="vgx-controls" role="group" aria-label="Controls of the figure">{controls}</div>'
        f'<div class="vgx-plot" role="group" aria-label="{html.escape(lab.alt)}"></div>'
        f'<figcaption class="vgx-reading" aria-live="polite">{html.escape(reading)}</figcaption>'
        f'<div class="vgx-actions">{buttons}<span class="vgx-status" role="status"></span></div>'
        f"<noscript><p>This figure moves with JavaScript switched on. "
        f"The sentence above describes its first state: {html.escape(_words(lab))}.</p></noscript>"
        f"</figure>"
    )


def _words(lab: Lab) -> str:
    return ", ".join(
        f"{_label(name, control)} {control.text(control.default)}" for name, control in lab.controls.items()
    )


def _label(name: str, control: Any) -> str:
    return control.label or name.replace("_", " ")


def _control(name: str, control: Slider | Choice | Toggle) -> str:
    label = f'<span class="vgx-label">{html.escape(_label(name, control))}</span>'
    if isinstance(control, Slider):
        opening, text = control.stops.index(control.default), html.escape(control.text(control.default))
        field = (
            f'<input type="range" name="{name}" min="0" max="{len(control.stops) - 1}" step="1" value="{opening}" '
            f'aria-valuetext="{text}" autocomplete="off"><output>{text}</output>'
        )
    elif isinstance(control, Choice):
        options = "".join(
            f'<option value="{html.escape(option)}"{" selected" if option == control.default else ""}>'
            f"{html.escape(control.text(option))}</option>"
            for option in control.options
        )
        field = f'<select name="{name}" autocomplete="off">{options}</select>'
    else:
        checked = " checked" if control.default else ""
        field = f'<input type="checkbox" name="{name}"{checked} autocomplete="off">'
    return f'<label class="vgx-control">{label}{field}</label>'


def _question(predict: Predict) -> str:
    if predict.choices:
        options = "".join(f"<option>{html.escape(choice)}</option>" for choice in predict.choices)
        field = f'<select name="guess" aria-label="your answer"><option value="">choose</option>{options}</select>'
    else:
        field = '<input type="number" step="any" name="guess" aria-label="your answer" autocomplete="off">'
        field = f'<span class="vgx-power">10 to the power {field}</span>' if predict.power_of_ten else field
    return (
        f'<form class="vgx-predict"><p><strong>Predict.</strong> {html.escape(predict.question)}</p>'
        f'<p>{field} <button type="submit">Keep my answer</button> '
        f'<button type="button" data-show hidden>Show me</button></p><p class="vgx-answer" role="status"></p></form>'
    )
