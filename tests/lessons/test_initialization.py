"""Lesson 03: the weights of one layer and the signal through fifty, against closed forms, SciPy, torch and theory."""

import math
import re

import numpy as np
import pytest
import torch
from scipy import stats

from tests.lessons.prose import said
from vgx import activations, initializers, theory
from vgx.lessons.initialization import labs, measure, measure_phase, measure_signal, measure_weights

LESSON = "03_initialization"


# ---------------------------------------------------------------- the weights of one layer

weights = measure.weight_distributions


@pytest.mark.parametrize(
    ("distribution", "std"),
    [
        ("normal", 1.0),
        ("uniform", 1 / math.sqrt(3)),
        ("xavier_normal", math.sqrt(2 / (256 + 64))),
        ("xavier_uniform", math.sqrt(2 / (256 + 64))),
        ("he_normal", math.sqrt(2 / 256)),
        ("he_uniform", math.sqrt(2 / 256)),
        ("pytorch_default", math.sqrt(1 / 3 / 256)),
        ("truncated_normal", 1.0),
        ("orthogonal", 1 / 16),
        ("constant", 1.0),
    ],
)
def test_the_standard_deviation_is_the_formulas_and_the_draws(distribution, std):
    data = weights(distribution, 256, 3.0, 1)
    assert data["std"] == pytest.approx(3 * std, rel=1e-12)
    assert data["drawn"] == pytest.approx(data["std"], rel=0.03)
    assert data["sigma_w"] == pytest.approx(3 * std * 16, rel=1e-12)
    assert data["share"].sum() * np.diff(measure_weights.EDGES)[0] == pytest.approx(1, abs=0.001)


def test_pytorchs_default_is_what_its_linear_layer_draws():
    ours = weights("pytorch_default", 256, 1.0, 1)
    layer = torch.nn.Linear(256, 4000)
    assert layer.weight.std().item() == pytest.approx(ours["std"], rel=0.01)
    assert layer.weight.abs().max().item() == pytest.approx(1 / 16, rel=0.001)
    assert ours["largest"] == pytest.approx(1 / 16, rel=0.001)


ORACLES = {
    "normal": stats.norm(),
    "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "truncated_normal": stats.truncnorm(-2, 2, scale=1 / stats.truncnorm(-2, 2).std()),
}


@pytest.mark.parametrize("shape", ORACLES)
def test_a_density_is_scipys(shape):
    np.testing.assert_allclose(
        measure_weights.density(shape, 64), ORACLES[shape].pdf(measure_weights.PLACES), atol=1e-6
    )


def test_the_density_of_an_orthogonal_matrix_is_that_of_a_point_on_a_sphere():
    n = 8
    x = np.linspace(-math.sqrt(n) + 1e-9, math.sqrt(n) - 1e-9, 11)
    expected = stats.beta(0.5, (n - 1) / 2).pdf(x**2 / n) * np.abs(x) / n  # of x, when x²/n is Beta distributed
    found = np.interp(x, measure_weights.PLACES, measure_weights.density("orthogonal", n))
    inside = (np.abs(x) > 0.2) & (np.abs(x) < 2.7)
    np.testing.assert_allclose(found[inside], expected[inside], rtol=0.02)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated_normal", "orthogonal", "he_uniform"])
def test_the_bars_follow_the_density(distribution):
    data = weights(distribution, 784, 1.0, 1)
    edges = measure_weights.EDGES
    fine = np.linspace(edges[:-1] + 1e-9, edges[1:] - 1e-9, 50)
    expected = np.interp(fine, measure_weights.PLACES, data["density"]).mean(axis=0)
    assert np.abs(data["share"] - expected).max() < 0.02


@pytest.mark.parametrize(("fan_in", "fan_out"), [(784, 64), (256, 64), (64, 64), (64, 128)])
def test_singular_values_follow_marchenko_and_pastur(fan_in, fan_out):
    data = weights("normal", fan_in, 1.0, 2, fan_out=fan_out)
    root = math.sqrt(max(fan_in, fan_out))
    edges = root + np.array([1, -1]) * math.sqrt(min(fan_in, fan_out))
    assert data["predicted"][0] < edges[0]
    assert data["predicted"][-1] > edges[1]
    np.testing.assert_allclose(data["singular"], data["predicted"], atol=0.07 * root)
    assert np.mean(data["predicted"] ** 2) == pytest.approx(max(fan_in, fan_out), rel=0.01)


def test_the_law_of_marchenko_and_pastur_has_its_moments():
    for c in (0.1, 0.5, 1.0):
        m = 2000
        squares = measure_weights.singular_values(round(m / c), m) ** 2
        assert squares.mean() == pytest.approx(1, abs=1e-3)
        assert np.mean(squares**2) == pytest.approx(1 + c, rel=2e-3)  # of λ with mean 1


def test_orthogonal_weights_stretch_all_directions_alike_and_equal_ones_a_single_one():
    np.testing.assert_allclose(weights("orthogonal", 256, 3.0, 1)["singular"], 3.0, rtol=1e-12)
    data = weights("constant", 256, 0.5, 1)
    np.testing.assert_allclose(data["singular"][0], 0.5 * math.sqrt(256 * 64), rtol=1e-12)
    np.testing.assert_allclose(data["predicted"][0], data["singular"][0], rtol=1e-12)
    assert data["singular"][1:].max() < 1e-10
    assert not weights("zeros", 256, 1.0, 1)["singular"].any()


def test_a_draw_at_another_scale_is_the_same_draw():
    one, ten, other = (
        weights("he_normal", 64, 1.0, 1),
        weights("he_normal", 64, 10.0, 1),
        weights("he_normal", 64, 1, 2),
    )
    np.testing.assert_array_equal(one["share"], ten["share"])
    np.testing.assert_allclose(10 * one["singular"], ten["singular"])
    assert not np.allclose(one["singular"], other["singular"])


def test_what_the_sentences_of_the_weights_say():
    lab = labs.weight_distributions
    assert "standard deviation 0.0505 " in lab.reading(distribution="he_normal", fan_in=784)
    assert "stretches every direction by 1;" in lab.reading(distribution="orthogonal")
    assert "one direction is stretched by 128" in lab.reading(distribution="constant")
    texts = str([trace.text for trace in lab.figure(distribution="constant").data if trace.mode == "text"])
    assert "every weight is <b>1</b>" in texts
    assert "σ" not in texts
    assert "deviation" not in texts
    assert "every weight is 0. The layer gives 0 for every input" in lab.reading(distribution="zeros")


def test_what_the_lesson_says_of_the_weights():
    assert said(LESSON, "Xavier's bell has a standard deviation of 0.125 and He's of 0.177")
    assert (initializers["xavier_normal"].std(64, 64), round(initializers["he_normal"].std(64, 64), 3)) == (
        0.125,
        0.177,
    )
    assert said(LESSON, "0.177, then 0.0505")
    assert round(initializers["he_normal"].std(784, 64), 4) == 0.0505
    assert said(LESSON, "$\\sigma_w$ climbs from 8 to 28")
    assert [weights("normal", n, 1.0, 1)["sigma_w"] for n in (64, 784)] == [8, 28]
    assert said(LESSON, "1.41 for He, $\\sqrt n$ for N(0, 1), 0.58 for PyTorch's default")
    assert round(weights("pytorch_default", 128, 1.0, 1)["sigma_w"], 2) == 0.58


def test_the_rules_for_the_weights():
    assert said(LESSON, "A box ends at $\\pm1.73$ standard deviations, a truncated bell at $\\pm 2.27$")
    assert (round(math.sqrt(3), 2), round(measure_weights.CUT, 2)) == (1.73, 2.27)
    assert said(LESSON, "| 1 | 0.577 | $\\sqrt{2/(n+64)}$ | $\\sqrt{2/n}$ | $\\sqrt{1/(3n)}$ | $\\sqrt{1/n}$ |")
    names = ("normal", "uniform", "xavier_normal", "he_normal", "pytorch_default", "orthogonal")
    for n in (64, 100, 784):
        rules = (1, 0.577, math.sqrt(2 / (n + 64)), math.sqrt(2 / n), math.sqrt(1 / (3 * n)), math.sqrt(1 / n))
        np.testing.assert_allclose([weights(name, n, 1.0, 1)["std"] for name in names], rules, rtol=1e-3)
    assert said(LESSON, "for 784 between 0.71 and 1.29 $\\sigma_w$")
    for n in (128, 256, 784):
        data = weights("he_normal", n, 1.0, 1)
        ends = math.sqrt(2) * np.array([1 + 8 / math.sqrt(n), 1 - 8 / math.sqrt(n)])
        np.testing.assert_allclose(data["singular"][[0, -1]], ends, atol=0.1)
        assert 3.4 < data["largest"] / data["std"] < 4.6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("he", 256, 1.0, 1), "unknown distribution 'he'; there are: "),
        (("he_normal", 0, 1.0, 1), "fan_in must be a whole number >= 1, got 0"),
        (("he_normal", 64, -1.0, 1), "scale must be a finite number >= 0, got -1.0"),
        (("he_normal", 64, 1.0, 0), "draw must be a whole number >= 1, got 0"),
    ],
)
def test_weights_that_cannot_be_drawn(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        weights(*arguments)


# ---------------------------------------------------------------- the signal through the layers

propagated = measure.signal_propagation


@pytest.mark.parametrize(("activation", "function"), [("tanh", torch.tanh), ("relu", torch.relu)])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_signal_is_torchs(activation, function, precision):
    dtype = getattr(torch, precision)
    rng = np.random.default_rng(0)
    x, layers = rng.normal(size=(4, 32)), rng.normal(size=(6, 32, 32)) / 4
    ours = list(measure.signals(x, layers, activations[activation], measure_signal.PRECISIONS[precision]))
    h = torch.tensor(x).to(dtype)
    for w, (z, signal) in zip(layers, ours, strict=True):
        product = (h.float() @ torch.tensor(w).to(dtype).float()).to(dtype)
        h = function(product.float()).to(dtype)
        np.testing.assert_allclose(z, product.float().numpy(), rtol=2e-3, atol=1e-5)
        np.testing.assert_allclose(signal, h.float().numpy(), rtol=2e-3, atol=1e-5)
        assert np.array_equal(signal, signal.astype(precision).astype(np.float32))  # nothing that the format lacks


@pytest.mark.parametrize(
    ("activation", "scale"),
    [("identity", 1.0), ("relu", 2**0.5), ("relu", 0.8), ("tanh", 1.0), ("tanh", 2.0), ("sigmoid", 1.0), ("gelu", 2.0)],
)
def test_theory_agrees_with_the_median_of_the_draws(activation, scale):
    data = propagated(20, scale, activation, "xavier_normal", "float32", n_nets=16)
    np.testing.assert_allclose(data["median"], data["theory"], rtol=0.15 + 2.5 * 20 / measure_signal.WIDTH)


def test_variances_have_their_closed_forms():
    np.testing.assert_allclose(measure.variances(10, "relu", 1.0), 0.5 ** np.arange(10))
    np.testing.assert_allclose(measure.variances(4, "identity", 3.0, q=2.0), 2 * 9.0 ** np.arange(1, 5))
    z = np.random.default_rng(0).normal(size=4_000_000)
    assert measure.variances(2, "tanh", 1.5)[1] == pytest.approx(2.25 * np.mean(np.tanh(1.5 * z) ** 2), rel=2e-3)


def test_several_depths_at_once_are_one_at_a_time():
    together = propagated([3, 8], 1.25, "tanh", "he_normal", "float16")
    for k, depth in enumerate((3, 8)):
        alone = propagated(depth, 1.25, "tanh", "he_normal", "float16")
        for name in alone:
            np.testing.assert_array_equal(together[name][k], alone[name])


def test_the_heat_map_counts_every_activation_once():
    data = propagated(5, 10.0, "relu", "he_normal", "float32")
    assert data["counts"].shape == (len(measure_signal.BINS) - 1, 5)
    assert data["counts"].max() == measure_signal.LEVELS
    zero = np.flatnonzero((measure_signal.BINS[:-1] < 0) & (measure_signal.BINS[1:] > 0))[0]
    assert (data["counts"][zero] == measure_signal.LEVELS).all()  # half of the ReLUs
    assert (data["counts"][-1, 2:] > 18).all()  # the others are beyond the map
    assert not data["counts"][:zero].any()


def test_shares_of_flat_units_are_the_normal_distributions():
    tanh = propagated(3, 10.0, "tanh", "xavier_normal", "float32")
    beyond = 2 * stats.norm.cdf(-math.atanh(math.sqrt(0.99)) / np.sqrt(tanh["median"]))
    np.testing.assert_allclose(tanh["flat"], beyond, atol=0.03)
    np.testing.assert_allclose(propagated(5, 1.0, "relu", "he_normal", "float32")["flat"], 0.5, atol=0.04)


def test_he_keeps_the_median_of_relu_and_not_each_draw():
    assert said(LESSON, "the line stays between 0.97 and 2.3, at no other stop; single networks part (the band ends at")
    assert said(LESSON, "0.34 to 6.0)")
    data = propagated(50, 1.0, "relu", "he_normal", "float32")
    assert (round(data["median"].min(), 2), round(data["median"].max(), 1)) == (0.97, 2.3)
    assert (round(data["low"][-1], 2), round(data["high"][-1], 1)) == (0.34, 6.0)


def test_the_formats_end_where_they_end():
    over = propagated(50, 2.0, "relu", "he_normal", "float16")
    first = np.flatnonzero(over["overflowed"])[0]
    assert first + 1 == 13
    assert over["overflowed"][first + 4] > 0.9
    assert not propagated(50, 2.0, "relu", "he_normal", "float32")["overflowed"].any()
    under = propagated(25, 0.1, "relu", "xavier_normal", "float16")
    assert under["lost"][-1] == 1
    assert not propagated(25, 0.1, "relu", "xavier_normal", "float32")["lost"].any()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"activation": "relu", "initializer": "he_normal"}, "healthy in size"),
        ({"initializer": "normal"}, "from 127 in the first layer to 122 in the last (theory: 119)"),
        ({"activation": "tanh", "scale": 0.5}, "vanishing"),
        ({"activation": "relu", "initializer": "he_normal", "scale": 2}, "exploding"),
        (
            {"activation": "relu", "initializer": "he_normal", "scale": 2, "precision": "float16"},
            "overflow. The first inf appears in layer 13; from inf − inf comes NaN.",
        ),
        (
            {"activation": "relu", "scale": 0.1, "precision": "float16", "depth": 25},
            "dead. From layer 7 on most signals are 0: too small for float16.",
        ),
    ],
)
def test_what_the_sentences_of_the_signal_say(state, words):
    assert words in labs.signal_propagation.reading(**state)


def test_the_axes_of_the_signal_stay():
    states = ({"depth": 10}, {"activation": "relu", "initializer": "normal", "scale": 10}, {"precision": "float16"})
    layouts = [labs.signal_propagation.figure(**state).layout for state in states]
    assert {(tuple(each.xaxis.range), tuple(each.yaxis.range), tuple(each.yaxis2.range)) for each in layouts} == {
        ((0.5, 50.5), (-2.3, 2.3), (-12, 12))
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, 1.0, "tanh", "he_normal", "float32"), "depth must be a whole number >= 1, got 0"),
        ((51, 1.0, "tanh", "he_normal", "float32"), "depth must be at most 50, got 51"),
        ((5, np.nan, "tanh", "he_normal", "float32"), "scale must be a finite number >= 0, got nan"),
        ((5, 1.0, "tahn", "he_normal", "float32"), "unknown activation 'tahn'"),
        ((5, 1.0, "tanh", "he", "float32"), "unknown initializer 'he'"),
        ((5, 1.0, "tanh", "he_normal", "float64"), "unknown precision 'float64'; there are: float"),
    ],
)
def test_signals_that_cannot_be_sent(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        propagated(*arguments)


# ---------------------------------------------------------------- the rules for the head


def per_ten_layers(activation, sigma_w, depth=40):
    q = measure.variances(depth, activation, sigma_w)
    return 10 / (depth - 20) * np.log10(q[-1] / q[19])


@pytest.mark.parametrize("sigma_w", [0.1, 0.5, 0.8, 1.5, 3.0])
def test_the_rules_for_powers_of_ten_in_ten_layers(sigma_w):
    assert said(LESSON, "| relu | $20\\log_{10}\\sigma_w - 3$ in ten layers")
    assert said(LESSON, "| tanh, $\\sigma_w < 1$ | $20\\log_{10}\\sigma_w$ in ten layers, once $z$ is small |")
    rule = 20 * np.log10(sigma_w)
    assert per_ten_layers("identity", sigma_w) == pytest.approx(rule, abs=1e-9)
    assert per_ten_layers("relu", sigma_w) == pytest.approx(rule - 3, abs=0.02)
    if sigma_w < 1:
        assert per_ten_layers("tanh", sigma_w) == pytest.approx(rule, abs=0.1)


def test_where_tanh_and_sigmoid_settle():
    settled = {name: lambda s, name=name: measure.variances(50, name, s)[-1] for name in ("tanh", "sigmoid")}
    assert said(LESSON, "nearer to 1: at 0.33 for $\\sigma_w = 1.25$, at 0.62 for 1.41; from 3 on near")
    assert (round(settled["tanh"](1.25), 2), round(settled["tanh"](2**0.5), 2)) == (0.33, 0.62)
    for sigma_w in (3, 5, 11.3, 20):
        assert settled["tanh"](sigma_w) == pytest.approx(sigma_w**2 - 0.8 * sigma_w, rel=0.05)
    assert said(LESSON, "at 1.2 for 2, 9.7 for 5")
    assert (round(settled["sigmoid"](2), 1), round(settled["sigmoid"](5), 1)) == (1.2, 9.7)
    for sigma_w in (0.1, 0.5, 1):
        assert settled["sigmoid"](sigma_w) == pytest.approx(sigma_w**2 / 4, rel=0.07)


def test_gelus_border():
    assert said(LESSON, "it sinks, at first more slowly, in the end by $20\\log_{10}\\sigma_w - 6$")
    assert measure.variances(400, "gelu", 1.465)[-1] < 1e-6 < 1e6 < measure.variances(400, "gelu", 1.475)[-1]
    assert said(LESSON, "it hesitates (at 1.47 from 2.2 to 6.6 in 50 layers)")
    assert measure.variances(50, "gelu", 1.47)[[0, -1]].round(1).tolist() == [2.2, 6.6]
    assert per_ten_layers("gelu", 0.8) == pytest.approx(20 * np.log10(0.8) - 6, abs=0.05)
    assert per_ten_layers("gelu", 3.0) == pytest.approx(20 * np.log10(3.0) - 3, abs=0.05)


def test_silus_border():
    assert said(LESSON, "the border (1.47 and 1.56 for inputs of mean square 1)")
    assert measure.variances(400, "silu", 1.555)[-1] < 1e-6 < 1e6 < measure.variances(400, "silu", 1.565)[-1]


def test_the_shares_of_flat_tanh_units():
    assert said(LESSON, "for $q = 1$ three tanh units in a thousand, for $q = 9$ a third, for $q = 128$ four fifths")
    shares = [2 * stats.norm.cdf(-math.atanh(math.sqrt(0.99)) / math.sqrt(q)) for q in (1, 9, 128)]
    np.testing.assert_allclose(shares, [0.003, 1 / 3, 0.8], rtol=0.1)


def test_float16s_ends():
    assert said(LESSON, "float16 is exact to three digits between $6\\cdot10^{-5}$ and 65,504")
    info = np.finfo(np.float16)
    assert (f"{info.tiny:.0e}", float(info.max), f"{np.nextafter(np.float16(0), np.float16(1)):.0e}") == (
        "6e-05", 65504.0, "6e-08",
    )  # fmt: skip
    assert said(LESSON, "what is below $3 \\cdot 10^{-8}$ is rounded to 0.")
    assert np.float16(2.95e-8) == 0 < np.float16(3.05e-8)
    assert round(2 * math.log10(info.tiny), 1) == -8.4
    assert round(2 * math.log10(info.max), 1) == 9.6


def test_tanh_at_the_critical_point_is_a_power():
    assert said(LESSON, "$q_{l+1} \\approx q_l - 2q_l^2$")
    q = theory.variance_map(0.001, activation="tanh", sigma_w=1.0)
    assert (0.001 - q) / 0.001**2 == pytest.approx(2, rel=0.02)
    assert said(LESSON, "| $1/(2l)$ in layer $l$, from about layer 10 on |")
    settling = measure.variances(1000, "tanh", 1.0) * 2 * np.arange(1, 1001)
    assert settling[-1] == pytest.approx(1, abs=0.01)
    assert settling[3] > 1.3
    assert settling[9:].max() < 1.17


def test_what_the_lesson_says_of_the_map():
    def ratio(sigma_w, activation="tanh", sigma_b=0.2236):
        return measure.phase_diagram(sigma_w, sigma_b, activation)["median"][-1]

    assert said(LESSON, "$10^{-9}$ for $\\sigma_w = 0.707$, 0.17 for 1.26, 440 for 2")
    assert round(math.log10(ratio(0.707))) == -9
    assert ratio(1.26) == pytest.approx(0.17, rel=0.03)
    assert ratio(2.0) == pytest.approx(440, rel=0.03)
    assert said(LESSON, "at 50 layers it reaches from 1.12 to 1.59")
    green = [s for s in measure_phase.SIGMA_W if 0.01 <= ratio(s) <= 100]
    assert (round(min(green), 2), round(max(green), 2)) == (1.12, 1.59)
    assert said(LESSON, "a factor of 1.12 away, stand at 0.0019 and 150")
    around = [s for s in measure_phase.SIGMA_W if 1.2 < s < 1.7]
    below, at, above = (ratio(s, "relu", 0.0) for s in around)
    assert 0.01 < at < 100
    assert below == pytest.approx(0.0019, rel=0.05)
    assert above == pytest.approx(150, rel=0.05)
    assert said(LESSON, "the map is blue from six layers on")
    assert said(LESSON, "sigmoid: the line lies just above 10")
    for sigma_b in (0, 0.2236):
        sigmoid = measure.phase_diagram(1.0, sigma_b, "sigmoid")
        assert measure_phase.DEPTHS[np.argmax(sigmoid["median"] < 0.01)] == 6
        assert 10 < sigmoid["critical"] < 10.2
    assert said(LESSON, "gelu without biases: no row stays green to 50 layers")
    assert not any(0.01 <= ratio(s, "gelu", 0.0) <= 100 for s in measure_phase.SIGMA_W)
    assert said(LESSON, "With $\\sigma_b = 0.5$ GELU has one near 1.40 |")
    found = measure.phase_diagram(1.4, 0.5, "gelu")
    assert 0.01 < found["low"].min() < found["high"].max() < 100
    assert 0.01 < ratio(1.414, "gelu", 0.5) < 100


def test_what_the_lesson_says_of_critical_points():
    def point(activation, sigma_b):
        return theory.critical_point(activation=activation, sigma_b=sigma_b)

    assert said(LESSON, "gelu's from $\\sigma_b = 0.42$ on, silu's from 0.75.")
    for name, border in (("gelu", 0.42), ("silu", 0.75)):
        assert not point(name, border - 0.01).stable
        assert point(name, border + 0.01).stable
    assert said(LESSON, "with these biases (1.085 and 1.100); without any, $V'(0) = 1$ and $V$ bends upward")
    for name, slope in (("gelu", 1.085), ("silu", 1.100)):
        at, step = point(name, math.sqrt(0.05)), 1e-4
        above, below = (
            theory.variance_map(at.q + d, activation=name, sigma_w=at.sigma_w, sigma_b=math.sqrt(0.05))
            for d in (step, -step)
        )
        assert (above - below) / (2 * step) == pytest.approx(slope, abs=0.001)
        grown = [theory.variance_map(q, activation=name, sigma_w=2.0) / q for q in (1e-6, 1e-3, 1e-2, 0.1)]
        assert grown[0] == pytest.approx(1, abs=1e-5)
        assert (np.diff(grown) > 0).all()
    assert said(LESSON, "tanh's 1 without biases and 1.327 with ($\\sigma_w^2 = 1.76$)")
    assert round(point("tanh", math.sqrt(0.05)).sigma_w ** 2, 2) == 1.76
    assert said(
        LESSON, "$\\chi < 1$ at each of its fixed points. Towards $\\sigma_w = \\sqrt2$ they leave for infinity"
    )
    for sigma_w in (0.5, 1.0, 1.3, 1.4):
        q = theory.fixed_point(activation="softplus", sigma_w=sigma_w)
        assert theory.chi(activation="softplus", sigma_w=sigma_w, q=q) < 1
    assert theory.fixed_point(activation="softplus", sigma_w=1.42) == np.inf


def test_glorots_compromise_from_784_to_64():
    assert said(LESSON, "$784 \\cdot \\tfrac{2}{848} = 1.85$ and the gradient by 0.15")
    variance = initializers["xavier_normal"].variance(784, 64)
    assert (round(784 * variance, 2), round(64 * variance, 2)) == (1.85, 0.15)
    assert said(LESSON, "it multiplies both by $4nm/(n+m)^2$, 0.28 for 784 and 64")
    rng = np.random.default_rng(0)
    there, back = (initializers["xavier_normal"].sample((20, *shape), rng=rng) for shape in ((784, 64), (64, 784)))
    h, delta = rng.normal(size=(2, 20, 10, 784))
    assert np.mean((h @ there @ back) ** 2) == pytest.approx(0.28, rel=0.1)
    assert np.mean((delta @ back.swapaxes(1, 2) @ there.swapaxes(1, 2)) ** 2) == pytest.approx(0.28, rel=0.1)


def test_lecuns_tanh_holds_a_mean_square_near_1():
    assert said(LESSON, "with $1.7159\\tanh\\tfrac23 z$, made to hold $q$ near 1")
    u = np.random.default_rng(0).normal(size=1_000_000)
    assert np.mean((1.7159 * np.tanh(2 * u / 3)) ** 2) == pytest.approx(1, abs=0.25)


def test_dead_for_an_input_in_96_of_100_draws():
    assert said(LESSON, "in 96 of 100 draws ($1 - (1 - 2^{-4})^{50}$)")
    assert pytest.approx(0.96, abs=0.005) == 1 - (1 - 2**-4) ** 50
    rng = np.random.default_rng(0)
    h = rng.normal(size=(2000, 1, 4))
    for _ in range(50):
        h = np.maximum(h @ rng.normal(0, math.sqrt(0.5), (2000, 4, 4)), 0)
    assert np.mean(~h.any(axis=(1, 2))) == pytest.approx(0.96, abs=0.015)
