"""The static rendering: payload and markup, what it reuses, what it refuses."""

import gzip
import json
import re
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from multiprocessing import get_context

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.specimen_labs import holes
from vgx import tabulate
from vgx.lab import Choice, Lab, Predict, Slider, Toggle, display, static, static_rendering
from vgx.lab.spec import one_blas_thread
from vgx.lessons.chain_rule_products.labs import gradient_by_layer

NASTY = "a < b & \"c\" </script><script>'d'"


def line(slope: float, kind: str = "up") -> dict[str, np.ndarray]:
    if slope == 2 and kind == "down":
        raise FloatingPointError("too steep")
    return {"y": slope * np.arange(3.0)}


def draw(data, controls):
    return go.Figure(go.Scatter(y=data["y"], name=NASTY), layout={"title": {"text": f"{NASTY} {controls['slope']}"}})


def read(data, controls):
    return f"{NASTY} at {controls['slope']:g}."


SLOPE = Slider(0, 2, default=1, stops=3, unit=" < m", label="how & steep")


def lab(**given) -> Lab:
    arguments = {"controls": {"slope": SLOPE}, "compute": line, "draw": draw, "read": read, "alt": NASTY}
    return Lab("nasty", **arguments | given)


def script(given: Lab, folder) -> str:
    static.render(given, folder)
    return static.payload_path(given, folder).read_text(encoding="utf-8")


def defined(text: str) -> tuple[str, dict]:
    """Read the arguments of the one call that a payload's script is."""
    call = re.fullmatch(r'vgxLabs\.define\("([\w-]+)", (.*)\);\n', text, re.DOTALL)
    return call[1], json.loads(call[2])


# Payload


def test_the_payload_is_one_call_with_all_that_the_page_needs(tmp_path):
    name, payload = defined(script(holes, tmp_path))
    assert static.payload_path(holes, tmp_path).stem == name
    assert (payload["name"], payload["module"], payload["variable"]) == ("holes", holes.module, "holes")
    length, rate, hole, flipped = payload["controls"]
    assert length == {
        "name": "length", "stops": [3, 9, 30], "texts": ["3", "9", "30"], "python": ["3", "9", "30"], "opening": 1
    }  # fmt: skip
    assert rate["texts"] == ["0.1×", "0.215×", "0.464×", "1×", "2.15×", "4.64×", "10×"]
    assert (hole["stops"][2], hole["python"][2]) == ("minus inf", "'minus inf'")
    assert (flipped["stops"], flipped["python"], flipped["texts"]) == ([False, True], ["False", "True"], ["off", "on"])
    at = {"length": 9, "rate": 0.464, "hole": "inf", "flipped": "false"}
    assert payload["predict"] == {"at": at, "truth": "inf", "powerOfTen": False, "choices": ["nan", "inf"]}


def test_every_state_has_its_reading(tmp_path):
    _, payload = defined(script(lab(), tmp_path))
    assert payload["readings"]["values"] == [read(None, state) for state in lab().states()]


def test_a_payload_cannot_end_its_script(tmp_path):
    text = script(lab(), tmp_path)
    assert "</" not in text
    assert text.isascii()
    assert NASTY in defined(text)[1]["readings"]["values"][0]


def test_a_figure_that_no_page_can_show_is_refused():
    with pytest.raises(TypeError, match=r"a figure holds a set, which no page can show: \{1\}"):
        static._literal({"a": {1}})


def test_a_recording_is_shown_as_what_it_records(tmp_path):
    grid = tabulate(line, {"slope": [0.0, 0.5, 1.0, 2.0], "kind": ["up"]}, progress=False)
    grid.save(tmp_path / "recording.npz")
    for recorded in (grid, type(grid).load(tmp_path / "recording.npz")):
        (tmp_path / "a").mkdir(exist_ok=True)
        _, payload = defined(script(lab(compute=recorded), tmp_path / "a"))
        assert payload["columns"] == defined(script(lab(), tmp_path / "b"))[1]["columns"]
    assert [path.suffix for path in (tmp_path / "a").iterdir()] == [".js"]


def test_one_thread_each_is_what_a_worker_keeps():
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=one_blas_thread) as executor:
        assert executor.submit(threads).result() == {1}


def threads() -> set[int]:
    from threadpoolctl import threadpool_info

    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


# What is reused


ASKED = []


def counting(slope: float) -> dict[str, np.ndarray]:
    ASKED.append(slope)
    return line(slope)


def test_nothing_is_computed_twice(tmp_path):
    for _ in range(2):
        static.render(lab(compute=counting), tmp_path)
    assert ASKED == [0, 1, 2]


def test_a_damaged_grid_is_not_used(tmp_path):
    static.render(lab(), tmp_path)
    grid, payload = (next(tmp_path.glob(f"*.{suffix}")) for suffix in ("npz", "js"))
    payload.unlink()
    grid.write_bytes(grid.read_bytes()[:100])
    with pytest.raises(ValueError, match="is no recording, or damaged"):
        static.render(lab(), tmp_path)


# What is refused


def test_too_many_states_are_refused_with_the_numbers(tmp_path):
    controls = {"slope": Slider(0, 1, default=0, stops=751), "kind": Choice(("up", "flat"))}
    message = r"lab 'nasty' has 1502 states \(751 slope x 2 kind\); at most 1500 fit on a page"
    with pytest.raises(static.OverBudgetError, match=message):
        static.render(lab(controls=controls), tmp_path / "labs")
    assert not (tmp_path / "labs").exists()


def test_too_many_bytes_are_refused_with_the_numbers(tmp_path, monkeypatch):
    size = len(gzip.compress(script(lab(), tmp_path / "a").encode()))
    monkeypatch.setattr(static, "MOST_BYTES", size)
    static.render(lab(), tmp_path / "b")
    monkeypatch.setattr(static, "MOST_BYTES", size - 1)
    message = f"lab 'nasty' takes {size:,} bytes gzipped; at most {size - 1:,} fit on a page"
    with pytest.raises(static.OverBudgetError, match=message):
        static.render(lab(), tmp_path / "c")
    assert not list((tmp_path / "c").glob("*.js"))


def test_a_compute_that_raises_says_at_which_state(tmp_path):
    controls = {"slope": SLOPE, "kind": Choice(("up", "down"))}
    with pytest.raises(FloatingPointError, match="too steep") as caught:
        static.render(lab(controls=controls), tmp_path)
    assert "slope=2.0, kind='down'" in caught.value.__notes__[0]
    assert not list(tmp_path.iterdir())


def test_a_drawing_that_raises_says_at_which_state(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        static.render(lab(draw=lambda data, controls: go.Figure(go.Scatter(y=[1 / int(controls["slope"])]))), tmp_path)
    assert caught.value.__notes__ == ["while drawing lab 'nasty' at {'slope': 0.0}"]
    assert not list(tmp_path.glob("*.js"))


def test_a_question_without_an_answer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="lab 'nasty': the truth must be a finite number, got inf"):
        static.render(lab(predict=Predict("?", answer=lambda data, controls: np.inf, at={})), tmp_path)


# Markup


class Element(HTMLParser):
    """The elements of a page, in order: (tag, attributes, text within)."""

    VOID = ("input",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.found.append((tag, dict(attrs), []))
        if tag not in self.VOID:
            self.open.append(self.found[-1])

    def handle_endtag(self, tag) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data) -> None:
        for _, _, texts in self.open:
            texts.append(data)

    def all(self, tag: str, **wanted: str) -> list[tuple[dict, str]]:
        wanted = {name.strip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [(a, "".join(t)) for found, a, t in self.found if found == tag and wanted.items() <= a.items()]

    def one(self, tag: str, **wanted: str) -> tuple[dict, str]:
        (only,) = self.all(tag, **wanted)
        return only


def test_the_markup_is_what_the_page_and_its_readers_rely_on(tmp_path):
    page = Element(static.render(holes, tmp_path))
    figure, _ = page.one("figure", class_="vgx-lab", data_lab="holes")
    assert figure["data-payload"] == static.payload_path(holes, tmp_path).stem
    assert page.one("figcaption", class_="vgx-reading", aria_live="polite")[1] == holes.reading()
    assert page.one("div", class_="vgx-plot")[0]["aria-label"] == "Line chart with holes."
    buttons = {
        attributes["data-action"]: text for attributes, text in page.all("button") if "data-action" in attributes
    }
    assert buttons == {"link": "Copy link", "python": "Copy as Python", "csv": "Data as CSV", "reset": "Reset"}
    assert all(attributes["type"] in ("button", "submit") for attributes, _ in page.all("button"))
    assert page.one("span", class_="vgx-status")[0]["role"] == "status"
    assert "length 9, rate 0.464×, hole nan, back to front off" in page.one("noscript")[1]


def test_every_control_has_its_name_its_label_and_its_opening(tmp_path):
    page = Element(static.render(holes(flipped=True, hole="zero"), tmp_path))
    length, _ = page.one("input", name="length")
    assert length.items() >= {"type": "range", "min": "0", "max": "2", "step": "1", "value": "1"}.items()
    assert (length["aria-valuetext"], page.all("output")[0][1]) == ("9", "9")
    assert [text for _, text in page.one("select", name="hole") and page.all("option", selected=None)] == ["zero"]
    assert [attributes["value"] for attributes, _ in page.all("option") if "value" in attributes][-5:] == list(
        holes.controls["hole"].options
    )
    assert "checked" in page.one("input", name="flipped")[0]
    labels = [text for attributes, text in page.all("label", class_="vgx-control")]
    assert [label.startswith(words) for label, words in zip(labels, ("length", "rate", "hole", "back to"), strict=True)]
    assert all(labels)
    names = [a["name"] for tag, a, _ in page.found if tag in ("input", "select") and a["name"] != "guess"]
    assert names == list(holes.controls)


def test_no_text_breaks_out_of_the_markup(tmp_path):
    predict = Predict(NASTY, answer=lambda data, controls: NASTY, at={}, choices=(NASTY, "other"))
    controls = {"slope": SLOPE, "kind": Choice((NASTY, "up")), "on": Toggle(label=NASTY)}
    nasty = lab(predict=predict, controls=controls, compute=lambda slope, kind, on: line(slope))
    text = static.render(nasty, tmp_path)
    page = Element(text)
    assert "<script" not in text
    assert page.one("figcaption")[1] == f"{NASTY} at 1."
    assert page.one("div", class_="vgx-plot")[0]["aria-label"] == NASTY
    assert page.all("option", value=NASTY)[0][1] == NASTY
    assert page.all("option")[1][1] == NASTY
    assert NASTY in page.one("form")[1]
    assert page.one("input", name="slope")[0]["aria-valuetext"] == "1 < m"
    assert {tag for tag, *_ in page.found} == {
        "figure", "form", "p", "strong", "select", "option", "button", "div", "label", "span", "input", "output",
        "figcaption", "noscript",
    }  # fmt: skip


def test_a_lab_may_stand_twice_on_a_page(tmp_path):
    page = Element(static.render(holes, tmp_path) * 2)
    assert len(page.all("figure", data_lab="holes")) == 2
    assert not [a for _, a, _ in page.found if "id" in a]


@pytest.mark.parametrize(
    ("predict", "field"),
    [
        ({"choices": ("yes", "no")}, ("select", {"name": "guess", "aria-label": "your answer"})),
        ({}, ("input", {"name": "guess", "type": "number", "step": "any"})),
        ({"power_of_ten": True}, ("input", {"name": "guess", "type": "number", "step": "any"})),
    ],
)
def test_a_question_asks_for_its_kind_of_answer(tmp_path, predict, field):
    answer = "yes" if "choices" in predict else 1.0
    asking = lab(predict=Predict("How much?", answer=lambda data, controls: answer, at={}, **predict))
    page = Element(static.render(asking, tmp_path))
    attributes, _ = page.one(field[0], name="guess")
    assert attributes.items() >= field[1].items()
    assert ("10 to the power" in page.one("form")[1]) == predict.get("power_of_ten", False)
    assert "hidden" in next(a for a, _ in page.all("button") if "data-show" in a)


# Which rendering


def test_a_lab_is_shown_statically_where_the_book_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv(display.STATIC_FOLDER, raising=False)
    assert static_rendering() is None
    monkeypatch.setenv(display.STATIC_FOLDER, str(tmp_path))
    assert static_rendering() == tmp_path
    shown = lab()._repr_mimebundle_()
    assert shown == {"text/html": static.render(lab(), tmp_path), "text/plain": lab().alt}


def test_the_emblem_lab_fits_the_budget():
    assert len(list(gradient_by_layer.states())) <= static.MOST_STATES
