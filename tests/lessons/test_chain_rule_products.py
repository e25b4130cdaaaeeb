"""Lesson 02: what it measures, draws and says, against autograd, theory and its own prose."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.lessons.prose import said
from vgx import Network, activations, theory
from vgx.datasets import digits
from vgx.figures import COLOURS
from vgx.initializer import initializers
from vgx.lab.paths import flatten, same
from vgx.lessons.chain_rule_products import draw, labs, measure, measure_spread
from vgx.verdict import Verdict, powers_of_ten_per_ten_layers

ROOT = Path(__file__).parents[2]
measured = measure.gradient_norm_by_layer


def ratio(depth, scale, activation, initializer, **options):
    return measured(depth, scale, activation, initializer, **options)["median"][0]


# ---------------------------------------------------------------- measure


@pytest.mark.parametrize(("activation", "function"), [("tanh", torch.tanh), ("sigmoid", torch.sigmoid)])
def test_one_network_equals_autograd(activation, function):
    depth = 7
    got = measured(depth, 1.3, activation, "xavier_normal", n_nets=1, n_inputs=8)
    net = replace(measure._draw("xavier_normal", 1, 0), scale=np.float32(1.3))
    h, zs = torch.tensor(digits().x[:8]), []
    for weight in net.weights[:depth]:
        zs.append(
            (h @ torch.tensor(weight[0]).double()).requires_grad_() if not zs else h @ torch.tensor(weight[0]).double()
        )
        h = function(zs[-1])
    readout = np.random.default_rng((0, 1)).standard_normal((8, measure.WIDTH), dtype=np.float32)
    grads = torch.autograd.grad(h, zs, grad_outputs=torch.tensor(readout).double())
    norms = np.array([grad.square().sum().sqrt().item() for grad in grads])
    np.testing.assert_allclose(got["median"], norms / norms[-1], rtol=2e-5)


def test_all_scales_and_depths_at_once_equal_one_at_a_time():
    depths, scales = (2, 9), (0.3, 1.0, 3.0)
    together = measured(depths, scales, "tanh", "he_normal", n_nets=3)
    for i, depth in enumerate(depths):
        for j, scale in enumerate(scales):
            alone = measured(depth, scale, "tanh", "he_normal", n_nets=3)
            for name, array in alone.items():
                assert array.shape == (depth,)
                np.testing.assert_allclose(together[name][i][j], array, rtol=1e-4, err_msg=name)


# not GELU with He's weights: that is its unstable critical point, and no finite width follows the mean field there
@pytest.mark.parametrize(
    ("activation", "initializer"),
    [
        ("sigmoid", "xavier_normal"),
        ("sigmoid", "he_normal"),
        ("tanh", "xavier_normal"),
        ("tanh", "he_normal"),
        ("relu", "xavier_normal"),
        ("relu", "he_normal"),
        ("gelu", "xavier_normal"),
    ],
)
@pytest.mark.parametrize("depth", [2, 12, 30])
def test_theory_agrees_with_the_median_of_the_draws(activation, initializer, depth):
    data = measured(depth, 1.0, activation, initializer)
    # the median lies below the mean by at most exp(-1.25 depth / width) in the norm (Hanin 2018)
    np.testing.assert_allclose(data["median"], data["theory"], rtol=0.1 + 1.25 * depth / measure.WIDTH)


def test_the_band_encloses_the_median_and_every_line_ends_at_one():
    data = measured(30, 1.0, "tanh", "xavier_normal")
    assert np.all(data["low"] <= data["median"])
    assert np.all(data["median"] <= data["high"])
    assert all(array[-1] == 1 for array in data.values())


def test_another_seed_is_another_draw_and_the_same_seed_the_same():
    first, again, other = (measured(5, 1.0, "tanh", "normal", seed=seed)["median"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, rtol=1e-6)


def test_overflow_is_a_result():
    data = measured(30, 10.0, "relu", "normal")
    assert np.isnan(data["median"]).any()
    assert draw.gradient_reading(data, labs.gradient_by_layer.state(depth=30)).endswith("left the range of float32.")


def test_a_signal_that_sinks_below_float32_leaves_a_dead_network_not_an_overflow():
    data = measured(50, 0.1, "relu", "xavier_normal")
    assert not data["median"].any()
    lab = labs.gradient_by_layer
    state = lab.state(depth=50, scale=0.1, activation="relu")
    assert "dead" in draw.gradient_reading(data, state)
    assert "<b>dead</b>, 0 at layer 1" in [
        text.split(": ")[-1] for text in draw.gradient_norm_by_layer(data, state).data[-1].text
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 1.0, "tanh", "normal"), "depth must be a whole number >= 1, got 0"),
        ((-3, 1.0, "tanh", "normal"), "depth must be a whole number >= 1, got -3"),
        ((51, 1.0, "tanh", "normal"), "depth must be at most 50"),
        ((5, np.nan, "tanh", "normal"), "scale must hold finite numbers >= 0"),
        ((5, np.inf, "tanh", "normal"), "scale must hold finite numbers >= 0"),
        ((5, 1.0, "tahn", "normal"), "unknown activation 'tahn'; there are: tanh"),
        ((5, 1.0, "tanh", "he_norml"), "unknown initializer 'he_norml'; there are: he_normal"),
    ],
)
def test_bad_input_says_what_was_given_and_what_is_allowed(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measured(*arguments)


# ---------------------------------------------------------------- the lab


def test_the_lab_says_vanishing_healthy_exploding_and_overflow():
    lab = labs.gradient_by_layer
    states = {
        "vanishing": {"activation": "sigmoid"},
        "healthy": {"activation": "relu", "initializer": "he_normal", "depth": 50},
        "exploding": {"activation": "tanh", "scale": 3.16},
        "overflow": {"activation": "relu", "initializer": "normal", "scale": 10.0, "depth": 50},
    }
    for word, state in states.items():
        assert word in lab.reading(**state), lab.reading(**state)


def test_the_figure_keeps_its_axes_in_all_states_so_that_movement_means_something():
    figures = [
        labs.gradient_by_layer.figure(depth=depth, activation=a) for depth in (2, 50) for a in ("relu", "sigmoid")
    ]
    assert {(tuple(f.layout.xaxis.range), tuple(f.layout.yaxis.range), f.layout.yaxis.type) for f in figures} == {
        ((0, 51), (-15, 15), "log")
    }


def test_the_opening_state_does_not_answer_the_question():
    lab = labs.gradient_by_layer
    assert lab.defaults != lab.state(**lab.predict.at)


# ---------------------------------------------------------------- what the prose says


def test_the_landing_page_says_what_the_lab_shows():
    text = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    assert "At 50 layers the first one gets 10⁻³¹" in text
    assert round(np.log10(ratio(50, 1.0, "sigmoid", "xavier_normal"))) == -31
    assert all(0.5 < ratio(depth, 1.0, "relu", "he_normal") < 2 for depth in (2, 20, 50))
    assert ratio(50, 1.47, "relu", "he_normal") > 100


def test_sigmoid_loses_about_six_powers_of_ten_in_ten_layers_at_any_depth():
    for depth in (12, 30, 50):
        assert np.log10(ratio(depth, 1.0, "sigmoid", "xavier_normal")) / (depth - 1) * 10 == pytest.approx(
            -6.3, abs=0.3
        )


def test_relu_with_xavier_weights_is_flat_between_the_stops_1_and_1_47():
    below, above = (ratio(20, scale, "relu", "xavier_normal") for scale in (1.0, 1.47))
    assert below < 0.01 < 1 < above


def test_tanh_explodes_by_two_powers_of_ten_between_1_47_and_2_15():
    assert ratio(50, 1.47, "tanh", "xavier_normal") < 100 < ratio(50, 2.15, "tanh", "xavier_normal")


def test_a_wide_sigmoid_layer_tips_at_10_15():
    def chi(sigma_w):
        q = 10.0
        for _ in range(300):
            q = theory.variance_map(q, activation="sigmoid", sigma_w=sigma_w)
        return theory.chi(activation="sigmoid", sigma_w=sigma_w, q=q)

    assert chi(10.14) < 1 < chi(10.16)


LESSON = "02_chain_rule_products"


def test_the_standard_deviations_of_the_usual_weights_at_width_256():
    assert said(LESSON, "at width 256 their weights have standard deviations of 0.0625 and 0.088")
    xavier, he = (initializers[name].std(256, 256) for name in ("xavier_normal", "he_normal"))
    assert (round(xavier, 4), round(he, 3)) == (0.0625, 0.088)


def test_at_sigma_w_113_two_tanh_units_in_a_hundred_are_awake():
    assert said(LESSON, "at $\\sigma_w = 113$ only two units in a hundred are awake")
    net = Network.sample(
        depth=10, width=128, activation="tanh", initializer="normal", scale=10.0, rng=np.random.default_rng(0)
    )
    trace = net.forward(np.random.default_rng(1).normal(size=(32, 128)))
    assert 10 * np.sqrt(128) == pytest.approx(113, abs=0.5)
    assert np.mean(net.activation.derivative(trace.pre_activations[-1]) > 0.01) == pytest.approx(0.02, abs=0.005)


def test_of_five_neurons_held_awake_most_chains_explode_at_the_largest_scale():
    assert said(LESSON, "in most draws the product explodes at last")
    lab = labs.scalar_chain
    readings = [lab.reading(scale=30, awake=True, draw=draw_) for draw_ in lab.axes["draw"]]
    assert sum("exploding" in reading for reading in readings) > len(readings) / 2


def test_neurons_of_a_layer_often_differ_by_a_factor_of_ten():
    assert said(LESSON, "often differ by a factor of ten")
    layers = [g for d in range(1, 31) for g in measure.neuron_bars(4, "nielsen", "sigmoid", d)["gradients"]]
    assert np.mean([g.max() / g.min() > 10 for g in layers]) > 0.4


@pytest.mark.parametrize(("name", "power", "integral"), [("tanh", 2, 4 / 3), ("sigmoid", 2, 1 / 6)])
def test_the_integrals_behind_the_rules_for_large_weights(name, power, integral):
    z = np.linspace(-60, 60, 1_200_001)
    assert np.trapezoid(activations[name].derivative(z) ** power, z) == pytest.approx(integral, rel=1e-6)


def test_the_variance_of_a_relu_layers_factor():
    rng = np.random.default_rng(0)
    on, g = rng.integers(0, 2, (20_000, 100)), rng.normal(size=(20_000, 100))
    factor = 2 / 100 * (on * g**2).sum(axis=1)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    assert factor.var() == pytest.approx(5 / 100, rel=0.05)


def test_the_coins_of_the_prose():
    assert said(LESSON, "$(\\tfrac12 \\cdot \\tfrac32)^{25} = 0.75^{25} \\approx 0.0008$")
    assert round(0.75**25, 4) == 0.0008


@pytest.mark.parametrize(
    ("activation", "sigma_w", "rule"),
    [("relu", s, 10 * np.log10(s) - 1.5) for s in (0.3, 1, 3, 10)]
    + [("sigmoid", s, 10 * np.log10(s) - 6) for s in (0.3, 1, 2)]
    + [("sigmoid", s, 5 * np.log10(s) - 5.1) for s in (3, 5, 10, 30)]
    + [("tanh", s, 10 * np.log10(s)) for s in (0.3, 0.7, 1)]
    + [("tanh", s, 0) for s in (1.2, 1.5, 1.9)]
    + [("tanh", s, 5 * np.log10(s) - 1.4) for s in (2, 4, 10, 30)],
)
def test_the_rules_for_the_head_are_good_to_one_power_of_ten_per_ten_layers(activation, sigma_w, rule):
    assert said(LESSON, "good to within one power of ten per ten layers for $\\sigma_w$ up to about 30")
    found = powers_of_ten_per_ten_layers(measured(30, sigma_w, activation, "xavier_normal")["median"])
    assert abs(found - rule) < 1


# ---------------------------------------------------------------- the chain with one neuron a layer

TORCH = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda z: z}


@pytest.mark.parametrize("activation", TORCH)
@pytest.mark.parametrize("depth", [1, 2, 8])
def test_the_products_of_the_chain_are_what_autograd_finds(activation, depth):
    for draw_ in (1, 2, 3, 4):
        data = measure.scalar_chain(depth, 2.0, activation, draw_)
        rng = np.random.default_rng((0, draw_))
        a = torch.tensor(rng.standard_normal(), dtype=torch.float64)
        biases = []
        for w in data["weights"]:
            unit, b = rng.standard_normal(2)
            assert w == 2.0 * unit
            biases.append(torch.tensor(b, dtype=torch.float64, requires_grad=True))
            a = TORCH[activation](float(w) * a + biases[-1])
        grads = torch.autograd.grad(a, biases)
        np.testing.assert_allclose(data["products"], [float(grad) for grad in grads], rtol=1e-9)
        np.testing.assert_allclose(np.prod(data["terms"]), float(grads[0]), rtol=1e-9)


def test_a_chain_held_awake_has_every_z_at_a_tenth_and_so_its_steepest_terms():
    data = measure.scalar_chain(5, 7.0, "sigmoid", 1, awake=True)
    assert set(data["z"]) == {0.1}
    slope = np.exp(-0.1) / (1 + np.exp(-0.1)) ** 2
    np.testing.assert_allclose(data["terms"], slope * np.append(data["weights"][1:], 1), rtol=1e-12)


def test_a_draw_is_the_same_chain_at_any_scale_and_the_beginning_of_a_longer_one():
    short, long = (measure.scalar_chain(depth, 1.0, "tanh", 2) for depth in (3, 8))
    np.testing.assert_array_equal(short["z"], long["z"][:3])
    np.testing.assert_allclose(measure.scalar_chain(3, 4.0, "tanh", 2)["weights"], 4 * short["weights"])
    assert not np.allclose(short["z"], measure.scalar_chain(3, 1.0, "tanh", 3)["z"])


def test_sixteen_is_a_bound_and_the_typical_ratio_is_far_larger():
    ratios = measure.chain_ratios(100_000)
    low, median, high = np.quantile(ratios, [0.05, 0.5, 0.95])
    assert 11 < low < 13
    assert 83 < median < 91
    assert 2300 < high < 3000
    assert np.mean(ratios < 16) == pytest.approx(0.09, abs=0.005)
    rng = np.random.default_rng(0)
    rng.standard_normal(100_000)
    w = rng.standard_normal((4, 2, 100_000))[:, 0]
    assert np.all(ratios * np.abs(w[1] * w[2]) >= 16 * (1 - 1e-12))
    assert np.mean(np.abs(w[1]) < 1) == pytest.approx(0.683, abs=0.005)
    assert np.mean((np.abs(w[1:3]) < 1).all(axis=0)) == pytest.approx(0.466, abs=0.005)


def test_a_ratio_of_the_chain_is_that_of_its_products_and_inputs_like_pixels_change_little():
    rng = np.random.default_rng(5)
    a = torch.tensor(rng.standard_normal(), dtype=torch.float64)
    biases = []
    for w, b in rng.standard_normal((4, 2, 1))[:, :, 0]:
        biases.append(torch.tensor(b, dtype=torch.float64, requires_grad=True))
        a = torch.sigmoid(float(w) * a + biases[-1])
    grads = torch.autograd.grad(a, biases)
    assert measure.chain_ratios(1, seed=5) == pytest.approx(abs(float(grads[2] / grads[0])), rel=1e-9)
    normal, uniform = (np.median(measure.chain_ratios(100_000, inputs=inputs)) for inputs in ("normal", "uniform"))
    assert 0.85 < uniform / normal < 0.95


def test_a_sigmoid_neuron_lets_gradients_grow_on_a_narrow_window_only():
    a = np.linspace(-3, 3, 600_001)
    for w, b in [(4.5, 0.0), (6.9, 1.0), (-12.0, 0.5), (30.0, -2.0)]:
        slope = 0.25 / np.cosh((w * a + b) / 2) ** 2
        wide = np.mean(np.abs(w) * slope >= 1) * 6
        assert measure.unsaturated_window(w) == pytest.approx(wide, abs=3e-5)
    np.testing.assert_array_equal(measure.unsaturated_window([-4, 0, 1, 4]), 0)
    w = np.linspace(4, 50, 46_001)
    widths = measure.unsaturated_window(w)
    assert widths.max() == pytest.approx(0.45, abs=0.005)
    assert w[widths.argmax()] == pytest.approx(6.9, abs=0.05)


# ---------------------------------------------------------------- one bar a neuron


@pytest.mark.parametrize(
    ("activation", "initializer", "weights", "bias"),
    [
        ("sigmoid", "nielsen", lambda n, m: 1 / np.sqrt(n), 1),
        ("tanh", "xavier_normal", lambda n, m: np.sqrt(2 / (n + m)), 0),
        ("relu", "he_normal", lambda n, m: np.sqrt(2 / n), 0),
        ("relu", "normal", lambda n, m: 1, 1),
    ],
)
def test_the_bars_are_what_autograd_finds(activation, initializer, weights, bias):
    data = measure.neuron_bars(3, initializer, activation, 2, n_inputs=200)
    rng, sizes, layers = np.random.default_rng((0, 2)), [64, 30, 30, 30, 10], []
    for n, m in [(30, 10), *itertools.pairwise(sizes[:-1])]:  # the outputs are drawn first
        w, b = rng.standard_normal((n, m)) * weights(n, m), bias * rng.standard_normal(m)
        layers.append((torch.tensor(w), torch.tensor(b, requires_grad=True)))
    h = torch.tensor(digits(standardize=False).x[:200] / 16)
    for w, b in layers[1:]:
        h = TORCH[activation](h @ w + b)
    z = h @ layers[0][0] + layers[0][1]
    y = torch.nn.functional.one_hot(torch.tensor(digits().y[:200]), 10).double()
    cost = torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / 200
    grads = [grad.numpy() for grad in torch.autograd.grad(cost, [b for _, b in layers[1:]])]
    np.testing.assert_allclose(data["gradients"], [np.abs(grad[:6]) for grad in grads], rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(data["speeds"], [np.linalg.norm(grad) for grad in grads], rtol=1e-7)


@pytest.mark.parametrize(
    ("hidden", "published"),
    [(2, (0.07, 0.31)), (3, (0.012, 0.060, 0.283)), (4, (0.003, 0.017, 0.070, 0.285))],
)
def test_the_speeds_that_nielsen_found_lie_among_the_draws(hidden, published):
    """His digits have 784 pixels, these 64: the speeds agree within a factor of two."""
    speeds = np.array([measure.neuron_bars(hidden, "nielsen", "sigmoid", n)["speeds"] for n in range(1, 21)])
    assert np.all(np.diff(speeds, axis=1) > 0)
    assert np.all(np.abs(np.log2(np.median(speeds, axis=0) / published)) < 1)


# ---------------------------------------------------------------- typical and average


def test_one_network_of_the_spread_equals_autograd():
    got = measure.spread(6, 12, "tanh", n_nets=1)["ratios"]
    rng, n = np.random.default_rng((0, 0)), measure_spread.MOST_WEIGHTS // (50 * 12**2)
    x, readout = rng.standard_normal((2, n, 1, 12), dtype=np.float32)[:, 0, 0]
    net = Network.sample(
        depth=6, width=12, activation="tanh", initializer="lecun_normal", n_nets=n, dtype=np.float32, rng=rng
    )
    h, zs = torch.tensor(x).double(), []
    for weight in net.weights:
        zs.append((h @ torch.tensor(weight[0]).double()).requires_grad_())
        h = torch.tanh(zs[-1])
    grads = torch.autograd.grad(h, zs, grad_outputs=torch.tensor(readout).double())
    assert got == pytest.approx([float(grads[0].square().sum() / grads[-1].square().sum())], rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize(("depth", "width"), [(5, 8), (20, 8), (50, 16), (30, 32)])
def test_theory_agrees_with_the_draws_within_their_error(activation, depth, width):
    data = measure.spread(depth, width, activation, n_nets=2000)
    logs, (mean, sd) = np.log(data["ratios"]), data["theory"]
    n = len(logs)
    # a network with few units on is likelier to die on the way: the living ones lie a little higher at 50 layers of 8
    assert logs.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(n))
    assert logs.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * n) + 0.03)


def test_theory_becomes_that_of_hanin_in_wide_networks_and_is_exact_in_narrow_linear_ones():
    for width, within in [(64, 0.06), (512, 0.01)]:
        mean, sd = measure.log_ratio_moments(51, width, "relu")
        assert mean == pytest.approx(-5 * 50 / (2 * width), rel=within)
        assert sd**2 == pytest.approx(5 * 50 / width, rel=1.5 * within)
    rng = np.random.default_rng(0)
    chi_squared = rng.chisquare(8, 1_000_000) / 8
    mean, sd = measure.log_ratio_moments(2, 8, "identity")
    assert mean == pytest.approx(np.log(chi_squared).mean(), abs=0.003)
    assert sd == pytest.approx(np.log(chi_squared).std(), abs=0.003)
    k = rng.binomial(2, 0.5, 1_000_000)
    logs = np.log(rng.chisquare(k[k > 0]))  # 2 χ²_k / n with n = 2
    mean, sd = measure.log_ratio_moments(2, 2, "relu")
    assert mean == pytest.approx(logs.mean(), abs=0.01)
    assert sd == pytest.approx(logs.std(), abs=0.01)
    assert measure.log_ratio_moments(20, 16, "tanh").shape == (0,)


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_the_average_of_the_squared_gradient_stays_at_one_where_draws_can_show_it(activation):
    data = measure.spread(5, 64, activation, n_nets=4000)
    assert data["mean"] == 1
    assert data["sample_mean"] == pytest.approx(1, abs=0.05)
    assert data["median"] < data["sample_mean"]


def test_the_share_of_dead_networks_is_that_of_layers_with_no_unit_on():
    data = measure.spread(20, 8, "relu", n_nets=3000)
    assert data["dead"] == pytest.approx(1 - (1 - 0.5**8) ** 20, abs=0.02)
    assert len(data["ratios"]) == round(3000 * (1 - data["dead"]))
    assert np.all(np.diff(data["ratios"]) >= 0)
    assert np.all(data["ratios"] > 0)


def test_all_depths_at_once_equal_one_at_a_time():
    depths = (50, 5, 20)
    together = measure.spread(depths, 48, "relu", n_nets=30)
    for i, depth in enumerate(depths):
        for name, array in measure.spread(depth, 48, "relu", n_nets=30).items():
            np.testing.assert_allclose(together[name][i], array, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.scalar_chain(0, 1.0, "tanh", 1), "depth must be a whole number >= 1, got 0"),
        (lambda: measure.scalar_chain(3, -1.0, "tanh", 1), "scale must be a finite number >= 0, got -1.0"),
        (lambda: measure.scalar_chain(3, 1.0, "tahn", 1), "unknown activation 'tahn'; there are: tanh"),
        (lambda: measure.scalar_chain(3, 1.0, "tanh", 0), "draw must be a whole number >= 1, got 0"),
        (lambda: measure.chain_ratios(10, n_layers=2), "n_layers must be a whole number >= 3, got 2"),
        (lambda: measure.chain_ratios(0), "n_draws must be a whole number >= 1, got 0"),
        (lambda: measure.chain_ratios(10, inputs="nromal"), "unknown inputs 'nromal'; there are: normal"),
        (lambda: measure.unsaturated_window(np.nan), "w must hold finite numbers, got nan"),
        (lambda: measure.neuron_bars(0, "nielsen", "tanh", 1), "hidden must be a whole number >= 1, got 0"),
        (lambda: measure.neuron_bars(2, "nielson", "tanh", 1), "unknown initializer 'nielson'; there are: nielsen"),
        (lambda: measure.neuron_bars(2, "nielsen", "tanh", 1.5), "draw must be a whole number >= 1, got 1.5"),
        (lambda: measure.spread(51, 8, "relu"), "depth must be at most 50, got 51"),
        (lambda: measure.spread(5, 0, "relu"), "width must be a whole number >= 1, got 0"),
        (lambda: measure.spread(5, 8, "sigmoid"), "unknown activation 'sigmoid'; there are:"),
        (lambda: measure.spread(5, 8, "relu", n_nets=0), "n_nets must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input_to_the_other_measures_says_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


# ---------------------------------------------------------------- what the labs show and say


@pytest.mark.parametrize(
    ("lab", "state", "words"),
    [
        (labs.scalar_chain, {}, "5 sigmoid neurons, weights times 1, draw 3: terms of size "
         "0.15 × 0.34 × 0.14 × 0.11 × 0.24; ∂C/∂b₁ is 10⁻⁴ times ∂C/∂a₅ in size: vanishing."),
        (labs.scalar_chain, {"scale": 30, "awake": True, "depth": 8}, "every z held at 0.1: 7 of 8 terms exceed 1 "
         "in size; ∂C/∂b₁ is 10⁵ times ∂C/∂a₈ in size: exploding."),
        (labs.scalar_chain, {"activation": "tanh", "draw": 4}, "∂C/∂b₁ is 0.031 times ∂C/∂a₅ in size: healthy."),
        (labs.scalar_chain, {"activation": "relu"}, "neuron 5 is flat, and nothing of ∂C/∂a₅ reaches ∂C/∂b₁: dead."),
        (labs.neuron_bars, {"hidden": 1}, "1 hidden layer of sigmoid, N(0, 1/n) weights, draw 1: the layer learns at "),
        (labs.neuron_bars, {"hidden": 3}, "hidden layer learns at 0.0122, 3.6 % of the last one's 0.341: healthy."),
        (labs.neuron_bars, {"hidden": 4}, "0.36 % of the last one's 0.362: vanishing."),
        (labs.neuron_bars, {"hidden": 4, "activation": "relu", "initializer": "normal"}, ", 63 times the last one's "),
        (labs.spread, {}, "20 layers of 16 relu units: the typical squared gradient of layer 1 is 0.042 of the last "
         "layer's, the exact average 1. The typical network gets 24 times less than the average; the middle 90 % span "
         "3.6 powers of ten."),
        (labs.spread, {"depth": 50, "width": 8}, "The typical network gets 10⁹ times less than the average; the middle "
         "90 % reach down to no gradient at all, and 16 % are dead."),
        (labs.spread, {"depth": 50, "activation": "tanh"}, "the average of these 0.012. "),
        (labs.spread, {"depth": 5, "width": 64, "activation": "identity"}, "gets 1.1 times less than the average"),
    ],
)  # fmt: skip
def test_each_reading_says_what_the_figure_shows(lab, state, words):
    assert words in lab.reading(**state)


@pytest.mark.parametrize("lab", [labs.scalar_chain, labs.neuron_bars, labs.spread], ids=lambda lab: lab.name)
def test_the_new_labs_keep_their_axes_and_their_leaves_in_all_states(lab):
    states = list(lab.states())
    some = [states[i] for i in np.random.default_rng(0).choice(len(states), 20, replace=False)]
    leaves = [flatten(lab.figure(**state)) for state in [*some, lab.defaults]]
    assert len({frozenset(each) for each in leaves}) == 1
    fixed = [path for path in leaves[0] if path[0] == "layout" and path[-1] in ("range", "domain", "type", "tickvals")]
    assert fixed
    assert all(same(each[path], leaves[0][path]) for each in leaves for path in fixed)


def test_the_bars_of_the_chain_end_at_its_terms_and_the_line_at_the_gradient_of_the_first_bias():
    lab, state = labs.scalar_chain, {"scale": 12, "awake": True}
    data, figure = lab.data(**state), lab.figure(**state)
    bars, terms = next(t for t in figure.data if t.name == "log10 of terms"), np.abs(data["terms"])
    np.testing.assert_allclose(10 ** np.array(bars.y), terms, rtol=1e-12)
    above, below = (COLOURS[verdict] for verdict in (Verdict.EXPLODING, Verdict.VANISHING))
    assert list(bars.marker.color) == [above if term > 1 else below for term in terms]
    assert set(bars.marker.color) == {above, below}
    np.testing.assert_array_equal(figure.data[-1].y, np.abs(data["products"]))


def test_hidden_layers_that_are_not_there_have_no_bars():
    figure = labs.neuron_bars.figure(hidden=2)
    assert [len(bars.x) for bars in figure.data[:4]] == [6, 6, 0, 0]
    assert [head.partition("<br>")[0] for head in figure.data[-1].text] == ["layer 1", "layer 2"]


def test_the_bell_of_theory_has_the_height_and_place_of_the_networks():
    data, figure = labs.spread.data(depth=50, width=32), labs.spread.figure(depth=50, width=32)
    networks, bell, _ = figure.data
    assert max(bell.y) == pytest.approx(1, abs=0.1)
    assert bell.x[np.argmax(bell.y)] == pytest.approx(np.exp(data["theory"][0]))
    assert len(networks.x) == len(networks.y) == 30
    assert figure.layout.shapes[0].x0 == data["median"]
    assert len(labs.spread.figure(activation="tanh").data[1].x) == 0


def test_the_spread_takes_its_colour_from_the_norm_and_not_from_its_square():
    for depth, width, verdict in [(20, 16, "healthy"), (50, 24, "healthy"), (50, 8, "vanishing")]:
        median = labs.spread.data(depth=depth, width=width)["median"]
        assert (np.sqrt(median) < 0.01) == (verdict == "vanishing")
        colour = labs.spread.figure(depth=depth, width=width).data[0].line.color
        assert colour == COLOURS[verdict]
    assert labs.spread.data(depth=50, width=24)["median"] < 0.01
