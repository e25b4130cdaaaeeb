"""Lesson 04: what its sentences say of its labs, recordings and formulas."""

import itertools
import math

import numpy as np
import pytest

from tests.lessons.prose import said
from tests.mnist import needs_mnist
from vgx import activations, theory
from vgx.datasets import digits
from vgx.lessons.relu_and_dead_relu import draw, labs, measure
from vgx.lessons.relu_and_dead_relu.measure_learning_rate import LEARNING_RATE_AXES
from vgx.lessons.relu_and_dead_relu.record import RECORDINGS

LESSON = "04_relu_and_dead_relu"
neuron = labs.one_neuron


# ---------------------------------------------------------------- one neuron


def test_the_question_has_its_answer_and_each_answer_a_neuron():
    state = neuron.state(**neuron.predict.at)
    assert neuron.predict.answer(neuron.data(**state), state) == "0"
    assert neuron.predict.choices == draw.ANSWERS

    def answer(**state):
        return draw.neuron_answer(measure.one_neuron(**{"x": -1, "t": 1, "b": 0, "activation": "relu"} | state), state)

    assert answer(w=-2, rate=0.3, step=100) == "1"
    assert answer(w=-2, rate=0.8, step=2) == "it still swings about 1"
    assert answer(w=-2, rate=1.5, step=100, activation="identity") == "a huge number"


@pytest.mark.parametrize(
    ("words", "state", "reading"),
    [
        ("$\\partial L/\\partial w = -1 \\cdot 0 \\cdot -1 = 0$", {}, "z = −1, ∂L/∂w = −1 · 0 · −1 = 0."),
        ("One step takes $z$ from 4 to −0.8", {"w": -2, "b": 2, "rate": 0.8, "step": 1}, "z = −0.8"),
        ("At rate 0.3 the same neuron learns", {"w": -2, "b": 2, "rate": 0.3, "step": 10}, "It lives"),
        ("from $z = 2$ it overshoots to 0.4", {"w": -2, "b": 0, "rate": 0.8, "step": 1}, "z = 0.4"),
        ("from step 166 on (rate 0.3)", {"activation": "leaky_relu"}, "step 166 takes it above 0."),
        ("from step 63 at rate 0.8", {"activation": "leaky_relu", "rate": 0.8}, "step 63 takes it above 0."),
        (
            "back at step 122, thrown out at step 124",
            {"x": 2, "w": -2, "b": -1, "rate": 0.8, "activation": "leaky_relu"},
            "step 122 takes it above 0, but step 124 throws it out again",
        ),
        ("the cross stands at $y - t$", {"w": -2, "b": -1}, "y is t: it has learned"),
    ],
)
def test_what_to_try_in_the_first_lab(words, state, reading):
    assert said(LESSON, words)
    assert reading in neuron.reading(**state)


def _starts():
    for state in neuron.states():
        if state["step"] == 0:
            yield state, state["rate"] * (state["x"] ** 2 + 1), state["x"] * state["w"] + state["b"]


def test_the_rules_for_the_head_hold_at_every_start():
    assert said(LESSON, "With $x = -1$, $k$ is twice the learning rate; with $x = 2$, five times.")
    assert said(LESSON, "| $z > 1$ | lives | dies at once if $(k-1)(z-1) \\ge 1$, else lives | dies, sooner or later |")
    assert said(LESSON, "| $0 < z \\le 1$ | lives | lives | dies, sooner or later (not at $z = 1$) |")
    checked = 0
    for state, k, z in _starts():
        if state["activation"] == "leaky_relu":
            continue
        path = neuron.data(**state)["path"]
        if state["t"] < 0 or z <= 0:
            lives = False
        elif z <= 1:
            lives = k <= 2 or z == 1
        else:
            lives = k <= 1 or (k <= 2 and (k - 1) * (z - 1) < 1)
            if 1 < k <= 2 and not lives:
                assert path[1] <= 0
        assert (path[-1] > 0) == lives, state
        checked += 1
    assert checked == 2 * 2 * 3 * 3 * 3


def test_how_long_a_leaky_relu_needs():
    assert said(LESSON, "From $-|z|$ it is back *above 0* after about $100\\,|z|/k$ steps")
    for state, k, z in _starts():
        if state["activation"] == "leaky_relu" and state["t"] == 1 and z < 0:
            path = neuron.data(**state)["path"]
            needs = 100 * -z / k
            if needs < 1000:
                assert np.argmax(path > 0) == pytest.approx(needs, rel=0.03, abs=1)


def test_the_slopes_that_turn_negative():
    assert said(LESSON, "(below −0.75 and −1.28)")
    for name, place in (("gelu", -0.75), ("silu", -1.28)):
        slope = activations[name].derivative
        assert slope(place - 0.006) < 0 < slope(place + 0.006)
    assert said(LESSON, "as far as $z = \\ln 0.01 = -4.6$")
    assert round(math.log(0.01), 1) == -4.6


# ---------------------------------------------------------------- dead units, dead networks


def at(**state):
    return labs.dead_units.data(**state)


def test_what_the_lesson_says_of_dead_units():
    opens = at()
    assert said(LESSON, "is at 12 % in layer 10 and at 32 % in layer 30 (from draw to draw 20 to 41 %)")
    assert [round(float(opens["dead"][layer]), 2) for layer in (0, 9, 29)] == [0, 0.12, 0.32]
    assert [round(float(opens[end][-1]), 2) for end in ("low", "high")] == [0.2, 0.41]
    np.testing.assert_allclose(opens["off"].astype(float), 0.5, atol=0.06)
    for scale in (0.25, 0.5, 2.0, 4.0):
        np.testing.assert_allclose(at(scale=scale)["dead"].astype(float), opens["dead"].astype(float), atol=0.02)
    assert said(LESSON, "Bias −0.1 at scale 0.5: from layer 10 on everybody is dead.")
    assert (at(bias=-0.1, scale=0.5)["dead"][9:] == 1).all()
    assert said(LESSON, "the same bias changes nothing (31 %)")
    assert float(at(bias=-0.1, scale=2.0)["dead"][-1]) == pytest.approx(0.31, abs=0.006)
    assert said(LESSON, "At scale 1 it changes little (34 %). At scale 0.25 nobody is dead at the end, and")
    assert float(at(bias=0.1)["dead"][-1]) == pytest.approx(0.34, abs=0.006)
    linear = at(bias=0.1, scale=0.25)
    assert (linear["dead"][-1], linear["off"][-1]) == (0, 0)
    assert said(LESSON, "in layer 30 no unit is dead. At scale 2: 29, 30 and 30 %.")
    smooth = ("elu", "gelu", "silu")
    assert [float(at(activation=name)["dead"][-1]) for name in smooth] == [0, 0, 0]
    assert [round(100 * float(at(activation=name, scale=2.0)["dead"][-1])) for name in smooth] == [29, 30, 30]


def test_what_the_lesson_says_of_networks_born_dead():
    lab = labs.born_dead
    assert said(LESSON, "73.9 % with 10 layers. For a hundred digits together it is 56.4 %, and with 50 layers 99.8 %.")
    opens = lab.data()
    assert [f"{opens[name][L - 1]:.1%}" for name, L in (("one", 10), ("together", 10), ("together", 50))] == [
        "73.9%", "56.4%", "99.8%",
    ]  # fmt: skip
    assert said(LESSON, "with 50 layers 17.3 % for one digit")
    assert f"{lab.data(width=8)['one'][49]:.1%}" == "17.3%"
    assert said(LESSON, "at 64 units and 50 layers it is $3\\cdot10^{-18}$")
    assert f"{50 * 2.0**-64:.0e}" == "3e-18"
    assert said(LESSON, "With 10 layers of 3 units 23.8 % are dead instead of 73.9 %.")
    assert f"{lab.data(initialization='asymmetric')['one'][9]:.1%}" == "23.8%"
    random = lab.data(initialization="random_biases")["one"]
    np.testing.assert_allclose(random, opens["exact"], atol=0.015)


def test_dead_units_of_a_deep_network_mostly_come_back():
    assert said(LESSON, "Of the 126 in these four networks seven in ten come back")
    run = measure.revival(10)
    back = np.sum(run["before"] & ~run["after"]) / run["before"].sum()
    assert back == pytest.approx(0.7, abs=0.05)


# ---------------------------------------------------------------- learning rates


def rates(**state):
    data = labs.learning_rate_kills.data(**{"epoch": 30, "optimizer": "adam", "activation": "relu"} | state)
    return {name: np.round(np.nanmedian(each, axis=1), 3) for name, each in data.items()}, data


R001, R003, R01, R03, R1 = 2, 3, 4, 5, 8  # places of the rates 0.01, 0.03, 0.1, 0.3, 1


def test_what_the_lesson_says_of_adams_rates():
    found, data = rates()
    assert said(LESSON, "the loss is least at rate 0.01, with 3 % of the units dead")
    assert np.argmin(np.median(data["loss"], axis=1)) == R001
    assert said(
        LESSON, "At 0.03, three times the best rate, 23 % are dead. At 0.1 it is 63 %, and 22 % of the test digits"
    )
    assert [round(100 * float(found["dead"][place])) for place in (R001, R003, R01)] == [3, 23, 63]
    assert round(100 * float(found["test_accuracy"][R01])) == 22
    assert said(LESSON, "from 0.3 on two thirds, and the networks guess")
    np.testing.assert_allclose(found["dead"][R03:], 2 / 3, atol=0.005)
    np.testing.assert_allclose(found["test_accuracy"][R03:], 0.1, atol=0.005)
    assert said(LESSON, "most of the dying is done in this first epoch, 32 steps")
    assert (rates(epoch=1)[0]["dead"][R01:] > 0.6 * found["dead"][R01:]).all()


def test_what_the_lesson_says_of_the_layers():
    kills = RECORDINGS.load("learning-rate-kills")
    assert said(LESSON, "The first loses at most one of its 64 units, in any run.")
    for state in itertools.product(*LEARNING_RATE_AXES.values()):
        first = kills(**dict(zip(LEARNING_RATE_AXES, state, strict=True)))["layers"][:, 0]
        assert first[np.isfinite(first)].max(initial=0) <= 1 / 64
    run = kills(learning_rate=0.03, optimizer="adam", activation="relu")
    assert said(LESSON, "with Adam at 0.03 a quarter of the units in the third hidden layer were dead after some epoch")
    assert np.nanmean(run["revived"][:, 2]) == pytest.approx(0.26, abs=0.01)


def test_what_the_lesson_says_of_sgd_and_of_the_repairs():
    _, sgd = rates(optimizer="sgd")
    assert said(LESSON, "Up to 0.5 at most 2 % are dead in any run; at 0.7 four of the ten runs overflow, at 1 nine.")
    assert np.nanmax(sgd["dead"][:7]) <= 0.025
    assert (~np.isfinite(sgd["loss"])).sum(axis=1)[-3:].tolist() == [0, 4, 9]
    leaky, _ = rates(activation="leaky_relu")
    assert said(LESSON, "worse than guessing's all the same (about $10^5$ at 1), but 66 to 81 % of the test digits")
    assert leaky["dead"].max() == 0
    assert (leaky["loss"][R01:] > math.log(10)).all()
    assert round(math.log10(leaky["loss"][R1])) == 5
    right = leaky["test_accuracy"][R01:]
    assert [round(100 * float(end)) for end in (right.min(), right.max())] == [66, 81]
    assert said(LESSON, "*elu* and *gelu*: 15 and 22 % dead at 0.03, 61 and 66 % at 1.")
    smooth = [rates(activation=name)[0]["dead"] for name in ("elu", "gelu")]
    assert [round(100 * float(dead[place])) for place in (R003, R1) for dead in smooth] == [15, 22, 61, 66]


# ---------------------------------------------------------------- convolutions


def test_what_the_lesson_says_of_depthwise_channels():
    def means(**state):
        return labs.depthwise_vs_standard.data(**{"kernel": 1, "norm": "none", "learning_rate": 0.1} | state)

    opens = means()
    assert said(LESSON, "at birth 56 % of MobileNet's depthwise channels are dead, and 3 % of the standard ones")
    assert [round(100 * float(opens["birth"][row].mean())) for row in (1, 0)] == [56, 3]
    assert said(LESSON, "at birth no channel is dead in either")
    assert not means(kernel=3)["birth"][:2].any()
    assert said(LESSON, "after training on average at most 9 % of any kind are (1 × 1, rate 0.5)")
    batch = [means(kernel=k, norm="batch", learning_rate=r) for k in (1, 3) for r in (0.02, 0.1, 0.25, 0.5)]
    assert not any(each["birth"].any() for each in batch)
    trained = [np.nanmean(each["after"], axis=1).max() for each in batch]
    assert (int(np.argmax(trained)), round(100 * max(trained))) == (3, 9)
    assert said(LESSON, "with 1 × 1 kernels 48 % at birth; at rate 0.5 two of the ten runs overflow, and the")
    assert round(100 * float(opens["birth"][4].mean())) == 48
    assert round(100 * float(np.nanmean(means(learning_rate=0.5)["after"][4]))) == 98


@needs_mnist
def test_nine_weights_rarely_agree():
    assert said(LESSON, "in single layers on MNIST we count 0.3 %,")
    assert round(100 * 2.0**-9, 1) == 0.2
    share = measure.born_dead_channels(3, "depthwise", rng=np.random.default_rng(0)).mean()
    assert round(100 * share, 1) == 0.3


# ---------------------------------------------------------------- SELU, and the price


def test_what_the_lesson_says_of_selu():
    assert said(LESSON, "a variance a little off 1 is off by 0.78 as much one layer later")
    assert theory.variance_slope(1.0, activation="selu", sigma_w=1.0) == pytest.approx(0.78, abs=0.005)
    assert said(LESSON, "Over 50 layers that is less than 6 on the norm")
    assert 5 < theory.chi(activation="selu", sigma_w=1.0, q=1.0) ** (49 / 2) < 6


def test_the_table_of_prices_adds_up():
    assert said(LESSON, "the same GELU costs as much as 16 ReLUs in numpy and as 3 in torch")
    assert (round(801 / 49), round(116 / 39)) == (16, 3)
    shares = {"relu": 39, "leaky relu": 33, "sigmoid": 41, "tanh": 112, "elu": 84, "gelu": 116, "silu": 58}
    for name, microseconds in shares.items():
        share = round(100 * microseconds / 567)
        assert any(said(LESSON, f"| {microseconds} | {near} % |") for near in (share, share - 1, share + 1)), name
    assert said(LESSON, "A sigmoid instead of a ReLU makes the layer less than 1 % dearer in torch.")
    assert (41 - 39) / (567 + 39) < 0.01


def test_in_layer_30_a_third_is_dead_a_third_linear_and_a_third_still_switches():
    assert said(LESSON, "About a third of the units are off for all of them (dead), another third on for all")
    shares = []
    for seed in range(10):
        net = measure.biased_network(30, 1.0, 0.0, "relu", rng=np.random.default_rng(seed))
        off = measure.is_off(net, digits().x)[29]
        shares.append((off.all(axis=0).mean(), (~off).all(axis=0).mean()))
    dead, linear = np.mean(shares, axis=0)
    for share in (dead, linear, 1 - dead - linear):
        assert share == pytest.approx(1 / 3, abs=0.08)


def test_from_layer_4_on_a_shrunken_network_with_positive_biases_is_linear():
    off = np.mean([each.mean(axis=(0, 1)) for each in (pushed_off(seed) for seed in range(5))], axis=0)
    assert off[0] > 0.2
    assert off[3:].max() < 0.02


def pushed_off(seed):
    """Which units are off for which digits, (digits, units, layers), at scale 0.25 and bias +0.1."""
    net = measure.biased_network(30, 0.25, 0.1, "relu", rng=np.random.default_rng(seed))
    return np.stack(measure.is_off(net, digits().x), axis=-1)
