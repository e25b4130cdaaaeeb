import copy
import inspect
import io
import itertools
import json
import math
import pickle
import random
import re
import subprocess
import sys
import time
import traceback
import zipfile
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vgx import sweep
from vgx.grid import Grid
from vgx.recording import Ragged, read, write
from vgx.sweep import tabulate

AXES = {"depth": [1, 3, 7], "scale": [0.5, 1.0, 2.0], "activation": ["tanh", "relu"]}


def profile(depth, scale=1.0, activation="tanh", seed=0):
    """What a measure returns: arrays as long as the network is deep, and scalars."""
    norms = (scale * (1.5 if activation == "relu" else 0.8)) ** np.arange(depth)
    return {
        "norms": norms.astype(np.float32),
        "spread": np.stack([norms - seed, norms, norms + seed]),
        "dead": norms < 0.1,
        "verdict": "vanishing" if norms[-1] < 0.1 else "healthy",
        "last": float(norms[-1]),
    }


def fails_at_scale_4(depth, scale):
    if scale == 4.0:
        raise ZeroDivisionError("nothing left")
    return {"x": np.zeros(depth)}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        wanted = np.asarray(expected[name])
        assert found[name].shape == wanted.shape
        if wanted.dtype.kind == "U":
            assert np.array_equal(found[name], wanted)
        else:
            assert found[name].dtype == wanted.dtype
            assert found[name].tobytes() == wanted.tobytes()


def assert_same_grid(found, expected):
    assert found.axes == expected.axes
    assert inspect.signature(found) == inspect.signature(expected)
    assert (found.function, found.names) == (expected.function, expected.names)
    for state in expected.states():
        assert_same(found(**state), expected(**state))


@pytest.fixture(scope="module")
def grid():
    return tabulate(profile, AXES, progress=False)


@pytest.fixture
def recorded(grid, tmp_path):
    grid.save(tmp_path / "profile.npz")
    return tmp_path / "profile.npz"


# --- a grid is the function, at its states ---


def test_grid_equals_the_function_at_every_state(grid):
    points = list(itertools.product(*AXES.values()))
    assert len(grid) == len(points) == 18
    assert [tuple(state.values()) for state in grid.states()] == points
    for depth, scale, activation in points:
        state = {"activation": activation, "scale": scale, "depth": depth}
        assert_same(grid(**state), profile(**state))
    assert grid.names == ("norms", "spread", "dead", "verdict", "last")
    assert grid.axes == {name: tuple(values) for name, values in AXES.items()}
    assert repr(grid).endswith("profile: 3 depth x 3 scale x 2 activation -> norms, spread, dead, verdict, last>")


def test_scalars_come_back_as_scalars_and_arrays_are_read_only(grid):
    found = grid(depth=7)
    assert isinstance(found["last"], float)
    assert isinstance(found["verdict"], str)
    assert {"healthy": 1, "vanishing": 2}[grid(depth=7, scale=0.5)["verdict"]] == 2
    for again in (grid, pickle.loads(pickle.dumps(grid)), copy.deepcopy(grid)):
        assert_same_grid(again, grid)
        with pytest.raises(ValueError, match="read-only"):
            again(depth=7)["norms"][0] = 0


def test_a_buffer_that_the_function_uses_again_is_copied():
    buffer = np.zeros(2)

    def reuses(k):
        buffer[:] = k
        return {"x": buffer}

    grid = tabulate(reuses, {"k": [1, 2]}, progress=False)
    assert grid(k=1)["x"].tolist() == [1, 1]
    assert buffer.flags.writeable


def test_signature_is_the_functions_own_for_the_axes(grid):
    found = inspect.signature(grid).parameters
    own = inspect.signature(profile).parameters
    assert list(found) == ["depth", "scale", "activation"]
    assert {name: p.default for name, p in found.items()} == {name: own[name].default for name in found}
    assert_same(grid(depth=3), profile(depth=3))
    with pytest.raises(ValueError, match="a state needs depth, scale, activation; missing: depth"):
        grid()


def test_defaults_make_a_state_only_where_they_are_on_the_grid():
    def f(scale=1.0, norm=None, limits=(0, 1)):
        return {"x": [scale]}

    assert tabulate(f, {"scale": [1, 2]}, progress=False)()["x"].tolist() == [1]
    with pytest.raises(ValueError, match=r"scale=1\.0 is not on the grid"):
        tabulate(f, {"scale": [2, 4]}, progress=False)()
    with pytest.raises(ValueError, match="norm=None is not on the grid"):
        tabulate(f, {"norm": ["batch"]}, progress=False)()


def test_values_match_by_value_up_to_round_off():
    grid = tabulate(lambda scale: {"x": [scale]}, {"scale": np.arange(1, 5) / 10}, progress=False)
    assert all(type(value) is float for value in grid.axes["scale"])
    for scale in (0.3, np.float64(0.3), 0.1 + 0.2, 0.3 * (1 + 9e-13)):
        assert grid(scale=scale)["x"] == 0.3
    for scale in (0.3 * (1 + 2e-12), np.float32(0.3), 0.3001):
        with pytest.raises(ValueError, match=r"is not on the grid; the nearest of its 4 values: 0\.3, "):
            grid(scale=scale)


@pytest.mark.parametrize("depth", [3, 3.0, np.int64(3), np.float32(3)])
def test_whole_numbers_match_as_floats(grid, depth):
    assert len(grid(depth=depth)["norms"]) == 3


def test_infinity_may_be_on_an_axis(tmp_path):
    grid = tabulate(lambda limit: {"x": min(limit, 9.0)}, {"limit": [1.0, math.inf]}, progress=False)
    grid.save(tmp_path / "a.npz")
    for one in (grid, Grid.load(tmp_path / "a.npz")):
        assert one(limit=math.inf)["x"] == 9
        assert one.nearest(limit=1e300) == {"limit": 1.0}
    with pytest.raises(ValueError, match="limit=-inf is not on the grid"):
        grid(limit=-math.inf)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"depth": 4}, "depth=4 is not on the grid; the nearest of its 3 values: 3, 1, 7"),
        ({"depth": math.nan}, "depth=nan is not on the grid"),
        ({"depth": math.inf}, "depth=inf is not on the grid"),
        ({"depth": "3"}, "depth='3' is not on the grid"),
        ({"depth": True}, "depth=True is not on the grid"),
        ({"depth": [3]}, r"depth=\[3\] is not on the grid"),
        ({"depth": None}, "depth=None is not on the grid"),
        (
            {"depth": 3, "activation": "rely"},
            "activation='rely' is not on the grid; .* 2 values: 'relu', 'tanh'",
        ),
        ({"depth": 3, "scal": 1.0}, "unknown axis 'scal'; there are: scale, "),
        ({"depth": 3, "seed": 0}, "unknown axis 'seed'"),
    ],
)
def test_off_the_grid_says_what_was_given_and_what_is_near(grid, state, message):
    with pytest.raises(ValueError, match=message):
        grid(**state)


def test_bool_axes_take_bools_only():
    grid = tabulate(lambda norm: {"x": norm}, {"norm": [False, True]}, progress=False)
    assert bool(grid(norm=np.True_)["x"]) is True
    with pytest.raises(ValueError, match="norm=1 is not on the grid"):
        grid(norm=1)


def test_nearest_snaps_numbers_only(grid):
    assert grid.nearest(depth=5.5, scale=1.4, activation="relu") == {
        "depth": 7,
        "scale": 1.0,
        "activation": "relu",
    }
    assert grid.nearest(depth=-100) == {"depth": 1, "scale": 1.0, "activation": "tanh"}
    assert type(grid.nearest(depth=3.0)["depth"]) is int
    assert_same(grid(**grid.nearest(depth=1000)), profile(depth=7))
    for wrong in (
        {"depth": 3, "activation": "rel"},
        {"depth": math.nan},
        {"depth": math.inf},
        {"depht": 3},
        {},
    ):
        with pytest.raises(ValueError, match=r"not on the grid|unknown axis|missing"):
            grid.nearest(**wrong)


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
    assert re.search(r"test_sweep:fails_at_scale_4 at depth=[12], scale=4\.0", seen)


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


# --- recordings ---

dtypes = st.sampled_from(["f2", "f4", "f8", "c16", "i1", "i8", "u2", "?", "U3"])


@st.composite
def ragged_arrays(draw):
    ndim = draw(st.integers(0, 3))
    shapes = hnp.array_shapes(min_dims=ndim, max_dims=ndim, min_side=0, max_side=4) if ndim else st.just(())
    return draw(st.lists(hnp.arrays(draw(dtypes), shapes), min_size=1, max_size=6))


@given(columns=st.dictionaries(st.text(max_size=5), ragged_arrays(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ragged_arrays_survive_tabulating_and_saving_bit_for_bit(columns, tmp_path):
    n = min(map(len, columns.values()))

    def fn(k):
        return {name: arrays[k] for name, arrays in columns.items()}

    grid = tabulate(fn, {"k": range(n)}, progress=False)
    grid.save(tmp_path / "ragged.npz")
    for found in (grid, Grid.load(tmp_path / "ragged.npz", fn)):
        for k in range(n):
            assert_same(found(k=k), fn(k))


def test_nan_payloads_and_signed_zeros_survive(tmp_path):
    bits = np.array([0x7FF8000000000001, 0xFFF8DEADBEEF0000, 1 << 63, 0x7FF0000000000000], dtype=np.uint64)
    tabulate(lambda k: {"x": bits.view(float)}, {"k": [1]}, progress=False).save(tmp_path / "a.npz")
    assert np.array_equal(Grid.load(tmp_path / "a.npz")(k=1)["x"].view(np.uint64), bits)


def test_a_recording_is_the_grid_with_its_provenance(grid, tmp_path):
    path = tmp_path / "profile.npz"
    grid.save(path, provenance={"command": "make recordings", "seeds": [0, 1]})
    found = Grid.load(path)
    assert_same_grid(found, grid)
    assert found.function.endswith("test_sweep:profile")
    assert found.provenance["command"] == "make recordings"
    assert found.provenance["seeds"] == [0, 1]
    assert found.provenance["fixed"] == {"seed": 0}
    assert found.provenance["versions"]["numpy"] == np.__version__
    assert set(found.provenance["versions"]) == {"vgx", "numpy", "python"}
    assert_same_grid(Grid.load(path, profile), grid)


def test_loaded_for_a_function_a_grid_has_its_signature(tmp_path):
    def f(depth: int, scale: float = 1.0):
        return {"x": depth * scale}

    tabulate(f, {"scale": [1, 2], "depth": [3]}, progress=False).save(tmp_path / "f.npz")
    assert str(inspect.signature(Grid.load(tmp_path / "f.npz"))) == "(*, depth, scale=1.0)"
    assert str(inspect.signature(Grid.load(tmp_path / "f.npz", f))) == "(*, depth: int, scale: float = 1.0)"


def test_provenance_is_json_and_says_each_thing_once(grid, tmp_path):
    path = tmp_path / "profile.npz"
    grid.save(path, provenance={"command": "make recordings"})
    for known in ("command", "versions"):
        with pytest.raises(ValueError, match=f"provenance already has: {known}"):
            Grid.load(path).save(path, provenance={known: "other"})
    with pytest.raises(ValueError, match="must be JSON values"):
        grid.save(path, provenance={"rng": np.random.default_rng(0)})
    assert_same_grid(Grid.load(path), grid)
    assert [entry.name for entry in tmp_path.iterdir()] == ["profile.npz"]


def test_equal_grids_give_equal_bytes_at_any_time(grid, recorded, tmp_path):
    Grid.load(recorded).save(tmp_path / "again.npz")
    tabulate(profile, AXES, progress=False).save(str(tmp_path / "fresh.npz"))
    assert recorded.read_bytes() == (tmp_path / "again.npz").read_bytes() == (tmp_path / "fresh.npz").read_bytes()
    with zipfile.ZipFile(recorded) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(member.compress_type == zipfile.ZIP_DEFLATED for member in archive.infolist())


def test_who_reads_while_it_is_saved_reads_the_old_one(grid, recorded):
    with recorded.open("rb", buffering=0) as reader:
        start = reader.read(100)
        tabulate(profile, {"depth": [2]}, progress=False).save(recorded)
        rest = reader.read()
    grid.save(recorded)
    assert start + rest == recorded.read_bytes()


def test_an_interrupted_save_leaves_the_old_recording_and_nothing_else(grid, recorded, monkeypatch):
    before = recorded.read_bytes()

    def half(stream, **members):
        stream.write(b"PK half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", half)
    with pytest.raises(KeyboardInterrupt):
        grid.save(recorded)
    assert recorded.read_bytes() == before
    assert list(recorded.parent.iterdir()) == [recorded]


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no recording '.*none\.npz'; .* save"):
        Grid.load(tmp_path / "none.npz")


def npz(**members):
    stream = io.BytesIO()
    np.savez_compressed(stream, **members)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


header = json.dumps({"format": "vgx-recording 0", "names": [], "about": {}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short"),
        (b"not a recording at all", "cut short"),
        (npy(np.zeros(3)), "cut short"),
        (npz(x=np.zeros(3)), "header"),
        (npz(header=np.array("{")), "JSONDecodeError"),
        (npz(header=np.array(header)), "format 'vgx-recording 0', expected 'vgx-recording 1'"),
        (npz(header=np.array([{"a": 1}], dtype=object)), "allow_pickle=False"),
    ],
)
def test_what_is_no_recording_is_refused(content, message, tmp_path):
    (tmp_path / "odd.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"odd\.npz' is no recording, or damaged \(.*{message}"):
        Grid.load(tmp_path / "odd.npz")


def test_another_kind_of_recording_is_no_grid(tmp_path):
    write(tmp_path / "rows.npz", {"rows": 3}, {"x": Ragged.of([np.zeros(3)])})
    assert read(tmp_path / "rows.npz")[0] == {"rows": 3}
    with pytest.raises(ValueError, match=r"rows\.npz' records no grid"):
        Grid.load(tmp_path / "rows.npz")


def test_shapes_that_do_not_fit_the_values_are_refused():
    for shapes in ([[2], [2]], [[4], [-1]]):
        with pytest.raises(ValueError, match="shapes ask for"):
            Ragged(np.zeros(3), np.array(shapes))


def test_every_truncation_is_refused(grid, recorded):
    whole = recorded.read_bytes()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        recorded.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"profile\.npz' is no recording, or damaged"):
            Grid.load(recorded)


def test_a_damaged_byte_is_refused_or_harmless(grid, recorded):
    whole = recorded.read_bytes()
    draw, refused = random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        recorded.write_bytes(damaged)
        try:
            found = Grid.load(recorded)
        except ValueError as error:
            assert "is no recording, or damaged" in str(error)  # noqa: PT017
            refused += 1
        else:
            assert_same_grid(found, grid)
    assert refused > 200


def test_a_recording_of_another_function_is_refused(grid, recorded):
    def other(depth, scale=1.0, activation="tanh", seed=0):
        return profile(depth, scale, activation, seed)

    def renamed(depth, gain=1.0, activation="tanh", seed=0):
        return profile(depth, gain, activation, seed)

    renamed.__qualname__ = "profile"
    for fn, message in [
        (
            other,
            r"records .*:profile over depth, scale, activation with {'seed': 0} fixed, not .*other\(depth, ",
        ),
        (renamed, r"records .*:profile over .*, not .*:profile\(depth, gain=1"),
        (partial(profile, seed=3), r"with {'seed': 0} fixed, not .*seed=3\); record it again"),
    ]:
        with pytest.raises(ValueError, match=message):
            Grid.load(recorded, fn)


def test_a_partial_is_tabulated_with_what_it_fixes(recorded):
    grid = tabulate(partial(profile, seed=3), {"depth": [2, 4]}, progress=False)
    assert grid.provenance["fixed"] == {"scale": 1.0, "activation": "tanh", "seed": 3}
    assert_same(grid(depth=4), profile(4, seed=3))


def test_the_grid_of_a_lab_tabulates_and_loads_quickly(tmp_path):
    curves = np.random.default_rng(0).normal(size=(4, 50))

    def fn(depth, scale, activation):
        return dict(zip("abcd", curves, strict=True))

    axes = {"depth": range(15), "scale": np.linspace(0.5, 2, 20).tolist(), "activation": list("stlrg")}

    def best(work):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            result = work()
            seconds.append(time.perf_counter() - start)
        return min(seconds), result

    tabulating, grid = best(lambda: tabulate(fn, axes, progress=False))
    grid.save(tmp_path / "lab.npz")
    loading, _ = best(lambda: Grid.load(tmp_path / "lab.npz"))
    assert len(grid) == 1500
    assert tabulating < 1  # measured: 0.05; a busy machine has its reasons
    assert loading < 0.5
