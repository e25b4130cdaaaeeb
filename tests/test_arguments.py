"""Checks of arguments: what passes, in which type, and what the errors say."""

import math
from fractions import Fraction

import numpy as np
import pytest

from vgx.arguments import generator, real_array, real_number, whole_number


@pytest.mark.parametrize("value", [3, 3.0, np.int64(3), np.float32(3), np.uint8(3), Fraction(3)])
def test_whole_number_returns_an_int(value):
    result = whole_number("depth", value)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize("value", [0, -2, 2.5, True, np.True_, "3", None, [3], 3j, math.nan, math.inf, -math.inf])
def test_whole_number_refuses(value):
    with pytest.raises(ValueError, match=r"^depth must be a whole number >= 1, got ") as caught:
        whole_number("depth", value)
    assert str(caught.value).endswith(repr(value))


def test_whole_number_least():
    assert whole_number("seed", 0, least=0) == 0
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got -1"):
        whole_number("seed", -1, least=0)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int8(2), Fraction(2)])
def test_real_number_returns_a_float(value):
    result = real_number("scale", value)
    assert result == 2
    assert type(result) is float


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, np.False_, "2", None, [2.0], 2j])
def test_real_number_refuses(value):
    with pytest.raises(ValueError, match=r"^scale must be a finite number, got ") as caught:
        real_number("scale", value)
    assert str(caught.value).endswith(repr(value))


def test_real_number_bounds():
    assert real_number("scale", 0, least=0) == 0
    with pytest.raises(ValueError, match=r"scale must be a finite number >= 0, got -0\.1"):
        real_number("scale", -0.1, least=0)
    assert real_number("limit", 1e-300, above=0) == 1e-300
    with pytest.raises(ValueError, match="limit must be a finite number > 0, got 0"):
        real_number("limit", 0, above=0)


@pytest.mark.parametrize(("value", "dtype"), [([1, 2], "f8"), (np.ones(3, "f4"), "f4"), (2, "f8"), ((1.5,), "f8")])
def test_real_array_returns_floats(value, dtype):
    array = real_array("q", value)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, value)


@pytest.mark.parametrize(
    "value", [math.nan, [1, math.inf], [-math.inf], "1", None, 1j, [[1], [1, 2]], np.array([1, None])]
)
def test_real_array_refuses(value):
    with pytest.raises(ValueError, match="q must hold finite numbers, got"):
        real_array("q", value)


def test_real_array_bounds():
    assert real_array("q", [0, 1], least=0).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"q must hold finite numbers >= 0, got \[0, -1\]"):
        real_array("q", [0, -1], least=0)
    assert real_array("q", [0, math.inf], least=0, infinite=True).tolist() == [0, math.inf]
    assert real_array("q", [-math.inf], infinite=True).tolist() == [-math.inf]
    for bad in (math.nan, -1, -math.inf):
        with pytest.raises(ValueError, match="q must hold numbers >= 0, got"):
            real_array("q", [1, bad], least=0, infinite=True)
    with pytest.raises(ValueError, match="q must hold numbers, got nan"):
        real_array("q", math.nan, infinite=True)


def test_generator():
    rng = np.random.default_rng(0)
    assert generator(rng) is rng
    for bad in (0, None, np.random, np.random.RandomState(0), rng.bit_generator):
        with pytest.raises(ValueError, match=r"rng must be a numpy\.random\.Generator .*, got"):
            generator(bad)
