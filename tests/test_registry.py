"""The registry: a mapping whose errors help."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from vgx.registry import Registry, UnknownNameError, unknown_name


@dataclass(frozen=True)
class Fruit:
    name: str


apple, pear, plum = Fruit("apple"), Fruit("pear"), Fruit("plum")
fruits = Registry("fruit", [apple, pear, plum])


def test_is_a_mapping_in_order():
    assert isinstance(fruits, Mapping)
    assert list(fruits) == ["apple", "pear", "plum"]
    assert list(fruits.values()) == [apple, pear, plum]
    assert len(fruits) == 3
    assert fruits["pear"] is pear
    assert "pear" in fruits
    assert fruits.get("kiwi") is None
    assert repr(fruits) == "<3 fruits: apple, pear, plum>"


@pytest.mark.parametrize("name", ["kiwi", 3, None, ["pear"], pear])
def test_unknown_names_are_not_in_it(name):
    assert name not in fruits
    with pytest.raises(UnknownNameError):
        fruits[name]


def test_is_read_only():
    with pytest.raises(TypeError):
        fruits["kiwi"] = Fruit("kiwi")


def test_error_says_what_was_given_and_the_nearest_first():
    with pytest.raises(UnknownNameError) as caught:
        fruits["plumm"]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == "unknown fruit 'plumm'; there are: plum, apple, pear"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_unknown_name_without_a_near_one_keeps_the_order():
    assert unknown_name("fruit", 3, iter(["b", "a"])) == "unknown fruit 3; there are: b, a"


def test_resolve():
    assert fruits.resolve("pear") is pear
    kiwi = Fruit("kiwi")  # of the right type, though not registered
    assert fruits.resolve(kiwi) is kiwi
    for wrong in ("kiwi", 3, None, fruits):
        with pytest.raises(UnknownNameError, match="unknown fruit"):
            fruits.resolve(wrong)
