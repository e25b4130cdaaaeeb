"""The built book asks nobody, complains of nothing, and shows what Python computes; broken copies of it are caught."""

import gzip
import shutil
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urlparse

import numpy as np
import pytest

from tests.browser import built, specimen_labs
from tests.browser.built import LabOnPage
from tests.browser.server import serve

PAGES = built.pages()
WITH_LABS = built.pages_with_labs()
STATES, AFRESH = 200, 4

pytestmark = pytest.mark.browser


FIRST = "book/intro.html"
MOST_BYTES, MOST_MORE = 900_000, 600_000
"""Of a page with all that it loads, gzipped; and of what is its own, which a reader of another page has not yet."""


def sizes(urls: list[str]) -> dict[Path, int]:
    """The files of these addresses and their bytes, gzipped where they are not compressed already."""
    files = {Path(unquote(urlparse(url).path)) for url in urls if url.startswith("file:")}
    packed = {".woff2", ".png"}
    return {
        path: len(path.read_bytes() if path.suffix in packed else gzip.compress(path.read_bytes(), 6)) for path in files
    }


# ------------------------------------------------------------------------------------------------ other hosts


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_a_file_without_another_host_or_a_complaint(name, book, open_page):
    """And it is light, with all its labs."""
    page, urls = open_page("about:blank"), []
    page.on("request", lambda request: urls.append(request.url))
    page.goto((book / name).as_uri())
    page.wait_for_selector("#main-content")  # the front page only forwards to the first one
    page.wait_for_load_state()
    page.mouse.wheel(0, 100_000)  # what is loaded lazily
    for lab in WITH_LABS.get(name, []):
        built.place(name, lab).on(page)
    page.evaluate("new Promise((done) => requestIdleCallback(() => setTimeout(done, 100), { timeout: 2000 }))")
    if name in WITH_LABS:
        loaded = sizes(urls)
        assert 100_000 < sum(loaded.values()) <= MOST_BYTES
        own = {path for path in loaded if path.suffix == ".html" or path.parent.name == "labs"}
        assert 0 < sum(loaded[path] for path in own) <= MOST_MORE


def test_the_book_works_from_a_server(book, open_page):
    folders = {Path(name).parent: name for name in WITH_LABS}  # (what a page asks for depends on where it lies)
    with serve(book) as address:
        for name in folders.values():
            page = open_page(f"{address}/{name}", host=address)
            for lab in WITH_LABS[name]:
                assert built.place(name, lab).on(page).complaints() == []


# ------------------------------------------------------------------------------------------------ static = live


def test_every_lab_of_a_page_is_a_lab_of_the_lessons():
    assert {name for names in WITH_LABS.values() for name in names} <= set(built.labs())


def test_the_page_shows_at_random_states_what_python_computes(shown):
    rng = np.random.default_rng(20)
    labs = {name for names in WITH_LABS.values() for name in names}
    count = -(-STATES // len(labs)) if shown.lab.name in labs else 0  # (the specimens are shown in every state below)
    for state in built.random_states(shown.lab, count, rng):
        shown.move(**state)
        assert shown.complaints(**state) == [], state


def test_the_page_shows_what_python_computes_afresh(shown):
    rng = np.random.default_rng(8)
    for state in built.random_states(shown.lab, AFRESH, rng):
        shown.move(**state)
        assert shown.complaints(shown.lab.data, **state) == [], state


TICKS = """async (plot) => {
    const numbers = (node, name) => (node.getAttribute(name) || "").match(/-?[0-9.]+/g) || [];
    const places = (node) => [...numbers(node, "transform"), ...["x", "y", "d"].flatMap((name) => numbers(node, name))];
    const what = (node) => [node.parentNode.getAttribute("class"), node.textContent, node.getAttribute("style")].join();
    const axes = (figure) => [...figure.querySelectorAll(".gridlayer path, [class*=tick] text")]
        .map((node) => [what(node), places(node).map(Number)]);
    const afresh = document.createElement("div");
    afresh.style.cssText = `width: ${plot.clientWidth}px; height: ${plot.clientHeight}px`;
    plot.after(afresh);
    await Plotly.newPlot(afresh, structuredClone(plot.data), structuredClone(plot.layout));
    const both = [axes(plot), axes(afresh)];
    Plotly.purge(afresh);
    afresh.remove();
    return both;
}"""
MARGIN = 2  # px: Plotly's margins depend a little on the labels of the states before


def test_axes_that_keep_their_ticks_look_as_if_drawn_afresh(shown):
    """Vgx-lab.js spares Plotly the axes' ticks that stay: those that go must go, those that come must come."""
    for state in built.random_states(shown.lab, 4, np.random.default_rng(4)):
        shown.move(**state)
        kept, drawn = (sorted(axes) for axes in shown.figure.locator(".vgx-plot").evaluate(TICKS))
        assert [what for what, _ in kept] == [what for what, _ in drawn], state
        for (what, place), (_, expected) in zip(kept, drawn, strict=True):
            assert place == pytest.approx(expected, abs=MARGIN), (state, what)


def test_every_state_with_holes_survives(specimens, open_page):
    """NaN, inf, -inf and zero, at the start, within and everywhere; traces that come and go; a field."""
    page = open_page(specimens)
    for lab in specimen_labs.LABS.values():
        shown = LabOnPage(page, lab, lab.data).settle()
        for state in lab.states():
            shown.move(**state)
            assert shown.complaints(**state) == [], state


# ------------------------------------------------------------------------------------------------ planted faults


@pytest.fixture
def broken(book, tmp_path):
    """A copy of the book in which a test may replace text in the files of a pattern."""
    copy = tmp_path / "book"
    shutil.copytree(book, copy, ignore=shutil.ignore_patterns("locales", "_sources"))

    def replace(pattern: str, old: str, new: str):
        for path in copy.glob(pattern):
            text = path.read_text(encoding="utf-8")
            assert old in text
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return copy

    return replace


@pytest.mark.parametrize(
    "planted",
    [
        '<script src="https://cdn.example.org/x.js"></script>',
        '<script defer src="//cdn.example.org/x.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example.org/x.css">',
        "<style>body { background: url(https://cdn.example.org/x.png) }</style>",
        '<script>new WebSocket("wss://cdn.example.org/x")</script>',
        '<script>fetch("https://cdn.example.org/x").catch(() => {})</script>',
    ],
)
def test_a_request_to_another_host_is_noticed(planted, broken, browser):
    page = browser.new_page()
    watch = built.Watch(page)
    page.goto((broken(FIRST, "</head>", planted + "</head>") / FIRST).as_uri(), wait_until="networkidle")
    deadline = monotonic() + 10
    while not any("//cdn.example.org/x" in c for c in watch.complaints if "console" not in c):
        assert monotonic() < deadline, watch.complaints
        page.wait_for_timeout(50)  # a socket may open after the network has come to rest
    page.close()


@pytest.mark.parametrize("planted", ["console.error('x')", "console.warn('x')", "throw new Error('x')"])
def test_a_complaint_of_a_page_is_noticed(planted, broken, browser):
    page = browser.new_page()
    watch = built.Watch(page)
    page.goto((broken(FIRST, "</head>", f"<script>{planted}</script></head>") / FIRST).as_uri())
    page.close()
    assert len(watch.complaints) == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("vgx-lab.js", "this.spec(state)", "this.spec(state ? state - 1 : 1)"),
        ("vgx-lab.js", "this.readings.at(state)", "this.readings.at(0)"),
        ("vgx-lab.js", "lowest + flat[i] * step", "lowest + 1.01 * flat[i] * step"),
        ("labs/*.js", '"lowest":', '"lowest":1+'),
    ],
)
def test_a_figure_drawn_from_another_state_is_noticed(file, old, new, broken, open_page):
    place = somewhere(broken(f"_static/{file}", old, new))
    state = {name: stops[-1] for name, stops in place.lab.axes.items()}
    assert place.on(open_page(place.address(**state))).complaints(**state) != []


def test_a_lab_that_ignores_a_control_is_noticed(broken, open_page):
    place = somewhere(broken("_static/vgx-lab.js", "+ this.position(k), 0)", "+ (k ? this.position(k) : 0), 0)"))
    shown = place.on(open_page(place.path))
    bases = [place.lab.defaults, *built.random_states(place.lab, 2, np.random.default_rng(3))]
    assert shown.ignored_controls(bases) == [next(iter(place.lab.controls))]


def somewhere(copy):
    """One lab in a copy of the book: enough to see what the checks notice."""
    page, (name, *_) = next(iter(WITH_LABS.items()))
    return built.Place(copy / page, built.labs()[name], built.grid(name))
