"""The closing page: every cure has a lesson and a lab in the state that shows it, and says of it what the lab says."""

import html
import re
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest

from vgx.book import all_labs

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "which_cure.md").read_text(encoding="utf-8")
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
LABS = {lab.name: lab for lab in all_labs()}
LINKS = re.findall(r'<a href="\.\./notebooks/(\w+)\.html#([\w-]+)\?([^"]+)">(.+?)</a>', PAGE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| you measure")]


def state(lab, query: str) -> dict:
    """The stops that the values of an address name."""
    given = dict(parse_qsl(query, strict_parsing=True))
    assert set(given) == set(lab.controls), "an address on this page names every control"
    return {name: _stop(lab.axes[name], value) for name, value in given.items()}


def _stop(stops, text):
    if isinstance(stops[0], str):
        return stops[stops.index(text)]
    return stops[int(np.flatnonzero(np.isclose(np.array(stops, float), float(text), rtol=1e-4))[0])]


def test_every_row_has_a_cause_a_cure_a_cost_a_lesson_and_a_state_to_see():
    assert len(ROWS) >= 12
    for row in ROWS:
        measured, cause, cure, cost, see = (cell.strip() for cell in row.strip("| ").split(" | "))
        assert all([measured, cause, cost])
        assert re.search(r"\[Lesson \d\d\]\(\.\./notebooks/\w+\)$", cure), row
        assert "<a href=" in see, row


@pytest.mark.parametrize(("lesson", "name", "query", "words"), LINKS)
def test_a_state_shows_what_the_page_says_of_it(lesson, name, query, words):
    lab = LABS[name]
    assert f'"labs.{name.replace("-", "_")}"' in (ROOT / "notebooks" / f"{lesson}.ipynb").read_text(encoding="utf-8")
    reading = lab.reading(**state(lab, html.unescape(query)))
    numbers = re.findall(r"\d[\d.,]*\d|\d|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", words)
    assert numbers
    assert [number for number in numbers if number not in re.findall(r"\d[\d.,]*\d|\d|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", reading)] == []


def test_what_the_cure_did_is_said_of_the_same_state():
    assert "normalized none" in PAGE
    assert "Centred and scaled, γ = 1: mean σ′ 0.206, 0 % saturated" in LABS["recentring"].reading()


def test_every_lesson_is_on_the_map_and_among_the_cures():
    table, _, on_the_map = PAGE.partition("## The book on one page")
    assert re.findall(r":link: \.\./notebooks/(\w+)", on_the_map) == LESSONS
    cured = set(re.findall(r"\(\.\./notebooks/(\w+)\)", table))
    assert set(LESSONS) - cured <= {"02_chain_rule_products"}  # (the law that the others keep)


def test_float16_ends_where_the_page_says():
    assert "65,504" in PAGE
    assert np.finfo(np.float16).max == 65_504
