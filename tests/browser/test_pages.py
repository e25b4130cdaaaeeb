"""The pages around the lessons, in a real browser: for wrong addresses, packed, on paper, glossary, API, references."""

import inspect
import re
import runpy
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from pybtex.database import parse_file

import vgx
from tests.browser import built
from tests.browser.server import Quiet, serve
from vgx.book import api, pages

ROOT = built.ROOT
ADDRESS = re.search(r'^Repository = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
FOLDER = "/" + pages.site(ADDRESS).split("/", 3)[3]  # /name/

pytestmark = pytest.mark.browser


# ------------------------------------------------------------------------------------------------ wrong addresses


@pytest.fixture
def github_pages(book):
    """The book as GitHub Pages serves it: below a folder, with 404.html in answer to any wrong address."""

    class GitHubPages(Quiet):
        def translate_path(self, path):
            inside = path.startswith(FOLDER)
            return super().translate_path(path.removeprefix(FOLDER.rstrip("/")) if inside else "/nowhere")

        def send_error(self, code, message=None, explain=None):
            body = (book / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

    with serve(book, GitHubPages) as address:
        yield address


@pytest.mark.parametrize("wrong", ["nothing.html", "notebooks/no_such_lesson.html", "a/b/c/", "book/intro.htm?x=1#y"])
def test_a_wrong_address_at_any_depth_leads_back(wrong, github_pages, open_page):
    page = open_page(github_pages + FOLDER + wrong, watched=False)
    expect(page).to_have_title(re.compile("^Not found"))
    page.get_by_role("link").click()
    expect(page).to_have_url(f"{github_pages}{FOLDER}book/intro.html")
    expect(page.locator("article h1")).to_be_visible()


def test_a_wrong_address_offers_to_search(github_pages, open_page):
    page = open_page(github_pages + FOLDER + "far/away.html", watched=False)
    page.get_by_role("searchbox").fill("sigmoid")
    page.get_by_role("button").click()
    expect(page).to_have_url(f"{github_pages}{FOLDER}search.html?q=sigmoid")
    expect(page.locator("#search-results li").first).to_be_visible()


def test_without_a_script_a_wrong_address_leads_to_the_published_book(book, open_page):
    page = open_page(book / "404.html", java_script_enabled=False)
    assert page.get_by_role("link").get_attribute("href") == pages.site(ADDRESS) + "book/intro.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_for_wrong_addresses(scheme, book, open_page):
    page = open_page(book / "404.html", color_scheme=scheme, viewport=built.PHONE)
    assert Axe().run(page, options=built.AXE).response["violations"] == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


# ------------------------------------------------------------------------------------------------ one file


def test_the_packed_book_opens_where_it_is_unpacked(book, tmp_path, open_page):
    runpy.run_path(str(ROOT / ".ci" / "pack.py"))["pack"](book, tmp_path / "vgx-book.zip")
    with zipfile.ZipFile(tmp_path / "vgx-book.zip") as archive:
        archive.extractall(tmp_path)
    page = open_page(tmp_path / "vgx-book" / "index.html")
    page.wait_for_url("**/book/intro.html")
    for lab in built.pages_with_labs()["book/intro.html"]:
        assert built.place("book/intro.html", lab).on(page).complaints() == []


# ------------------------------------------------------------------------------------------------ on paper

COLOURS = re.compile(rb"([\d.]+ [\d.]+ [\d.]+) rg\b")


def inks(pdf: bytes) -> set[str]:
    """The colours that a PDF fills with, as #rrggbb."""
    found = set()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue  # a font
        found |= set(COLOURS.findall(text))
    return {"#" + "".join(f"{round(255 * float(part)):02x}" for part in colour.split()) for colour in found}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_prints_its_figures_in_ink(scheme, open_page):
    place = built.place("book/how_to_use.html", "repeated-factor")
    shown = place.on(
        open_page(place.address(factor=0.5, depth=50, pattern="all_alike", exponent=True), color_scheme=scheme)
    )
    used = inks(shown.page.pdf(format="A4", print_background=True))  # (without it Chromium darkens pale text)
    assert {"#222222", "#0072b2"} <= used  # the figure's words, and its line: vanishing
    assert not {"#e4e4e4", "#ced6dd", "#14181e"} & used  # those of the dark page
    assert shown.page.locator("html").get_attribute("data-theme") == scheme


# ------------------------------------------------------------------------------------------------ what pages list


@pytest.mark.parametrize("name", [name for name in built.pages() if name.startswith("notebooks/")])
def test_no_lesson_shows_what_only_the_tests_read(name, book):
    assert "NBVAL" not in (book / name).read_text(encoding="utf-8")


def text(name: str) -> str:
    return (built.BOOK / "book" / f"{name}.html").read_text(encoding="utf-8")


def test_the_api_documents_every_public_name():
    if not (built.BOOK / "book" / "api.html").exists():
        pytest.fail("there is no book: run make html")
    documented = set(re.findall(r'<dt class="sig sig-object py" id="([\w.]+)"', text("api")))
    for name in vgx.__all__:
        value = getattr(vgx, name)
        if inspect.ismodule(value):
            assert f'id="module-{value.__name__}"' in text("api")
        elif isinstance(value, type) or callable(value):
            assert f"{api.home_of(name, value)}.{name}" in documented
        else:
            assert re.search(rf"from vgx import .*\b{name}\b", re.sub("<[^>]+>", "", text("api")))


def test_every_term_of_the_glossary_has_a_chinese_name_and_a_definition():
    entries = re.findall(r'<dt id="term-[^"]*"[^>]*>(.+?)<a class="headerlink".*?</dt>', text("glossary"))
    chinese = re.findall(r'<dt[^>]*lang="zh"', text("glossary"))
    assert len(entries) == len(set(entries)) >= 120
    assert len(chinese) == len(entries) / 2
    assert text("glossary").count("<dd>") == len(chinese)
    for name in ("梯度消失", "梯度爆炸", "链式法则", "残差连接", "批量归一化"):
        assert name in entries


def test_every_name_in_code_that_the_glossary_gives_exists():
    source = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    for module, name in re.findall(r"`vgx\.(\w+)\.(\w+)`", source):
        assert hasattr(getattr(vgx, module), name), f"vgx.{module}.{name}"
    for name in re.findall(r"`vgx\.(\w+)[`\[]", source):
        assert name in vgx.__all__, name
    for name in re.findall(r'`"(\w+)"`', source):
        assert name in vgx.initializers


def test_the_references_list_every_source_with_a_way_to_find_it():
    listed = parse_file(ROOT / "book" / "references.bib").entries
    assert text("references").count('<div class="citation"') == len(listed) >= 45
    for key, entry in listed.items():
        plain = unicodedata.normalize("NFKD", entry.persons["author"][0].last_names[-1].lower())
        author = re.sub(r"[^a-z]", "", plain)
        assert re.fullmatch(rf"{author}{entry.fields['year']}[a-z0-9]+", key), key
        assert entry.fields.get("doi") or entry.fields.get("url"), key
    years = [int(entry.fields["year"]) for entry in listed.values()]
    assert years == sorted(years)


def test_the_list_of_references_shows_no_numbers(book, open_page):
    page = open_page(Path(book) / "book" / "references.html")
    assert page.locator("div.citation .label:visible").count() == 0
    assert page.locator("div.citation p:visible").count() >= 45
