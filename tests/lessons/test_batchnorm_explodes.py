"""Lesson 07, batchnorm-explodes: the gradient under batch normalization, against autograd, scipy and theory."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from vgx.lessons.batchnorm import draw, draw_batchnorm_explodes, measure, measure_batchnorm_explodes
from vgx.network import Network, norm_per_input
from vgx.normalization import normalizations
from vgx.verdict import Verdict

explodes = functools.cache(measure.batchnorm_explodes)
factors = functools.cache(measure.squared_gradient_factors)
LIMIT = np.pi / (np.pi - 1)


def squared_factor(activation, batch=np.inf):
    slope, variance = measure.layer_law(activation, batch)
    return slope / variance


def by_torch(module):
    def slope(z):
        z = torch.tensor(z, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(module(z), z)[0].item()

    def value(z):
        return module(torch.tensor(z, dtype=torch.float64)).item()

    return value, slope


MODULES = {"relu": torch.nn.ReLU(), "tanh": torch.nn.Tanh(), "gelu": torch.nn.GELU(), "sigmoid": torch.nn.Sigmoid()}


@pytest.mark.parametrize(
    ("activation", "expected"), [("relu", LIMIT), ("tanh", 1.18), ("gelu", 1.32), ("sigmoid", 1.03), ("identity", 1.0)]
)
def test_law_of_a_large_batch(activation, expected):
    """E[φ'²] / Var φ, by scipy's quadrature over torch's functions."""
    assert squared_factor(activation) == pytest.approx(expected, rel=1e-9 if activation == "relu" else 6e-3)
    if activation == "identity":
        return
    value, slope = by_torch(MODULES[activation])

    def mean(g):
        halves = [integrate.quad(lambda z: g(z) * stats.norm.pdf(z), *ends, epsabs=1e-8)[0]
                  for ends in ((-9, 0), (0, 9))]  # fmt: skip
        return sum(halves)

    variance = mean(lambda z: value(z) ** 2) - mean(value) ** 2
    assert squared_factor(activation) == pytest.approx(mean(lambda z: slope(z) ** 2) / variance, rel=1e-5)


@pytest.mark.parametrize("batch", [4, 5, 8, 64, 256])
def test_law_of_a_small_batch_in_closed_form(batch):
    """For the identity (B-2)/(B-3), as in Yang et al.; for ReLU by the arc-cosine kernels at correlation -1/(B-1)."""
    assert squared_factor("identity", batch) == pytest.approx((batch - 2) / (batch - 3), rel=1e-6)
    c = -1 / (batch - 1)
    both_on = (np.pi - np.arccos(c)) / (2 * np.pi)
    product = (np.sqrt(1 - c**2) + c * (np.pi - np.arccos(c))) / (2 * np.pi)
    slope = ((batch - 1) / 2 + both_on - 0.5 + product) / (batch - 3)
    assert squared_factor("relu", batch) == pytest.approx(slope / (0.5 - product), rel=5e-4)


@pytest.mark.parametrize(("activation", "batch"), [("tanh", 6), ("gelu", 8), ("sigmoid", 12)])
def test_law_of_a_small_batch_by_drawing_one_layer(activation, batch):
    """One layer at infinite width: centred Gaussian rows through torch's BatchNorm, and a random gradient back."""
    generator, n = torch.Generator().manual_seed(0), 200_000

    def centred():
        rows = torch.randn(batch, n, generator=generator, dtype=torch.float64)
        return rows - rows.mean(0)

    z = centred().requires_grad_()
    h = MODULES[activation](torch.nn.functional.batch_norm(z, None, None, training=True, eps=1e-12))
    dh = centred()
    dz = torch.autograd.grad(h, z, dh)[0]
    a, b = h[0].detach(), h[1].detach()
    slope = (dz.square().sum() / dh.square().sum()).item()  # z has variance 1 in each of the B - 1 directions
    assert measure.layer_law(activation, batch)[0] == pytest.approx(slope, rel=0.02)
    assert measure.layer_law(activation, batch)[1] == pytest.approx((a * (a - b)).mean().item(), rel=0.02)


def test_bar_the_squared_factor_of_relu():
    """Width 512, batch 256, interior layers: within 2 % of π/(π-1) for each of 8 networks; the norm's is its root."""
    found = factors("relu")
    assert found.shape == (8,)
    np.testing.assert_allclose(found, LIMIT, rtol=0.02)
    assert found.mean() == pytest.approx(LIMIT, rel=0.01)
    assert np.sqrt(found).mean() == pytest.approx(1.211, abs=0.01)


@pytest.mark.parametrize("activation", ["identity", "tanh", "gelu", "sigmoid"])
def test_bar_the_squared_factors_of_other_activations(activation):
    found = factors(activation, n_nets=2)
    assert found.mean() == pytest.approx(squared_factor(activation), rel=0.02)


@pytest.mark.parametrize(("batch", "tolerance"), [(4, 0.12), (8, 0.03), (16, 0.02)])
def test_bar_the_growth_for_small_batches(batch, tolerance):
    """At batch 4 the rare units whose four values nearly agree carry the mean: a network of 512 has too few of them."""
    found = factors("relu", batch=batch, depth=20)
    assert found.mean() == pytest.approx(squared_factor("relu", batch), rel=tolerance)
    assert found.mean() > LIMIT * 1.05


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_without_centring_over_the_batch_relu_has_factor_1(norm):
    found = factors("relu", norm=norm, batch=64)
    assert found.mean() == pytest.approx(1, abs=4 * found.std(ddof=1) / np.sqrt(8))
    assert found.mean() == pytest.approx(1, abs=0.03)


def test_a_batch_of_two_is_a_sign_function():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((2, 1000))
    y, _ = normalizations["batch"].forward(z, eps=1e-12)
    np.testing.assert_allclose(y[0], np.sign(z[0] - z[1]), rtol=1e-6, atol=1e-4)
    dy, half = rng.standard_normal((2, 1000)), (z[0] - z[1]) / 2
    for eps in (1e-5, 1e-6):
        dz = normalizations["batch"].backward(dy, normalizations["batch"].forward(z, eps=eps)[1])[0]
        expected = (dy[0] - dy[1]) / 2 * eps / (half**2 + eps) ** 1.5
        np.testing.assert_allclose(dz[0], expected, rtol=1e-6, atol=1e-9)
    assert explodes(10, 2, "relu", "plain")["counts"].max() == pytest.approx(0.5, abs=0.01)


def test_in_a_batch_of_two_rare_units_carry_the_gradient():
    """Those whose two values differ by less than √ε: proportional to ε only where a layer has none of them."""
    factors = []
    for eps in (1e-5, 1e-7, 1e-9, 1e-10):
        rng = np.random.default_rng(0)
        net = Network.sample(depth=20, width=128, activation="relu", initializer="he_normal", norm="batch",
                             norm_eps=eps, n_nets=8, rng=rng)  # fmt: skip
        x, readout = rng.standard_normal((2, 2, 128))
        dz = np.stack([norm_per_input(each) for each in net.backward(net.forward(x), readout).pre_activations])
        factors.append(np.median(dz[2:-3] / dz[3:-2]))
    assert factors[0] == pytest.approx(2.1, rel=0.1)
    assert factors[1] == pytest.approx(0.03, rel=0.3)
    assert factors[2] == pytest.approx(10 * factors[3], rel=0.1)


@pytest.mark.parametrize(("activation", "tolerance"), [("tanh", 0.01), ("gelu", 0.002), ("sigmoid", 0.001)])
def test_the_factor_is_the_mean_degree_in_hermite_polynomials(activation, tolerance):
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    values, weights = MODULES[activation](torch.tensor(z)).numpy(), weights / weights.sum()
    degrees = np.arange(1, 9)
    squares = [((weights * values) @ np.polynomial.hermite_e.hermeval(z, np.eye(9)[k])) ** 2 / math.factorial(k)
               for k in degrees]  # fmt: skip
    assert squared_factor(activation) == pytest.approx((degrees @ squares) / np.sum(squares), rel=tolerance)


def test_the_lab_is_what_autograd_finds():
    unit_weights, _, x, readout = measure_batchnorm_explodes._draw(8, 0)
    norms, gain = [], 2**0.5
    for k in range(8):
        z = [(torch.tensor(x[:8]).double() / gain) @ (gain * 128**-0.5 * torch.tensor(unit_weights[0][k]).double())]
        z[0].requires_grad_()
        for unit in unit_weights[1:6]:
            h = torch.relu(torch.nn.functional.batch_norm(z[-1], None, None, training=True, eps=1e-5))
            z.append(z[-1] + h @ (gain * 128**-0.5 * torch.tensor(unit[k]).double()) / 6**0.5)
        h = torch.relu(torch.nn.functional.batch_norm(z[-1], None, None, training=True, eps=1e-5))
        grads = torch.autograd.grad((h * torch.tensor(readout[:8])).sum(), z)
        norms.append([grad.norm().item() / grads[-1].norm().item() for grad in grads])
    data = explodes(6, 8, "relu", "skip,_branch_/√L")
    np.testing.assert_allclose(data["gradient"], np.quantile(norms, [0.05, 0.5, 0.95], axis=0), rtol=1e-3)


@pytest.mark.parametrize("way", ["plain", "skip", "skip,_branch_/√L"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid", "identity"])
def test_the_lab_follows_theory(activation, way):
    """50 layers of width 128: within 2.2 times without skips (a width adds about 1/n a layer), within 10 % with."""
    data = explodes(50, 64, activation, way)
    ratio = data["gradient"][1, 0] / data["theory"][0]
    assert abs(np.log(ratio)) < np.log(2.2 if way == "plain" else 1.1)


def test_theory_is_the_closed_form():
    """Plain: π/(π-1) a layer, but the first has variance 1, not 1 - 1/π; skips: ∏ (1 + 1/v), v = 1 + l (1 - 1/π)."""
    passed = np.arange(1, 50)[::-1]
    expected = LIMIT**passed
    expected[0] = LIMIT**48  # from layer 2 to 1: slope 1 over variance 1
    data = explodes(50, 8, "relu", "plain")
    np.testing.assert_allclose(data["large_batch"] ** 2, [*expected, 1.0], rtol=1e-9)
    v = 1 + np.arange(49) * (1 - 1 / np.pi)
    skip = explodes(50, 8, "relu", "skip")["large_batch"][0]
    assert skip**2 == pytest.approx(np.prod(1 + 1 / v), rel=1e-9)


def test_what_is_to_be_seen_in_the_lab():
    ratios = {way: explodes(50, 64, "relu", way)["gradient"][1, 0] for way in measure_batchnorm_explodes.WAYS}
    assert [f"{ratio:.2g}" for ratio in ratios.values()] == SEEN
    assert draw.exponent_of_explosion(explodes(50, 64, "relu", "plain"), {}) == pytest.approx(4.1, abs=0.1)
    verdicts = [draw_batchnorm_explodes.explosion_verdict(explodes(50, 64, "relu", way)) for way in ratios]
    assert verdicts == [Verdict.EXPLODING, Verdict.HEALTHY, Verdict.HEALTHY]


SEEN = ["1.4e+04", "13", "1.5"]


def state(depth, batch, activation, way):
    controls = {"depth": depth, "batch": batch, "activation": activation, "way": way}
    data = explodes(**controls)
    return data, controls, draw.batchnorm_explodes(data, controls)


def test_the_figure_shows_what_was_measured():
    data, controls, figure = state(25, 8, "gelu", "plain")
    traces = {trace.name: trace for trace in figure.data}
    layers = traces["median"].x
    assert (layers[0], layers[-1]) == (1, 25)
    np.testing.assert_array_equal(traces["median"].y, data["gradient"][1, layers - 1])
    np.testing.assert_array_equal(traces["theory"].y, data["theory"][layers - 1])
    np.testing.assert_array_equal(traces["theory, infinite batch"].y, data["large_batch"][layers - 1])
    np.testing.assert_array_equal(traces["normalized values"].y, data["counts"])
    assert "<b>exploding</b>" in traces["labels"].text[0]
    assert "25 layers of gelu with BatchNorm, no skips, batch of 8" in draw.explosion_reading(data, controls)
    other = state(50, 2, "relu", "skip")[2]
    assert [axis.range for axis in (figure.layout.yaxis, other.layout.yaxis)] == [(-3, 15)] * 2


@pytest.mark.parametrize(("batch", "words"), [(2, "the sign only"), (3, "no bound"), (4, "for an infinite batch")])
def test_the_reading_says_what_a_small_batch_does(batch, words):
    data, controls, figure = state(10, batch, "relu", "plain")
    assert words in draw.explosion_reading(data, controls)
    assert len(figure.data) == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((51, 8, "relu", "plain"), "depth must be at most 50, got 51"),
        ((10, 1, "relu", "plain"), "batch must be a whole number >= 2"),
        ((10, 65, "relu", "plain"), "batch must be at most 64, got 65"),
        ((10, 8, "rleu", "plain"), "unknown activation 'rleu'"),
        ((10, 8, "relu", "skp"), "unknown way 'skp'"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.batchnorm_explodes(*given)


def test_there_is_no_law_below_a_batch_of_four():
    with pytest.raises(ValueError, match="batch must be at least 4, got 3"):
        measure.layer_law("relu", 3)
