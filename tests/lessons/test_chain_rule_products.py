"""Lesson 02: what it measures, draws and says, against autograd, theory and its own prose."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vgx import theory
from vgx.datasets import digits
from vgx.lessons.chain_rule_products import draw, labs, measure

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
        a.text.split(": ")[-1] for a in draw.gradient_norm_by_layer(data, state).layout.annotations
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
