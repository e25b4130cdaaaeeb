"""The package's door: light to open, and every name behind it."""

import json
import statistics
import subprocess
import sys
from types import ModuleType

import pytest

import vgx

HEAVY = ("torch", "plotly", "ipywidgets", "scipy", "sklearn")
MOST_SECONDS, MOST_BYTES, RUNS = 0.060, 15e6, 7

MEASURE = """
import json, os, sys, time

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

import numpy
before, start = resident(), time.perf_counter()
import vgx
seconds = time.perf_counter() - start
print(json.dumps([seconds, resident() - before, [name for name in sys.argv[1:] if name in sys.modules]]))
"""


def imported() -> list:
    command = [sys.executable, "-c", MEASURE, *HEAVY]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory in /proc")
def test_importing_the_package_is_light():
    seconds, size, loaded = zip(*(imported() for _ in range(RUNS)), strict=True)
    assert list(loaded) == [[]] * RUNS
    assert statistics.median(seconds) < MOST_SECONDS
    assert statistics.median(size) < MOST_BYTES


@pytest.mark.parametrize("name", vgx.__all__)
def test_every_public_name_is_there(name):
    assert getattr(vgx, name) is not None
    assert name in dir(vgx)


def test_the_names_that_stay_are_what_they_were():
    assert vgx.activations["tanh"].name == "tanh"
    assert vgx.Lab.__name__ == "Lab"
    assert isinstance(vgx.theory, ModuleType)


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"module 'vgx' has no attribute 'Netwrok'; it has: .*Network"):
        _ = vgx.Netwrok
    assert not hasattr(vgx, "probe_everything")
    with pytest.raises(ImportError):
        exec("from vgx import nothing_like_it")


def test_a_star_brings_the_public_names_only():
    names: dict = {}
    exec("from vgx import *", names)
    assert set(names) - {"__builtins__"} == set(vgx.__all__)
