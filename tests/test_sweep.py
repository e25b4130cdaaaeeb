"""Tabulating: arguments, errors, vectorized axes, executors, the bar; comparing a part."""

import inspect
import itertools
import math
import re
import subprocess
import sys
import time
import traceback
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from tests.tabulated import AXES, assert_same, assert_same_grid, fails_at_scale_4, profile
from vgx import sweep
from vgx.sweep import differences, tabulate

# --- arguments and results are checked ---


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "at least one parameter"),
        ({"depth": []}, "axis 'depth' must hold values"),
        ({"depth": [1, 2, 1.0]}, "axis 'depth' must hold distinct values"),
        ({"depth": [1, math.nan]}, "axis 'depth' must hold values"),
        ({"depth": [1, True]}, "axis 'depth' must hold values, all numbers, all strings or all bools"),
        ({"depth": [1, "2"]}, "axis 'depth' must hold values"),
        ({"depth": [None]}, "axis 'depth' must hold values"),
        ({"depth": [[1, 2]]}, "axis 'depth' must hold values"),
        ({"depth": np.ones((2, 2))}, "axis 'depth' must be a sequence"),
        ({"depth": 3}, "axis 'depth' must be a sequence of values, got 3"),
        ({"depth": [1], "activation": "tanh"}, "axis 'activation' must be a sequence of values, got 'tanh'"),
        ({"depth": [1], "scales": [1]}, r"unknown parameter of .*:profile 'scales'; there are: scale, "),
        ({"scale": [1.0]}, "profile requires 'depth', axes give scale"),
    ],
)
def test_axes_that_do_not_fit_are_refused(axes, message):
    with pytest.raises(ValueError, match=message):
        tabulate(profile, axes, progress=False)


def test_positional_only_parameters_are_refused_and_open_keywords_taken():
    def positional(depth, /):
        return {"x": depth}

    def open_ended(**state):
        return {"x": state["depth"]}

    with pytest.raises(ValueError, match="unknown parameter"):
        tabulate(positional, {"depth": [1]}, progress=False)
    assert tabulate(open_ended, {"depth": [1, 2]}, progress=False)(depth=2)["x"] == 2


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros(3), "a result must be a mapping from names to arrays"),
        ({}, "a result must be a mapping"),
        ({3: [1]}, "a result must be a mapping"),
        ({"x": None}, "'x' must hold numbers, bools or strings, got None"),
        ({"x": [[1], [1, 2]]}, "'x' must be an array at each state"),
        ({"x": np.ma.masked_array([1, 2], [True, False])}, "'x' must hold numbers"),
        ({"x": np.array(["2020-01-01"], dtype="datetime64[D]")}, "'x' must hold numbers"),
    ],
)
def test_results_that_are_no_arrays_are_refused_at_their_state(result, message):
    with pytest.raises(ValueError, match=message) as caught:
        tabulate(lambda k: result if k == 2 else {"x": [1]}, {"k": [1, 2]}, progress=False)
    assert any(note.endswith("at k=2") for note in caught.value.__notes__)


@pytest.mark.parametrize("other", [{"y": [1]}, {"x": [1.0]}, {"x": [[1]]}, {"x": 1}, {"x": [1], "y": [1]}])
def test_results_must_agree_between_states(other):
    with pytest.raises(ValueError, match=r"results must not differ in kind: at k=1 .*, at k=3 "):
        tabulate(lambda k: other if k == 3 else {"x": [1]}, {"k": [1, 2, 3]}, progress=False)


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor])
def test_an_exception_keeps_its_type_and_tells_its_state(pool):
    executor = pool and pool(2)
    with pytest.raises(ZeroDivisionError) as caught:
        tabulate(fails_at_scale_4, {"depth": [1, 2], "scale": [1.0, 4.0]}, executor=executor, progress=False)
    seen = "".join(traceback.format_exception(caught.value))
    assert "nothing left\nwhile tabulating " in seen
    assert re.search(r"tabulated:fails_at_scale_4 at depth=[12], scale=4\.0", seen)


# --- vectorized axes ---


def with_loops(axes, vectorized):
    """Make a vectorised `profile` out of the plain one, as nested lists in the given order."""

    def nested(state, names):
        if not names:
            return profile(**state)
        return [nested(state | {names[0]: value}, names[1:]) for value in axes[names[0]]]

    def pick(tree, name, depth):
        return tree[name] if depth == 0 else [pick(part, name, depth - 1) for part in tree]

    def vectorised(depth, scale=1.0, activation="tanh", seed=0):
        given = {"depth": depth, "scale": scale, "activation": activation, "seed": seed}
        for name in vectorized:
            assert given[name] == tuple(axes[name])
        tree = nested({name: v for name, v in given.items() if name not in vectorized}, list(vectorized))
        return {name: pick(tree, name, len(vectorized)) for name in ("norms", "spread", "dead", "verdict", "last")}

    return vectorised


@pytest.mark.parametrize(
    "vectorized",
    [v for n in range(1, 4) for v in itertools.permutations(AXES, n)],
)
def test_vectorized_equals_looped(grid, vectorized):
    found = tabulate(with_loops(AXES, vectorized), AXES, vectorized=vectorized, progress=False)
    assert inspect.signature(found) == inspect.signature(grid)
    for state in grid.states():
        assert_same(found(**state), grid(**state))


def test_an_array_with_leading_axes_is_a_vectorized_result():
    def powers(base, depth, factor):
        return {"x": np.array(base)[:, None, None] ** np.arange(3) * np.array(factor)[:, None] + depth}

    axes = {"factor": [1.0, 2.0, 5.0], "depth": [10, 20], "base": [2.0, 3.0]}
    grid = tabulate(powers, axes, vectorized=("base", "factor"), progress=False)
    for factor, depth, base in itertools.product(*axes.values()):
        expected = [factor * base**k + depth for k in range(3)]
        assert grid(base=base, depth=depth, factor=factor)["x"].tolist() == expected
    assert tabulate(lambda k: {"x": np.array(k)}, {"k": [4, 5]}, vectorized="k", progress=False)(k=5)["x"] == 5


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((3, 5)), "'x' must have 2 entries along 'scale', got 3 entries"),
        (np.zeros(()), "'x' must have 2 entries along 'scale'"),
        ({0: [1], 1: [2]}, "'x' must have 2 entries along 'scale', got {0"),
        ("ab", "'x' must have 2 entries along 'scale', got 'ab'"),
        (1.0, r"'x' must have 2 entries along 'scale', got 1\.0"),
    ],
)
def test_wrong_leading_length_names_the_axis_and_the_state(result, message):
    with pytest.raises(ValueError, match=message) as caught:
        tabulate(
            lambda depth, scale: {"x": result},
            {"depth": [7], "scale": [1.0, 2.0]},
            vectorized=("scale",),
            progress=False,
        )
    assert "at depth=7, scale=(1.0, 2.0)" in caught.value.__notes__[0]


@pytest.mark.parametrize("vectorized", [("scal",), ("scale", "scale"), "seed", ("depth", "scal")])
def test_vectorized_names_must_be_axes(vectorized):
    with pytest.raises(ValueError, match="vectorized must name distinct axes of depth, scale, activation, got"):
        tabulate(profile, AXES, vectorized=vectorized, progress=False)


# --- executors ---


def test_executors_keep_the_order(grid):
    def slow_first(depth, scale=1.0, activation="tanh", seed=0):
        time.sleep(0.02 / depth)
        return profile(depth, scale, activation, seed)

    with ThreadPoolExecutor(4) as executor:
        threads = tabulate(slow_first, AXES, executor=executor, progress=False)
        both = tabulate(with_loops(AXES, ("scale",)), AXES, vectorized="scale", executor=executor, progress=False)
    for state in grid.states():
        assert_same(threads(**state), grid(**state))
        assert_same(both(**state), grid(**state))


def test_processes_give_the_same_and_tell_the_state(tmp_path, monkeypatch):
    (tmp_path / "measured_elsewhere.py").write_text(
        "def ratio(depth, scale):\n    return {'x': [depth / scale] * depth, 'what': 'ratio'}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from measured_elsewhere import ratio

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        grid = tabulate(ratio, {"depth": [1, 3], "scale": [0.5, 2.0]}, executor=executor, progress=False)
        with pytest.raises(ZeroDivisionError) as caught:
            tabulate(ratio, {"depth": [1, 3], "scale": [2.0, 0.0]}, executor=executor, progress=False)
    assert_same(grid(depth=3, scale=2.0), {"x": [1.5, 1.5, 1.5], "what": "ratio"})
    assert "while tabulating measured_elsewhere:ratio at depth=" in caught.value.__notes__[0]
    assert "scale=0.0" in caught.value.__notes__[0]


def test_any_executor_will_do(grid):
    class AtOnce(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    assert_same_grid(tabulate(profile, AXES, executor=AtOnce(), progress=False), grid)


def test_an_exception_cancels_what_has_not_started():
    started = []

    def fails(k):
        started.append(k)
        if k == 0:
            raise RuntimeError("no")
        time.sleep(0.05)
        return {"x": k}

    with ThreadPoolExecutor(1) as executor, pytest.raises(RuntimeError, match="no"):
        tabulate(fails, {"k": range(100)}, executor=executor, progress=False)
    assert len(started) < 10


@pytest.mark.parametrize("executor", [4, "threads", ThreadPoolExecutor])
def test_what_is_no_executor_is_refused(executor):
    with pytest.raises(ValueError, match=r"executor must be a concurrent\.futures\.Executor, got"):
        tabulate(profile, AXES, executor=executor, progress=False)


# --- comparing a part ---


def test_differences_are_told_by_state_and_name(grid):
    part = {"depth": [3], "scale": [0.5, 2.0], "activation": ["relu"]}
    assert differences(grid, profile, part) == []
    assert differences(grid, lambda depth, scale, activation: profile(depth, scale, activation, seed=1e-9), part) == []
    found = differences(grid, lambda depth, scale, activation: profile(depth, 1.1 * scale, activation), part, rtol=0.05)
    start = "at depth=3, scale=0.5, activation='relu': "
    assert any(
        text.startswith(start + "'norms' differs in 2 of 3 values, first: recorded 0.75, now 0.8") for text in found
    )
    names = {(text.split(": ")[0], text.split("'")[3]) for text in found}
    assert {name for _, name in names} == {"norms", "spread", "last"}
    other = differences(grid, lambda depth, scale, activation: profile(depth + 1, scale), part)
    assert start + "'norms' has shape (4,), recorded (3,)" in other
    assert start + "'verdict' differs in 1 of 1 values, first: recorded 'healthy', now 'vanishing'" in other
    less = differences(
        grid, lambda depth, scale, activation: {"norms": profile(depth, scale, activation)["norms"]}, part
    )
    assert less[0] == start + "recorded norms, spread, dead, verdict, last, now norms"


@pytest.mark.parametrize(("now", "same"), [(np.inf, False), (np.nan, True), (0.0, False)])
def test_nan_differs_from_all_but_nan(now, same):
    grid = tabulate(lambda k: {"x": np.float16([np.nan, np.inf])}, {"k": [1]}, progress=False)
    assert (differences(grid, lambda k: {"x": np.float32([now, np.inf])}, {"k": [1]}) == []) == same


def test_half_precision_is_compared_with_the_tolerance_that_was_asked_for():
    grid = tabulate(lambda k: {"x": np.float16(1.0)}, {"k": [1]}, progress=False)
    assert differences(grid, lambda k: {"x": 1.0004}, {"k": [1]}, rtol=5e-4) == []
    assert differences(grid, lambda k: {"x": 1.0004}, {"k": [1]}, rtol=3e-4) != []


# --- the bar ---


def test_a_bar_on_stderr_counts_states_only_when_asked_and_slow(capsys, monkeypatch):
    tabulate(profile, AXES)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sweep, "BAR_AFTER_SECONDS", 0)
    tabulate(profile, AXES, progress=False)
    assert capsys.readouterr() == ("", "")
    tabulate(with_loops(AXES, ("scale",)), AXES, vectorized="scale")
    out, err = capsys.readouterr()
    assert out == ""
    assert "0/18" in err


def test_importing_loads_no_tqdm():
    code = "import sys, vgx.sweep; assert 'tqdm' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
