"""Payloads: whatever is encoded comes back, within a fraction of what is visible, from this decoder and the page's."""

import base64
import json
import re
from importlib.resources import files
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.specimen_labs import hilly, holes
from tests.test_lab_controls import node
from vgx.lab import encode, static
from vgx.lab.encode import ABSENT
from vgx.lab.paths import flatten, same

SPECIAL = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "zero": 0.0}


ERROR = 2.01e-4
"""Of the range, at most: a sixteenth of a pixel in a figure 300 pixels high, a tenth of what static = live allows."""


# The decoder of vgx-lab.js, in Python


def integers(packed) -> np.ndarray:
    plane = np.frombuffer(base64.b64decode(packed["bytes"]), np.uint8).reshape(packed["planes"], -1)
    zigzag = sum(row.astype(np.int64) << (8 * number) for number, row in enumerate(plane))
    numbers = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)
    for _ in range(packed["order"]):
        numbers = np.cumsum(numbers)
    return numbers


def unpacked(packed) -> list[np.ndarray]:
    flat = packed["lowest"] + integers(packed["steps"]) * packed["step"]
    flat = 10.0**flat if packed["log"] else flat
    for start, length, kind in packed["special"]:
        flat[start : start + length] = SPECIAL[kind]
    offsets = np.cumsum([0, *(int(np.prod(shape)) for shape in packed["shapes"])])
    return [flat[a:b].reshape(shape) for (a, b), shape in zip(pairwise(offsets), packed["shapes"], strict=True)]


def column(packed, count: int) -> list:
    unique = unpacked(packed["arrays"]) if "arrays" in packed else list(packed["values"])
    for number in packed.get("absent", ()):
        unique[number] = ABSENT
    numbers = integers(packed["index"]) if "index" in packed else range(count)
    return [unique[number] for number in numbers]


def decoded(payload, count: int) -> list[dict]:
    """Decode what `encode` made, through the text of the script, into flat figures."""
    payload = json.loads(static._literal(payload))
    base = flatten(SimpleNamespace(to_plotly_json=lambda: payload["base"]))
    states = [dict(base) for _ in range(count)]
    for packed in payload["columns"]:
        for leaves, leaf in zip(states, column(packed, count), strict=True):
            if leaf is not ABSENT:
                leaves[tuple(packed["path"])] = leaf
    return states


def round_trip(leaves: list[dict]) -> list[dict]:
    return decoded(encode.encode(leaves), len(leaves))


def lines(*ys, log: bool = False, shown=None, **trace) -> list[dict]:
    """One state for each y: a single line."""
    layout = {("layout", "yaxis", "type"): "log" if log else "linear"}
    if shown is not None:
        layout |= {("layout", "yaxis", "range"): np.asarray(shown)}
    return [{("data", 0, "y"): np.asarray(y)} | layout | {("data", 0, k): v for k, v in trace.items()} for y in ys]


def ys(states: list[dict]) -> list[np.ndarray]:
    return [state.get(("data", 0, "y"), ABSENT) for state in states]


def assert_within(found, given, share: float, width: float, *, log: bool = False) -> None:
    """Check that places without a finite coordinate are equal, and the others within a share of the width."""
    for a, b in zip(found, given, strict=True):
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        assert a.shape == b.shape
        special = ~np.isfinite(b) | ((b == 0) & log)
        np.testing.assert_array_equal(a[special], b[special])
        a, b = (np.log10(a[~special]), np.log10(b[~special])) if log else (a[~special], b[~special])
        assert np.all(np.abs(a - b) <= share * width + 1e-12 * np.abs(b))


# Arrays

finite = st.floats(-1e6, 1e6, width=32)
special = st.sampled_from([np.nan, np.inf, -np.inf])
lengths = st.integers(0, 5)


@settings(max_examples=60)
@given(st.lists(arrays(np.float64, lengths, elements=finite | special), min_size=2))
def test_on_a_linear_axis_the_error_is_a_five_thousandth_of_the_range(given):
    assert_within(ys(round_trip(lines(*given, shown=[-10, 10]))), given, ERROR, 20)


positive = st.floats(1e-300, 1e300) | st.sampled_from([0.0, np.nan, np.inf])


@settings(max_examples=60)
@given(st.lists(arrays(np.float64, lengths, elements=positive), min_size=2))
def test_on_a_logarithmic_axis_it_is_so_in_the_logarithm(given):
    assert_within(ys(round_trip(lines(*given, log=True, shown=[-15, 15]))), given, ERROR, 30, log=True)


@settings(max_examples=60)
@given(st.lists(arrays(np.int64, lengths, elements=st.integers(-(2**44), 2**44)), min_size=2), st.booleans())
def test_whole_numbers_are_exact(given, log):
    for a, b in zip(ys(round_trip(lines(*given, log=log, shown=[0, 1]))), given, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=60)
@given(st.lists(arrays(np.float64, lengths, elements=st.floats(-1e307, 1e307) | special), min_size=2))
def test_numbers_drawn_on_no_axis_keep_seven_digits(given):
    states = [{("data", 0, "customdata"): array} for array in given]
    found = [state["data", 0, "customdata"] for state in round_trip(states)]
    for a, b in zip(found, given, strict=True):
        np.testing.assert_allclose(np.asarray(a, dtype=float), b, rtol=2e-6, atol=0)


def test_without_a_range_the_narrowest_data_set_the_precision():
    given = [np.array([0, 0.123, 1]), np.array([0, 5.5e6, 1e6])]
    found = ys(round_trip(lines(*given)))
    assert_within(found[:1], given[:1], ERROR, 1)
    assert_within(found[1:], given[1:], ERROR, 1)


def test_without_a_range_all_traces_of_an_axis_count():
    wide = {("data", 1, "y"): np.array([0.0, 1])}
    states = [{("data", 0, "y"): np.array([0.5, 0.5 + tiny])} | wide for tiny in (1e-9, 2e-9)]
    packed = encode.encode(states)["columns"][0]
    assert packed["arrays"]["step"] == 1 / encode.RESOLUTION


def test_each_axis_has_its_own_range():
    states = [
        {
            ("data", 0, "y"): np.array([value]),
            ("data", 1, "y"): np.array([value]),
            ("data", 1, "yaxis"): "y2",
            ("layout", "yaxis", "range"): np.array([0, 1.0]),
            ("layout", "yaxis2", "range"): np.array([0, 100.0]),
        }
        for value in (0.25, 0.5)
    ]
    steps = {tuple(packed["path"]): packed["arrays"]["step"] for packed in encode.encode(states)["columns"]}
    assert steps == {("data", 0, "y"): 1 / encode.RESOLUTION, ("data", 1, "y"): 100 / encode.RESOLUTION}


def test_an_axis_that_is_logarithmic_in_some_states_is_precise_in_all():
    y = np.array([1e-9, 0.123, 0.9])
    states = lines(y, y * 1.1, shown=[0, 1]) + lines(y, y * 1.1, log=True, shown=[-9, 0])
    for a, b in zip(ys(round_trip(states)), ys(states), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "log", "shown"),
    [
        ([[0.1, -0.2, 1e-9], [0.1, 0.2, 1e-9]], True, [-9, 0]),  # a log axis leaves a gap, the table of data does not
        ([[0.1, 1e30], [0.2, 1e-30]], False, [0, 1]),
        ([[0.1, 1e308], [0.2, -1e308]], False, None),
    ],
)
def test_what_no_step_fits_is_stored_as_it_is(given, log, shown):
    for a, b in zip(ys(round_trip(lines(*given, log=log, shown=shown))), given, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_heat_map_is_precise_to_its_colours():
    z = np.random.default_rng(0).uniform(-1, 1, (3, 4, 5))
    z[1, 2, 3], z[2, 1, 1] = np.nan, 1e9
    for ends in ({}, {("data", 0, "zmin"): -1.0, ("data", 0, "zmax"): 1.0}):
        z[:, 0, 0] = 1e9 if ends else 0.5
        states = [{("data", 0, "z"): field, **ends} for field in z]
        found = [state["data", 0, "z"] for state in round_trip(states)]
        assert_within(found, z, ERROR, 2)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i8"])
def test_every_type_of_number_comes_back(dtype):
    given = [np.array([1, 2, 3], dtype), np.array([100, 7], dtype), np.array([], dtype)]
    for a, b in zip(ys(round_trip(lines(*given))), given, strict=True):
        np.testing.assert_array_equal(a, b)


# Other leaves


def test_what_never_changes_stands_once():
    constant = {("data", 0, "y"): np.array([1.5, np.nan]), ("layout", "width"): 3}
    states = [constant | {("layout", "height"): height} for height in (1, 2)]
    payload = encode.encode(states)
    assert payload["base"] == {"data": [{"y": [1.5, pytest.approx(np.nan, nan_ok=True)]}], "layout": {"width": 3}}
    assert payload["columns"] == [{"path": ["layout", "height"], "values": [1, 2]}]


@pytest.mark.parametrize(
    "leaves",
    [
        ["a", "b", "a"],
        [True, False, 1],
        [None, 0, "0"],
        [0.0, -0.5, float("nan")],
        [ABSENT, "a", ABSENT],
        [ABSENT, np.array([1.5, np.nan]), np.array([2.5])],
        [np.array([1.5]), "many", np.array([2.5])],
        [np.array(["a", None], object), np.array(["b", None], object), np.array(["a", None], object)],
        [np.array([True]), np.array([False]), np.array([True])],
        [{"layout": {"width": 1}}, {"layout": {"width": 2}}, {"layout": {"width": 1}}],
        ["<b>&amp;</b></script>", '"', "π ²\u2028"],
    ],
)
def test_leaves_of_any_kind_come_back(leaves):
    path = ("layout", "template")
    states = [{("layout", "width"): 1} | ({} if leaf is ABSENT else {path: leaf}) for leaf in leaves]
    for leaf, state in zip(leaves, round_trip(states), strict=True):
        found = state.get(path, ABSENT)
        found = found.tolist() if isinstance(found, np.ndarray) else found
        given = leaf.tolist() if isinstance(leaf, np.ndarray) else leaf
        if found is ABSENT or given is ABSENT:
            assert found is given
        else:
            np.testing.assert_equal(found, given)


def test_equal_leaves_are_stored_once():
    values = encode.encode([{("layout", "width"): k % 2} for k in range(300)])["columns"][0]
    assert values["values"] == [0, 1]
    rows = [np.array(["a", None], object), np.array(["b", None], object)]
    stored = encode.encode([{("data", 0, "text"): rows[k % 2].copy()} for k in range(9)])["columns"][0]
    assert stored["values"] == [["a", None], ["b", None]]


def test_an_array_of_some_states_only_is_packed():
    packed = encode.encode([{}, *lines([1.5, 2.5], [3.5])])["columns"]
    assert next(p for p in packed if p["path"] == ["data", 0, "y"]).keys() == {"path", "arrays", "absent"}


def test_words_are_stored_once_each():
    packed = encode.words(["one", "two", "one"])
    assert packed["values"] == ["one", "two"]
    assert column(packed, 3) == ["one", "two", "one"]


@settings(max_examples=40)
@given(st.lists(st.integers(-(2**46), 2**46), max_size=20))
def test_integers_come_back(numbers):
    assert integers(encode._pack_integers(np.array(numbers, np.int64))).tolist() == numbers


# Whole labs, by this decoder and by the page's


def difference(found: dict, given: dict) -> list:
    """List the leaves that differ by more than the stored precision."""
    wrong = [path for path in given.keys() ^ found.keys() if path[0] == "data" or given.get(path) is not None]
    for path in given.keys() & found.keys():
        a, b = np.asarray(found[path]), np.asarray(given[path])
        if b.dtype.kind not in "fiu":
            wrong += [] if same(np.asarray(a.tolist(), object), np.asarray(b.tolist(), object)) else [path]
            continue
        with np.errstate(all="ignore"):
            log = path[2:] == ("y",) and given.get(("layout", "yaxis", "type")) == "log" and path[1] != 1
            a, b = (np.log10(a), np.log10(b)) if log else (a, b)
        wrong += (
            [] if np.allclose(a, b, rtol=0, atol=20 * ERROR, equal_nan=True) else [path]
        )  # of 20, log; of 2, colours
    return wrong


@pytest.mark.parametrize("lab", [holes, hilly], ids=lambda lab: lab.name)
def test_every_state_of_a_lab_comes_back(lab):
    drawn = [flatten(lab.figure(**state)) for state in lab.states()]
    for found, leaves in zip(round_trip(drawn), drawn, strict=True):
        assert difference(found, leaves) == []


def test_the_decoder_of_the_page_decodes_alike():
    source = files("vgx.lab").joinpath("assets/vgx-lab.js").read_text(encoding="utf-8")
    decoding = re.search(r"const SPECIAL.*?(?=\n  // -+ colours)", source, re.DOTALL)[0]
    drawn = [flatten(lab.figure(**state)) for lab in (holes, hilly) for state in lab.states()]
    columns = [packed for packed in encode.encode(drawn)["columns"] if packed["path"][-1] != "template"]
    columns.append({"path": ["z"], **encode._column([np.arange(12.0).reshape(2, 3, 2) / 7, np.empty((0, 3, 2))], None)})
    counts = [len(drawn)] * (len(columns) - 1) + [2]
    found = node(
        f"""{decoding}
        const plain = (value) => {{
          if (value === ABSENT) return "absent";
          if (typeof value === "number") return String(value === 0 ? 0 : value);
          return value instanceof Object ? Array.from(value, plain) : value;
        }};
        const columns = {static._literal(columns)}, counts = {counts};
        const states = (packed, k) => {{
          const {{ at }} = column(packed);
          return Array.from({{ length: counts[k] }}, (_, state) => plain(at(state)));
        }};
        console.log(JSON.stringify(columns.map(states)));"""
    )
    for packed, count, by_page in zip(columns, counts, found, strict=True):
        for a, b in zip(by_page, column(packed, count), strict=True):
            if isinstance(b, np.ndarray | float | int) and not isinstance(b, bool):
                np.testing.assert_allclose(np.array(a, dtype=float).reshape(np.shape(b)), b, rtol=1e-12)
            else:
                assert a == ("absent" if b is ABSENT else b)
