"""What the browser tests share: a Chromium, pages that it opens under watch, and a page of specimens."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import built, chromium, specimen_labs
from vgx.lab import static

PATIENCE = 120_000  # milliseconds: the machine may be busy with other things

QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip

SPECIMENS = """<!doctype html>
<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Specimens</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><link rel="stylesheet" href="vgx-lab.css">{scripts}</head>
<body><main><h1>Specimens</h1>{labs}</main></body></html>"""


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the built book."""
    if not (built.BOOK / "index.html").exists():
        pytest.fail(f"there is no book in {built.BOOK}: run make html")
    return built.BOOK


@pytest.fixture(scope="module")  # not longer: while it is open, this thread has an event loop
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, book):
    """Open pages, each with a memory of its own; the test fails if one asks another host or complains."""
    opened = []

    def open_(address: str | Path, *, watched: bool = True, host: str = "file:///", **options):
        context = browser.new_context(**{"viewport": built.DESKTOP, **options})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        opened.append((context, built.Watch(page, host) if watched else None))
        page.goto(address.as_uri() if isinstance(address, Path) else address)
        return page

    yield open_
    for context, _ in opened:
        context.close()
    assert [complaint for _, watch in opened if watch for complaint in watch.complaints] == []


@pytest.fixture(scope="session")
def specimens(book, tmp_path_factory) -> Path:
    """A page with the two labs of `specimen_labs`, outside the book."""
    folder = tmp_path_factory.mktemp("specimens")
    markup = "".join(static.render(lab, folder) for lab in specimen_labs.LABS.values())
    for name in ("plotly-cartesian.min.js", "vgx-lab.js", "vgx-lab.css"):
        shutil.copy(book / "_static" / name, folder)
    names = ["plotly-cartesian.min.js", "vgx-lab.js"]
    names += [static.payload_path(lab, folder).name for lab in specimen_labs.LABS.values()]
    scripts = "".join(f'<script defer src="{name}"></script>' for name in names)
    page = folder / "specimens.html"
    page.write_text(SPECIMENS.format(scripts=scripts, labs=markup), encoding="utf-8")
    return page


@pytest.fixture(scope="module", params=[*built.first_pages(), *specimen_labs.PLACES], ids=lambda where: where[1])
def place(request, book, specimens) -> built.Place:
    """Each lab in turn, on one of the pages that show it; the specimens, too, which have all that a lab may have."""
    page, name = request.param
    if page != "specimens":
        return built.place(page, name)
    lab = specimen_labs.LABS[name]
    return built.Place(specimens, lab, lab.data)


@pytest.fixture(scope="module")
def open_once(browser):
    """Open a page, and keep it open until another is asked for: opening takes longer than most tests of a lab."""
    kept: dict[Path, built.Watch] = {}

    def close():
        for watch in kept.values():
            watch.page.context.close()
        kept.clear()

    def open_(path: Path) -> built.Watch:
        if path not in kept:
            close()
            context = browser.new_context(viewport=built.DESKTOP)
            context.set_default_timeout(PATIENCE)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            kept[path] = built.Watch(context.new_page())
            kept[path].page.goto(path.as_uri())
        return kept[path]

    yield open_
    close()


@pytest.fixture
def shown(place, open_once):
    """Each lab in turn, open at its start, under watch."""
    watch = open_once(place.path)
    shown = place.on(watch.page).press("reset")
    shown.page.evaluate(
        """() => {
            history.replaceState(null, "", location.pathname);
            localStorage.clear();
            for (const status of document.querySelectorAll(".vgx-status")) status.textContent = "";
        }"""
    )
    yield shown
    assert watch.complaints == []
