"""Lesson 04: units off for a digit and dead for all of them, against torch autograd, closed forms and the recording."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from vgx import Network, activations
from vgx.datasets import digits
from vgx.lessons.relu_and_dead_relu import draw_dead_units, labs, measure, measure_dead_units
from vgx.lessons.relu_and_dead_relu.record import RECORDINGS

AXES = measure_dead_units.DEAD_UNIT_AXES
TORCH = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
}


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("dead-units")


def biased(depth, bias, activation, scale=1.0, seed=(0, 0)):
    return measure.biased_network(depth, scale, bias, activation, rng=np.random.default_rng(seed))


def test_a_small_part_of_the_recording_is_computed_again():
    part = {"depth": [5], "scale": [1.0], "bias": [-1.0, 0.1], "activation": ["relu", "silu"]}
    assert RECORDINGS.differences("dead-units", part, rtol=0, atol=5e-3) == []


# ---------------------------------------------------------------- what off and dead mean


@pytest.mark.parametrize("activation", AXES["activation"])
def test_a_unit_is_off_where_torchs_slope_is_below_a_hundredth(activation):
    net, x = biased(4, -0.5, activation, scale=2.0), digits().x[:300]
    found, trace = measure.is_off(net, x), net.forward(x)
    for mask, z in zip(found, trace.pre_activations, strict=True):
        z = torch.tensor(z).double().requires_grad_()
        (slope,) = torch.autograd.grad(TORCH[activation](z).sum(), z)
        below = slope.abs().numpy() < (0.00999 if activation == "leaky_relu" else 0.01)
        assert np.mean(mask != below) < 1e-4  # at the threshold float32 may round to the other side
    assert np.mean(found[-1]) > 0.05 or activation == "leaky_relu"


def test_a_dead_relu_gets_no_gradient_from_any_digit_and_the_others_do():
    net, x = biased(6, -0.1, "relu", scale=0.7), digits().x
    h, pre = torch.tensor(x), []
    weights = [torch.tensor(w).double().requires_grad_() for w in net.weights]
    for w, b in zip(weights, net.biases, strict=True):
        pre.append(h @ w + torch.tensor(b).double())
        h = torch.relu(pre[-1])
    out = h * torch.tensor(np.random.default_rng(0).normal(size=h.shape))
    dead = [mask.all(axis=0) for mask in measure.is_off(net, x)]
    assert 0 < dead[4].mean() < 1
    for w, gone in zip(torch.autograd.grad(out.sum(), weights), dead, strict=True):
        assert not w[:, gone].any()
    last = torch.autograd.grad(torch.relu(weights[-1].T @ pre[-2].detach().relu().T).sum(), weights[-1])[0]
    assert last.abs().sum() > 0
    assert all((w[:, gone] != 0).all() for w, gone in zip(weights, dead, strict=True))  # no gradient, but weights


def test_shares_count_the_masks():
    shares = measure.dead_units(3, 0.5, -0.1, "relu", n_draws=1)
    masks = measure.is_off(biased(3, -0.1, "relu", scale=0.5), digits().x)
    for layer, mask in enumerate(masks):
        assert shares["dead"][layer] == pytest.approx(np.mean([mask[:, j].all() for j in range(64)]), abs=1e-3)
        assert shares["off"][layer] == pytest.approx(mask.sum() / mask.size, abs=1e-3)
    assert shares["network"] == pytest.approx(np.mean([mask.all(axis=0) for mask in masks]), abs=1e-3)


# ---------------------------------------------------------------- what theory says


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (0.5, -0.1), (1.0, -1.0), (2.0, 1.0), (0.25, 0.1)])
def test_the_first_layers_pairs_are_the_normal_distributions(recorded, scale, bias):
    """z ~ N(bias, 2 scale² |x|²/64) for a digit x."""
    sd = scale * np.sqrt(2 * np.sum(digits().x ** 2, axis=1) / 64)
    found = recorded(depth=5, scale=scale, bias=bias, activation="relu")["off"][0]
    assert found == pytest.approx(stats.norm.cdf(-bias / sd).mean(), abs=0.02)


def test_without_biases_no_scale_kills_a_relu(recorded):
    states = [recorded(depth=30, scale=scale, bias=0.0, activation="relu") for scale in AXES["scale"]]
    for state in states:
        for name, column in state.items():
            np.testing.assert_allclose(column, states[0][name], atol=0.01)
    assert np.abs(states[0]["off"] - 0.5).max() < 0.03


def test_random_biases_leave_half_of_the_pairs_off():
    x, rng = digits().x[::10].astype(np.float32), np.random.default_rng(0)
    for bias_std in (0.1, 10.0):
        net = Network.sample(depth=3, width=64, activation="relu", initializer="he_normal", bias_std=bias_std,
                             n_nets=50, dtype=np.float32, rng=rng)  # fmt: skip
        np.testing.assert_allclose([mask.mean() for mask in measure.is_off(net, x)], 0.5, atol=0.03)


def test_leaky_relu_has_no_dead_unit(recorded):
    for scale in AXES["scale"]:
        for bias in AXES["bias"]:
            state = recorded(depth=30, scale=scale, bias=bias, activation="leaky_relu")
            assert not any(np.any(column) for column in state.values())


def test_no_more_units_are_dead_than_pairs_are_off(recorded):
    for state in recorded.states():
        data = recorded(**state)
        assert (data["low"] <= data["dead"]).all()
        assert (data["dead"] <= data["high"]).all()
        assert (data["dead"] <= data["off"] + 0.04).all()  # in each draw; here both are medians


def test_a_deeper_network_begins_as_the_shallower_one(recorded):
    for activation in ("relu", "gelu"):
        at = {"scale": 1.0, "bias": -0.1, "activation": activation}
        shallow, deep = (recorded(depth=depth, **at) for depth in (5, 30))
        for name in ("dead", "low", "high", "off"):
            np.testing.assert_array_equal(shallow[name], deep[name][:5])


def test_a_network_with_one_bias_is_the_network():
    net = biased(3, -0.3, "relu")
    assert {float(b) for layer in net.biases for b in layer} == {float(np.float32(-0.3))}
    same = replace(net, bias_std=0.0)
    for ours, theirs in zip(net.weights, same.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert activations["relu"] is net.activation


# ---------------------------------------------------------------- after training


def test_what_is_dead_before_training_is_the_labs_measure():
    before = measure.revival(6, 0.7, -0.1, epochs=0, n_nets=2)["before"]
    for draw in range(2):
        masks = measure.is_off(biased(6, -0.1, "relu", scale=0.7, seed=(0, draw)), digits().x)
        np.testing.assert_array_equal(before[draw], [mask.all(axis=0) for mask in masks])
    assert 0 < before.mean() < 1


def test_dead_units_come_back_where_a_layer_before_them_learns():
    deep, shallow = measure.revival(10, n_nets=2), measure.revival(1, 0.25, -1.0, epochs=2)
    before, after = deep["before"], deep["after"]
    assert np.sum(before & ~after) > 0.5 * before.sum() > 20
    assert (deep["accuracy"] > 0.8).all()
    assert shallow["before"].sum() > 5
    assert not np.any(shallow["before"] & ~shallow["after"])  # nothing before them moves


# ---------------------------------------------------------------- sentences, drawings, errors


def test_the_labels_keep_apart_and_inside():
    for dead, off in ((0.0, 0.0), (1.0, 1.0), (0.5, 0.51), (0.1, 0.9)):
        (_, above, *_), (_, below, *_) = draw_dead_units._ends({"dead": np.array([dead]), "off": np.array([off])})
        assert above - below >= draw_dead_units.APART - 1e-9
        assert below >= -0.01
        assert above <= 1.01


def test_the_axes_stay():
    states = ({"depth": 5}, {"bias": -1, "scale": 0.25}, {"activation": "gelu", "scale": 4})
    layouts = [labs.dead_units.figure(**state).layout for state in states]
    assert {(tuple(each.xaxis.range), tuple(each.yaxis.range)) for each in layouts} == {((0.5, 30.5), (-0.02, 1.02))}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"activation": "leaky_relu"}, "no unit is off for any digit: where z < 0 the slope is 0.01, not 0"),
        ({"bias": -1, "scale": 0.25, "depth": 5}, "In layer 2 no unit lives: no gradient reaches it"),
        ({"bias": 0.1, "scale": 0.25, "depth": 5}, "a unit is off for < 1 % of the digits on average"),
        ({}, "off for 49 % of the digits on average, and 32 % of the units are dead"),
        ({}, "(5 to 95 % of the draws: 20 to 41 %). In the whole network 17 % are dead."),
    ],
)
def test_what_the_sentences_say(state, words):
    assert words in labs.dead_units.reading(**state)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 1.0, 0.0, "relu"), "depth must be a whole number >= 1, got 0"),
        ((31, 1.0, 0.0, "relu"), "depth must be at most 30, got 31"),
        ((5, -1.0, 0.0, "relu"), "scale must be a finite number >= 0, got -1.0"),
        ((5, 1.0, np.inf, "relu"), "bias must be a finite number, got inf"),
        ((5, 1.0, 0.0, "rellu"), "unknown activation 'rellu'; there are: relu"),
    ],
)
def test_networks_that_cannot_be_drawn(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure.dead_units(*arguments)
