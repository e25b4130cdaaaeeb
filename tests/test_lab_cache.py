"""Names of what is kept: they change with all that a result depends on, and with nothing else."""

import importlib
import sys
from functools import partial

import numpy as np
import pytest

from vgx import tabulate
from vgx.lab import cache, static
from vgx.lab.controls import Predict, Slider
from vgx.lab.spec import Lab

SOURCES = {
    "__init__.py": (
        "from importlib import import_module\n"
        "_HOME = {'activations': 'phi'}\n"
        "def __getattr__(name):\n"
        "    module = import_module(f'.{_HOME.get(name, name)}', __name__)\n"
        "    return getattr(module, name) if name in _HOME else module\n"
    ),
    "phi.py": "activations = {}\n",
    "theory.py": "from .constants import PI\n",
    "constants.py": "PI = 3\n",
    "figures.py": "GREY = 'grey'\n",
    "lessons/__init__.py": "",
    "lessons/one/__init__.py": "",
    "lessons/one/measure.py": (
        "import numpy as np\n"
        "from house import activations, theory\n"
        "def line(slope, depth=3):\n"
        "    from . import readings\n"
        "    return {'y': slope * np.arange(float(depth))}\n"
    ),
    "lessons/one/readings.py": "",
    "lessons/one/draw.py": (
        "import house as door\n"
        "import plotly.graph_objects as go\n"
        "COUNT = []\n"
        "def line(data, state):\n"
        "    COUNT.append(door.figures.GREY)\n"
        "    return go.Figure(go.Scatter(y=data['y']))\n"
        "def read(data, state):\n"
        "    return 'A line.'\n"
    ),
    "lessons/two/__init__.py": "",
    "lessons/two/measure.py": "from house.lessons.one import measure\n",
}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A package of two lessons: ``house(path)`` changes one of its files, and all is imported again."""
    for name, source in SOURCES.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)

    def forget():
        for name in [name for name in sys.modules if name.partition(".")[0] == "house"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        cache.imports.cache_clear()

    def change(name: str) -> None:
        path = tmp_path / "house" / name
        path.write_text(path.read_text() + "# changed\n")
        forget()

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(cache, "PACKAGE", "house")
    forget()
    yield change
    forget()


def lesson(name: str):
    return importlib.import_module(f"house.lessons.one.{name}")


def key(**given) -> str:
    return cache.key(lesson("measure").line, **given)


@pytest.mark.parametrize(
    "changed",
    ["lessons/one/measure.py", "lessons/one/readings.py", "theory.py", "constants.py", "phi.py"],
)
def test_a_change_in_what_measures_or_in_what_that_imports_gives_another_name(house, changed):
    before = key()
    house(changed)
    assert key() != before


@pytest.mark.parametrize("changed", ["__init__.py", "figures.py", "lessons/one/draw.py", "lessons/two/measure.py"])
def test_a_change_elsewhere_gives_the_same_name(house, changed):
    before = key()
    house(changed)
    assert key() == before


def test_what_is_taken_through_the_packages_door_counts(house):
    assert cache.imports("house.lessons.one.draw") == {"house.lessons.one.draw", "house.figures"}
    assert cache.imports("house.lessons.one.measure") == {
        "house.lessons.one.measure", "house.lessons.one", "house.lessons.one.readings",
        "house.theory", "house.constants", "house.phi",
    }  # fmt: skip


def test_modules_may_import_each_other(house, tmp_path):
    (tmp_path / "house" / "constants.py").write_text("PI = 3\ndef f():\n    from . import theory\n")
    assert cache.imports("house.theory") == {"house.theory", "house.constants"}


def test_another_version_or_axis_gives_another_name(house, monkeypatch):
    before = key(spec="{'slope': (0, 1)}")
    assert key(spec="{'slope': (0, 1)}") == before
    assert key(spec="{'slope': (0, 2)}") != before
    for name in cache.VERSIONS:
        with monkeypatch.context() as patch:
            patch.setattr(cache, "version", lambda asked, name=name: "0.0" if asked == name else real(asked))
            assert key(spec="{'slope': (0, 1)}") != before, name


real = cache.version


def test_what_is_not_installed_has_no_version(house, monkeypatch):
    def missing(name):
        raise cache.PackageNotFoundError(name)

    monkeypatch.setattr(cache, "version", missing)
    assert key() == key()


def closure(depth):
    def line(slope):
        return {"y": np.full(depth, slope)}

    return line


def constant(values, slope):
    return {"y": values}


def test_the_values_that_a_function_was_made_with_count():
    names = [cache.key(partial(closure, depth)) for depth in (1, 2)] + [cache.key(closure(depth)) for depth in (1, 2)]
    assert len(set(names)) == 4
    assert cache.key(closure(1)) == cache.key(closure(1))


def test_a_recording_counts_with_its_content():
    def recorded(value, axis=(0.0, 1.0), depth=1):
        return tabulate(partial(constant, np.full(depth, value)), {"slope": axis}, progress=False)

    grids = [recorded(1.0), recorded(2.0), recorded(1.0, (0.0, 2.0)), recorded(1.0, depth=2)]
    assert len({cache.key(grid) for grid in grids}) == 4
    assert cache.key(recorded(1.0)) == cache.key(grids[0])


def test_what_stands_in_no_file_is_refused(monkeypatch):
    def typed_in_a_notebook(slope):
        return {}

    typed_in_a_notebook.__module__ = "__main__"
    with pytest.raises(ValueError, match=r"__main__:.*typed_in_a_notebook stands in no file"):
        cache.key(typed_in_a_notebook)


def test_a_file_is_written_whole(tmp_path):
    cache.write(tmp_path / "a.js", b"one")
    cache.write(tmp_path / "a.js", b"two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.js": b"two"}


# What a lab computes again


def lab(**given) -> Lab:
    """A lab in the fake house."""
    draw = lesson("draw")
    arguments = {"controls": {"slope": Slider(0, 2, default=1, stops=3)}, "compute": lesson("measure").line}
    return Lab("line", **arguments | {"draw": draw.line, "read": draw.read, "alt": "A line."} | given)


def kept(folder) -> dict[str, set[str]]:
    return {suffix: {path.name for path in folder.glob(f"*.{suffix}")} for suffix in ("npz", "js")}


@pytest.mark.parametrize(
    ("changed", "grids", "payloads"),
    [
        ("lessons/one/measure.py", 2, 2),
        ("theory.py", 2, 2),
        ("lessons/one/draw.py", 1, 2),
        ("figures.py", 1, 2),
        ("lessons/two/measure.py", 1, 1),
    ],
)
def test_a_change_makes_again_what_depends_on_it(house, tmp_path, changed, grids, payloads):
    static.render(lab(), tmp_path)
    house(changed)
    static.render(lab(), tmp_path)
    assert [len(names) for names in kept(tmp_path).values()] == [grids, payloads]


def test_nothing_is_drawn_again_when_nothing_changed(house, tmp_path):
    markup = static.render(lab(), tmp_path)
    drawn = len(lesson("draw").COUNT)
    assert static.render(lab(), tmp_path) == markup
    assert (drawn, len(lesson("draw").COUNT)) == (3, 3)


def test_another_opening_draws_again_but_does_not_compute(house, tmp_path):
    for slope in (1, 2):
        static.render(lab()(slope=slope), tmp_path)
    assert [len(names) for names in kept(tmp_path).values()] == [1, 2]


def test_all_that_the_page_shows_is_in_the_payloads_name(house, tmp_path):
    def asking(at=1.0, **given):
        return lab(predict=Predict("?", answer=lambda data, state: state["slope"], at={"slope": at}, **given))

    def answer(data, state):
        return "yes"

    slope = Slider(0, 2, default=1, stops=3)
    labs = [
        lab(),
        lab(module="elsewhere"),
        lab(controls={"slope": Slider(0, 2, default=1, stops=3, unit=" m")}),
        lab(controls={"slope": Slider(0, 2, default=1, stops=5)}),
        lab(controls={"slope": slope, "depth": Slider(1, 2, default=1, stops=2, integer=True)}),
        asking(),
        asking(at=2.0),
        asking(power_of_ten=True),
        *(lab(predict=Predict("?", answer=answer, at={}, choices=c)) for c in (("yes", "no"), ("yes", "maybe"))),
    ]
    assert len({static.payload_path(each, tmp_path) for each in labs}) == len(labs)
