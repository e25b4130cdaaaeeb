"""axe-core finds nothing on any page, on a desktop and on a phone, in the light and in the dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import built

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", [built.DESKTOP, built.PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", built.themed_pages())
def test_axe_finds_nothing(name, size, book, open_page):
    page = open_page(book / name, viewport=size, reduced_motion="reduce")
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)
        for lab in built.pages_with_labs().get(name, []):
            built.place(name, lab).on(page)
        found += [
            f"{scheme}: {violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in Axe().run(page, options=built.AXE).response["violations"]
            for node in violation["nodes"]
        ]
    assert found == []


def test_axe_finds_what_is_planted(book, open_page):
    page = open_page(book / built.themed_pages()[0], reduced_motion="reduce")
    page.evaluate("() => document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    assert "image-alt" in [violation["id"] for violation in Axe().run(page, options=built.AXE).response["violations"]]
