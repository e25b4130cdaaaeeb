"""Whoever reads the built book: with the keyboard, on a phone, in the dark, on paper, without JavaScript."""

import itertools
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser import built

pytestmark = pytest.mark.browser
WITH_LABS = built.pages_with_labs()

BOXES = "row => [row, ...row.children].map((each) => each.getBoundingClientRect().toJSON())"

CONTRASTS = """root => {
    const parse = (colour) => {
        const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
        return { rgb: [r, g, b], a };
    };
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = matchMedia("print").matches;
    const behind = (node) => {
        for (; node && !paper; node = node.parentElement) {
            const { rgb, a } = parse(getComputedStyle(node).backgroundColor);
            if (a > 0.99) return rgb;
        }
        return [255, 255, 255];
    };
    return [...root.querySelectorAll(".main-svg text")].filter((text) => text.textContent.trim()).map((text) => {
        const ink = luminance(parse(getComputedStyle(text).fill).rgb), ground = luminance(behind(text));
        return [text.textContent, (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)];
    });
}"""


def faint_texts(shown):
    """Texts of the figure that do not stand out from the page."""
    contrasts = shown.figure.locator(".vgx-plot").evaluate(CONTRASTS)
    assert contrasts
    return [(text, round(contrast, 2)) for text, contrast in contrasts if contrast < 4.5]


# ------------------------------------------------------------------------------------------------ on a phone


@pytest.mark.parametrize("name", [name for name in built.themed_pages() if name not in WITH_LABS])
def test_no_page_scrolls_sideways_on_a_phone(name, book, open_page):
    page = open_page(book / name, viewport=built.PHONE, is_mobile=True, has_touch=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= built.PHONE["width"]


@pytest.mark.parametrize("name", WITH_LABS)
def test_on_a_phone_the_controls_stand_one_below_the_other(name, book, open_page):
    page = open_page(book / name, viewport=built.PHONE, is_mobile=True, has_touch=True)
    for lab in WITH_LABS[name]:
        shown = built.place(name, lab).on(page)
        boxes = [shown.control(control).locator("xpath=..").bounding_box() for control in shown.lab.controls]
        for above, below in itertools.pairwise(boxes):
            assert below["y"] >= above["y"] + above["height"]
        for box in [*boxes, shown.figure.locator(".main-svg").first.bounding_box()]:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= built.PHONE["width"]
        for control, spec in shown.lab.controls.items():
            assert shown.control(control).bounding_box()["height"] >= 24 or spec.stops == (False, True)
        assert shown.complaints() == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= built.PHONE["width"]


HEIGHTS = """figure => [".vgx-plot", ".main-svg", ".vgx-reading"].map((part) => {
    const box = figure.querySelector(part).getBoundingClientRect();
    return [box.top, box.bottom].map(Math.round);
})"""


@pytest.mark.parametrize("name", WITH_LABS)
def test_nothing_touches_whatever_the_window(name, book, open_page):
    """Beside each other: label, control and value. One below the other: the figure and its sentence."""
    page = open_page(book / name, viewport=built.PHONE)
    labs = [built.place(name, lab).on(page) for lab in WITH_LABS[name]]
    for width in (640, 844, 1280, 1000, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")
        page.wait_for_timeout(200)  # Plotly waits a tenth of a second before it follows
        for shown in labs:
            plot, drawn, reading = shown.figure.evaluate(HEIGHTS)
            assert drawn == plot, (shown.lab.name, width)
            assert reading[0] >= plot[1], (shown.lab.name, width)
            for control in shown.lab.controls:
                whole, *parts = shown.control(control).locator("xpath=..").evaluate(BOXES)
                parts.sort(key=lambda box: box["left"])
                for left, right in itertools.pairwise([*parts, {"left": whole["right"]}]):
                    assert left["right"] <= right["left"] + 0.5, (shown.lab.name, control, width)


# ------------------------------------------------------------------------------------------------ light and dark


@pytest.mark.parametrize("name", WITH_LABS)
def test_the_words_of_every_figure_stand_out_from_the_page(name, book, open_page):
    page = open_page(book / name, color_scheme="light")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        for lab in WITH_LABS[name]:
            assert faint_texts(built.place(name, lab).on(page)) == [], scheme


def test_a_faint_figure_is_noticed(book, open_page):
    name, (lab, *_) = next(iter(WITH_LABS.items()))
    shown = built.place(name, lab).on(open_page(book / name, color_scheme="dark"))
    shown.page.add_style_tag(content=".vgx-lab { background: #ccd5dd }")
    assert faint_texts(shown) != []


def test_the_button_for_the_theme_recolours_the_figures_and_keeps_their_states(book, open_page):
    name = max(WITH_LABS, key=lambda page: len(WITH_LABS[page]))
    page = open_page(book / name, color_scheme="light")
    labs = [built.place(name, lab).on(page) for lab in WITH_LABS[name]]
    states = [{control: stops[-1] for control, stops in shown.lab.axes.items()} for shown in labs]
    for shown, state in zip(labs, states, strict=True):
        shown.move(**state)

    def inks():
        return [shown.figure.locator(".main-svg .gtitle").first.evaluate(FILL) for shown in labs]

    seen = {tuple(inks())}
    for _ in range(3):  # auto, dark, light in some order
        page.locator("button.theme-switch-button:visible").first.click()
        for shown, state in zip(labs, states, strict=True):
            shown.settle()
            assert faint_texts(shown) == []
            assert shown.reading == shown.lab.read(shown.data(**state), state)
        seen.add(tuple(inks()))
    assert len(seen) == len({ink for each in seen for ink in each}) == 2
    page.locator("html[data-theme=light]").wait_for()


FILL = "text => getComputedStyle(text).fill"


# ------------------------------------------------------------------------------------------------ other readers


@pytest.mark.parametrize("name", WITH_LABS)
def test_without_javascript_the_sentence_and_a_note_stand_there(name, book, open_page):
    page = open_page(book / name, java_script_enabled=False)
    for lab in map(built.labs().get, WITH_LABS[name]):
        figure = page.locator(f'figure.vgx-lab[data-lab="{lab.name}"]')
        assert figure.locator(".vgx-reading").inner_text() == lab.reading()
        assert "JavaScript" in figure.locator("noscript").inner_text()
        words = figure.inner_text()
        for control, value in lab.defaults.items():
            if lab.controls[control].stops != (False, True):
                assert lab.controls[control].text(value) in words


@pytest.mark.parametrize("name", WITH_LABS)
def test_print_has_the_values_and_the_sentence_in_ink(name, book, open_page):
    page = open_page(book / name, color_scheme="dark")
    labs = [built.place(name, lab).on(page) for lab in WITH_LABS[name]]
    states = [{control: stops[-1] for control, stops in shown.lab.axes.items()} for shown in labs]
    for shown, state in zip(labs, states, strict=True):
        shown.move(**state)
    page.emulate_media(media="print")
    for shown, state in zip(labs, states, strict=True):
        shown.settle()
        assert shown.figure.locator(".vgx-reading").is_visible()
        assert not shown.figure.locator(".vgx-actions").is_visible()
        for control, spec in shown.lab.controls.items():
            label = shown.control(control).locator("xpath=..")
            assert spec.text(state[control]) in printed_values(label)
            assert not shown.control(control).is_visible() or shown.control(control).evaluate(PLAIN)
        assert shown.figure.locator(".main-svg").first.is_visible()
        assert faint_texts(shown) == []
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.emulate_media(media="screen")
    for shown in labs:
        assert faint_texts(shown.settle()) == []


PLAIN = "field => getComputedStyle(field).appearance === 'none' && getComputedStyle(field).borderTopWidth === '0px'"


def printed_values(label):
    """What a control says on paper: its value, its chosen option, what the style sheet adds to a checkbox."""
    words = """label => {
        const chosen = label.querySelector("select")?.selectedOptions[0].text ?? "";
        const value = label.querySelector("output")?.textContent ?? "";
        return [value, chosen, getComputedStyle(label, "::after").content].join(" ");
    }"""
    return label.evaluate(words)


@pytest.mark.parametrize("place", built.first_pages()[:1], indirect=True, ids=lambda where: where[1])
def test_with_reduced_motion_nothing_glides(place, open_page):
    shown = place.on(open_page(place.path, reduced_motion="reduce"))
    seconds = shown.figure.evaluate(
        """figure => [figure, ...figure.querySelectorAll("*")].map((node) => getComputedStyle(node))
            .flatMap((style) => `${style.transitionDuration},${style.animationDuration}`.split(",").map(parseFloat))"""
    )
    assert max(seconds) == 0
    assert shown.page.evaluate("() => getComputedStyle(document.documentElement).scrollBehavior") == "auto"


@pytest.mark.parametrize(("missing", "said"), [("labs/*.js", "did not load"), ("plotly*.js", "could not be drawn")])
def test_a_missing_script_is_told(missing, said, book, open_page, tmp_path):
    copy = tmp_path / "book"
    shutil.copytree(book, copy, ignore=shutil.ignore_patterns("locales", "_sources"))
    for path in (copy / "_static").glob(missing):
        path.unlink()
    name, labs = next(iter(WITH_LABS.items()))
    page = open_page(copy / name, watched=False)
    for lab in labs:
        figure = page.locator(f'figure.vgx-lab[data-lab="{lab}"]')
        expect(figure.locator(".vgx-status")).to_contain_text(said)
        assert figure.locator(".vgx-reading").text_content() == built.labs()[lab].reading()
