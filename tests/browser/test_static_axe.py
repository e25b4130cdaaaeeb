"""axe-core finds nothing on any page, on a desktop and on a phone, in the light and in the dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import built

pytestmark = pytest.mark.browser


COLOURS = {"runOnly": ["color-contrast"]}
REST = {"exclude": [[".katex"]]}  # a formula is many pieces, as on every other page, in the colour of the words around
LONGEST = max(built.pages_with_labs(), key=lambda name: len(built.pages_with_labs()[name]))


def violations(page, context=None, **options):
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in Axe().run(page, context=context, options=built.AXE | options).response["violations"]
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", built.themed_pages())
def test_axe_finds_nothing(name, book, open_page):
    page = open_page(book / name, viewport=built.DESKTOP, reduced_motion="reduce")
    for scheme, options in (("light", {}), ("dark", COLOURS)):  # what else is there is the same
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        for lab in built.pages_with_labs().get(name, []):
            built.place(name, lab).on(page)
        whole = name == LONGEST and scheme == "light"
        assert violations(page, context=None if whole else REST, **options) == [], scheme


@pytest.mark.parametrize("name", [name for name in built.themed_pages() if name == LONGEST or "notebooks" not in name])
def test_axe_finds_nothing_on_a_phone(name, book, open_page):  # (of the lessons, alike there, one)
    page = open_page(book / name, viewport=built.PHONE, reduced_motion="reduce")
    for lab in built.pages_with_labs().get(name, []):
        built.place(name, lab).on(page)
    assert violations(page, rules={"color-contrast": {"enabled": False}}) == []  # the colours are the desktop's


def test_axe_finds_what_is_planted(book, open_page):
    page, planted = open_page(book / "book" / "how_to_use.html", reduced_motion="reduce"), '<img src="data:,">'
    planted += "<p style='color: #eee; background: white'>pale</p>"
    page.evaluate("(planted) => document.querySelector('main').insertAdjacentHTML('beforeend', planted)", planted)
    assert {found.partition(":")[0] for found in violations(page)} == {"image-alt", "color-contrast"}
    assert [found[:14] for found in violations(page, runOnly=["color-contrast"])] == ["color-contrast"]
