"""Lesson 05, paths: against autograd, all 2^L paths written out, and the binomial law."""

import itertools
import re
from functools import lru_cache

import numpy as np
import pytest
import torch
from scipy.stats import binom

from vgx import Network
from vgx.lessons.resnet_skips import draw, labs, measure, measure_paths

TORCH = {"relu": torch.relu, "identity": lambda z: z, "tanh": torch.tanh}


def drawn(depth, branch, activation, *, width=12, n_nets=None, seed=0):
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=depth + 1, width=width, activation=activation, skip=1.0, branch=branch, n_nets=n_nets,
                         initializer=measure_paths.INITIALIZERS[activation], rng=rng)  # fmt: skip
    return net, rng.standard_normal((4, width)), rng.standard_normal((1, width))


@lru_cache
def measured(depth, branch, activation):
    return measure.paths(depth, branch, activation)


def mean(shares):
    return shares @ np.arange(len(shares)) / shares.sum()


# ---------------------------------------------------------------- the expansion


@pytest.mark.parametrize("activation", ["relu", "identity", "tanh"])
@pytest.mark.parametrize(("depth", "branch"), [(1, 1.0), (7, 0.3), (20, 1.0), (12, 2.5)])
def test_all_lengths_add_up_to_autograds_gradient(activation, depth, branch):
    net, x, readout = drawn(depth, branch, activation)
    weights = [torch.tensor(W) for W in net.weights]
    first = (torch.tensor(x) @ weights[0]).requires_grad_()
    z = first
    for W in weights[1:]:
        z = z + branch * TORCH[activation](z) @ W
    expected = torch.autograd.grad((TORCH[activation](z) * torch.tensor(readout)).sum(), first)[0].numpy()
    whole = measure.gradient_by_length(net, x, readout).sum(axis=0)
    np.testing.assert_allclose(whole, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


def test_all_lengths_add_up_to_the_networks_own_gradient_for_an_ensemble():
    net, x, readout = drawn(9, 0.7, "tanh", n_nets=3)
    trace = net.forward(x)
    expected = net.backward(trace, np.broadcast_to(readout, trace.activations[-1].shape)).pre_activations[0]
    whole = measure.gradient_by_length(net, x, readout).sum(axis=0)
    np.testing.assert_allclose(whole, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_each_length_is_the_sum_of_its_paths_written_out(activation):
    depth, branch = 6, 0.8
    net, x, readout = drawn(depth, branch, activation)
    zs, slope = net.forward(x).pre_activations, net.activation.derivative
    by_length = measure.gradient_by_length(net, x, readout)
    expected = np.zeros_like(by_length)
    for path in itertools.product([0, 1], repeat=depth):  # 2^6 paths, one block after the other
        gradient = slope(zs[-1]) * readout
        for block in reversed(range(depth)):
            if path[block]:
                gradient = slope(zs[block]) * (branch * gradient @ net.weights[block + 1].T)
        expected[sum(path)] += gradient
    np.testing.assert_allclose(by_length, expected, rtol=1e-10, atol=1e-12)


def test_without_branches_only_the_path_of_skips_is_left():
    data = measure.paths(5, 0.0, "relu", n_nets=2)
    np.testing.assert_array_equal(data["median"], [1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(data["whole"], 1)


# ---------------------------------------------------------------- the law


@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("branch", [0.1, 1.0, 2.0])
def test_the_law_of_branches_that_preserve_variance_is_binomial(activation, branch):
    expected = binom.pmf(np.arange(31), 30, branch**2 / (1 + branch**2))
    np.testing.assert_allclose(measure.length_law(30, branch, activation), expected, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(measure.paths(30, branch, activation, n_nets=1)["binomial"], expected, atol=1e-15)


@pytest.mark.parametrize("activation", ["relu", "identity", "tanh"])
@pytest.mark.parametrize("branch", [0.1, 0.3, 1.0, 2.0])
def test_measured_shares_follow_the_law(activation, branch):
    data = measured(20, branch, activation)
    law = data["law"]
    assert np.abs(data["median"] - law).sum() / 2 < 0.05  # of all that is shared out; identity at β = 2: 0.04
    assert mean(data["median"]) == pytest.approx(mean(law), rel=0.04)
    large = law > 0.01
    assert np.all(data["low"][large] < law[large])
    assert np.all(law[large] < data["high"][large])


def test_lengths_near_half_carry_the_gradient_at_beta_1_and_short_ones_only_at_small_beta():
    full, weak = measured(50, 1.0, "relu"), measured(50, 0.1, "relu")
    assert mean(full["median"]) == pytest.approx(25, abs=0.3)
    assert full["median"][:12].sum() < 2e-4  # shorter than a quarter of the depth
    assert full["median"][18:33].sum() > 0.95
    assert mean(weak["median"]) == pytest.approx(50 / 101, abs=0.02)
    assert weak["median"][:3].sum() > 0.98


def test_tanh_takes_a_third_of_the_binomials_branches():
    data = measured(30, 1.0, "tanh")
    assert mean(data["median"]) == pytest.approx(5.0, abs=0.2)
    assert mean(data["binomial"]) == pytest.approx(15)


# ---------------------------------------------------------------- cross terms


def test_cross_terms_and_squares_add_up_to_the_whole():
    net, x, readout = drawn(8, 1.0, "relu", width=measure_paths.WIDTH)
    by_length = measure.gradient_by_length(net, x, readout)
    whole, squares = by_length.sum(axis=0), np.sum(by_length**2)
    cross = sum(np.sum(a * b) for a, b in itertools.permutations(by_length, 2))
    assert np.sum(whole**2) == pytest.approx(squares + cross, rel=1e-12)
    rng = np.random.default_rng(0)  # as paths draws its only network
    alone = measure.paths(8, 1.0, "relu", n_nets=1)
    net = Network.sample(depth=9, width=measure_paths.WIDTH, activation="relu", initializer="he_normal", skip=1.0,
                         n_nets=1, rng=rng)  # fmt: skip
    x = rng.standard_normal((1, measure_paths.BATCH, measure_paths.WIDTH))
    by_length = measure.gradient_by_length(net, x, rng.standard_normal((1, 1, measure_paths.WIDTH)))
    cross = [np.sum(by_length[k] * (by_length.sum(axis=0) - by_length[k])) for k in range(9)] / np.sum(by_length**2)
    np.testing.assert_allclose(alone["cross"], cross, atol=1e-12)
    assert alone["whole"][1] == pytest.approx(1 + cross.sum())


def test_cross_terms_vanish_on_average_and_not_in_one_network():
    data = measured(50, 1.0, "relu")
    low, median, high = data["whole"]
    assert low < 0.5
    assert high > 1.5
    assert 0.7 < median < 1.3
    assert np.abs(data["cross"]).max() < 0.03
    assert data["cross_high"].max() > 0.1


# ---------------------------------------------------------------- arguments, figure, sentence


def test_wrong_arguments_say_what_is_allowed():
    with pytest.raises(ValueError, match="unknown activation 'gelu'"):
        measure.paths(5, 1.0, "gelu")
    with pytest.raises(ValueError, match="branch must be"):
        measure.paths(5, -1.0, "relu")
    with pytest.raises(ValueError, match="depth must be"):
        measure.paths(0, 1.0, "relu")


@pytest.mark.parametrize("state", [(50, 1.0, "relu"), (5, 0.1, "identity"), (20, 2.0, "identity"), (20, 0.3, "tanh")])
def test_the_figure_shows_the_shares_and_the_sentence_their_mean(state):
    controls = dict(zip(("depth", "branch", "activation"), state, strict=True))
    data = measured(*state)
    traces = {trace["name"]: trace for trace in draw.paths(data, controls).data}
    assert len(traces) <= 8
    shown = traces["share"]["x"]
    np.testing.assert_array_equal(traces["share"]["y"], data["median"][shown])
    np.testing.assert_array_equal(traces["theory"]["y"], data["law"][shown])
    np.testing.assert_array_equal(traces["cross terms"]["y"], data["cross"][shown])
    left = np.delete(data["median"], shown)
    assert left.size == 0 or left.max() < 1e-4  # nothing that the axis would show is left out
    text = draw.paths_reading(data, controls)
    assert float(re.search(r"passes ([\d.]+) branches", text)[1]) == pytest.approx(mean(data["median"]), rel=5e-3)
    assert f"theory {mean(data['law']):.3g}" in text
    assert ("binomial" in text) == (state[2] == "tanh")


def test_axes_are_the_same_in_all_states():
    axes = set()
    for state in [(5, 0.1, "identity"), (30, 1.0, "tanh")]:
        layout = draw.paths(measured(*state), dict(zip(("depth", "branch", "activation"), state, strict=True))).layout
        axes.add((layout.xaxis.range, layout.yaxis.range, layout.yaxis2.range))
    assert len(axes) == 1


def test_the_answer_to_the_labs_question_is_half_the_depth():
    lab = labs.paths
    data = measured(**lab.predict.at)
    assert draw.mean_length(data, lab.predict.at) == pytest.approx(25, abs=0.3)
