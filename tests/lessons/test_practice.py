"""The practice lab: its numbers, its sentences, what the page on how to use the book says of it."""

import re
from pathlib import Path

import numpy as np
import pytest

from vgx.lab import Choice, Slider, Toggle
from vgx.lessons.practice import draw, labs, measure

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "how_to_use.md").read_text(encoding="utf-8")
lab = labs.repeated_factor


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.5])
@pytest.mark.parametrize("depth", [1, 7, 50])
def test_it_multiplies(factor, depth):
    alike = measure.repeated_factor(factor, depth, "all_alike", exponent=False)["product"]
    np.testing.assert_allclose(alike, np.cumprod([1, *[factor] * depth]), rtol=1e-12)
    in_turn = [factor if i % 2 == 0 else 1 / factor for i in range(depth)]
    product = measure.repeated_factor(factor, depth, "alternating", exponent=False)["product"]
    np.testing.assert_allclose(product, np.cumprod([1, *in_turn]), rtol=1e-12)


def test_as_a_power_of_ten_it_shows_the_logarithm_of_the_same():
    plain, powers = (measure.repeated_factor(0.7, 20, "all_alike", exponent=e) for e in (False, True))
    np.testing.assert_array_equal(plain["product"], powers["product"])
    np.testing.assert_allclose(powers["shown"], np.log10(plain["shown"]), atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 5, "all_alike"), "factor must be"),
        ((np.nan, 5, "all_alike"), "factor must be"),
        ((0.9, 0, "all_alike"), "depth must be a whole number >= 1, got 0"),
        ((0.9, 51, "all_alike"), "depth must be at most 50, got 51"),
        ((0.9, 5, "alternate"), "unknown pattern 'alternate'; there are: alternating"),
    ],
)
def test_bad_input_says_what_was_given_and_what_is_allowed(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure.repeated_factor(*arguments, exponent=False)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"factor": 0.9, "depth": 50}, "1, multiplied 50 times by 0.9, becomes 0.00515: vanishing."),
        ({"factor": 1.5, "depth": 50}, "1, multiplied 50 times by 1.5, becomes 10⁹: exploding."),
        ({"factor": 1.0, "depth": 50}, "1, multiplied 50 times by 1, becomes 1: healthy."),
        ({"depth": 1}, "1, multiplied once by 0.8, becomes 0.8: healthy."),
        (
            {"depth": 10, "pattern": "alternating"},
            "1, multiplied 10 times by 0.8 and 1/0.8 in turn, becomes 1: healthy.",
        ),
    ],
)
def test_the_sentence_says_what_is_left(state, sentence):
    assert lab.reading(**state) == sentence


def test_the_axis_is_the_same_in_all_states_of_a_way_to_count():
    for exponent, expected in [(False, (0, 10)), (True, (-16, 10))]:
        figures = [lab.figure(factor=f, depth=d, exponent=exponent) for f in (0.5, 1.5) for d in (1, 50)]
        assert {tuple(figure.layout.yaxis.range) for figure in figures} == {expected}


def test_every_power_of_ten_is_on_the_axis():
    low, high = draw.POWERS["range"]
    ends = [measure.repeated_factor(f, 50, "all_alike", exponent=True)["shown"][-1] for f in (0.5, 1.5)]
    assert low < min(ends)
    assert max(ends) < high


def test_it_has_every_kind_of_control_and_a_question_that_it_does_not_answer_at_once():
    assert {type(control) for control in lab.controls.values()} == {Slider, Choice, Toggle}
    assert lab.truth() == pytest.approx(0.9**50)
    assert "0.00515" not in lab.reading()


# What the page says


def test_the_page_shows_the_lab_and_its_numbers_are_true():
    assert "```{lab} vgx.lessons.practice.labs.repeated_factor" in PAGE
    assert "117" in PAGE
    assert round(1.1**50) == 117


def test_every_link_to_a_state_on_the_page_opens_one():
    links = re.findall(r'href="#repeated-factor\?([^"]+)"', PAGE)
    assert links
    for link in links:
        given = dict(pair.split("=") for pair in link.replace("&amp;", "&").split("&"))
        stops = {name: [str(stop).lower() for stop in control.stops] for name, control in lab.controls.items()}
        assert set(given) == set(stops)
        assert all(value in stops[name] for name, value in given.items()), link
