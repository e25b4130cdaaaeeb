"""A grid is the function that it tabulates, at its states."""

import copy
import inspect
import itertools
import math
import pickle

import numpy as np
import pytest

from tests.tabulated import AXES, assert_same, assert_same_grid, profile
from vgx.grid import Grid
from vgx.sweep import tabulate

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
