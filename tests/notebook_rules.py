"""What every committed lesson keeps: each rule takes a notebook and yields what is wrong with it.

``problems(path)`` asks all of them. ``tests/specimens`` has a broken notebook for each.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
import yaml

CHECK = "# NBVAL_CHECK_OUTPUT"
ESCAPES = ("NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "NBVAL_IGNORE_OUTPUT")
ESCAPE_TAGS = {mark.lower().replace("_", "-") for mark in ESCAPES} | {"raises-exception", "skip-execution"}
TAGS = {
    "dropdown", "full-width", "hide-cell", "hide-input", "hide-output", "margin",
    "remove-cell", "remove-input", "remove-output",
}  # fmt: skip
SECTIONS = (
    "Predict", "Explore", "Derive", "By hand", "Confirm", "Measure",
    "Misconceptions", "Exercises", "Takeaways",
)  # fmt: skip
MOST_LINES = 10
MOST_SETUP_LINES = 5
MOST_BYTES = 120_000
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|farm|tmp|home|root|Users|mnt|opt)/\w|\b[A-Za-z]:\\\w|\bfile:///\w")


def outputs(notebook) -> Iterator[str]:
    """Only printed text is kept: no figures, no warnings, no tracebacks."""
    for number, cell in _code(notebook):
        for output in cell.outputs:
            kind = output.get("name", "") if output.output_type == "stream" else output.output_type
            if kind != "stdout":
                yield f"cell {number}: keeps the output {kind!r}; only stdout stays"


def checked(notebook) -> Iterator[str]:
    """A checked cell says so in its first line, was run, and printed something."""
    for number, cell in _code(notebook):
        lines = cell.source.splitlines()
        if CHECK in lines[1:]:
            yield f"cell {number}: {CHECK} must be its first line"
        if CHECK in lines and (cell.execution_count is None or not cell.outputs):
            yield f"cell {number}: is checked but lacks its output or execution count: run it and save"


def escapes(notebook) -> Iterator[str]:
    """No cell is let off: whatever raises must fail the tests."""
    for number, cell in _code(notebook):
        marks = [mark for mark in ESCAPES if mark in cell.source]
        for found in marks + sorted(ESCAPE_TAGS.intersection(_tags(cell))):
            yield f"cell {number}: {found} would let a failure pass"


def length(notebook) -> Iterator[str]:
    """Code cells are short, the setup cell shorter."""
    for position, (number, cell) in enumerate(_code(notebook)):
        lines = [line for line in cell.source.splitlines() if line.strip() and line != CHECK]
        most = MOST_LINES if position else MOST_SETUP_LINES
        if len(lines) > most:
            yield f"cell {number}: {len(lines)} lines, at most {most}"


def tags(notebook) -> Iterator[str]:
    """Tags are ones that the book knows; the setup cell is folded."""
    for number, cell in enumerate(notebook.cells):
        for tag in _tags(cell):
            if tag not in TAGS | ESCAPE_TAGS:
                yield f"cell {number}: unknown tag {tag!r}; there are: {', '.join(sorted(TAGS))}"
    for number, cell in list(_code(notebook))[:1]:
        if "hide-input" not in _tags(cell):
            yield f"cell {number}: the setup cell needs the tag 'hide-input'"


def title(notebook) -> Iterator[str]:
    """The first cell is the title, the only one; the setup follows before the first section."""
    levels = [(number, level) for number, level, _ in _headings(notebook)]
    if not levels or levels[0] != (0, 1):
        yield "cell 0: must start with the title, '# ...'"
    for number, level in levels[1:]:
        if level == 1:
            yield f"cell {number}: a second title"
    setup = next((number for number, _ in _code(notebook)), 0)
    section = next((number for number, level in levels if level == 2), setup)
    if section < setup:
        yield f"cell {section}: this section comes before the setup cell"


def sections(notebook) -> Iterator[str]:
    """The sections that are there come in the order of all lessons, each once."""
    found = [
        (number, name)
        for number, level, text in _headings(notebook)
        if level == 2
        for name in SECTIONS
        if re.match(rf"{name}\b", text, re.IGNORECASE)
    ]
    for (_, before), (number, name) in pairwise(found):
        if SECTIONS.index(name) <= SECTIONS.index(before):
            yield f"cell {number}: '{name}' comes after '{before}'; the order is {', '.join(SECTIONS)}"


def kernel(notebook) -> Iterator[str]:
    """Any Python 3 kernel runs it."""
    name = notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield f"the kernel is {name!r}, must be 'python3'"


def ids(notebook) -> Iterator[str]:
    """Every cell has an id of its own, so that a diff shows which cell changed."""
    seen = set()
    for number, cell in enumerate(notebook.cells):
        if "id" not in cell or cell.id in seen:
            yield f"cell {number}: has no id of its own"
        seen.add(cell.get("id"))


def paths(notebook) -> Iterator[str]:
    """No cell names a folder of somebody's machine."""
    for number, cell in enumerate(notebook.cells):
        text = cell.source + "".join(output.get("text", "") for output in cell.get("outputs", []))
        if found := MACHINE_PATH.search(text):
            yield f"cell {number}: names a path of a machine: {text[found.start() :].split()[0]}"


def directives(notebook) -> Iterator[str]:
    """No Sphinx directive: a notebook is read in JupyterLab and Colab, too, and they lose what stands in one."""
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and (found := re.search(r"^(```|:::)\{.*", cell.source, re.MULTILINE)):
            yield f"cell {number}: {found[0]} is shown by the book only; for a solution use <details>"


def solutions(notebook) -> Iterator[str]:
    """A folded cell stands under a folded heading: JupyterLab unfolds the output of every cell that it runs."""
    is_folded = False
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            is_folded = bool(cell.metadata.get("jp-MarkdownHeadingCollapsed"))
        if "hide-cell" in _tags(cell) and not is_folded:
            yield f"cell {number}: needs a heading above it with the metadata 'jp-MarkdownHeadingCollapsed': true"


def size(path: Path) -> Iterator[str]:
    """The file is small: what was drawn does not stay in it."""
    if path.stat().st_size >= MOST_BYTES:
        yield f"{path.stat().st_size} bytes, must be less than {MOST_BYTES}"


RULES = (outputs, checked, escapes, length, tags, title, sections, kernel, ids, paths, directives, solutions)


def problems(path: Path) -> dict[str, list[str]]:
    """Return what is wrong with a notebook, by the name of the rule."""
    notebook = _read(path)
    found = {rule.__name__: list(rule(notebook)) for rule in RULES} | {"size": list(size(path))}
    return {rule: messages for rule, messages in found.items() if messages}


def toc_problems(root: Path) -> Iterator[str]:
    """Yield the pages that `_toc.yml` lists and that are missing, and those that it does not list."""
    toc = root / "_toc.yml"
    listed = set(_files(yaml.safe_load(toc.read_text(encoding="utf-8")))) if toc.exists() else set()
    pages = [*root.glob("notebooks/*.ipynb"), *root.glob("book/*.md")]
    present = {page.relative_to(root).with_suffix("").as_posix() for page in pages}
    yield from (f"_toc.yml lists {name}, which is no page" for name in sorted(listed - present))
    yield from (f"_toc.yml does not list {name}" for name in sorted(present - listed))


def _read(path: Path) -> nbformat.NotebookNode:
    # as it stands in the file: nbformat.read would give new ids where they are missing
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["source"] = "".join(cell["source"])
        for output in cell.get("outputs", []):
            output["text"] = "".join(output.get("text", ""))
    return nbformat.from_dict(content)


def _code(notebook) -> Iterator[tuple[int, nbformat.NotebookNode]]:
    return ((number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code")


def _tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def _headings(notebook) -> Iterator[tuple[int, int, str]]:
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for marks, text in re.findall(r"^(#+) +(.+)$", cell.source, re.MULTILINE):
                yield number, len(marks), text


def _files(entry) -> Iterator[str]:
    """Yield every page under an entry of the table of contents."""
    if isinstance(entry, list):
        for part in entry:
            yield from _files(part)
    elif isinstance(entry, dict):
        yield from (
            str(entry[key]).removesuffix(".md").removesuffix(".ipynb") for key in ("root", "file") if key in entry
        )
        for key in ("parts", "chapters", "sections"):
            yield from _files(entry.get(key, []))
