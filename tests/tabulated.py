"""A small function that tests of sweeps, grids and recordings tabulate, and what equal grids are."""

import inspect

import numpy as np
import pytest

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


@pytest.fixture(scope="session")
def grid():
    return tabulate(profile, AXES, progress=False)


@pytest.fixture
def recorded(grid, tmp_path):
    grid.save(tmp_path / "profile.npz")
    return tmp_path / "profile.npz"
