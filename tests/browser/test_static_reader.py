"""Whoever reads the built book: with the keyboard, on a phone, in the dark, on paper, without JavaScript."""

import itertools
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser import built

pytestmark = pytest.mark.browser

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


@pytest.mark.parametrize("name", built.themed_pages())
def test_no_page_scrolls_sideways_on_a_phone(name, book, open_page):
    page = open_page(book / name, viewport=built.PHONE, is_mobile=True, has_touch=True)
    for lab in built.pages_with_labs().get(name, []):
        built.place(name, lab).on(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= built.PHONE["width"]


def test_on_a_phone_the_controls_stand_one_below_the_other(place, open_page):
    shown = place.on(open_page(place.path, viewport=built.PHONE, is_mobile=True, has_touch=True))
    boxes = [shown.control(name).locator("xpath=..").bounding_box() for name in place.lab.controls]
    for above, below in itertools.pairwise(boxes):
        assert below["y"] >= above["y"] + above["height"]
    for box in [*boxes, shown.figure.locator(".main-svg").first.bounding_box()]:
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= built.PHONE["width"]
    for name in place.lab.controls:
        assert shown.control(name).bounding_box()["height"] >= 24 or place.lab.controls[name].stops == (False, True)
    assert shown.complaints() == []


def test_label_control_and_value_leave_each_other_alone(place, open_page):
    page = open_page(place.path)
    shown = place.on(page)
    for width in (built.PHONE["width"], 640, 800, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for name in place.lab.controls:
            row = shown.control(name).locator("xpath=..")
            whole, *parts = row.evaluate(BOXES)
            parts.sort(key=lambda box: box["left"])
            for left, right in itertools.pairwise([*parts, {"left": whole["right"]}]):
                assert left["right"] <= right["left"] + 0.5, (name, width)


HEIGHTS = """figure => [".vgx-plot", ".main-svg", ".vgx-reading"].map((part) => {
    const box = figure.querySelector(part).getBoundingClientRect();
    return [box.top, box.bottom].map(Math.round);
})"""


@pytest.mark.parametrize("name", built.pages_with_labs())
def test_a_figure_keeps_its_height_and_its_sentence_whatever_the_window(name, book, open_page):
    page = open_page(book / name, viewport=built.PHONE)
    for lab in built.pages_with_labs()[name]:
        shown = built.place(name, lab).on(page)
        for width in (844, 1100, 1000, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_function("() => document.documentElement.scrollWidth <= window.innerWidth")
            page.wait_for_timeout(200)  # Plotly waits a tenth of a second before it follows
            plot, drawn, reading = shown.figure.evaluate(HEIGHTS)
            assert drawn == plot, (lab, width)
            assert reading[0] >= plot[1], (lab, width)


# ------------------------------------------------------------------------------------------------ light and dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", built.pages_with_labs())
def test_the_words_of_every_figure_stand_out_from_the_page(name, scheme, book, open_page):
    page = open_page(book / name, color_scheme=scheme)
    for lab in built.pages_with_labs()[name]:
        assert faint_texts(built.place(name, lab).on(page)) == []


def test_a_faint_figure_is_noticed(book, open_page):
    name, (lab, *_) = next(iter(built.pages_with_labs().items()))
    shown = built.place(name, lab).on(open_page(book / name, color_scheme="dark"))
    shown.page.add_style_tag(content=".vgx-lab { background: #ccd5dd }")
    assert faint_texts(shown) != []


def test_the_button_for_the_theme_recolours_the_figure_and_keeps_its_state(book, open_page):
    for name, labs in built.pages_with_labs().items():
        page = open_page(book / name, color_scheme="light")
        for lab in labs:
            shown = built.place(name, lab).on(page)
            state = {name: stops[-1] for name, stops in shown.lab.axes.items()}
            shown.move(**state)
            ink = shown.figure.locator(".main-svg .gtitle").first
            colours = {ink.evaluate("text => getComputedStyle(text).fill")}
            for _ in range(3):  # auto, dark, light in some order
                page.locator("button.theme-switch-button:visible").first.click()
                shown.settle()
                colours.add(ink.evaluate("text => getComputedStyle(text).fill"))
                assert faint_texts(shown) == []
                assert shown.reading == shown.lab.read(shown.data(**state), state)
            assert len(colours) == 2
            page.locator("html[data-theme=light]").wait_for()


# ------------------------------------------------------------------------------------------------ other readers


def test_without_javascript_the_sentence_and_a_note_stand_there(place, open_page):
    page = open_page(place.path, java_script_enabled=False)
    figure = page.locator(f'figure.vgx-lab[data-lab="{place.lab.name}"]')
    assert figure.locator(".vgx-reading").inner_text() == place.lab.reading()
    assert "JavaScript" in figure.locator("noscript").inner_text()
    for name, value in place.lab.defaults.items():
        if place.lab.controls[name].stops != (False, True):
            assert place.lab.controls[name].text(value) in figure.inner_text()


def test_print_has_the_values_and_the_sentence_in_ink(place, open_page):
    shown = place.on(open_page(place.path, color_scheme="dark"))
    state = {name: stops[-1] for name, stops in place.lab.axes.items()}
    shown.move(**state)
    shown.page.emulate_media(media="print")
    shown.settle()
    assert shown.figure.locator(".vgx-reading").is_visible()
    assert not shown.figure.locator(".vgx-actions").is_visible()
    for name, control in place.lab.controls.items():
        label = shown.control(name).locator("xpath=..")
        assert control.text(state[name]) in printed_values(label)
        assert not shown.control(name).is_visible() or shown.control(name).evaluate(PLAIN)
    assert shown.figure.locator(".main-svg").first.is_visible()
    assert shown.page.locator("html").get_attribute("data-theme") == "light"
    assert faint_texts(shown) == []
    shown.page.emulate_media(media="screen")
    shown.settle()
    assert faint_texts(shown) == []


PLAIN = "field => getComputedStyle(field).appearance === 'none' && getComputedStyle(field).borderTopWidth === '0px'"


def printed_values(label):
    """What a control says on paper: its value, its chosen option, what the style sheet adds to a checkbox."""
    words = """label => {
        const chosen = label.querySelector("select")?.selectedOptions[0].text ?? "";
        const value = label.querySelector("output")?.textContent ?? "";
        return [value, chosen, getComputedStyle(label, "::after").content].join(" ");
    }"""
    return label.evaluate(words)


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
    for name, labs in built.pages_with_labs().items():
        page = open_page(copy / name, watched=False)
        for lab in labs:
            figure = page.locator(f'figure.vgx-lab[data-lab="{lab}"]')
            expect(figure.locator(".vgx-status")).to_contain_text(said)
            assert figure.locator(".vgx-reading").text_content() == built.labs()[lab].reading()
