"""Every notebook keeps the rules of the house; the rules, and whatever runs the cells, can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import notebook_rules

ROOT = Path(__file__).parents[1]
SPECIMENS = sorted((ROOT / "tests" / "specimens").glob("*.ipynb"))
RED = "1 failed, 1 passed"


def test_every_notebook_keeps_the_rules():
    broken = {
        path.name: found
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if (found := notebook_rules.problems(path))
    }
    assert broken == {}


@pytest.mark.parametrize("path", SPECIMENS, ids=lambda path: path.stem)
def test_a_specimen_breaks_the_rule_in_its_name_and_no_other(path):
    rule = path.stem.split("-")[0]
    expected = set() if rule in {"good", "run"} else {rule}
    assert set(notebook_rules.problems(path)) == expected


def test_every_rule_has_a_specimen():
    rules = {rule.__name__ for rule in notebook_rules.RULES}
    assert rules <= {path.stem.split("-")[0] for path in SPECIMENS}


def test_a_heavy_notebook_is_refused(tmp_path):
    heavy = tmp_path / "heavy.ipynb"
    text = (ROOT / "tests" / "specimens" / "good.ipynb").read_text(encoding="utf-8")
    heavy.write_text(text.replace("Multiply ten times.", "Multiply. " * 12_000), encoding="utf-8")
    assert set(notebook_rules.problems(heavy)) == {"size"}


def test_the_table_of_contents_lists_the_pages_that_exist():
    assert list(notebook_rules.toc_problems(ROOT)) == []


@pytest.fixture
def small_book(tmp_path):
    toc = """\
        format: jb-book
        root: book/intro
        parts:
          - caption: Lessons
            chapters:
              - file: notebooks/00_first
                sections:
                  - file: notebooks/01_second.ipynb
    """
    (tmp_path / "_toc.yml").write_text(toc.replace("\n        ", "\n").strip(), encoding="utf-8")
    for page in ("book/intro.md", "notebooks/00_first.ipynb", "notebooks/01_second.ipynb"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).touch()
    return tmp_path


def test_a_whole_table_of_contents_passes(small_book):
    assert list(notebook_rules.toc_problems(small_book)) == []


def test_a_listed_page_that_is_missing_is_found(small_book):
    (small_book / "notebooks" / "01_second.ipynb").unlink()
    assert list(notebook_rules.toc_problems(small_book)) == ["_toc.yml lists notebooks/01_second, which is no page"]


@pytest.mark.parametrize("page", ["notebooks/02_third.ipynb", "book/glossary.md"])
def test_a_page_that_is_not_listed_is_found(small_book, page):
    (small_book / page).touch()
    assert list(notebook_rules.toc_problems(small_book)) == [f"_toc.yml does not list {page.partition('.')[0]}"]


@pytest.mark.parametrize(
    ("name", "closing"),
    [("good", "2 passed"), ("run-raises", RED), ("run-number-changed", RED)],
)
def test_a_cell_that_raises_or_prints_another_number_turns_red(tmp_path, name, closing):
    shutil.copy(ROOT / "tests" / "specimens" / f"{name}.ipynb", tmp_path)
    command = [sys.executable, "-m", "pytest", f"--config-file={ROOT / 'pyproject.toml'}"]
    command += [f"--rootdir={tmp_path}", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert closing in run.stdout.splitlines()[-1], run.stdout + run.stderr
    assert run.returncode == ("failed" in closing)
