"""The look of the book: palette, template, words for numbers, and the gradient profile."""

import warnings

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgx import figures
from vgx.activation import activations
from vgx.lab.paths import flatten
from vgx.verdict import Verdict


def profile(median, spread: float = 2.0) -> dict[str, np.ndarray]:
    median = np.asarray(median, dtype=float)
    with np.errstate(all="ignore"):
        return {"median": median, "low": median / spread, "high": median * spread, "theory": median}


def drawn(median, verdict: Verdict = Verdict.HEALTHY) -> go.Figure:
    given = {"title": "Gradient norm by layer", "subtitle": "of a test", "networks": "16 networks", "deepest": 50}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return figures.gradient_profile(profile(median), verdict, **given)


# Palette and template


def test_a_colour_means_one_thing_in_the_whole_book():
    assert {str(verdict): colour for verdict, colour in figures.COLOURS.items()} == {
        "vanishing": "#0072B2", "healthy": "#009E73", "exploding": "#D55E00", "overflow": "#000000", "dead": "#000000",
    }  # fmt: skip
    assert (figures.SECOND, figures.THEORY["dash"], figures.BAND_OPACITY) == ("#CC79A7", "dash", 0.2)
    red, green, blue = (int(figures.THEORY["color"][i : i + 2], 16) for i in (1, 3, 5))
    assert red == green == blue, "theory is grey"


def test_the_dark_page_changes_ink_and_overflow_only():
    kept = {figures.COLOURS[verdict] for verdict in (Verdict.VANISHING, Verdict.HEALTHY, Verdict.EXPLODING)}
    assert not kept & figures.DARK.keys()
    assert (figures.DARK["#000000"], figures.DARK["rgba(0,0,0,0.2)"]) == ("#ffffff", "rgba(255,255,255,0.2)")
    assert figures.DARK.keys() >= {figures.INK, figures.MUTED, figures.GRID, figures.THEORY["color"]}


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(a: str, b: str) -> float:
    darker, lighter = sorted((luminance(a), luminance(b)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colour", [figures.INK, figures.MUTED])
def test_text_can_be_read_on_the_light_page_and_on_the_dark(colour):
    assert contrast(colour, "#ffffff") > 4.5
    assert contrast(figures.DARK[colour], "#121212") > 4.5


def test_every_activation_has_a_colour_of_its_own():
    assert figures.ACTIVATIONS.keys() == activations.keys()
    others = {*figures.COLOURS.values(), figures.SECOND, figures.THEORY["color"]}
    assert len({*figures.ACTIVATIONS.values()} - others) == len(activations)


@pytest.mark.parametrize(
    "colour",
    [*figures.COLOURS.values(), *figures.ACTIVATIONS.values(), figures.SECOND, figures.THEORY["color"]],
)
def test_a_line_can_be_seen_on_the_light_page_and_on_the_dark(colour):
    assert contrast(colour, "#ffffff") > 2.9
    assert contrast(figures.DARK.get(colour, colour), "#121212") > 3


def test_a_figure_has_the_books_template_on_any_page():
    template = figures.figure([]).layout.template.layout
    assert template.paper_bgcolor == template.plot_bgcolor == "rgba(0,0,0,0)"
    assert (template.font.color, template.xaxis.gridcolor) == (figures.INK, figures.GRID)
    assert template.showlegend is False
    assert luminance(template.xaxis.gridcolor) > 0.7


def test_a_changed_figure_leaves_the_template_as_it_is():
    figures.figure([]).update_layout(template_layout_font_size=99)
    figures.figure([]).layout.template.layout.font.size = 99
    assert figures.template()["layout"]["font"]["size"] == figures.figure([]).layout.template.layout.font.size == 14


def test_a_band_has_its_lines_colour_at_a_fifth():
    assert figures.band("#D55E00") == "rgba(213,94,0,0.2)"


# Numbers in words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3.2e-17, "10⁻¹⁶"),
        (2.5e-17, "10⁻¹⁷"),
        (1e-300, "10⁻³⁰⁰"),
        (5e-324, "10⁻³²³"),
        (0.0099, "10⁻²"),
        (0.01, "0.01"),
        (0.257, "0.26"),
        (1, "1"),
        (1.0, "1"),
        (99.6, "100"),
        (100, "100"),
        (101, "10²"),
        (1.7e308, "10³⁰⁸"),
        (np.float32(1e10), "10¹⁰"),
        (0, "0"),
        (np.inf, "infinite"),
        (np.nan, "not a number"),
    ],
)
def test_a_number_is_written_as_a_power_of_ten(value, words):
    assert figures.power_of_ten(value) == words


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_the_words_are_within_a_factor_of_the_root_of_ten(value):
    written = figures.power_of_ten(value)
    digits = written.removeprefix("10").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    exponent = float(digits) if written.startswith("10") and written not in ("10", "100") else np.log10(float(written))
    assert abs(exponent - np.log10(value)) <= 0.5 + 1e-9


@pytest.mark.parametrize("value", [-1, -1e-17, -np.inf])
def test_a_negative_number_is_refused(value):
    with pytest.raises(ValueError, match="a power of ten is not negative, got"):
        figures.power_of_ten(value)


# The gradient profile


@pytest.mark.parametrize("verdict", Verdict)
def test_a_profile_has_the_colour_and_the_word_of_its_verdict(verdict):
    figure = drawn([0.1, 1.0], verdict)
    band, median, theory, notes = figure.data
    assert median.line.color == figures.COLOURS[verdict]
    assert band.fillcolor == figures.band(figures.COLOURS[verdict])
    assert (band.fillpattern.shape == "/") == (verdict is Verdict.OVERFLOW)
    assert (theory.line.dash, theory.line.color) == ("dash", figures.THEORY["color"])
    assert notes.text[1].startswith(f"16 networks: <b>{verdict}</b>")
    assert [trace.name for trace in figure.data] == ["5 to 95 %", "median", "theory", "labels"]
    assert band.y[-1] < median.y[0] < band.y[0]


def test_layers_run_from_one_at_the_input_and_the_axes_never_move():
    for depth in (2, 50):
        figure = drawn(np.geomspace(1e-9, 1, depth))
        assert figure.data[1].x.tolist() == list(range(1, depth + 1))
        assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((0, 51), (-15, 15))
        assert figure.layout.yaxis.type == "log"
        assert figure.layout.shapes[0].y0 == figure.layout.shapes[0].y1 == 1
    assert figure.layout.title.text == "Gradient norm by layer<br><sub>of a test</sub>"
    assert "ratio to the last layer" in figure.layout.yaxis.title.text


@pytest.mark.parametrize(
    ("first", "x", "y", "place", "ending"),
    [
        (1e-9, 1, -9.5, "bottom right", "</b>"),
        (1e9, 1, 9.5, "top right", "</b>"),
        (1.0, 1, 0.5, "top right", "</b>"),
        (1e-30, 50, -14.9, "top left", ", 10⁻³⁰ at layer 1"),
        (1e30, 50, 14.9, "bottom left", ", 10³⁰ at layer 1"),
        (0.0, 50, -14.9, "top left", ", 0 at layer 1"),
        (np.inf, 50, 14.9, "bottom left", ", infinite at layer 1"),
        (np.nan, 1, -0.5, "bottom right", "</b>"),
    ],
)
def test_the_label_stands_at_the_end_of_the_line_or_at_the_edge_that_it_left(first, x, y, place, ending):
    notes = drawn([first, 1.0]).data[3]
    places = [notes.textposition] * 2 if isinstance(notes.textposition, str) else notes.textposition
    assert (notes.x[1], np.log10(notes.y[1]), places[1]) == (x, pytest.approx(y), place)
    assert notes.text[1].endswith(ending)
    alike = "bottom left" if first > 1 else "top left"  # away from the line
    assert (notes.x[0], places[0]) == (50, alike)
    assert (notes.y[0] < 1) == (first > 1)


@given(st.lists(st.floats(min_value=0) | st.just(np.nan), min_size=1, max_size=5), st.sampled_from(list(Verdict)))
def test_any_profile_is_drawn_without_a_warning_and_with_the_same_leaves(median, verdict):
    figure = drawn(median, verdict)
    np.testing.assert_array_equal(figure.data[1].y, median)
    assert flatten(figure).keys() == flatten(drawn([1.0])).keys()
    figure.to_json()


def test_an_axis_of_powers_has_its_ticks_counted_from_one():
    axis = figures.powers_of_ten_axis(-7, 11, step=5)
    assert (axis["type"], axis["range"]) == ("log", [-7, 11])
    np.testing.assert_allclose(axis["tickvals"], [1e-5, 1, 1e5, 1e10])
    assert axis["ticktext"] == ["10⁻⁵", "1", "10⁵", "10¹⁰"]


def test_a_band_is_one_closed_outline_there_and_back_where_both_ends_are_numbers():
    low, high = np.array([1.0, 0, np.nan, 3, 2]), np.array([2.0, 4, 5, np.inf, 9])
    band = figures.between(np.arange(5), low, high, figures.SECOND, yaxis="y2")
    assert band["x"].tolist() == [0, 1, 4, 4, 1, 0]
    assert band["y"].tolist() == [2, 4, 9, 2, figures.SMALLEST, 1]
    assert (band["fill"], band["fillcolor"], band["yaxis"]) == ("toself", figures.band(figures.SECOND), "y2")
    go.Figure({"data": [band]})


def test_labels_are_one_trace_with_every_text_at_its_place():
    trace = figures.labels((1, 2, "a", "top right"), (3, 4, "b", "top left"), yaxis="y2")
    assert (trace["x"], trace["y"], trace["text"], trace["yaxis"]) == ([1, 3], [2, 4], ["a", "b"], "y2")
    assert trace["textposition"] == ["top right", "top left"]
    assert figures.labels((1, 2, "a", "top right"))["textposition"] == "top right"
    go.Figure({"data": [trace]})
