"""Lesson 05, branch-scale: six ways to scale a branch, against closed forms, torch's autograd and theory."""

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from vgx import Network, activations, theory
from vgx.lessons.resnet_skips import draw, draw_branch, measure, measure_branch
from vgx.verdict import Verdict

branch = functools.cache(measure.branch_scale)
every_way = pytest.mark.parametrize("way", measure_branch.WAYS)


def test_variance_doubles_without_and_grows_linearly_with_a_normalized_branch():
    """Depth 50, width 256, 20 draws: a doubling a block within 3 %, and 1 + l within 5 % after every block."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 256)) / math.sqrt(2)  # He weights then start the stream with variance 1
    net = Network.sample(depth=51, width=256, n_nets=20, activation="relu", initializer="he_normal", skip=1.0,
                         dtype=np.float32, rng=rng)  # fmt: skip
    q = [np.mean(z**2) for z in net.forward(x).pre_activations]
    assert np.log2(q[50] / q[0]) / 50 == pytest.approx(1, rel=0.03)
    q = [np.mean(z**2) for z in replace(net, norm="batch").forward(x).pre_activations]
    np.testing.assert_allclose(q, 1 + np.arange(51), rtol=0.05)


PREDICTED = {  # after l of L blocks of ReLU or identity
    "plain_sum": lambda passed, L: 2.0**passed,
    "sum_/√2": lambda passed, L: np.ones_like(passed),
    "branch_/√L": lambda passed, L: (1 + 1 / L) ** passed,
    "branch_/L": lambda passed, L: (1 + 1 / L**2) ** passed,
    "branch_0": lambda passed, L: np.ones_like(passed),
}


@pytest.mark.parametrize("way", PREDICTED)
@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_theory_is_the_closed_form(way, activation):
    data, passed = measure_branch.predicted(way, 40, activation), np.arange(41.0)
    np.testing.assert_allclose(data["variance_theory"], PREDICTED[way](passed, 40), rtol=1e-9)
    np.testing.assert_allclose(data["gradient_theory"], PREDICTED[way](40 - passed, 40), rtol=1e-9)


def test_theory_of_the_normalized_branch():
    for activation in activations:
        data = measure_branch.predicted("normalized_branch", 40, activation)
        np.testing.assert_allclose(data["variance_theory"], 1 + np.arange(41.0))
    identity = measure_branch.predicted("normalized_branch", 40, "identity")["gradient_theory"]
    np.testing.assert_allclose(identity, 41 / np.arange(1, 42))  # the factors 1 + 1/l telescope
    over_batch = 1 + np.arange(40) * (1 - 1 / math.pi)  # ReLU's mean is 1/√π of its root mean square
    relu = measure_branch.predicted("normalized_branch", 40, "relu")["gradient_theory"]
    assert relu[0] == pytest.approx(np.prod(1 + 1 / over_batch), rel=1e-9)


@every_way
@pytest.mark.parametrize("activation", ["relu", "identity", "tanh", "gelu"])
def test_networks_follow_theory(way, activation):
    data = branch(way, 10, activation, n_nets=8)
    np.testing.assert_allclose(data["mean_variance"], data["variance_theory"], rtol=0.2)
    np.testing.assert_allclose(data["gradient"][1], data["gradient_theory"], rtol=0.25)


def test_a_normalized_branch_comes_close_to_theory_in_large_batches():
    """At width 128 and a batch of 64 the lab's squared gradient lies 16 % above; with both larger, less than 6 %."""
    data = branch("normalized_branch", 20, "relu", width=256, n_nets=4, n_inputs=256)
    np.testing.assert_allclose(data["gradient"][1], data["gradient_theory"], rtol=0.06)


@every_way
def test_the_gradient_is_that_of_autograd(way):
    skip, strength = measure_branch.WAYS[way](5)
    net, x, readout = measure_branch._draw(32, 1, 16, 0)
    gain = math.sqrt(2)
    weights = [gain / math.sqrt(32) * torch.tensor(unit[0]).double() for unit in net.unit_weights[:6]]

    def phi(z):
        if way == measure_branch.NORMALIZED:
            z = torch.nn.functional.batch_norm(z, None, None, training=True, eps=1e-5)
        return torch.relu(z)

    z = [(torch.tensor(x).double() / gain @ weights[0]).requires_grad_()]
    for W in weights[1:]:
        z.append(skip * z[-1] + strength * (phi(z[-1]) @ W))
    grads = torch.autograd.grad((phi(z[-1]) * torch.tensor(readout)).sum(), z)
    squares = np.array([grad.square().sum().item() for grad in grads])
    data = branch(way, 5, "relu", width=32, n_nets=1, n_inputs=16)
    np.testing.assert_allclose(data["gradient"][1], squares / squares[-1], rtol=1e-3)
    np.testing.assert_allclose(data["variance"][1], [each.square().mean().item() for each in z], rtol=1e-4)


def test_a_branch_of_strength_0_learns_its_strength_first():
    W, beta = torch.randn(8, 8, dtype=torch.float64, requires_grad=True), torch.zeros((), requires_grad=True)
    z = torch.randn(4, 8, dtype=torch.float64)
    (z + beta * (torch.relu(z) @ W)).square().sum().backward()
    assert not W.grad.any()
    assert beta.grad.abs() > 0
    assert "Its weights get no gradient yet: β learns first." in reading("branch_0", 10, "relu")


def test_a_branch_that_ends_in_relu_grows_by_2_to_the_1_54():
    """The branch is never negative, so that stream and branch have means that add: q' = 2q + 2m √(q/π)."""
    a = 1 / math.sqrt(math.pi)
    r = brentq(lambda r: (r + a) ** 2 - r**2 * (2 + 2 * a * r), 0.1, 3)  # mean over rms, where it comes to rest
    predicted = math.log2(2 + 2 * a * r)
    assert predicted == pytest.approx(1.538, abs=0.001)
    rng, growth, weights = np.random.default_rng(0), {}, []
    for end in ("linear", "ReLU"):
        h, q = rng.standard_normal((8, 8, 256)), []
        for _ in range(50):
            W = rng.standard_normal((8, 256, 256)) * math.sqrt(2 / 256)
            weights.append((W, h @ W > 0))
            h = h + (np.maximum(h, 0) @ W if end == "linear" else np.maximum(h @ W, 0))
            q.append(np.mean(h**2))
        growth[end] = np.log2(q[-1] / q[24]) / 25
    assert growth["linear"] == pytest.approx(1, abs=0.05)
    assert growth["ReLU"] == pytest.approx(predicted, abs=0.04)
    dh = rng.standard_normal(h.shape)
    squares = [np.mean(dh**2)]
    for W, is_positive in weights[:49:-1]:
        dh = dh + (dh * is_positive) @ W.swapaxes(-1, -2)
        squares.append(np.mean(dh**2))
    doublings = np.log2(squares)
    assert doublings[5] - doublings[0] == pytest.approx(5, abs=0.3)
    assert (doublings[50] - doublings[25]) / 25 == pytest.approx(predicted, abs=0.06)


def test_identity_plus_jacobian_can_cancel_and_explode():
    """The skip's 1 is added, not kept: eigenvalues of J near -1 cancel it, and a product of fifty blocks does both."""
    J = np.array([[-1.0, 0.5], [0.0, -1.0]])
    assert np.linalg.norm(np.linalg.matrix_power(np.eye(2) + J, 2)) == 0
    rng, ends = np.random.default_rng(0), {}
    for beta in (1.0, 0.3, 1 / math.sqrt(50)):
        product = back = np.eye(256)  # the smallest stretch is the inverse's largest: 46 powers of ten below the other
        for _ in range(50):
            W, is_awake = rng.standard_normal((256, 256)) * math.sqrt(2 / 256), rng.random((256, 1)) < 0.5
            block = np.eye(256) + beta * is_awake * W
            product, back = product @ block, np.linalg.inv(block) @ back
        pairs = [(np.linalg.inv(block), block), (back, product)]
        ends[beta] = [(1 / np.linalg.norm(inverse, 2), np.linalg.norm(matrix, 2)) for inverse, matrix in pairs]
    one, fifty = ends[1.0]
    assert one == pytest.approx((0.0145, 2.9), rel=0.02)
    assert np.log10(fifty) == pytest.approx((-38, 8), abs=1)
    one, fifty = ends[0.3]
    assert one == pytest.approx((0.57, 1.5), rel=0.02)
    assert fifty == pytest.approx((0.021, 40), rel=0.05)
    one, fifty = ends[1 / math.sqrt(50)]
    assert one == pytest.approx((0.78, 1.24), abs=0.01)
    assert fifty == pytest.approx((0.22, 4.4), rel=0.05)


def test_gelus_rest_under_the_rescaled_sum_is_not_stable():
    """Variance 1 stays 1 in theory, but a deviation grows by (1 + slope)/2 a block: the draws drift apart."""
    gain = activations["gelu"].gain
    assert theory.variance_map(1.0, activation="gelu", sigma_w=gain) == pytest.approx(1, abs=1e-9)
    slope = theory.variance_slope(1.0, activation="gelu", sigma_w=gain)
    assert (1 + slope) / 2 == pytest.approx(1.07, abs=0.01)
    assert theory.variance_slope(1.0, activation="tanh", sigma_w=activations["tanh"].gain) < 1


def test_what_is_to_be_seen_in_the_lab():
    """The states that the lesson names."""
    seen = {way: branch(way, 50, "relu") for way in measure_branch.WAYS}
    verdicts = {way: draw_branch.branch_verdict(data) for way, data in seen.items()}
    assert verdicts == dict.fromkeys(measure_branch.WAYS, Verdict.HEALTHY) | {"plain_sum": Verdict.EXPLODING}
    for way, variance, gradient in (("branch_/√L", 2.7, 2.75), ("branch_/L", 1.02, 1.02), ("branch_0", 1, 1),
                                    ("normalized_branch", 51.2, 178)):  # fmt: skip
        assert seen[way]["variance"][1, -1] == pytest.approx(variance, rel=0.01)
        assert seen[way]["gradient"][1, 0] == pytest.approx(gradient, rel=0.01)
    assert branch("sum_/√2", 50, "tanh")["gradient"][1, 0] == pytest.approx(85, rel=0.02)
    assert branch("plain_sum", 50, "tanh")["variance"][1, -1] == pytest.approx(109, rel=0.02)


def reading(way, blocks, activation):
    return draw.branch_reading(branch(way, blocks, activation), {"way": way, "activation": activation})


def test_the_figure_shows_what_was_measured():
    data = branch("branch_/√L", 10, "relu")
    figure = draw.branch_scale(data, {"way": "branch_/√L", "blocks": 10, "activation": "relu"})
    traces = {trace.name: trace for trace in figure.data}
    passed = traces["variance, median"].x
    assert (passed[0], passed[-1], len(figure.data)) == (0, 10, 7)
    np.testing.assert_array_equal(traces["variance, median"].y, data["variance"][1, passed])
    np.testing.assert_array_equal(traces["gradient, theory"].y, data["gradient_theory"][passed])
    assert figure.layout.title.text.startswith("One block: z + F(z)/√L<br>")
    upper, lower = figure.data[-1].text
    assert upper.startswith("after 10 blocks: ")
    assert "at the stream’s start: " in lower
    found = reading("branch_/√L", 10, "relu")
    assert found.startswith("10 blocks of z + F(z)/√L, relu: the variance of the stream goes from 1 to ")
    assert found.endswith("(theory: 2.59): healthy.")


def test_blocks_at_once_are_each_alone():
    many = measure.branch_scale("branch_/√L", (3, 6), "relu", n_nets=2)
    for k, blocks in enumerate((3, 6)):
        for name, values in measure.branch_scale("branch_/√L", blocks, "relu", n_nets=2).items():
            np.testing.assert_allclose(many[name][k], values, rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("plain", 5, "relu"), "unknown way 'plain'"),
        (("plain_sum", 51, "relu"), "blocks must be at most 50, got 51"),
        (("plain_sum", 0, "relu"), "blocks must be a whole number >= 1"),
        (("plain_sum", 5, "rleu"), "unknown activation 'rleu'"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.branch_scale(*given)
