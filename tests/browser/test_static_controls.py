"""Every control, address and button in the built book, by mouse and keyboard.

What may differ from lab to lab is asked of every lab; what is the script's own, of a few with all kinds of controls.
"""

import ast
import csv

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser import built, specimen_labs
from tests.browser.built import LabOnPage
from vgx.lab import Choice, Slider

pytestmark = pytest.mark.browser
FEW = [*specimen_labs.PLACES, *built.first_pages()[:1]]
of_a_few_labs = pytest.mark.parametrize("place", FEW, indirect=True, ids=lambda where: where[1])


def other_state(lab, seed=5):
    """A state in which no control stands at its default."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.choice(np.array([stop for stop in stops if stop != lab.defaults[name]], dtype=object))
        for name, stops in lab.axes.items()
    }


# ------------------------------------------------------------------------------------------------ controls


@of_a_few_labs
def test_the_keyboard_moves_every_control_by_one(shown):
    state = dict(shown.lab.defaults)
    for name, stops in shown.lab.axes.items():
        field, position = shown.control(name), stops.index(state[name])
        step = 1 if position + 1 < len(stops) else -1
        before = shown.reading, shown.drawn()
        field.focus()
        if isinstance(shown.lab.controls[name], Slider):
            field.press("ArrowRight" if step > 0 else "ArrowLeft")
            assert field.get_attribute("aria-valuetext") == shown.lab.controls[name].text(stops[position + step])
        elif isinstance(shown.lab.controls[name], Choice):
            field.press("ArrowDown" if step > 0 else "ArrowUp")
        else:
            field.press("Space")
        shown.settle()
        state[name] = stops[position + step]
        assert shown.complaints(**state) == []
        assert (shown.reading, shown.drawn()) != before


@of_a_few_labs
def test_the_mouse_moves_every_control_to_both_ends(shown):
    state = dict(shown.lab.defaults)
    for name, control in shown.lab.controls.items():
        field, stops = shown.control(name), shown.lab.axes[name]
        field.scroll_into_view_if_needed()
        for end in (0, -1):
            if isinstance(control, Slider):
                field.click(position={"x": 1 if end == 0 else field.bounding_box()["width"] - 2, "y": 12})
            elif isinstance(control, Choice):
                field.select_option(stops[end])
            else:
                field.set_checked(stops[end])
            state[name] = stops[end]
            shown.settle()
            assert shown.complaints(**state) == []


def test_no_control_is_ignored(shown):
    bases = [shown.lab.defaults, *built.random_states(shown.lab, 2, np.random.default_rng(3))]
    assert shown.ignored_controls(bases) == []


def flood(shown, seconds, events_a_second=50):
    """Move a slider fifty times a second, then ten times at once; say what was shown last, meanwhile and after."""
    name = next(name for name, control in shown.lab.controls.items() if isinstance(control, Slider))
    return shown.figure.evaluate(
        """async (figure, [name, stops, seconds, rate]) => {
            const input = figure.querySelector(`.vgx-controls [name="${name}"]`);
            let updates = 0, events = 0, last = null;
            const count = ({ detail }) => { updates += 1; last = detail.state[name]; };
            figure.addEventListener("vgx:updated", count);
            const move = () => {
                input.value = (Number(input.value) + 1 + Math.floor(Math.random() * (stops - 1))) % stops;
                input.dispatchEvent(new Event("input", { bubbles: true }));
                events += 1;
            };
            await new Promise((done) => {
                const timer = setInterval(() => {
                    move();
                    if (events >= seconds * rate) { clearInterval(timer); done(); }
                }, 1000 / rate);
            });
            for (let i = 0; i < 10; i++) move(); // at once
            const during = updates;
            await new Promise((done) => setTimeout(done, 500));
            figure.removeEventListener("vgx:updated", count);
            return { name, position: Number(input.value), last, events, during, after: updates - during };
        }""",
        [name, len(shown.lab.axes[name]), seconds, events_a_second],
    )


@of_a_few_labs
def test_of_fifty_moves_a_second_the_last_wins_and_nothing_piles_up(shown):
    seen = flood(shown, seconds=2)
    assert seen["last"] == shown.lab.axes[seen["name"]][seen["position"]]
    assert 1 <= seen["during"] <= seen["events"]
    assert seen["after"] <= 2
    assert shown.complaints(**{seen["name"]: seen["last"]}) == []


def test_two_labs_on_a_page_leave_each_other_alone(specimens, open_page):
    page = open_page(specimens)
    one, two = (LabOnPage(page, lab, lab.data).settle() for lab in specimen_labs.LABS.values())
    page.evaluate("window.updates = []; addEventListener('vgx:updated', (event) => updates.push(event.detail.lab))")
    state = other_state(one.lab)
    one.move(**state)
    assert one.complaints(**state) == two.complaints() == []
    two.press("reset")
    assert one.complaints(**state) == two.complaints() == []
    page.evaluate("address => { location.hash = address }", built.address(two.lab, other_state(two.lab)))
    two.settle()
    assert one.complaints(**state) == two.complaints(**other_state(two.lab)) == []
    assert "holes" not in page.evaluate("updates.filter((lab, i) => i && lab !== updates[i - 1]).slice(1)")


# ------------------------------------------------------------------------------------------------ the address


@of_a_few_labs
def test_an_address_opens_exactly_its_state(place, open_page):
    state = other_state(place.lab)
    shown = place.on(open_page(place.address(**state)))
    assert shown.complaints(**state) == []
    assert shown.status == ""


def test_another_address_of_the_open_page_shows_exactly_its_state(shown):
    state = other_state(shown.lab)
    go_to(shown, **state)
    assert shown.complaints(**state) == []
    assert shown.status == ""


@of_a_few_labs
def test_a_partial_or_broken_address_falls_back_to_the_defaults_and_says_so(shown):
    state, lab = other_state(shown.lab), shown.lab
    broken = ["none-such", "", "NaN", "Infinity", "1e999", "-1e9", "<img src=x onerror=alert(1)>", "%ff", "__proto__"]
    for i, name in enumerate(lab.controls):
        rest = {other: value for other, value in state.items() if other != name}
        for value in [None, *broken[i :: len(lab.controls)]]:
            given = rest if value is None else {**rest, name: value}
            go_to(shown, **given)
            expect(shown.status_line).to_contain_text(f"{name} is missing" if value is None else f"{name}={value}")
            assert shown.settle().complaints(**rest) == []
    go_to(shown, **state, colour="red")
    expect(shown.status_line).to_contain_text("there is no control colour")
    assert shown.settle().complaints(**state) == []


@of_a_few_labs
def test_an_address_that_does_not_speak_of_the_lab_leaves_it_alone(shown, open_page, place):
    state = other_state(shown.lab)
    shown.move(**state)
    for text in ["#%%%", "#?", "#{name}", "#none-such?depth=3", "#{name}x?depth=3"]:
        shown.page.evaluate("text => { location.hash = text }", text.format(name=shown.lab.name))
        assert shown.settle().complaints(**state) == []
        assert shown.status == ""
    assert place.on(open_page(place.path.as_uri() + "#%%%")).complaints() == []


@of_a_few_labs
def test_the_address_follows_the_controls_and_survives_a_reload(shown):
    page, state = shown.page, other_state(shown.lab)
    entries = page.evaluate("history.length")
    shown.move(**state)
    page.wait_for_function("hash => location.hash === hash", arg=built.address(shown.lab, state))
    assert page.evaluate("history.length") == entries
    page.reload()
    assert shown.settle().complaints(**state) == []
    assert shown.status == ""


@of_a_few_labs
def test_back_and_forward_open_the_states_of_their_addresses(shown):
    states = first, second = other_state(shown.lab, seed=1), other_state(shown.lab, seed=2)
    first[next(iter(shown.lab.controls))] = shown.lab.defaults[next(iter(shown.lab.controls))]
    for state in states:
        go_to(shown, **state)
    for go, state in [(shown.page.go_back, first), (shown.page.go_forward, second)]:
        go()
        shown.page.wait_for_function("hash => location.hash === hash", arg=built.address(shown.lab, state))
        assert shown.settle().complaints(**state) == []
        assert shown.status == ""


def go_to(shown, **values):
    """Open another address of the same page."""
    shown.page.evaluate("address => { location.hash = address }", built.address(shown.lab, values))
    shown.settle()


@pytest.mark.parametrize("name", built.pages_with_labs())
def test_every_link_to_a_state_opens_it(name, book, open_page):
    page = open_page(book / name)
    for link in page.locator('a[href*="?"][href*="#"]').all():
        page.goto(link.evaluate("link => link.href"))
        lab = built.labs()[page.evaluate("location.hash").partition("?")[0].lstrip("#")]
        assert LabOnPage(page, lab, built.grid(lab.name)).settle().status == ""
        page.goto((book / name).as_uri())


# ------------------------------------------------------------------------------------------------ the buttons


@of_a_few_labs
def test_copy_link_gives_an_address_that_opens_the_state(shown, open_page):
    state = other_state(shown.lab)
    shown.move(**state)
    expect(shown.press("link").status_line).to_have_text("Link copied.")
    again = LabOnPage(open_page(shown.page.evaluate("navigator.clipboard.readText()")), shown.lab, shown.data).settle()
    assert again.complaints(**state) == []


def test_copy_as_python_gives_code_that_opens_the_state(shown):
    state = other_state(shown.lab)
    shown.move(**state)
    expect(shown.press("python").status_line).to_have_text("Python copied.")
    *before, last = ast.parse(shown.page.evaluate("navigator.clipboard.readText()")).body
    names: dict = {}
    exec(compile(ast.Module(before, []), "copied", "exec"), names)
    assert eval(compile(ast.Expression(last.value), "copied", "eval"), names).defaults == state


@of_a_few_labs
def test_without_a_clipboard_the_text_stands_there_selected(place, open_page):
    shown = place.on(open_page(place.path))
    shown.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    shown.press("link")
    assert shown.page.evaluate("getSelection().toString()") == place.address(**place.lab.defaults)


def saved(shown):
    """Press the button, and read the file that comes."""
    with shown.page.expect_download() as download:
        shown.press("csv")
    assert download.value.suggested_filename == f"{shown.lab.name}.csv"
    return list(csv.reader(download.value.path().read_text(encoding="utf-8").splitlines()))


def test_the_csv_has_the_numbers_of_the_figure(shown):
    shown.move(**other_state(shown.lab))
    traces = [trace for trace in shown.drawn()["data"] if "z" not in trace]
    expected = [
        (trace.get("name", ""), trace.get("x", range(len(trace["y"])))[i], y)
        for trace in traces
        for i, y in enumerate(trace["y"])
    ]
    header, *rows = saved(shown)
    rows = [row for row in rows if len(row) == 3]
    assert header[:3] == ["series", "x", "y"]
    assert [row[0] for row in rows] == [name for name, *_ in expected]
    numbers = np.array([row[1:] for row in rows], float)
    drawn = np.reshape(np.array([pair for _, *pair in expected], float), (-1, 2))
    np.testing.assert_allclose(numbers.reshape(-1, 2), drawn, rtol=0.005)  # three digits
    assert (numbers.reshape(-1, 2)[drawn == np.rint(drawn)] == drawn[drawn == np.rint(drawn)]).all()


def test_the_csv_has_the_cells_of_a_field(specimens, open_page):
    lab = specimen_labs.hilly
    header, *rows = saved(LabOnPage(open_page(specimens), lab, lab.data).settle())
    z = lab.data(**lab.defaults)["z"]
    assert header == ["series", "x", "y", "z"]
    y, x = np.indices(z.shape)
    np.testing.assert_array_equal(np.array([row[1:3] for row in rows], int), np.stack([x.ravel(), y.ravel()], axis=1))
    np.testing.assert_allclose(np.array([row[3] for row in rows], float), z.ravel(), atol=0.002 * 2)


@of_a_few_labs
def test_reset_goes_back_to_the_start(shown):
    shown.move(**other_state(shown.lab))
    shown.press("reset")
    assert shown.complaints() == []
    assert shown.page.evaluate("location.hash") == f"#{shown.lab.name}"


# ------------------------------------------------------------------------------------------------ predict


@of_a_few_labs
def test_a_prediction_is_compared_kept_over_a_reload_and_shown(shown):
    predict, lab = shown.lab.predict, shown.lab
    form, truth = shown.figure.locator("form.vgx-predict"), lab.truth()
    guess, field = (predict.choices[0] if predict.choices else -2.5), form.locator('[name="guess"]')
    answer, show = form.locator(".vgx-answer"), form.get_by_role("button", name="Show me")
    form.get_by_role("button", name="Keep my answer").click()
    assert answer.text_content() == "Give an answer first."
    assert show.is_hidden()
    field.select_option(guess) if predict.choices else field.fill(str(guess))
    field.press("Enter") if not predict.choices else form.get_by_role("button", name="Keep my answer").click()
    assert answer.text_content() == predict.compare(guess, truth)
    shown.page.reload()
    shown.settle()
    assert answer.text_content() == predict.compare(guess, truth)
    assert field.input_value() == str(guess)
    show.click()
    assert shown.settle().complaints(**predict.at) == []
    assert shown.status == ""


@of_a_few_labs
def test_where_nothing_can_be_kept_a_prediction_is_compared_all_the_same(place, open_page):
    shown = place.on(open_page(place.path))
    shown.page.evaluate("() => { Storage.prototype.setItem = () => { throw new DOMException('full') } }")
    form = shown.figure.locator("form.vgx-predict")
    field = form.locator('[name="guess"]')
    field.select_option(index=1) if shown.lab.predict.choices else field.fill("3")
    form.get_by_role("button", name="Keep my answer").click()
    assert "You said" in form.locator(".vgx-answer").text_content()
