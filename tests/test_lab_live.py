"""The live rendering, driven without a browser: what the widgets hold is what Python computes."""

import asyncio
import csv
import html
import io
import re
import time
from base64 import b64decode
from urllib.parse import parse_qs

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
import pytest
from ipywidgets.widgets import widget as registry

from tests.specimen_labs import hilly, holes
from vgx import tabulate
from vgx.lab import Choice, Lab, Predict, Slider, Toggle, display, live
from vgx.lab.live import LiveLab
from vgx.lab.paths import flatten, same
from vgx.lab.static import render


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of one's own; and no widget outlives a test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / "home" / name)
    yield tmp_path / "home" / "vgx" / "predictions"
    for each in [w for w in registry._instances.values() if isinstance(w, widgets.VBox)]:
        each.close()


def line(slope: float, kind: str = "up", on: bool = False) -> dict[str, np.ndarray]:
    if slope < 0:
        raise FloatingPointError("slope < 0 is <not> for us")
    y = slope * np.arange(4.0)
    y[-1] = {"up": y[-1], "nan": np.nan, "inf": np.inf, "minus inf": -np.inf}[kind]
    return {"y": y}


def draw(data, state):
    traces = [go.Scatter(y=data["y"], name='the "line"')] * (1 + state.get("on", False))
    return go.Figure(traces, layout={"title": {"text": f"slope {state['slope']:g}"}})


def read(data, state):
    return f"Slope {state['slope']:g} < & ends at {data['y'][-1]:g}."


def lab(**given) -> Lab:
    arguments = {"controls": {"slope": Slider(-1, 2, default=1, stops=7)}, "compute": line, "draw": draw, "read": read}
    return Lab(given.pop("name", "one-line"), **arguments | {"alt": ""} | given)


one_line = lab()
KINDS = {"kind": Choice(("up", "nan", "inf", "minus inf")), "on": Toggle()}


def assert_shows(shown: LiveLab, state) -> None:
    """Check that figure and reading are those that Python makes of the state."""
    wanted = flatten(shown.lab.figure(**state))
    found = {path: leaf for path, leaf in flatten(shown.figure).items() if path[-1] not in ("uid", "template")}
    wanted = {path: leaf for path, leaf in wanted.items() if path[-1] != "template"}
    assert found.keys() == wanted.keys()
    assert [path for path in wanted if not same(found[path], wanted[path])] == []
    assert shown.reading.value == html.escape(shown.lab.reading(**state))


# Moving


def states_of(given: Lab, count: int) -> list[dict]:
    rng = np.random.default_rng(0)
    return [{name: stops[rng.integers(len(stops))] for name, stops in given.axes.items()} for _ in range(count)]


many_lines = lab(controls=KINDS | {"slope": Slider(0, 2, default=1, stops=5)})


@pytest.mark.parametrize("given", [holes, hilly, many_lines], ids=lambda given: given.name)
def test_what_is_shown_is_what_python_computes(given):
    shown = LiveLab(given)
    assert_shows(shown, given.defaults)
    for state in states_of(given, 25):
        shown.state = state
        assert shown.state == state
        assert shown.status.value == ""
        assert_shows(shown, state)


@pytest.mark.parametrize("wait", [False, True])
def test_a_state_that_fails_says_so_and_the_next_move_recovers(wait):
    shown = LiveLab(one_line)

    async def moved(slope):
        shown.state = {"slope": slope}
        if wait:
            await shown.task

    def move(slope):
        asyncio.run(moved(slope)) if wait else shown.fields["slope"].set_trait("value", slope)

    move(-0.5)
    assert shown.status.value == "This state failed: FloatingPointError: slope &lt; 0 is &lt;not&gt; for us"
    assert shown.figure.layout.title.text == "slope 1"
    move(2.0)
    assert shown.status.value == ""
    assert_shows(shown, {"slope": 2.0})


def test_a_drawing_that_plotly_refuses_says_so_and_the_next_move_recovers():
    shown = LiveLab(one_line)
    kept, shown.figure.layout.title.text = shown.drawn, "moved"
    shown.compute = lambda state: (kept | {("layout", "title", "text"): "half", ("data", 0, "mode"): "wavy"}, "")
    shown.fields["slope"].value = 0.5
    assert shown.status.value.startswith("This state failed: ValueError:")
    del shown.compute
    shown.fields["slope"].value = 1.5
    assert shown.status.value == ""
    assert_shows(shown, {"slope": 1.5})


def test_a_trace_of_another_type_is_drawn():
    kinds = {"line": {"type": "scatter", "y": [1, 2]}, "bars": {"type": "bar", "y": [1, 2]}}
    given = lab(
        controls={"kind": Choice(tuple(kinds))}, compute=lambda kind: {}, read=lambda data, state: state["kind"],
        draw=lambda data, state: go.Figure(kinds[state["kind"]]),
    )  # fmt: skip
    shown = LiveLab(given)
    for kind in ("bars", "line", "bars"):
        shown.state = {"kind": kind}
        assert shown.figure.data[0].type == kinds[kind]["type"]
        assert_shows(shown, {"kind": kind})


def test_a_lab_that_cannot_open_raises_and_leaves_no_widget():
    before = set(registry._instances)
    with pytest.raises(FloatingPointError, match="for us"):
        LiveLab(lab(controls={"slope": Slider(-1, 2, default=-1, stops=4)}))
    assert set(registry._instances) == before


# However fast


@pytest.mark.parametrize("seconds", [0.0, 0.004])
def test_after_a_thousand_moves_the_last_state_is_shown_and_nothing_piles_up(seconds):
    computing, seen, last = 0, [], 1000

    def slow(slope):
        nonlocal computing
        computing += 1
        assert computing == 1
        time.sleep(seconds)
        seen.append(slope)
        computing -= 1
        return {"y": np.array([0, slope])}

    shown = LiveLab(lab(controls={"slope": Slider(0, last, default=0, stops=2)}, compute=slow))
    tasks = set()

    async def drag():
        for slope in range(1, last + 1):
            shown.fields["slope"].value = slope
            tasks.add(shown.task)
            await asyncio.sleep(0.0005)
            assert len(asyncio.all_tasks()) <= 2  # this one and the one that follows
        await shown.task

    asyncio.run(drag())
    assert_shows(shown, {"slope": float(last)})
    assert seen[1:] == sorted(seen[1:])
    assert len(seen) < 0.6 * last, "moves that had arrived were computed all the same"
    assert shown.waiting is None


def test_moves_within_one_turn_of_the_loop_are_one():
    shown = LiveLab(one_line)
    asked = []
    shown.compute = lambda state, compute=shown.compute: asked.append(state) or compute(state)

    async def jump():
        for slope in (0.5, 0.0, 1.5):
            shown.fields["slope"].value = slope
        await shown.task

    asyncio.run(jump())
    assert asked == [{"slope": 1.5}]
    assert_shows(shown, {"slope": 1.5})


# Controls


def test_each_control_has_its_widget():
    fields = LiveLab(holes).fields
    assert [type(field) for field in fields.values()] == [
        widgets.IntSlider, widgets.FloatLogSlider, widgets.Dropdown, widgets.Checkbox
    ]  # fmt: skip
    assert [field.description for field in fields.values()] == ["length", "rate (×)", "hole", "back to front"]


@pytest.mark.parametrize(("low", "high", "default"), [(-6, 6, 1), (0.3, 30, 1), (0.1, 20, 0.1), (0.5, 1.5, 1.5)])
@pytest.mark.parametrize("log", [False, True])
def test_a_slider_can_stand_at_its_default(low, high, default, log):
    slider = Slider(low, high, default=default, stops=(low, default, high), log=log and low > 0)
    field = LiveLab(lab(controls={"slope": slider})).fields["slope"]
    start = np.log10(default) if slider.log else default
    steps = (start - field.min) / field.step  # the page puts the handle on a whole number of steps from the left
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert 100 < (field.max - field.min) / field.step < 400


@pytest.mark.parametrize(
    "slider",
    [
        Slider(0.3, 3, default=0.3, stops=3, log=True),
        Slider(3, 30, default=30, stops=3, log=True),
        Slider(0.02, 0.6, default=0.6, stops=2, log=True),
        Slider(1, 64, default=8, stops=7, log=True, integer=True),
        Slider(0, 1, default=1, stops=3),
        Slider(2, 50, default=2, stops=3, integer=True),
    ],
)
def test_a_slider_works_from_end_to_end(slider):
    shown = LiveLab(lab(controls={"slope": slider}))
    field = shown.fields["slope"]
    for value in (slider.low, 2 * slider.high, -1, *slider.stops, slider.high):
        field.value = value
        assert shown.status.value == ""
        assert slider.low <= shown.lab.state(**shown.state)["slope"] <= slider.high
    assert shown.figure.layout.title.text == f"slope {slider.high:g}"


def test_over_a_recording_a_lab_knows_the_recorded_values_only():
    grid = tabulate(line, {"slope": [0.0, 0.5, 1.0, 2.0], "kind": ["up", "nan"]}, progress=False)
    recorded = lab(compute=grid, controls={"slope": Slider(0, 2, default=1, stops=3), "kind": Choice(("up", "nan"))})
    shown = LiveLab(recorded)
    assert [value for _, value in shown.fields["slope"].options] == [0, 1, 2]
    for state in recorded.states():
        shown.state = state
        assert_shows(shown, state)
    assert LiveLab(recorded(slope=0.6)).state == {"slope": 0.5, "kind": "up"}


# Buttons


def offered_by(shown: LiveLab, text: str) -> str:
    """Click a button; return the text offered for copying, or else the status."""
    actions = next(child for child in shown.widget.children if "vgx-actions" in child._dom_classes)
    next(child for child in actions.children if getattr(child, "description", "") == text).click()
    offered = re.search(r"<textarea[^>]*>(.*)</textarea>", shown.status.value, re.DOTALL)
    return html.unescape(offered[1]) if offered else shown.status.value


def test_the_buttons_are_those_of_the_page(tmp_path):
    on_the_page = re.findall(r'data-action="\w+">([^<]*)', render(many_lines, tmp_path))
    assert [button.description for button in LiveLab(one_line).buttons()] == on_the_page


def test_the_python_offered_opens_the_same_state():
    shown = LiveLab(holes)
    shown.state = {"length": 17, "rate": 0.3217, "hole": "minus inf", "flipped": True}
    names = {}
    *lines, expression = offered_by(shown, "Copy as Python").splitlines()
    exec("\n".join(lines), names)
    opened = eval(expression, names)
    assert opened.defaults == shown.state
    assert_shows(shown, opened.defaults)


def test_the_link_opens_the_nearest_state_that_the_page_has():
    shown = LiveLab(holes)
    shown.state = {"hole": "minus inf", "flipped": True}
    link = offered_by(shown, "Copy link")
    assert "nearest" not in shown.status.value
    shown.state = {"length": 20, "rate": 0.3}
    name, query = offered_by(shown, "Copy link").split("?")
    assert "where the nearest state is" in shown.status.value
    assert (name, link.partition("?")[0]) == ("#holes", "#holes")
    assert parse_qs(query) == {"length": ["30"], "rate": ["0.215"], "hole": ["minus inf"], "flipped": ["true"]}


def saved(shown: LiveLab) -> list[list[str]]:
    text = offered_by(shown, "Data as CSV")
    assert re.search(r'download="[\w-]+\.csv"', text)
    content = b64decode(re.search(r"base64,([\w+/=]*)", text)[1]).decode()
    return list(csv.reader(io.StringIO(content)))


def test_the_table_is_the_figure():
    shown = LiveLab(holes)
    shown.state = {"hole": "minus inf", "length": 9}
    header, *rows = saved(shown)
    assert header == ["series", "x", "y"]
    for trace in shown.figure.data:
        found = np.array([[float(x), float(y)] for name, x, y in rows if name == trace.name])
        np.testing.assert_array_equal(found, np.column_stack([trace.x, trace.y]))
    assert {y for _, _, y in rows} >= {"-Infinity"}
    assert sum(len(trace.y) for trace in shown.figure.data) == len(rows)


def test_the_table_of_a_heat_map_has_a_line_a_cell():
    header, *rows = saved(LiveLab(hilly))
    assert header == ["series", "x", "y", "z"]
    z = np.full((7, 9), np.inf)
    for _, x, y, value in rows:
        z[int(y), int(x)] = float(value)
    np.testing.assert_array_equal(z, hilly.data()["z"])


def test_the_table_has_gaps_and_words():
    figure = go.Figure([go.Scatter(x=["a, b", 'c "d"'], y=[1, None], name='e "f"'), go.Scatter(y=[0.5, np.nan])])
    assert live.table(figure) == 'series,x,y\n"e ""f""","a, b",1\n"e ""f""","c ""d""",null\n"",0,0.5\n"",1,NaN\n'


def test_reset_goes_back_to_the_opening():
    shown = LiveLab(one_line(slope=0.5))
    shown.state = {"slope": 2.0}
    offered_by(shown, "Reset")
    assert shown.state == {"slope": 0.5}
    assert_shows(shown, {"slope": 0.5})


# A question before looking


def asking(**given) -> Lab:
    arguments = {"question": "How <high>?", "answer": lambda data, state: data["y"][-1], "at": {"slope": 2.0}}
    return lab(name="asking", predict=Predict(**arguments | given))


class Asked:
    """The widgets of a lab's question."""

    def __init__(self, given: Lab) -> None:
        self.lab = LiveLab(given)
        question, row, self.answer = self.lab.widget.children[1].children
        self.question, (self.field, self.keep, self.show) = question.value, row.children


def test_an_answer_is_kept_and_compared(home):
    asked = Asked(asking())
    assert "How &lt;high&gt;?" in asked.question
    assert (asked.answer.value, asked.show.layout.display) == ("", "none")
    asked.field.value = "4.5"
    asked.keep.click()
    assert asked.answer.value == "You said 4.5. The lab measures 6."
    assert (home / "asking.txt").read_text() == "4.5"
    again = Asked(asking())
    assert (again.field.value, again.answer.value) == ("4.5", asked.answer.value)
    again.show.click()
    assert again.lab.state == {"slope": 2.0}
    assert again.show.layout.display is None


@pytest.mark.parametrize("guess", ["", "much", "nan", "<b>"])
def test_an_answer_that_is_none_is_refused_and_not_kept(home, guess):
    asked = Asked(asking())
    asked.field.value = guess
    asked.keep.click()
    assert asked.answer.value.startswith("the answer must be a finite number, got")
    assert "<" not in asked.answer.value
    assert not (home / "asking.txt").exists()
    assert asked.show.layout.display == "none"


def test_a_choice_is_kept_and_compared(home):
    given = {"answer": lambda data, state: "high", "choices": ("high", "low")}
    asked = Asked(asking(**given))
    asked.keep.click()
    assert asked.answer.value == "the answer must be one of high, low, got &#x27;&#x27;"
    asked.field.value = "low"
    asked.keep.click()
    assert asked.answer.value == "You said: low. The lab shows: high."
    assert Asked(asking(**given)).field.value == "low"


@pytest.mark.parametrize("content", [b"low", b"\xff\xfe", b""])
def test_what_was_kept_from_another_question_is_forgotten(home, content):
    home.mkdir(parents=True)
    (home / "asking.txt").write_bytes(content)
    for given in (asking(), asking(answer=lambda data, state: "a", choices=("a", "b"))):
        assert Asked(given).answer.value == ""


def test_an_answer_lasts_as_long_as_the_kernel_where_nothing_can_be_written(home):
    home.parent.parent.mkdir(exist_ok=True)
    home.parent.write_text("a file in the way")
    asked = Asked(asking())
    asked.field.value = "6"
    asked.keep.click()
    assert asked.answer.value == "You said 6. The lab measures 6."


def test_a_truth_that_cannot_be_measured_says_why():
    asked = Asked(asking(answer=lambda data, state: 1 / 0))
    asked.field.value = "6"
    asked.keep.click()
    assert asked.answer.value == "division by zero"


# In the notebook


def test_a_lab_is_shown_live_unless_the_book_is_built(monkeypatch):
    monkeypatch.delenv(display.STATIC_FOLDER, raising=False)
    shown = one_line._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_closing_a_lab_closes_all_its_widgets():
    before = set(registry._instances)
    for given in (one_line, holes, hilly, asking()):
        widget = live.widget(given)
        widget.close()
    assert set(registry._instances) == before


def test_moves_and_buttons_make_no_widgets():
    shown = LiveLab(one_line)
    before = set(registry._instances)
    for slope in (0.5, -1.0, 2.0):
        shown.state = {"slope": slope}
    for button in ("Copy link", "Copy as Python", "Data as CSV", "Reset"):
        offered_by(shown, button)
    assert set(registry._instances) == before


# A fresh run


RECORDED = {"slope": [0.0, 1.0, 2.0]}


def recorded_lab(rerun) -> Lab:
    grid = tabulate(line, RECORDED, progress=False)
    return lab(compute=grid, rerun=rerun, controls={"slope": Slider(0, 2, default=1, stops=3)})


def test_only_a_lab_with_a_rerun_has_the_button():
    said = offered_by(LiveLab(recorded_lab(line)), "Run it for real")
    assert said.startswith("Run for real in ")
    with pytest.raises(StopIteration):
        offered_by(LiveLab(recorded_lab(None)), "Run it for real")


@pytest.mark.parametrize("running", [False, True])
def test_a_fresh_run_is_shown_with_a_note_until_a_control_moves(running):
    asked = []

    def steeper(slope):
        asked.append(slope)
        return line(slope + 0.5)

    shown = LiveLab(recorded_lab(steeper))

    def act(action, *arguments):
        async def waited():
            action(*arguments)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others)

        asyncio.run(waited()) if running else action(*arguments)

    act(offered_by, shown, "Run it for real")
    assert asked == [1.0]
    assert shown.figure.data[0].y.tolist() == [0, 1.5, 3, 4.5]
    assert shown.reading.value.startswith("Slope 1 &lt; &amp; ends at 4.5. <em>This is a fresh run, not the recording;")
    act(shown.fields["slope"].set_trait, "value", 2.0)
    assert_shows(shown, {"slope": 2.0})
    act(shown.reset)
    act(offered_by, shown, "Run it for real")
    act(offered_by, shown, "Reset")
    assert_shows(shown, {"slope": 1.0})
    assert asked == [1.0, 1.0]


def test_while_it_runs_the_controls_wait_and_the_seconds_are_counted(monkeypatch):
    seen = []

    def slow(slope):
        time.sleep(0.2)
        return line(slope)

    shown = LiveLab(recorded_lab(slow))
    wait = asyncio.wait
    monkeypatch.setattr(asyncio, "wait", lambda tasks, timeout: wait(tasks, timeout=0.04))
    shown.status.observe(lambda change: seen.append(change["new"]), names="value")

    async def run():
        offered_by(shown, "Run it for real")
        assert shown.fields["slope"].disabled
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(run())
    assert seen[:2] == ["Running for real …", "Running for real: 0 s so far …"]
    assert seen[-1].startswith("Run for real in 0.")
    assert not shown.fields["slope"].disabled


def test_a_run_that_fails_says_so_and_lets_the_controls_go():
    shown = LiveLab(recorded_lab(lambda slope: line(-1.0)))
    said = offered_by(shown, "Run it for real")
    assert said == "The run failed: FloatingPointError: slope &lt; 0 is &lt;not&gt; for us"
    assert not shown.fields["slope"].disabled
    assert_shows(shown, {"slope": 1.0})


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_run_that_nobody_waits_for_changes_nothing(leave):
    def slow(slope):
        time.sleep(0.1)
        return line(0.25)

    shown = LiveLab(recorded_lab(slow))
    shown.state = {"slope": 2.0}

    async def run():
        offered_by(shown, "Run it for real")
        await asyncio.sleep(0.02)
        offered_by(shown, "Reset") if leave == "reset" else shown.widget.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(run())
    if leave == "reset":
        assert_shows(shown, {"slope": 1.0})
        assert shown.status.value.startswith("The run is done, but the controls have moved since")
