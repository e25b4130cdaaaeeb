"""The built book as the tests see it: its pages, the labs on them, and what is wrong with a figure that they show.

Whatever checks a page returns a list of complaints, so that tests can also see it complain about a broken page.
"""

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import Locator, Page

from vgx.lab import Lab, static
from vgx.lab.paths import flatten, nest
from vgx.sweep import Grid

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "_build"
BOOK = BUILD / "html"
LAB = re.compile(r'<figure class="vgx-lab" data-lab="([\w-]+)"')
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
AXE = {"resultTypes": ["violations"], "preload": False}  # (to fetch style sheets again fails on file://)
WITHIN = 0.002
"""Static equals live if nowhere apart by more than this fraction of the visible range."""


def pages() -> list[str]:
    """Every page of the book; its front page alone, which then is missing, if none was built."""
    found = [path.relative_to(BOOK) for path in sorted(BOOK.rglob("*.html"))]
    return [path.as_posix() for path in found if path.parts[0] != "_static"] or ["index.html"]


def themed_pages() -> list[str]:
    """The pages in the theme: all but the one that forwards and the one for wrong addresses."""
    return [page for page in pages() if page not in ("index.html", "404.html")]


def pages_with_labs() -> dict[str, list[str]]:
    """The names of the labs on each page that has any."""
    found = {page: LAB.findall((BOOK / page).read_text(encoding="utf-8")) for page in pages() if (BOOK / page).exists()}
    return {page: names for page, names in found.items() if names} or {"index.html": ["none"]}


def first_pages() -> list[tuple[str, str]]:
    """One page for each lab: the first that shows it."""
    first: dict[str, str] = {}
    for page, names in pages_with_labs().items():
        for name in names:
            first.setdefault(name, page)
    return [(page, name) for name, page in first.items()]


@cache
def labs() -> dict[str, Lab]:
    """Every lab of the lessons by its name."""
    from vgx.book import all_labs

    return {lab.name: lab for lab in all_labs()}


@cache
def grid(name: str) -> Grid:
    """Every state of a lab of the lessons, computed when the book was built."""
    return static._grid(labs()[name], BUILD / "labs")


# ------------------------------------------------------------------------------------------------ watching a page


class Watch:
    """Notes what a page must not do: ask another host, fail to load, write errors or warnings to the console."""

    def __init__(self, page: Page, host: str = "file:///") -> None:
        self.page = page
        self.complaints: list[str] = []
        own = (host, "data:", "blob:", "about:")
        page.on("request", lambda r: r.url.startswith(own) or self.note(f"asks for {r.url}"))
        page.on("websocket", lambda s: s.url.startswith(host.replace("http", "ws")) or self.note(f"opens {s.url}"))
        page.on("response", lambda r: r.status < 400 or self.note(f"gets {r.status} for {r.url}"))
        page.on("console", lambda m: m.type not in ("error", "warning") or self.note(f"console {m.type}: {m.text}"))
        page.on("pageerror", lambda error: self.note(f"error: {error}"))

    def note(self, complaint: str) -> None:
        self.complaints.append(complaint)


# ------------------------------------------------------------------------------------------------ a lab on a page

IDLE = """name => {
    const lab = window.vgxLabs && vgxLabs.labs.find((lab) => lab.payload.name === name);
    return lab && !lab.busy && !lab.waiting && lab.plot.querySelector(".main-svg") !== null;
}"""

DRAWN = """plot => {
    const plain = (value) =>
        Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value, plain)
        : typeof value === "number" && !Number.isFinite(value) ? { number: String(value) }
        : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
        : value;
    return JSON.stringify({ data: plain(plot.data), layout: plain({ ...plot.layout, template: null }) });
}"""

BESIDE = """figure => {
    const text = (input) =>
        input.tagName === "SELECT" ? input.selectedOptions[0].text
        : input.type === "checkbox" ? (input.checked ? "on" : "off")
        : input.parentElement.querySelector("output").textContent;
    return Object.fromEntries([...figure.querySelectorAll(".vgx-controls [name]")].map((i) => [i.name, text(i)]));
}"""

MOVE = """(figure, positions) => new Promise((done) => {
    const inputs = Object.keys(positions).map((name) => figure.querySelector(`.vgx-controls [name="${name}"]`));
    const last = {};
    figure.addEventListener("vgx:updated", function listen({ detail }) {
        if (JSON.stringify(detail.state) !== JSON.stringify(last.state)) return;
        figure.removeEventListener("vgx:updated", listen);
        done();
    });
    for (const input of inputs) {
        const position = positions[input.name];
        if (input.type === "checkbox") input.checked = Boolean(position);
        else if (input.tagName === "SELECT") input.selectedIndex = position;
        else input.value = position;
    }
    last.state = vgxLabs.labs.find((lab) => lab.figure === figure).values();
    for (const input of inputs) input.dispatchEvent(new Event("input", { bubbles: true }));
})"""


@dataclass
class Place:
    """A page that shows a lab, and a function (**state) of the arrays from which Python would draw it."""

    path: Path
    lab: Lab
    data: Callable[..., Mapping[str, Any]]

    def on(self, page: Page) -> "LabOnPage":
        """The lab on this page, now open, as soon as it shows what its controls say."""
        return LabOnPage(page, self.lab, self.data).settle()

    def address(self, **values: Any) -> str:
        """The address that opens the lab at these values."""
        return self.path.as_uri() + address(self.lab, values)


def address(lab: Lab, values: Mapping[str, Any]) -> str:
    """The part of an address that opens a lab at these values, written as a script would: true, 1 for 1.0."""
    written = {
        name: str(value).lower() if isinstance(value, bool) else repr(value).removesuffix(".0")
        for name, value in values.items()
        if not isinstance(value, str)
    }
    return f"#{lab.name}?" + urlencode({**values, **written})


def place(page: str, name: str) -> Place:
    """A lab of the lessons on a page of the book."""
    return Place(BOOK / page, labs()[name], grid(name))


@dataclass
class LabOnPage:
    """A lab that an open page shows."""

    page: Page
    lab: Lab
    data: Callable[..., Mapping[str, Any]]

    @property
    def figure(self) -> Locator:
        return self.page.locator(f'figure.vgx-lab[data-lab="{self.lab.name}"]')

    @property
    def reading(self) -> str:
        return self.figure.locator(".vgx-reading").text_content()

    @property
    def status_line(self) -> Locator:
        return self.figure.locator(".vgx-status")

    @property
    def status(self) -> str:
        return self.status_line.text_content()

    def control(self, name: str) -> Locator:
        return self.figure.locator(f'.vgx-controls [name="{name}"]')

    def settle(self) -> "LabOnPage":
        """Wait until the figure shows what the controls say."""
        self.page.wait_for_function(IDLE, arg=self.lab.name)
        return self

    def move(self, **values: Any) -> None:
        """Set controls as their own events would, and wait for the figure."""
        positions = {name: self.lab.axes[name].index(value) for name, value in values.items()}
        self.figure.evaluate(MOVE, positions)

    def drawn(self) -> dict[str, Any]:
        """What Plotly was given to draw."""
        return drawn(self.figure.locator(".vgx-plot"))

    def press(self, action: str) -> "LabOnPage":
        """Press one of the buttons below the figure."""
        self.figure.locator(f'[data-action="{action}"]').click()
        return self.settle()

    def complaints(self, data: Callable | None = None, **values: Any) -> list[str]:
        """How what the page shows differs from what Python computes at these values."""
        state, beside = self.lab.state(**values), self.figure.evaluate(BESIDE)
        arrays, exact = (data or self.data)(**state), data is None
        texts = {name: self.lab.controls[name].text(value) for name, value in state.items()}
        pairs = [(name, beside[name], text) for name, text in texts.items()]
        found = [f"{name} shows {is_!r}, not {should!r}" for name, is_, should in pairs if is_ != should]
        reading = self.lab.read(arrays, state)
        if not alike(reading, self.reading, exact=exact):
            found.append(f"reads {self.reading!r}, not {reading!r}")
        return found + differences(self.drawn(), self.lab.draw(arrays, state), exact=exact)

    def ignored_controls(self, bases: Sequence[Mapping[str, Any]]) -> list[str]:
        """Which controls leave the figure as it is from one end to the other, whatever the others say."""

        def moves_something(name: str) -> bool:
            ends = self.lab.axes[name][0], self.lab.axes[name][-1]
            for base in bases:
                drawn = []
                for end in ends:
                    self.move(**{**base, name: end})
                    drawn.append(self.drawn()["data"])
                if str(drawn[0]) != str(drawn[1]):
                    return True
            return False

        return [name for name in self.lab.controls if not moves_something(name)]


def drawn(plot: Locator) -> dict[str, Any]:
    """What a Plotly node was given to draw."""
    return json.loads(plot.evaluate(DRAWN), object_hook=lambda o: float(o["number"]) if set(o) == {"number"} else o)


def random_states(lab: Lab, count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Draw states among the stops."""
    return [{name: stops[rng.integers(len(stops))] for name, stops in lab.axes.items()} for _ in range(count)]


# ------------------------------------------------------------------------------------------------ comparing figures


def differences(shown: Mapping[str, Any], figure: Any, *, exact: bool = True) -> list[str]:
    """Where what a page shows differs from a figure of Python's, by more than the storage may lose.

    Parameters
    ----------
    shown : mapping
        ``data`` and ``layout`` of the page's Plotly node.
    figure : plotly Figure
        What it should be.
    exact : bool
        Words are equal, too. Else numbers within them may differ in their last digit, as they do where the same
        state is computed in another order.
    """
    wanted = nest({path: leaf for path, leaf in flatten(figure).items() if path != ("layout", "template")})
    found: list[str] = []

    def compare(path: tuple, want: Any, got: Any) -> None:
        where = ".".join(map(str, path))
        if isinstance(want, Mapping) and isinstance(got, Mapping):
            extra = set(got) - set(want) if path[0] == "data" else set()  # (Plotly completes the layout)
            extra -= {"uid", "_doNotReportToPy"}  # (a widget's own)
            found.extend(f"{where}.{name} should not be there" for name in sorted(extra))
            for name in want:
                compare((*path, name), want[name], got.get(name))
        elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
            for i, (a, b) in enumerate(zip(want, got, strict=True)):
                compare((*path, i), a, b)
        elif isinstance(want, np.ndarray) and want.dtype.kind in "fiu" and isinstance(got, list):
            apart = _apart(want, got, _axis(path, wanted))
            if apart > WITHIN:
                found.append(f"{where} is off by {apart:.2%} of what is visible")
        elif isinstance(want, float | int) and not isinstance(want, bool) and isinstance(got, float | int):
            if not np.isclose(want, got, rtol=1e-12 if exact else WITHIN, atol=0 if exact else 0.01, equal_nan=True):
                found.append(f"{where} is {got}, not {want}")
        elif isinstance(want, str) and isinstance(got, str):
            if not alike(want, got, exact=exact):
                found.append(f"{where} is {got!r}, not {want!r}")
        elif (want.tolist() if isinstance(want, np.ndarray) else want) != got:
            found.append(f"{where} is {got!r}, not {want!r}")

    compare(("data",), wanted["data"], shown["data"])
    compare(("layout",), wanted["layout"], shown["layout"])
    return found


def _axis(path: tuple, figure: Mapping[str, Any]) -> Mapping[str, Any]:
    """The axis on which an array is drawn, if it is drawn on one with a fixed range."""
    if len(path) != 3 or path[0] != "data" or path[2] not in ("x", "y"):
        return {}
    anchor = figure["data"][path[1]].get(f"{path[2]}axis", path[2])
    return figure["layout"].get(f"{path[2]}axis{anchor[1:]}", {})


def _apart(want: np.ndarray, got: Sequence[Any], axis: Mapping[str, Any]) -> float:
    """The largest distance as a fraction of the visible range; inf if another place is NaN, infinite or zero."""
    got = np.array([[np.nan if v is None else v for v in row] if isinstance(row, list) else row for row in got], float)
    want = want.astype(float)
    if want.shape != got.shape:
        return np.inf
    special = ~np.isfinite(want) | (want == 0)
    if not np.array_equal(want[special], got[special], equal_nan=True) or not np.isfinite(got[~special]).all():
        return np.inf
    want, got = want[~special], got[~special]
    if axis.get("type") == "log":
        if (np.sign(want) != np.sign(got)).any():
            return np.inf
        want, got = (np.log10(np.abs(values)) for values in (want, got))
    visible = np.ptp(axis["range"]) if "range" in axis else np.ptp(want) if want.size else 0
    return float(np.max(np.abs(want - got), initial=0) / (visible or 1))


NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def alike(want: str, got: str, *, exact: bool) -> bool:
    """Whether two texts are equal; unless ``exact``, numbers in them may be apart by one in their last digit."""
    want, got = html.unescape(want), html.unescape(got)
    if exact or want == got:
        return want == got
    a, b = (text.translate(SUPERSCRIPTS) for text in (want, got))
    pairs = list(zip(NUMBER.findall(a), NUMBER.findall(b), strict=False))
    close = all(abs(float(x) - float(y)) <= 1.01 * 10.0 ** -len(x.partition(".")[2]) for x, y in pairs)
    return NUMBER.split(a) == NUMBER.split(b) and close
