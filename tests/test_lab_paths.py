"""Figures as flat leaves: what is flattened comes back, and equal is what is equal."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgx import figures
from vgx.lab.paths import flatten, nest, same


def example() -> go.Figure:
    return figures.figure(
        [
            {"type": "scatter", "y": np.array([1.0, np.nan, np.inf]), "line": {"color": "#000"}},
            {"type": "heatmap", "z": np.arange(6).reshape(2, 3), "x": ["a", "b", "c"]},
            {"type": "scatter", "y": [1, None, 3], "text": ["a", "b", None], "customdata": [["a", 1], ["c", 2]]},
        ],
        title={"text": "Example"},
        xaxis={"range": [0, 1.5]},
        annotations=[{"text": "here"}, {"text": "there", "font": {"size": 9}}],
        shapes=[],
    )


def test_every_leaf_has_its_path():
    leaves = flatten(example())
    assert leaves["data", 0, "line", "color"] == "#000"
    np.testing.assert_array_equal(leaves["data", 0, "y"], [1, np.nan, np.inf])
    np.testing.assert_array_equal(leaves["data", 1, "z"], [[0, 1, 2], [3, 4, 5]])
    assert leaves["data", 1, "x"].tolist() == ["a", "b", "c"]
    assert leaves["data", 2, "y"].tolist() == [1, None, 3]
    assert leaves["data", 2, "text"].tolist() == ["a", "b", None]
    assert leaves["data", 2, "customdata"].tolist() == [["a", 1], ["c", 2]]
    assert leaves["layout", "annotations", 1, "font", "size"] == 9
    assert leaves["layout", "xaxis", "range"].tolist() == [0, 1.5]
    assert ("layout", "template") in leaves
    assert not any(path[:2] == ("layout", "template") and len(path) > 2 for path in leaves)


def test_leaves_make_the_figure_again():
    figure = example()
    again = go.Figure(nest(flatten(figure)))
    assert flatten(again).keys() == flatten(figure).keys()
    assert all(same(leaf, flatten(again)[path]) for path, leaf in flatten(figure).items())
    assert json.loads(again.to_json()) == json.loads(figure.to_json())


@pytest.mark.parametrize("figure", [go.Figure(), go.Figure(go.Scatter()), go.Figure(layout={"title": {"text": "a"}})])
def test_an_empty_figure_comes_back(figure):
    assert go.Figure(nest(flatten(figure))) == figure


def test_rows_of_several_lengths_are_a_leaf():
    figure = go.Figure(go.Scatter(y=[1, 2], customdata=[[1], [2, 3]]))
    assert flatten(figure)["data", 0, "customdata"].tolist() == [[1], [2, 3]]


def test_what_is_no_figure_is_refused():
    with pytest.raises(ValueError, match=r"draw must return a plotly Figure, got \[\]"):
        flatten([])


def test_leaves_may_come_in_any_order_and_with_gaps():
    nested = nest({("data", 1, "y"): 2, ("layout", "shapes", 0, "x0"): 3, ("data", 0, "y"): 1})
    assert nested == {"data": [{"y": 1}, {"y": 2}], "layout": {"shapes": [{"x0": 3}]}}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array(["ab"]), np.array(["abc"])),
        (np.array([44], np.int8), np.array([300], np.int16)),
        (np.array([1.0], np.float32), np.array([1 + 1e-12])),
        (np.array([1.0, 2.0]), np.array([1.0])),
        (np.array([1]), np.array([1.0])),
        (np.array([np.nan]), np.array([np.inf])),
        (np.array([1, None], object), np.array([1, "None"], object)),
        (np.array([1.0]), 1.0),
        (1, True),
        (0.0, "0"),
        (None, 0),
        ({"a": 1}, {"a": 2}),
    ],
)
def test_what_differs_is_not_the_same(a, b):
    assert not same(a, b)
    assert not same(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array([44], np.int8), np.array([44], np.int64)),
        (np.array([np.nan, 1.0]), np.array([np.nan, 1.0])),
        (np.array([1, None, np.nan], object), np.array([1, None, float("nan")], object)),
        (np.array(["a"]), np.array(["a"])),
        (np.empty(0), np.empty(0)),
        (np.nan, float("nan")),
        ("a", "a"),
        ({"a": [1]}, {"a": [1]}),
    ],
)
def test_what_is_equal_is_the_same(a, b):
    assert same(a, b)
    assert same(b, a)


numbers = st.lists(st.floats(width=32), min_size=1, max_size=4)


@given(numbers, numbers)
def test_arrays_are_the_same_if_and_only_if_numpy_says_so(a, b):
    assert same(np.array(a), np.array(b)) == np.array_equal(a, b, equal_nan=True)
    assert same(np.array(a), np.array(a))
