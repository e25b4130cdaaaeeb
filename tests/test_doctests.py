"""The examples in the docstrings run and show what they say."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import vgx

MODULES = [module.name for module in pkgutil.walk_packages(vgx.__path__, "vgx.")]


def failures(module: ModuleType) -> int:
    return doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL).failed


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(name):
    assert failures(importlib.import_module(name)) == 0


def test_a_wrong_example_is_seen():
    assert failures(ModuleType("wrong", ">>> 1 + 1\n3\n")) == 1
