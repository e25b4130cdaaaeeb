"""Lesson 01: what it measures, draws and says, against autograd, closed forms and simulation; and its memory."""

import itertools
import json
import re
import sys
from dataclasses import replace
from math import erf, erfc, sqrt
from pathlib import Path

import numpy as np
import pytest

from tests.lessons.prose import said
from vgx import figures
from vgx.activation import activations
from vgx.datasets import digits
from vgx.gaussian import expectation
from vgx.lab.paths import flatten
from vgx.lessons.sigmoid_derivatives import draw, labs, measure

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_sigmoid_derivatives.ipynb"
LABS = (labs.activation_and_derivative, labs.saturation, labs.derivative_product)
SATURATED_FROM = 2 * np.arccosh(5)  # σ′(z) = 1 / (2 cosh(z/2))² = 0.01

each_lab = pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)


def corners(lab):
    """The states at the ends and at the opening of every slider, with every option."""
    values = [
        control.stops if hasattr(control, "options") else {control.stops[0], control.default, control.stops[-1]}
        for control in lab.controls.values()
    ]
    return [dict(zip(lab.controls, state, strict=True)) for state in itertools.product(*values)]


# ---------------------------------------------------------------- what the prose says

LESSON = "01_sigmoid_derivatives"


def test_tanh_is_a_sigmoid_squeezed_stretched_and_moved():
    z, sigmoid, tanh = np.linspace(-8, 8, 1001), activations["sigmoid"], activations["tanh"]
    np.testing.assert_allclose(tanh.f(z), 2 * sigmoid.f(2 * z) - 1, atol=1e-14)
    np.testing.assert_allclose(tanh.derivative(z), 4 * sigmoid.derivative(2 * z), rtol=1e-12)


def test_the_thresholds_and_the_crossing_of_the_prose():
    sigmoid, tanh = activations["sigmoid"].derivative, activations["tanh"].derivative
    assert said(LESSON, "$|z| = 4.58$")
    assert sigmoid(4.59) < 0.01 < sigmoid(4.58)
    assert said(LESSON, "$|z| = 2.99$")
    assert tanh(3.00) < 0.01 < tanh(2.99)
    assert said(LESSON, "Beyond $|z| = 1.66$")
    assert tanh(1.65) > sigmoid(1.65)
    assert tanh(1.67) < sigmoid(1.67)


def test_where_formats_round_sigmoid_to_one():
    import torch

    def first_one(dtype, step):
        return next(z for z in np.arange(1, 40, step) if torch.sigmoid(torch.tensor(z, dtype=dtype)) == 1)

    assert said(LESSON, "from about $z = 17$ on (in bfloat16, which much training uses, from about 6)")
    assert first_one(torch.float32, 0.25) == pytest.approx(17, abs=0.5)
    assert first_one(torch.bfloat16, 0.25) == pytest.approx(6, abs=0.5)
    z = torch.tensor([-17.0, 17.0], requires_grad=True)
    torch.sigmoid(z).sum().backward()
    assert z.grad[1] == 0
    assert z.grad[0].item() == pytest.approx(activations["sigmoid"].derivative(-17.0), rel=1e-5)


def test_after_ten_relus_one_path_in_a_thousand_is_left():
    assert said(LESSON, "after ten units one path in a thousand is left")
    assert measure.derivative_product("relu", 1.0, 10)["alive"][-1] == pytest.approx(2**-10, abs=0.001)


def test_relu_passes_more_than_ten_times_the_squared_slope_of_sigmoid():
    assert said(LESSON, "more than ten times that of the sigmoid")
    relu, sigmoid = (expectation(lambda z, f=activations[n].derivative: f(z) ** 2, 1.0) for n in ("relu", "sigmoid"))
    assert 10 * sigmoid < relu < 12 * sigmoid


# ---------------------------------------------------------------- one unit


def test_every_derivative_equals_torchs_autograd_and_central_differences():
    by_autograd, by_differences = measure.errors_against_autograd(), measure.errors_against_differences()
    assert list(by_autograd) == list(by_differences) == list(activations)
    assert max(by_autograd.values()) < 1e-12
    assert max(by_differences.values()) < 1e-9


@pytest.mark.parametrize("errors", [measure.errors_against_autograd, measure.errors_against_differences])
def test_a_wrong_derivative_is_found(monkeypatch, errors):
    wrong = {
        "tanh": replace(activations["tanh"], derivative=activations["sigmoid"].derivative),
        "relu": activations["relu"],
    }
    monkeypatch.setattr(measure, "activations", wrong)
    found = errors()
    assert found["tanh"] > 0.1
    assert found["relu"] < 1e-9


def test_autograd_is_asked_at_the_kinks_too(monkeypatch):
    at_zero = replace(activations["relu"], derivative=lambda z: np.heaviside(z, 0.5))
    monkeypatch.setattr(measure, "activations", {"relu": at_zero})
    assert measure.errors_against_autograd() == {"relu": 0.5}


@pytest.mark.parametrize("name", activations)
def test_the_greatest_slope_is_where_and_as_great_as_a_search_finds_it(name):
    derivative = activations[name].derivative
    z = np.linspace(-40, 40, 800_001)
    slopes = derivative(z)
    greatest, (start, end) = measure.greatest_slope(name), measure.STEEPEST[name]
    assert slopes.max() == pytest.approx(greatest, abs=1e-9)
    assert np.abs(slopes).max() == slopes.max()  # so that it bounds products of either sign
    steepest = z[slopes > slopes.max() - 1e-12]
    if start == end and np.isfinite(start):
        assert np.abs(steepest - start).max() < 1e-3
        return
    assert end == steepest[-1] * np.inf
    if start == end:  # only approached
        assert not (derivative(z[np.abs(z) < 20]) == greatest).any()
    else:  # from there on, and not before
        np.testing.assert_array_equal(derivative(z[z > start]), greatest)
        assert (derivative(z[z < start]) < greatest).all()


@pytest.mark.parametrize("name", activations)
@pytest.mark.parametrize("position", [-2.1, 0.7, 5.5])
def test_the_tangent_touches_and_leaves_by_the_square_of_the_distance(name, position):
    data = measure.activation_and_derivative(name, position)
    z, value, slope = data["at"]
    assert (z, value, slope) == (position, activations[name].f(z), activations[name].derivative(z))
    near = np.abs(data["z"] - z) < 0.4
    assert near.sum() >= 3
    assert np.abs(data["tangent"] - data["f"])[near].max() < 0.1
    for distance in (1e-2, 1e-3):
        assert abs(activations[name].f(z + distance) - value - slope * distance) < distance**2
    np.testing.assert_allclose(np.diff(data["tangent"]) / np.diff(data["z"]), slope, atol=1e-6)


def test_a_jump_of_the_slope_is_drawn_as_a_jump():
    data = measure.activation_and_derivative("relu", 1.0)
    assert np.diff(data["z"])[data["derivative"][:-1] != data["derivative"][1:]] < 1e-6


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            {"activation": "sigmoid"},
            "sigmoid at z = 1: φ = 0.731, slope φ′ = 0.197 (max 0.25 at z = 0). "
            "Ten slopes of sigmoid multiply to at most 9.5 · 10⁻⁷.",
        ),
        (
            {"activation": "relu", "position": -6.0},
            "relu at z = −6: φ = 0, slope φ′ = 0 (max 1, for z > 0). Ten slopes of relu multiply to at most 1.",
        ),
        (
            {"activation": "gelu", "position": -6.0},
            "gelu at z = −6: φ = −5.9 · 10⁻⁹, slope φ′ = −3.5 · 10⁻⁸ (max 1.13 at z = 1.41). "
            "Ten slopes of gelu multiply to at most 3.36.",
        ),
        (
            {"activation": "softplus", "position": 0.0},
            "softplus at z = 0: φ = 0.693, slope φ′ = 0.5 (approaches 1 as z grows). "
            "Ten slopes of softplus multiply to at most 1.",
        ),
        (
            {"activation": "leaky_relu"},
            "leaky relu at z = 1: φ = 1, slope φ′ = 1 (max 1, for z > 0). "
            "Ten slopes of leaky relu multiply to at most 1.",
        ),
        (
            {"activation": "identity"},
            "identity at z = 1: φ = 1, slope φ′ = 1 (1 everywhere). Ten slopes of identity multiply to at most 1.",
        ),
    ],
)
def test_the_first_lab_says_how_steep_the_activation_is(state, sentence):
    assert labs.activation_and_derivative.reading(**state) == sentence


def test_the_question_is_answered_by_a_quarter_which_the_opening_does_not_show():
    lab = labs.activation_and_derivative
    assert lab.truth() == 0.25
    assert lab.defaults != lab.state(**lab.predict.at)
    assert "0.25" not in lab.reading() + str(lab.figure().data[-1].text)


def test_a_point_above_the_panel_waits_at_its_edge():
    inside, above = (labs.activation_and_derivative.figure(activation="relu", position=z).data[2] for z in (2.5, 5.0))
    assert (inside.y, inside.marker.symbol) == ((2.5,), "circle")
    assert (above.y, above.marker.symbol) == ((draw.HIGHEST,), "triangle-up")


# ---------------------------------------------------------------- one layer


@pytest.mark.parametrize("inputs", measure.INPUTS)
def test_the_first_layer_has_the_variance_that_its_inputs_give_it(inputs):
    z = measure.first_layer(inputs, 3.0)
    assert z.shape == (1797, measure.N_UNITS)
    np.testing.assert_allclose(z, 3 * measure.first_layer(inputs))
    assert not np.allclose(z, measure.first_layer(inputs, 3.0, seed=1))
    x = {"gaussian": np.ones(64), "standardized digits": digits().x, "raw digits": digits(standardize=False).x}[inputs]
    # over draws of W, E[z²] = σ_w² times the mean square of x; the units' common draw leaves a tenth or two
    many = [np.mean(measure.first_layer(inputs, seed=seed) ** 2) for seed in range(20)]
    assert np.mean(many) == pytest.approx(np.mean(x**2), rel=0.1)


@pytest.mark.parametrize("std", [0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("mean", [-6.0, 0.0, 2.0])
def test_for_gaussian_inputs_the_saturated_share_of_sigmoid_has_a_closed_form(std, mean):
    data = measure.saturation("sigmoid", std, mean, "gaussian")
    below, above = ((side * SATURATED_FROM - mean) / std / sqrt(2) for side in (-1, 1))
    assert data["saturated"] == pytest.approx(erfc(above) / 2 + (1 + erf(below)) / 2, abs=5e-4)
    np.testing.assert_allclose(data["awake"], [-SATURATED_FROM, SATURATED_FROM], atol=0.011)
    assert (data["center"], data["spread"]) == (pytest.approx(mean, abs=1e-9), pytest.approx(std, rel=1e-3))


@pytest.mark.parametrize("std", [0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("name", labs.saturation.controls["activation"].options)
def test_the_mean_squared_slope_is_that_of_quadrature(name, std):
    exact = expectation(lambda z: activations[name].derivative(z) ** 2, std**2)
    got = measure.saturation(name, std, 0.0, "gaussian")["mean_square"]
    assert got == pytest.approx(float(exact), rel=2e-3)


def test_half_of_the_relus_are_asleep_without_a_bias_and_a_draw_agrees_with_a_bias():
    data = measure.saturation("relu", 2.0, 0.0, "gaussian")
    assert (data["saturated"], data["mean_square"]) == (0.5, 0.5)
    z = 1.5 + 2.0 * np.random.default_rng(0).standard_normal(1_000_000)
    slope = activations["gelu"].derivative(z)
    data = measure.saturation("gelu", 2.0, 1.5, "gaussian")
    assert data["mean_square"] == pytest.approx(np.mean(slope**2), rel=3e-3)
    assert data["saturated"] == pytest.approx(np.mean(np.abs(slope) < 0.01), abs=2e-3)


@pytest.mark.parametrize("inputs", ["standardized digits", "raw digits"])
def test_for_digits_it_is_the_drawn_layer(inputs):
    z = -1.0 + measure.first_layer(inputs, 0.5)
    slope = activations["tanh"].derivative(z)
    data = measure.saturation("tanh", 0.5, -1.0, inputs)
    assert data["saturated"] == pytest.approx(np.mean(slope < 0.01), abs=1e-3)
    assert data["mean_square"] == pytest.approx(np.mean(slope**2), rel=1e-3)
    assert data["spread"] == pytest.approx(z.std(), rel=1e-2)


def test_raw_digits_saturate_the_layer_and_standardized_ones_do_not():
    raw, standardized = (measure.saturation("sigmoid", 1.0, 0.0, f"{kind} digits") for kind in ("raw", "standardized"))
    assert raw["spread"] > 7 * standardized["spread"]
    assert raw["saturated"] > 0.5
    assert standardized["saturated"] < 0.01


@pytest.mark.parametrize("name", labs.saturation.controls["activation"].options)
@pytest.mark.parametrize("std", [0.1, 3.0, 20.0])
def test_the_bars_hold_all_units_and_the_blue_ones_the_saturated(name, std):
    data = measure.saturation(name, std, -2.0, "raw digits")
    assert data["share"].sum() == pytest.approx(1)
    assert data["share"][data["log_slope"] < -2].sum() == pytest.approx(data["saturated"])
    figure = draw.saturation(data, {"activation": name})
    is_blue = np.array(figure.data[2].marker.color) == draw.VANISHING
    assert sum(np.array(figure.data[2].y)[is_blue]) == pytest.approx(data["saturated"])
    assert set(np.array(figure.data[2].marker.color)[~is_blue]) <= {figures.ACTIVATIONS[name]}


def test_the_density_follows_the_gaussian():
    data = measure.saturation("sigmoid", 3.0, 2.0, "gaussian")
    np.testing.assert_allclose(data["density"], np.exp(-(((data["z"] - 2) / 3) ** 2) / 2), atol=0.02)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"std": 5.0}, "mean 0 and standard deviation 5; 36 % of the units are saturated (slope below 0.01)"),
        ({"std": 5.0}, "E[φ′²] = 0.013: the slopes alone multiply a gradient's norm by 0.114."),
        ({"inputs": "raw digits"}, "sigmoid, raw digits: z has mean −0.47 and standard deviation 7.86; 56 %"),
        ({"activation": "relu", "mean": -6.0, "std": 0.1}, "100 % of the units are saturated"),
        ({"activation": "relu", "mean": -6.0, "std": 0.1}, "E[φ′²] = 0: the slopes alone multiply a gradient's norm"),
        ({"activation": "tanh", "mean": -6.0}, "> 99 % of the units are saturated (slope below 0.01). E[φ′²] = 8.7"),
        ({"activation": "softplus", "mean": -2.0}, "< 1 % of the units are saturated"),
    ],
)
def test_the_second_lab_says_how_many_units_are_saturated(state, says):
    assert says in labs.saturation.reading(**state)


# ---------------------------------------------------------------- many layers


def test_slopes_at_the_steepest_point_multiply_to_the_bound():
    data = measure.derivative_product("sigmoid", 1e-6, 50)
    np.testing.assert_allclose(data["bound"], 4.0 ** -np.arange(1, 51), rtol=1e-12)
    np.testing.assert_allclose(data["median"], data["bound"], rtol=1e-6)


def test_a_relu_path_is_alive_with_probability_two_to_the_minus_depth():
    data = measure.derivative_product("relu", 1.0, 12, n_paths=50_000)
    expected = 0.5 ** np.arange(1, 13)
    assert (np.abs(data["alive"] - expected) < 4 * np.sqrt(expected / 50_000)).all()
    assert not measure.derivative_product("relu", 1.0, 12)["median"].any()
    np.testing.assert_array_equal(data["high"][:4], 1)


def test_leaky_relu_loses_a_hundredth_at_every_second_layer():
    median = measure.derivative_product("leaky_relu", 1.0, 50)["median"]
    np.testing.assert_allclose(np.log10(median), -np.arange(1, 51), atol=1 + 1e-9)  # 2 x the median of a binomial


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_the_median_grows_by_the_mean_of_the_logarithm(name, scale):
    logs = expectation(lambda z: np.log10(activations[name].derivative(z)) ** np.array([1, 2])[:, None, None], scale**2)
    mean, sd = logs[0], np.sqrt(logs[1] - logs[0] ** 2)
    exponent = np.log10(measure.derivative_product(name, scale, 50)["median"][-1])
    assert exponent == pytest.approx(50 * mean, abs=1.25 * 5 * sqrt(50 / measure.N_PATHS) * sd + 0.2 * sd)


@pytest.mark.parametrize("name", labs.derivative_product.controls["activation"].options)
@pytest.mark.parametrize("scale", [0.1, 1.0, 20.0])
def test_a_deeper_network_goes_on_where_a_shallower_one_ends_and_keeps_the_bound(name, scale):
    shallow, deep = (measure.derivative_product(name, scale, depth) for depth in (10, 50))
    for key, array in shallow.items():
        assert array.shape == (10,)
        np.testing.assert_array_equal(deep[key][:10], array)
    assert (deep["low"] <= deep["median"]).all()
    assert (deep["median"] <= deep["high"]).all()
    assert (deep["high"] <= deep["bound"] * (1 + 1e-12)).all()


def test_a_product_below_float64_vanishes_and_is_not_dead():
    state = {"activation": "sigmoid", "scale": 20.0, "depth": 50}
    assert measure.derivative_product(**state)["median"][-1] == 0
    reading = labs.derivative_product.reading(**state)
    assert "the slopes multiply to less than 10⁻³⁰⁰, the median of 1,000 paths: vanishing." in reading


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            {"depth": 50},
            "50 layers of sigmoid, z with standard deviation 1, weights left out: the slopes multiply to "
            "1.1 · 10⁻³⁵, the median of 1,000 paths: vanishing. No path keeps more than 7.9 · 10⁻³¹.",
        ),
        (
            {"activation": "relu", "depth": 10},
            "10 layers of relu, z with standard deviation 1, weights left out: dead. "
            "On 999 of 1,000 paths a slope is 0, and the product is 0.",
        ),
        (
            {"activation": "gelu", "scale": 20.0, "depth": 50},
            "50 layers of gelu, z with standard deviation 20, weights left out: dead. "
            "On 744 of 1,000 paths a slope is too small for float64, and the product is 0.",
        ),
        (
            {"activation": "tanh", "scale": 0.1, "depth": 1},
            "1 layer of tanh, z with standard deviation 0.1, weights left out: the slopes multiply to 0.996, "
            "the median of 1,000 paths: healthy. No path keeps more than 1.",
        ),
    ],
)
def test_the_third_lab_says_vanishing_healthy_and_dead(state, sentence):
    assert labs.derivative_product.reading(**state) == sentence


@pytest.mark.parametrize(("name", "bound"), [("sigmoid", "4⁻ᴸ"), ("tanh", "1"), ("gelu", "1.13ᴸ")])
def test_the_dashed_line_is_labelled_with_its_formula(name, bound):
    assert f"dashed: at most {bound}" in labs.derivative_product.figure(activation=name).data[-1].text


# ---------------------------------------------------------------- bad input, and all labs


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.activation_and_derivative("tahn", 0.0), "unknown activation 'tahn'; there are: tanh"),
        (lambda: measure.activation_and_derivative("tanh", np.nan), "position must be a finite number, got nan"),
        (lambda: measure.first_layer("digits"), "unknown inputs 'digits'; there are: raw digits"),
        (lambda: measure.first_layer("gaussian", -1.0), "std must be a finite number >= 0, got -1.0"),
        (lambda: measure.saturation("tanh", 0.0, 0.0, "gaussian"), "std must be a finite number > 0, got 0.0"),
        (lambda: measure.saturation("tanh", 1.0, np.inf, "gaussian"), "mean must be a finite number, got inf"),
        (lambda: measure.saturation("tanh", 1.0, 0.0, "row digits"), "unknown inputs 'row digits'; there are: raw"),
        (lambda: measure.derivative_product("tanh", 1.0, 0), "depth must be a whole number >= 1, got 0"),
        (lambda: measure.derivative_product("tanh", 1.0, 51), "depth must be at most 50, got 51"),
        (lambda: measure.derivative_product("tanh", -1.0, 5), "scale must be a finite number > 0, got -1.0"),
        (lambda: measure.derivative_product("tanh", 1.0, 5, n_paths=0), "n_paths must be a whole number >= 1, got 0"),
        (lambda: measure.errors_against_autograd(0), "n_points must be a whole number >= 1, got 0"),
        (lambda: measure.errors_against_differences(step=0), "step must be a finite number > 0, got 0"),
    ],
)
def test_bad_input_says_what_was_given_and_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


@each_lab
def test_every_state_has_the_same_leaves_and_axes(lab):
    states = corners(lab)
    leaves = [flatten(lab.figure(**state)) for state in states]
    assert {frozenset(figure) for figure in leaves} == {frozenset(leaves[0])}
    axes = [
        [str(figure[path]) for path in figure if path[:1] == ("layout",) and path[-1] == "range"] for figure in leaves
    ]
    assert len(axes[0]) >= 2
    assert all(ranges == axes[0] for ranges in axes)


@each_lab
def test_no_reading_is_empty_or_says_nan(lab):
    for state in corners(lab):
        reading = lab.reading(**state)
        assert reading.endswith("."), reading
        assert not re.search(r"nan|inf|e-|-\d", reading), reading


@each_lab
def test_no_control_is_ignored(lab):
    for name, control in lab.controls.items():
        opening, moved = (
            flatten(lab.figure(**{name: value}))
            for value in (control.default, next(iter(set(control.stops) - {control.default})))
        )
        assert any(str(opening[path]) != str(moved[path]) for path in opening if path[0] == "data"), name


def test_the_static_pages_fit_their_budget():
    assert [len(list(lab.states())) for lab in LABS] == [490, 1365, 650]


# ---------------------------------------------------------------- memory

MOVES = """
import ipywidgets
for widget in list(ipywidgets.widgets.widget._instances.values()):
    if isinstance(widget, ipywidgets.Dropdown):
        for widget.value in dict(widget.options).values(): pass
        widget.value = "gelu" if "gelu" in dict(widget.options).values() else "raw digits"
"""
RSS = "print('MB', int(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1]) / 1024)"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_kernel_that_ran_the_lesson_live_uses_less_than_150_mb(monkeypatch):
    """So that a small machine holds several: torch, scikit-learn or large arrays left in the kernel show here."""
    from jupyter_client.manager import start_new_kernel

    monkeypatch.delenv("VGX_STATIC_LABS", raising=False)
    manager, client = start_new_kernel(kernel_name="python3")
    said = []

    def run(source):
        reply = client.execute_interactive(
            source,
            timeout=120,
            output_hook=lambda message: said.append(message["content"].get("text", "")),
        )["content"]
        assert reply["status"] == "ok", "\n".join(reply["traceback"])

    try:
        for source in _cells():
            run(source)
        run(MOVES)
        run("import time; time.sleep(0.5)")
        run(RSS)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    megabytes = float(re.search(r"MB ([\d.]+)", "".join(said)).group(1))
    assert megabytes < 150, f"{megabytes:.0f} MB"


def _cells():
    """The code cells of the notebook or, before it is written, the three labs."""
    if not NOTEBOOK.exists():
        names = ", ".join(f"labs.{lab.variable}" for lab in LABS)
        return ["from vgx.lessons.sigmoid_derivatives import labs", f"display({names})"]
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
