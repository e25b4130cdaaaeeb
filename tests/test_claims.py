"""``book/claims.md`` names, for each claim, the section of a lesson that holds it, and leaves none out."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest
from myst_parser.mdit_to_docutils.base import default_slugify

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "book" / "claims.md"
FACTS = ROOT.parent / "shared" / "facts.md"  # what the claims were taken from; not part of the repository
NOTEBOOKS = ROOT / "notebooks"
ROW = re.compile(r"\| ([A-Z]\d+)\.(\d+) \| (.+?) \| (.+?) \| (.+) \|")
PLACE = re.compile(r"\[(\d\d) [^]]+\]\(\.\./notebooks/([^)#]+)\.ipynb#([^)]+)\) \*([^*]+)\*")

# Statements of each claim: a row that is lost is missed, though the rows after it are numbered anew.
STATEMENTS = {
    "X": (2, 3, 2, 3, 2, 3, 4, 4, 5, 2, 1, 4, 2, 6, 3, 4, 3),
    "M": (2, 3, 3, 2, 2, 6, 4, 3, 2, 2, 4, 1, 2, 4, 2, 1, 4, 4, 2),
    "L": (8, 11, 5, 10, 7, 6),
    "S": (3, 2, 2, 4, 1),
}
ELSEWHERE = {  # claims whose lessons are not those that were planned, and why
    "X5": "the bars stand beside the chain rule that explains them, in lesson 02",
    "X8": "that slopes multiply and not outputs is said where slopes are the subject, in lesson 01",
}


def rows(text: str) -> dict[str, dict[int, tuple[str, str, str]]]:
    """Return what the page says (claim, source, sections), by claim and number of the statement."""
    found = defaultdict(dict)
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| key"):
            row = ROW.fullmatch(line)
            assert row, f"not a row of four cells with a key: {line}"
            assert int(row[2]) not in found[row[1]], f"twice: {row[1]}.{row[2]}"
            found[row[1]][int(row[2])] = row.groups()[2:]
    return found


def plain(text: str) -> str:
    return " ".join(text.replace("*", "").split())


def sections(notebook: Path) -> dict[str, str]:
    """Return the text below each heading down to the third level, by the anchor that a link names."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    found, open_at = defaultdict(str), {}
    for cell in cells:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else ():
            if heading := re.fullmatch(r"(#{1,3}) (.+)", line):
                open_at = {level: anchor for level, anchor in open_at.items() if level < len(heading[1])}
                open_at[len(heading[1])] = default_slugify(heading[2])
            for anchor in open_at.values():
                found[anchor] += line + "\n"
    return {anchor: plain(text) for anchor, text in found.items()}


def broken(found) -> list[str]:
    """Say which rows lead nowhere, or to a section that does not hold their words."""
    texts = {path.stem: sections(path) for path in NOTEBOOKS.glob("*.ipynb")}
    said = []
    for claim, statements in found.items():
        for number, (_, _, where) in statements.items():
            for place in where.split("; ["):
                place = place if place.startswith("[") else "[" + place
                if not (link := PLACE.fullmatch(place)):
                    said.append(f"{claim}.{number}: no link with words to look for: {place}")
                elif not link[2].startswith(link[1] + "_") or link[2] not in texts:
                    said.append(f"{claim}.{number}: no lesson {link[1]} {link[2]}")
                elif link[3] not in texts[link[2]]:
                    said.append(f"{claim}.{number}: lesson {link[1]} has no section {link[3]}")
                elif plain(link[4]) not in texts[link[2]][link[3]]:
                    said.append(f"{claim}.{number}: lesson {link[1]}, {link[3]} does not say: {link[4]}")
    return said


def lessons(statements) -> set[str]:
    return {lesson for _, _, where in statements.values() for lesson in re.findall(r"\[(\d\d) ", where)}


def planned() -> dict[str, tuple[str, set[str]]]:
    """Return the text and the lessons (none where it is left open) of each claim in facts.md."""
    if not FACTS.exists():
        pytest.skip("no facts.md beside this repository")
    _, *parts = re.split(r"^## .+$", FACTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {}
    for table, part in zip("XMLS", parts, strict=True):
        claims = re.findall(r"^(?:- |\| (?!source |---))(.+)", part.replace("|---", "| ---"), re.MULTILINE)
        for number, text in enumerate(claims, start=1):
            text, last = text.rstrip("| ").rsplit("|", 1) if table == "X" else (text, text)
            named = [last] if table == "X" else re.findall(r"\((0\d(?:, 0\d)*)[):]", last)
            found[f"{table}{number}"] = text, {lesson for names in named for lesson in re.findall(r"\b0\d\b", names)}
    return found


def numbers(text: str) -> set[str]:
    """Return the numbers of two digits and more, but for lessons and years."""
    text = re.sub(r"\(0\d(?:, 0\d)*\)|\b(?:19|20)\d\d\b", "", text)
    return {number for number in re.findall(r"\d+(?:\.\d+)?", text, re.ASCII) if len(number) > 1}


@pytest.fixture(scope="module")
def found():
    return rows(PAGE.read_text(encoding="utf-8"))


def test_every_statement_has_its_row(found):
    wanted = {f"{table}{n}": counts for table in STATEMENTS for n, counts in enumerate(STATEMENTS[table], start=1)}
    assert found.keys() <= wanted.keys()
    for claim, count in wanted.items():
        assert set(found.get(claim, ())) == set(range(1, count + 1)), claim


def test_every_row_leads_to_a_section_that_says_it(found):
    assert broken(found) == []


def test_no_claim_of_facts_is_left_out(found):
    facts = planned()
    assert {f"{table}{n}" for table, counts in STATEMENTS.items() for n in range(1, len(counts) + 1)} == facts.keys()
    for claim in facts:
        said = " ".join(" ".join(cells) for cells in found[claim].values())
        assert numbers(facts[claim][0]) <= numbers(said), claim


def test_every_claim_is_in_the_lesson_that_was_planned(found):
    named = {claim: names for claim, (_, names) in planned().items() if names}
    assert {claim for claim, names in named.items() if lessons(found[claim]) != names} == set(ELSEWHERE)
