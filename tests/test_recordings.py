"""The recordings that the book draws: there, small, told where they come from, and of functions that exist."""

import datetime
from importlib import import_module
from pathlib import Path

import pytest

import vgx.lessons

LESSONS = Path(vgx.lessons.__path__[0])
MOST_BYTES = 2_000_000  # all recordings together
COMMANDS = {path.parent.name: f"vgx.lessons.{path.parent.name}.record" for path in LESSONS.glob("*/record.py")}
RECORDINGS = [
    pytest.param(room, name, id=f"{room}:{name}")
    for room, command in COMMANDS.items()
    for name in import_module(command).RECORDINGS.recipes
]


def test_all_recordings_together_are_small():
    sizes = {path.name: path.stat().st_size for path in LESSONS.glob("*/recordings/*")}
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def test_every_file_has_its_recipe():
    files = {path for path in LESSONS.glob("*/recordings/*") if not path.name.startswith(".")}
    made = [import_module(command).RECORDINGS for command in COMMANDS.values()]
    assert files <= {each.path(name) for each in made for name in each.recipes}


@pytest.mark.parametrize(("room", "name"), RECORDINGS)
def test_a_recording_says_what_made_it(room, name):
    recordings = import_module(COMMANDS[room]).RECORDINGS
    grid = recordings.load(name)  # which makes sure that its function exists as it was
    facts = grid.provenance
    assert facts["command"] == f"python -m vgx.lessons.{room}.record {name}"
    assert {"vgx", "numpy", "python"} <= set(facts["versions"])
    assert datetime.date.fromisoformat(facts["date"]) >= datetime.date(2026, 1, 1)
    assert "cores" in facts["machine"]
    given = facts["fixed"] | grid.axes
    seeds = [value for seed, value in given.items() if seed in ("seed", "seeds", "n_seeds")]
    assert seeds, f"no parameter of {grid.function} is named seed, seeds or n_seeds: {list(given)}"
    assert not any(str(value).startswith("<") for value in seeds), seeds


@pytest.mark.parametrize(("room", "name"), RECORDINGS)
def test_the_tests_of_its_lesson_know_it(room, name):
    """Each recomputes a part: by `Recordings.differences` or, where that takes long, with fewer seeds or epochs."""
    tests = Path(__file__).parent / "lessons"
    assert any(f'("{name}"' in path.read_text() for path in tests.glob(f"test_{room}*.py")), (
        f"no tests/lessons/test_{room}*.py calls RECORDINGS.differences({name!r}, ...) or load({name!r})"
    )
