"""The commands that make recordings: provenance, killed and resumed runs, damage, what the errors name."""

import datetime
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.tabulated import AXES, assert_same_grid, profile
from vgx import recorder, sweep
from vgx.grid import Grid
from vgx.recorder import Recipe, Recordings, record
from vgx.sweep import tabulate


def make(fn, path, axes=None, **given):
    return record(fn, axes or {"k": [1, 2, 3, 4]}, path, command="make it", progress=False, **given)


def counting(fail_at=()):
    """Return a function and the list of what it was asked."""
    asked = []

    def measure(k, factor=2.0, n_seeds=3):
        asked.append(k)
        for one in k if isinstance(k, tuple) else [k]:
            if one in fail_at:
                raise RuntimeError(f"no {one}")
        return {"x": factor * np.asarray(k, np.float32), "word": np.full(np.shape(k), "ab")}

    return measure, asked


def test_a_recording_is_the_grid_and_says_what_made_it(grid, tmp_path):
    made = make(profile, tmp_path / "deep" / "er" / "a.npz", AXES)
    assert_same_grid(made, grid)
    assert_same_grid(Grid.load(tmp_path / "deep" / "er" / "a.npz", profile), grid)
    facts = dict(made.provenance)
    assert facts.pop("fixed") == {"seed": 0}
    assert facts.pop("command") == "make it"
    assert abs(datetime.date.fromisoformat(facts.pop("date")) - datetime.date.today()).days <= 1
    assert re.fullmatch(r"\w+ \w+, \d+ cores", facts.pop("machine"))
    assert 0 <= facts.pop("seconds") < 5
    assert facts.pop("versions")["numpy"] == np.__version__
    assert facts == {}
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["a.npz"]


def test_the_versions_are_of_what_was_imported(tmp_path, monkeypatch):
    def measure(k):
        monkeypatch.setitem(sys.modules, "torch", np)
        return {"x": k}

    for name in ("torch", "plotly"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(TypeError):
        make(lambda k: measure(k) if k < 2 else 1 / "0", tmp_path / "a.npz")
    sys.modules.pop("torch")  # the run that goes on asks nothing of torch; the first one did
    made = make(lambda k: measure(k) if k < 2 else {"x": k}, tmp_path / "a.npz")
    assert "plotly" not in made.provenance["versions"]
    assert made.provenance["versions"]["torch"].startswith("2.")


# --- going on ---


@pytest.mark.parametrize("vectorized", [(), ("j",)])
def test_what_was_done_is_not_computed_again(tmp_path, vectorized):
    axes = {"j": [5, 6], "k": [1, 2, 3, 4]}
    asked, broken = [], True

    def measure(j, k, seed=0):
        asked.append(k)
        if broken and k == 3:
            raise KeyboardInterrupt
        return {"x": np.asarray(j) + 0.5 * k, "name": np.full(np.shape(j), "a" * k)}

    with pytest.raises(KeyboardInterrupt):
        make(measure, tmp_path / "a.npz", axes, vectorized=vectorized)
    assert not (tmp_path / "a.npz").exists()
    assert asked == [1, 2, 3]
    broken = False
    made = make(measure, tmp_path / "a.npz", axes, vectorized=vectorized)
    assert asked[3:] == ([3, 4] if vectorized else [3, 4, 1, 2, 3, 4])
    assert_same_grid(made, tabulate(measure, axes, vectorized=vectorized, progress=False))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def interrupted(path, fail_at=(4,), **fixed):
    measure, asked = counting(fail_at)
    with pytest.raises(RuntimeError, match="no 4"):
        make(measure, path, **fixed)
    return asked


def test_afresh_computes_all(tmp_path):
    interrupted(tmp_path / "a.npz")
    measure, asked = counting()
    make(measure, tmp_path / "a.npz", afresh=True)
    assert asked == [1, 2, 3, 4]


@pytest.mark.parametrize("change", ["default", "name", "source", "version"])
def test_what_another_function_did_is_computed_again(tmp_path, monkeypatch, change):
    interrupted(tmp_path / "a.npz")
    measure, asked = counting()
    if change == "default":
        measure.__defaults__ = (3.0, 3)
    elif change == "name":
        measure.__qualname__ = "another"
    elif change == "source":
        (tmp_path / "edited.py").write_text("# edited")
        monkeypatch.setattr(sys.modules[__name__], "__file__", str(tmp_path / "edited.py"))
    else:
        monkeypatch.setattr(recorder, "versions", lambda packages: {"torch": "another"})
    made = make(measure, tmp_path / "a.npz")
    assert asked == [1, 2, 3, 4]
    assert made(k=3)["x"] == (9.0 if change == "default" else 6.0)


def test_a_damaged_part_is_computed_again(tmp_path):
    interrupted(tmp_path / "a.npz")
    parts = sorted((tmp_path / ".a.parts").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(parts) == 3
    parts[0].write_bytes(parts[0].read_bytes()[:-20])
    parts[1].write_bytes(b"")
    measure, asked = counting()
    make(measure, tmp_path / "a.npz")
    assert len(asked) == 3


def test_a_failed_run_leaves_the_recording_that_was_there(tmp_path):
    make(counting()[0], tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    interrupted(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == whole


# --- the command of a room ---


ROOM = """
import time
import numpy as np

def slow(k, j, n_seeds=2):
    with open({log!r}, "a") as log:
        log.write(f"{{k}}\\n")
    time.sleep({seconds})
    return {{"x": np.full(3, k) + np.asarray(j)[:, None]}}

def quick(k, seed=0):
    return {{"x": k}}
"""
RECORD = """
from vgx.recorder import Recipe, Recordings
from . import measure

RECORDINGS = Recordings(__package__, {
    "slow-one": Recipe(measure.slow, {"k": range(6), "j": [0, 10]}, vectorized="j"),
    "quick-one": Recipe(measure.quick, {"k": [1, 2]}),
})

if __name__ == "__main__":
    RECORDINGS.main()
"""


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A room whose slow function logs what it was asked; return its folder."""
    folder = tmp_path / f"room{time.monotonic_ns()}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "measure.py").write_text(ROOM.format(log=str(tmp_path / "log"), seconds=0.15))
    (folder / "record.py").write_text(RECORD)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def command(room, *arguments):
    line = [sys.executable, "-m", f"{room.name}.record", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, cwd=room.parent, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_command_goes_on_and_leaves_no_half_file(room, sign):
    log, folder = room.parent / "log", room / "recordings"
    running = command(room, "slow-one")
    deadline = time.monotonic() + 20
    while not log.exists() or len(log.read_text().split()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    running.send_signal(sign)
    _, said = running.communicate(timeout=20)
    assert running.returncode == (130 if sign == signal.SIGINT else -sign)
    assert sign != signal.SIGINT or said.endswith("slow-one: stopped; the same command goes on where it was\n")
    assert [path.name for path in folder.iterdir()] == [".slow-one.parts"]
    again = command(room, "slow-one")
    out, said = again.communicate(timeout=20)
    assert again.returncode == 0, said
    assert re.match(r"slow-one: 12 states in \d s, [\d,]+ bytes: .*slow-one\.npz\n", out)
    assert [path.name for path in folder.iterdir()] == ["slow-one.npz"]
    asked = [int(k) for k in log.read_text().split()]
    assert asked in ([0, 1, 2, 2, 3, 4, 5], [0, 1, 2, 3, 3, 4, 5])  # only the one that was under way again
    made = Grid.load(folder / "slow-one.npz")
    assert made(k=4, j=10)["x"].tolist() == [14, 14, 14]
    assert made.provenance["command"] == f"python -m {room.name}.record slow-one"
    assert made.provenance["seconds"] > 0.9 - 0.05


def test_the_command_helps_and_refuses_what_there_is_not(room):
    helped = command(room, "--help")
    assert "slow-one, quick-one" in helped.communicate()[0]
    refused = command(room, "quick-on")
    said = refused.communicate()[1]
    assert refused.returncode == 2
    assert "unknown recording 'quick-on'; there are: quick-one, slow-one" in said
    assert not (room / "recordings").exists()


def of(room) -> Recordings:
    module = __import__(f"{room.name}.record", fromlist=["RECORDINGS"])
    return module.RECORDINGS


def test_without_a_name_the_command_makes_all(room, capsys):
    (room / "measure.py").write_text((room / "measure.py").read_text().replace("0.15", "0"))
    recordings = of(room)
    recordings.main([])
    assert capsys.readouterr().out.count("states in") == 2
    assert recordings.load("quick-one")(k=2)["x"] == 2
    assert recordings.differences("quick-one", {"k": [2]}) == []
    assert recordings.differences("slow-one", {"k": [3], "j": [10]}) == []
    recordings.recipes["quick-one"].fn.__globals__["quick"].__code__ = (lambda k, seed=0: {"x": k + 1}).__code__
    assert recordings.differences("quick-one", {"k": [2]}) != []


@pytest.mark.parametrize("harm", ["missing", "cut short", "empty", "another function", "another recipe"])
def test_a_recording_that_cannot_serve_names_the_command(room, harm):
    recordings = of(room)
    path = recordings.path("quick-one")
    recordings.record("quick-one", progress=False)
    if harm == "missing":
        path.unlink()
    elif harm in ("cut short", "empty"):
        path.write_bytes(path.read_bytes()[: -40 if harm == "cut short" else 0])
    elif harm == "another function":
        recordings.recipes["quick-one"].fn.__defaults__ = (1,)
    else:
        recordings.recipes["quick-one"].axes["k"].append(3)
    reason = {
        "missing": "there is no recording .*quick-one.npz'",
        "another function": r"with {'seed': 0} fixed, not .*quick\(k, seed=1\); record it again",
        "another recipe": r"is recorded over {'k': \(1, 2\)}, its recipe says {'k': \(1, 2, 3\)}",
    }.get(harm, "is no recording, or damaged")
    kind = FileNotFoundError if harm == "missing" else ValueError
    with pytest.raises(kind, match=rf"{reason}.*; make it again: python -m {room.name}\.record quick-one$"):
        recordings.load("quick-one")
    recordings.record("quick-one", progress=False)
    assert len(recordings.load("quick-one")) == (3 if harm == "another recipe" else 2)


def test_an_unknown_recording_is_refused():
    recordings = Recordings("vgx", {"a-one": Recipe(profile, AXES)})
    for ask in (recordings.load, recordings.record, recordings.recipe):
        with pytest.raises(ValueError, match="unknown recording 'b-one'; there are: a-one"):
            ask("b-one")


def test_a_bar_starts_where_the_run_before_stopped(tmp_path, capsys, monkeypatch):
    interrupted(tmp_path / "a.npz")
    monkeypatch.setattr(sweep, "BAR_AFTER_SECONDS", 0)
    record(counting()[0], {"k": [1, 2, 3, 4]}, tmp_path / "a.npz", command="")
    assert "3/4" in capsys.readouterr().err
