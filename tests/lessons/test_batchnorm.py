"""Lesson 07: what its sentences say, against the labs that they speak of and against closed forms."""

import json
import math
import re

import numpy as np
import pytest
from scipy import integrate

from tests.lessons.prose import NOTEBOOKS, said
from vgx import activations, theory, verdict
from vgx.lessons.batchnorm import draw, labs, measure
from vgx.lessons.batchnorm.measure_recentring import pre_activations
from vgx.lessons.batchnorm.measure_why_it_helps import RATES
from vgx.lessons.batchnorm.record import RECORDINGS
from vgx.normalization import normalizations

LESSON = "07_batchnorm"


def power(value):
    return round(float(np.log10(value)))


# ---------------------------------------------------------------- init-forgiven


def forgiven(scale, activation="relu", norm="batch", depth=50):
    """Where the signal ends, and the first gradient over the last one."""
    data = labs.init_forgiven.data(depth=depth, scale=scale, activation=activation, norm=norm)
    return float(data["signal"][1, -1]), float(data["gradient"][1, 0])


def test_what_is_to_be_seen_of_the_scale():
    assert said(LESSON, "At scale 10 overflow, at 0.1 dead: only near 1 do the numbers survive.")
    for scale, word in ((10, "overflow"), (0.1, "dead")):
        assert word in labs.init_forgiven.reading(depth=50, scale=scale, activation="relu", norm="none")
    assert said(LESSON, "Pull the scale from 0.1 to 1000: nothing moves. The activations end at 0.71 each time.")
    assert said(LESSON, "At all these scales the first gradient is about 16,000 times the last one.")
    ends = [forgiven(scale) for scale in (0.1, 1, 10, 100, 1000)]
    assert [round(signal, 2) for signal, _ in ends] == [0.71] * 5
    assert [gradient for _, gradient in ends] == pytest.approx([16_000] * 5, rel=0.07)
    assert said(LESSON, "The first gradient is $10^{-25}$ of the last one. The activations end at $10^{-28}$.")
    assert [power(value) for value in forgiven(0.001)] == [-28, -25]
    assert said(LESSON, "At 0.003 they end at $10^{-4}$; at 0.01 nearly everything is as at scale 1.")
    assert power(forgiven(0.003)[0]) == -4
    assert forgiven(0.01) == pytest.approx(forgiven(1), rel=0.3)
    assert said(LESSON, "Scale 1, layer or rms: the first gradient is about half of the last one, healthy.")
    assert [forgiven(1, norm=norm)[1] for norm in ("layer", "rms")] == pytest.approx([0.5, 0.5], abs=0.05)
    assert said(LESSON, "With batch it is 1.2 times the last one, with layer $10^{-20}$ of it.")
    assert round(forgiven(1, "sigmoid")[1], 1) == 1.2
    assert power(forgiven(1, "sigmoid", "layer")[1]) == -20
    assert forgiven(1, "sigmoid", "none")[1] < 0.01 == 1 / verdict.EXPLODING_ABOVE


def test_no_unit_is_dead_at_birth_under_batchnorm():
    assert said(LESSON, "its mean is 0, so some of its values lie above.")
    z = np.random.default_rng(0).standard_normal((32, 128)) - 8
    assert (z < 0).all(axis=0).all()
    assert (normalizations["batch"].forward(z)[0] > 0).any(axis=0).all()


def test_the_answer_to_the_box():
    assert said(LESSON, "At $s = 0.001$ it is 0.316 a layer, and 49 steps make $10^{-24.5}$")
    assert 0.001 / math.sqrt(1e-5) == pytest.approx(0.316, abs=5e-4)
    assert 49 * math.log10(0.001 / math.sqrt(1e-5)) == pytest.approx(-24.5, abs=0.05)
    assert labs.init_forgiven.truth() == pytest.approx(-24.5, abs=0.3)


FACTORS = {  # for your head, on the norm: under BatchNorm, under the relatives, and below which scale all fade
    "relu": (1.21, 1.00, 0.0032),
    "tanh": (1.09, 1.09, 0.0032),
    "gelu": (1.15, 1.03, 0.0045),
    "sigmoid": (1.02, 0.39, 0.0126),
}


@pytest.mark.parametrize("activation", FACTORS)
def test_the_rule_for_the_head_is_that_of_theory(activation):
    with_batch, without, fades = FACTORS[activation]
    assert said(LESSON, f"| {activation} | {with_batch:.2f} | {without:.2f} | {fades} |")
    slope, variance = measure.layer_law(activation, np.inf)
    assert math.sqrt(slope / variance) == pytest.approx(with_batch, abs=0.006)
    assert math.sqrt(slope) * activations[activation].gain == pytest.approx(without, abs=0.006)
    sigma_w = math.sqrt(2) if activation in ("relu", "gelu") else 1
    squared = {"relu": 1 / 2}.get(activation, float(activations[activation].derivative(0.0)) ** 2)  # near u = 0
    assert math.sqrt(1e-5 / squared) / sigma_w == pytest.approx(fades, abs=1e-4)


@pytest.mark.parametrize("activation", FACTORS)
@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_the_rule_for_the_head_holds_in_the_lab(activation, norm):
    assert said(LESSON, "within one power of ten over 50 layers. One exception: below $s_0$, sigmoids under")
    assert said(LESSON, "sigmoids under LayerNorm and RMSNorm fade faster.")
    with_batch, without, fades = FACTORS[activation]
    factor = with_batch if norm == "batch" else without
    depths, scales = (10, 50), (0.001, 0.003, 0.01, 1)
    many = measure.init_forgiven(depths, scales, activation, norm)["gradient"]
    for depth, row in zip(depths, many, strict=True):
        for scale, found in zip(scales, row, strict=True):
            predicted = (depth - 2) * math.log10(factor)
            if scale < fades:
                predicted = min((depth - 1) * math.log10(scale / fades), predicted)
            if predicted < -45:
                assert found[1, 0] == 0  # below what float32 holds
                continue
            off = predicted - np.log10(found[1, 0])
            if activation == "sigmoid" and norm != "batch" and scale < fades:
                assert -0.1 < off < 4
            else:
                assert abs(off) < 1, (depth, scale)


# ---------------------------------------------------------------- recentring


def recentred(**state):
    return labs.recentring.data(**{"scale": 1, "offset": 0, "norm": "centre_and_scale", "gain": 1} | state)


def test_what_is_to_be_seen_of_recentring():
    assert said(LESSON, "56 % of its values are saturated ($\\sigma' < 0.01$, with $\\sigma$ the sigmoid,")
    assert said(LESSON, "1. *centre only*: 29 %.")
    assert [round(100 * share) for share in recentred(norm="centre_only")["saturated"]] == [56, 29]
    assert said(LESSON, "each unit's values have a standard deviation of 4.3 over the digits.")
    assert float(np.sqrt(pre_activations().var(axis=0).mean())) == pytest.approx(4.3, abs=0.1)
    assert said(LESSON, "none. The mean slope rises from 0.0495 to 0.206, of at most ¼.")
    assert recentred()["mean_slope"] == pytest.approx([0.0495, 0.206], abs=5e-4)
    assert recentred()["saturated"][1] < 1e-4
    assert said(LESSON, "the slope *falls*, from 0.247 to 0.206.")
    assert recentred(scale=0.03)["mean_slope"] == pytest.approx([0.247, 0.206], abs=5e-4)
    assert said(LESSON, "*gain* γ 8: 58 % saturated, more than before.")
    assert [round(100 * share) for share in recentred(gain=8)["saturated"]] == [56, 58]


# ---------------------------------------------------------------- batchnorm-explodes


def explodes(batch, activation="relu", way="plain"):
    data = labs.batchnorm_explodes.data(depth=50, batch=batch, activation=activation, way=way)
    return data["gradient"][1, 0], data


def test_what_is_to_be_seen_of_the_explosion():
    assert said(LESSON, "the norm grows 14,000 times, exploding. Theory says 15,000, and 9,900 for an infinite batch.")
    text = labs.batchnorm_explodes.reading(depth=50, batch=64, activation="relu", way="plain")
    assert "14,000 times" in text
    assert "exploding. Theory: 15,000, and 9,900 for an infinite batch" in text
    assert math.sqrt(math.pi / (math.pi - 1)) ** 48 == pytest.approx(9_900, rel=0.01)  # the norm, 48 factors
    assert said(LESSON, "*batch size* 8: 950,000 times. Batch 4: some $10^{10}$, thirty times less than theory")
    assert explodes(8)[0] == pytest.approx(950_000, rel=0.02)
    assert 1e10 < explodes(4)[0] < 10**10.5
    found, data = explodes(4)
    assert 20 < data["theory"][0] / found < 50
    assert said(LESSON, "*skips* skip: 13. With *branch/√L*: 1.5.")
    ways = list(labs.batchnorm_explodes.controls["way"].options)
    assert [f"{explodes(64, way=way)[0]:.2g}" for way in ways[1:]] == ["13", "1.5"]
    assert said(LESSON, "plain, identity, batch 64: 1.3. Batch 4: some $10^6$.")
    assert round(explodes(64, "identity")[0], 1) == 1.3
    assert power(explodes(4, "identity")[0]) == 6
    assert said(LESSON, "plain, sigmoid, batch 64: 1.6.")
    assert round(explodes(64, "sigmoid")[0], 1) == 1.6
    assert said(LESSON, "And yet at batch 2 the lab *explodes*, to $10^{10}$.")
    assert power(explodes(2)[0]) == 10
    assert said(LESSON, "the slope is up to $1/\\sqrt\\varepsilon = 316$")
    assert round(1e-5**-0.5) == 316


def test_the_factor_of_the_square_and_that_of_the_norm_are_not_mixed_up():
    assert said(
        LESSON,
        "\\text{on the square:}&\\quad \\frac{\\frac12}{\\frac12 - \\frac1{2\\pi}} = \\frac{\\pi}{\\pi - 1} = 1.467",
    )
    assert said(LESSON, "\\text{on the norm:}&\\quad \\sqrt{1.467} = 1.211")
    assert said(LESSON, "1.467 for ReLU, which is 1.211 on the *norm*, and more for small batches.")

    def mean(f):
        return integrate.quad(lambda u: f(u) * math.exp(-u * u / 2) / math.sqrt(2 * math.pi), -12, 12, points=[0])[0]

    variance = mean(lambda u: max(u, 0) ** 2) - mean(lambda u: max(u, 0)) ** 2
    squared = mean(lambda u: float(u > 0)) / variance
    assert variance == pytest.approx(1 / 2 - 1 / (2 * math.pi))
    assert (squared, math.sqrt(squared)) == pytest.approx((1.467, 1.211), abs=5e-4)
    cells = json.loads((NOTEBOOKS / f"{LESSON}.ipynb").read_text(encoding="utf-8"))["cells"]
    text = " ".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for number, name, fewest in (("1.467", "square", 4), ("1.211", "norm", 3)):
        places = [place.start() for place in re.finditer(re.escape(number), text)]
        assert len(places) >= fewest
        for at in places:  # each says near by of what it is the factor
            assert name in text[max(at - 120, 0) : at + 60], text[at - 120 : at + 60]


def test_every_curve_has_a_mean_degree_above_1():
    assert said(LESSON, "$h_k' = \\sqrt k\\,h_{k-1}$")
    u, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    rows = [np.polynomial.hermite_e.hermeval(u, np.eye(20)[k]) / math.sqrt(math.factorial(k)) for k in range(20)]
    np.testing.assert_allclose((np.array(rows) * weights) @ np.array(rows).T, np.eye(20), atol=1e-9)
    for k in range(1, 20):
        slope = np.polynomial.hermite_e.hermeval(u, np.polynomial.hermite_e.hermeder(np.eye(20)[k]))
        np.testing.assert_allclose(slope, math.sqrt(math.factorial(k) * k) * rows[k - 1], rtol=1e-6, atol=1e-9)


def test_the_linear_networks_factor_for_small_batches():
    assert said(LESSON, "the factor on the square is $(n-2)/(n-3)$ for a batch of $n$")
    for batch in (4, 8, 64):
        slope, variance = measure.layer_law("identity", batch)
        assert slope / variance == pytest.approx((batch - 2) / (batch - 3), rel=1e-3)


# ---------------------------------------------------------------- the weights' scale


def test_a_step_turns_the_weights_by_the_effective_rate():
    assert said(LESSON, "What counts is the {term}`effective learning rate` $\\eta/\\lVert w\\rVert^2$.")
    before, after = measure.learn(64, rate=1, steps=1).weights
    gradient = before - after
    grown = (after**2).sum(0)
    np.testing.assert_allclose(grown, (before**2).sum(0) + (gradient**2).sum(0), rtol=1e-4)  # Pythagoras
    assert said(LESSON, "a rate of 1,000 leaves 0.02, less than 0.1 does.")
    ends = [rate / (measure.learn(64, rate=rate, steps=1).weights[-1] ** 2).sum(0).mean() for rate in (0.1, 1000)]
    assert ends[1] == pytest.approx(0.02, abs=0.002)
    assert ends[1] < ends[0]


# ---------------------------------------------------------------- train-and-eval


def test_what_is_to_be_seen_of_training_and_evaluation():
    lab = labs.train_and_eval
    assert said(
        LESSON,
        "95 % of the digits are right by batch statistics, 98 % by running ones (of the digits it was trained on).",
    )
    assert "about 95 % of the digits by batch statistics, 98 % by running ones" in lab.reading()
    assert said(LESSON, "*batch size* 4: 76 against 93 %.")
    assert said(LESSON, "Batch 256: 98 and 98 %; with momentum 0.01 evaluation is the worse one (97 %)")
    in_training, afterwards = measure.train_and_eval(256, 0.01, "learning")["accuracy"]
    assert (round(100 * in_training), round(100 * afterwards)) == (98, 97)
    for batch, ends in ((4, [76, 93]), (256, [98, 98])):
        found = measure.train_and_eval(batch, 0.1, "learning")["accuracy"]
        assert [round(100 * share) for share in found] == pytest.approx(ends, abs=1)
    assert said(LESSON, "Batch 2: about 36 % against 60 to 70 % (over seeds).")
    found = np.array([measure.train_and_eval(2, 0.1, "learning", seed=seed)["accuracy"] for seed in range(5)])
    assert 0.33 < found[:, 0].min() < found[:, 0].max() < 0.39
    assert 0.59 < found[:, 1].min() < found[:, 1].max() < 0.71
    assert said(LESSON, "here 0.25. The running mean is off by $\\sqrt{m/(2-m)}$ times that, here 0.056")
    text = lab.reading(weights="fixed")
    assert "off by 0.25 standard deviations" in text
    assert "running mean by 0.056" in text
    assert math.sqrt(0.1 / 1.9) / 4 == pytest.approx(0.057, abs=5e-4)
    assert said(LESSON, "it averages $(2-m)/m = 19$ batches.")
    assert said(LESSON, "the line needs 7 steps for half of the way, with 0.01 it needs 69, about $0.7/m$.")
    assert "needs 7 steps for half" in lab.reading(weights="jump")
    assert "needs 69 steps for half" in lab.reading(weights="jump", momentum=0.01)
    assert [measure.half_way(m) * m for m in (0.1, 0.01)] == pytest.approx([0.7, 0.7], abs=0.05)


# ---------------------------------------------------------------- why-it-helps


def why(measure_name, rate="0.2", activation="relu"):
    data = labs.why_it_helps.data(network="noise", activation=activation, measure=measure_name, rate=rate)
    return np.median(data["typical"], axis=1), data


def test_what_is_to_be_seen_of_why_it_helps():
    assert said(LESSON, "by 0.063 of their spread without BatchNorm, by 0.0010 with it, and by 0.36 with BatchNorm and")
    (plain, normalized, noisy), data = why("input_shift")
    assert (plain, normalized, noisy) == pytest.approx((0.063, 0.0010, 0.36), rel=0.05)
    assert said(LESSON, "BatchNorm does reduce the shift, 60 times. The noise makes it six times what it was without.")
    assert (round(plain / normalized, -1), round(noisy / plain)) == (60, 6)
    assert said(LESSON, "The noisy network trains up to rate 3.2, as far as BatchNorm itself.")
    assert said(LESSON, "The one without ends at 0.4 (one seed at 0.2), and from 0.8 on every run overflows.")
    assert [sorted(rates) for rates in data["largest"].tolist()] == [[0.2] + [0.4] * 4, [3.2] * 5, [3.2] * 5]
    for rate in ("0.8", "3.2"):
        assert np.isnan(why("loss_spread", rate)[1]["typical"][0]).all()
    assert said(LESSON, "0.74 without, 0.071 with, 0.15 with noise.")
    assert why("loss_spread")[0] == pytest.approx((0.74, 0.071, 0.15), rel=0.03)
    errors = np.median(data["error"], axis=-1)
    assert said(LESSON, "Rate 0.0125: 8.7 % wrong without, 12.7 % with BatchNorm.")
    assert errors[:2, 0] == pytest.approx((8.7, 12.7), abs=0.05)
    assert said(LESSON, "Its best is 1.1 % at rate 0.2, and 1.4 % at 0.8, where the plain network (1.8 % at best)")
    assert errors.min(axis=1)[:2] == pytest.approx((1.8, 1.1), abs=0.05)
    assert RATES[errors[1].argmin()] == 0.2
    assert errors[1, RATES.index(0.8)] == pytest.approx(1.4, abs=0.05)
    assert said(LESSON, "At a rate of 0.2 all five learned. At 0.8 all five overflowed.")
    assert data["error"][0, 4].max() < 10
    assert said(LESSON, "even when the noise is switched off for the test (3.6 against 1.8 % at 0.1).")
    assert said(
        LESSON, "At 0.2 most of the difference in the table (4.1 against 2.0) is the noise during the test itself"
    )
    recorded = RECORDINGS.load("why-it-helps")
    plain, normal, noise = (recorded(network=network, activation="relu") for network in recorded.axes["network"])
    quiet = np.median(noise["quiet"], axis=-1)
    assert RATES[:5] == (0.0125, 0.025, 0.05, 0.1, 0.2)
    assert (quiet[:4] > np.median(plain["error"], axis=-1)[:4]).all()
    assert (quiet[3], errors[0, 3], quiet[4]) == pytest.approx((3.6, 1.8, 2.4), abs=0.05)
    assert (errors[2, 4], errors[0, 4]) == pytest.approx((4.1, 2.0), abs=0.07)
    assert said(LESSON, "At rates of 0.05 to 0.2 the plain network has by far the largest.")
    spreads = [np.median(np.median(each["spread"], axis=-1), axis=-1)[2:5] for each in (plain, noise, normal)]
    assert (spreads[0] > 2 * np.maximum(*spreads[1:])).all()
    assert said(LESSON, "Nothing is learnt at any rate. Its loss is the smoothest of all")
    spread, data = why("loss_spread", activation="sigmoid")
    assert np.median(data["error"], axis=-1)[0].min() > 88
    assert spread[0] < min(spread[1:]) / 2


# ---------------------------------------------------------------- what is often said


def test_what_is_often_said_of_both_diseases():
    assert said(
        LESSON, "Dividing alone lifts the sigmoid's factor from 0.056 to 0.15 on the square (that is LayerNorm)."
    )
    q = theory.fixed_point(activation="sigmoid", sigma_w=1.0)
    assert theory.chi(activation="sigmoid", sigma_w=1.0, q=q) == pytest.approx(0.056, abs=5e-4)
    assert said(LESSON, "Centring lifts it on to 1.03")
    assert said(LESSON, "0.71 for relu, 0.21 for sigmoid.")  # √E[φ′²], the step into layer 1
    assert [round(math.sqrt(measure.layer_law(name, np.inf)[0]), 2) for name in ("relu", "sigmoid")] == [0.71, 0.21]
    assert said(LESSON, "for the lab's batch of 32 the factors are a little larger, 1.23 for relu.")
    assert math.sqrt(np.divide(*measure.layer_law("relu", 32))) == pytest.approx(1.23, abs=5e-3)
    slope, variance = measure.layer_law("sigmoid", np.inf)
    assert (slope * activations["sigmoid"].gain ** 2, slope / variance) == pytest.approx((0.15, 1.03), abs=5e-3)


def test_what_is_often_said_of_the_scale():
    assert said(LESSON, "with sigmoids (scale 0.001) the first gradient is exactly 0: it underflows.")
    assert forgiven(0.001, "sigmoid")[1] == 0
    assert forgiven(0.001)[0] > 0


def test_batchnorm_brings_an_offset_back():
    assert said(LESSON, "and BatchNorm brings it back 700-fold.")
    norm, slope = normalizations["batch"], activations["sigmoid"].derivative
    z = 0.1 * pre_activations() + 8
    from_above = np.random.default_rng(1).standard_normal(z.shape)
    y, cache = norm.forward(z)
    normalized, _, _ = norm.backward(from_above * slope(y), cache)
    assert 400 < np.sqrt(np.mean(normalized**2) / np.mean((from_above * slope(z)) ** 2)) < 1000


# ---------------------------------------------------------------- exercises


def test_the_solutions():
    assert said(LESSON, "The square 98 times, the norm 9.9 times")
    slope, variance = measure.layer_law("tanh", np.inf)
    assert ((slope / variance) ** 28, (slope / variance) ** 14) == pytest.approx((98, 9.9), rel=0.01)
    assert said(LESSON, "$\\ln 9.9/\\ln 1.211 = 12$ layers.")
    assert math.log(9.9) / math.log(1.211) == pytest.approx(12, abs=0.1)
    assert said(LESSON, "the factor is $1 + 2p$, so at most 5 %.")
    assert said(LESSON, "At 0.02 the signal fades, by about 0.63 a layer; at 0.05 it comes to rest.")
    assert 0.02 / math.sqrt(1e-3) == pytest.approx(0.63, abs=0.005)


def test_the_questions_of_the_boxes_are_those_of_the_text():
    assert draw.exponent_of_explosion(explodes(64)[1], {}) == pytest.approx(math.log10(14_000), abs=0.02)
    assert labs.recentring.truth() == pytest.approx(29, abs=0.5)
    assert labs.why_it_helps.truth() == "up to 3.2, as before"
