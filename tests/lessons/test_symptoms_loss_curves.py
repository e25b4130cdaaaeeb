"""The loss curves of lesson 00: what a word means, that the runs are ordinary training, what the recording holds."""

import re
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import nn

from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.lessons.symptoms import draw, measure
from vgx.lessons.symptoms.labs import loss_curves
from vgx.lessons.symptoms.measure_loss_curves import CHANCE
from vgx.lessons.symptoms.record import RECORDINGS

AXES = measure.LOSS_CURVE_AXES
TIME = np.linspace(0, 1, 33)


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("loss-curves")


# --- the four words, on curves made for them ---


@pytest.mark.parametrize(
    ("word", "loss"),
    [
        ("learns", 2.3 * np.exp(-5 * TIME)),
        ("learns", 900 * np.exp(-3 * TIME)),  # still large, and falling
        ("learns", np.where(TIME < 0.5, 400.0, 0.5)),  # a spike on the way
        ("learns", 0.4 + 0.3 * np.cos(np.arange(33) * np.pi)),  # up and down, but low
        ("stuck", np.full(33, CHANCE)),
        ("stuck", np.linspace(2.31, 2.30, 33)),
        ("stuck", 2.33 + 0.02 * np.cos(np.arange(33) * np.pi)),  # trembles
        ("stuck", np.where(TIME < 0.3, 1e6, 5.0)),
        ("stuck", np.linspace(2.3, 2.6, 33)),
        ("oscillates", 3 + np.cos(np.arange(33) * np.pi)),
        ("oscillates", 80 + 30 * np.cos(np.arange(33))),
        ("oscillates", np.where(np.arange(33) == 31, 3.5, 0.8)),  # low until it jumps
        ("overflows", np.where(TIME > 0.7, np.nan, 0.1)),
        ("overflows", np.where(TIME > 0.97, np.inf, 2.3)),
        ("overflows", np.full(33, np.nan)),
    ],
)
def test_each_word_means_what_it_says(word, loss):
    assert measure.verdicts(loss) == word


@pytest.mark.parametrize(("share", "word"), [(0.49, "learns"), (0.51, "stuck")])
def test_large_is_half_of_what_guessing_gives(share, word):
    assert measure.verdicts(np.full(33, share * CHANCE)) == word


@pytest.mark.parametrize(("factor", "word"), [(1.24, "stuck"), (1.26, "oscillates")])
def test_to_climb_by_a_quarter_is_to_oscillate_but_only_in_the_second_half(factor, word):
    loss = np.full(32, 2.0)
    loss[20] *= factor
    assert measure.verdicts(loss) == word
    assert measure.verdicts(np.roll(loss, -5)) == "stuck"
    assert measure.verdicts(np.linspace(2 * factor, 2, 32) ** 2) != "oscillates"  # down is not up


@pytest.mark.parametrize(("share", "word"), [(0.04, "stuck"), (0.06, "learns")])
def test_stuck_is_to_fall_by_less_than_a_twentieth(share, word):
    loss = np.full(32, 2.0)
    loss[24:] *= 1 - share
    assert measure.verdicts(loss) == word


def test_words_are_given_to_each_of_many_runs():
    loss = np.stack([np.full(33, CHANCE), np.full(33, np.nan), np.full(33, 0.1)]).reshape(3, 1, 33)
    assert measure.verdicts(loss).tolist() == [["stuck"], ["overflows"], ["learns"]]
    with pytest.raises(ValueError, match=r"loss must have shape \(\.\.\., n\) with n >= 8, got \(3, 7\)"):
        measure.verdicts(np.ones((3, 7)))


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["learns", "stuck", "stuck"], "stuck"),
        (["learns", "stuck", "overflows", "overflows", "stuck"], "overflows"),
        (["learns", "oscillates"], "oscillates"),
        (["learns"], "learns"),
    ],
)
def test_the_commonest_word_is_that_of_the_state(words, word):
    assert measure.verdict_of_state(np.array(words)) == word


# --- the runs are ordinary training ---


def ordinary(depth, scale, activation, rate, epochs, seed):
    """Train one network with the loop of a tutorial; return its losses and the ratio of its gradients at the start."""
    rng = np.random.default_rng(seed)
    sizes = [64, *[32] * depth, 10]
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out)
        weights = initializers["xavier_normal"].sample((fan_in, fan_out), rng=rng, scale=scale)
        linear.weight.data = torch.tensor(weights.T, dtype=torch.float32)
        linear.bias.data.zero_()
        layers += [linear, {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]()]
    model = nn.Sequential(*layers[:-1])
    x, y = torch.tensor(digits().x[:1024], dtype=torch.float32), torch.tensor(digits().y[:1024])
    cost = nn.CrossEntropyLoss()
    cost(model(x[:128]), y[:128]).backward()
    norms = [layer.bias.grad.norm() for layer in model if isinstance(layer, nn.Linear)]
    optimizer, order = torch.optim.SGD(model.parameters(), lr=rate), np.random.default_rng(seed)
    losses = [cost(model(x), y).item()]
    for _ in range(epochs):
        for batch in np.split(order.permutation(1024), 8):
            optimizer.zero_grad()
            cost(model(x[batch]), y[batch]).backward()
            optimizer.step()
        losses.append(cost(model(x), y).item())
    return losses, float(norms[0] / norms[-2])


@pytest.mark.parametrize(
    ("depth", "scale", "activation", "rate"),
    [(1, 1.0, "sigmoid", 1.0), (2, 1.4, "relu", 0.1), (5, 2.0, "tanh", 0.01), (3, 4.0, "sigmoid", 0.1)],
)
def test_each_run_is_the_loop_of_a_tutorial(depth, scale, activation, rate):
    found = measure.loss_curves(depth, scale, activation, rate, epochs=3, n_seeds=2)
    assert (found["loss"].shape, found["loss"].dtype) == ((2, 4), np.float32)
    for seed in range(2):
        losses, ratio = ordinary(depth, scale, activation, rate, 3, seed)
        np.testing.assert_allclose(found["loss"][seed], losses, rtol=1e-3)
        assert found["gradient_ratio"][seed] == pytest.approx(ratio, rel=1e-3)


def test_many_scales_and_rates_at_once_are_the_same_runs():
    scales, rates = (0.3, 1.4), (0.01, 0.1, 1.0)
    together = measure.loss_curves(2, scales, "relu", rates, epochs=2, n_seeds=3)
    assert (together["loss"].shape, together["gradient_ratio"].shape) == ((2, 3, 3, 3), (2, 3, 3))
    for (i, scale), (j, rate) in product(enumerate(scales), enumerate(rates)):
        alone = measure.loss_curves(2, scale, "relu", rate, epochs=2, n_seeds=2)
        for name in alone:
            np.testing.assert_allclose(together[name][i, j, :2], alone[name], rtol=1e-3)


def test_an_overflow_ends_its_own_run_only():
    found = measure.loss_curves(5, (1.0, 10.0), "relu", (0.1, 10.0), epochs=7, n_seeds=2)
    words = measure.verdicts(found["loss"])
    assert (words[1] == "overflows").all()
    assert np.isfinite(found["loss"][0, 0]).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depth": 0}, "depth must be a whole number >= 1"),
        ({"scale": -1.0}, "scale must be"),
        ({"learning_rate": (0.1, 0.0)}, "learning_rate must be"),
        ({"activation": "gelu"}, "activation must be one of sigmoid, tanh, relu, got 'gelu'"),
        ({"activation": "rely"}, "unknown activation 'rely'; there are: relu"),
        ({"epochs": 0}, "epochs must be a whole number >= 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(given, message):
    state = {"depth": 1, "scale": 1.0, "activation": "tanh", "learning_rate": 0.1}
    with pytest.raises(ValueError, match=message):
        measure.loss_curves(**state | given)


# --- the recording ---


@pytest.mark.parametrize(
    ("depth", "scale", "activation", "rate"),
    [(1, 1.0, "sigmoid", 0.1), (2, 1.0, "tanh", 0.1), (2, 1.4, "relu", 0.1), (5, 2.0, "sigmoid", 0.01)],
)
def test_a_part_of_the_recording_comes_out_again(depth, scale, activation, rate):
    """Of runs that converge. Where the loss bounces, the last bit of a sum decides: see the test below."""
    part = {"depth": [depth], "scale": [scale], "activation": [activation], "learning_rate": [rate]}
    assert RECORDINGS.differences("loss-curves", part, rtol=5e-3) == []


@pytest.mark.parametrize(
    ("depth", "scale", "activation", "rate", "word"),
    [(5, 1.0, "tanh", 10.0, "oscillates"), (1, 4.0, "relu", 10.0, "overflows"), (10, 1.0, "sigmoid", 1.0, "stuck")],
)
def test_where_a_run_is_chaotic_its_start_and_its_word_come_out_again(recorded, depth, scale, activation, rate, word):
    state = {"depth": depth, "scale": scale, "activation": activation, "learning_rate": rate}
    then, now = recorded(**state), measure.loss_curves(**state)
    np.testing.assert_allclose(now["loss"][:, 0], then["loss"][:, 0], rtol=1e-3)
    np.testing.assert_allclose(now["gradient_ratio"], then["gradient_ratio"], rtol=1e-3)
    for found in (then, now):
        assert measure.verdict_of_state(measure.verdicts(found["loss"])) == word


# --- the figure and its sentence ---


STATE = {"depth": 20, "activation": "tanh", "scale": 1.0, "learning_rate": 0.1}


def drawn(loss, ratio=1.0, **state):
    data = {"loss": np.asarray(loss, np.float32), "gradient_ratio": np.full(len(loss), ratio, np.float32)}
    return draw.loss_curves(data, STATE | state), draw.loss_reading(data, STATE | state)


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def test_the_figure_has_every_run_their_median_and_where_they_overflow():
    loss = np.linspace(1, 5, 5)[:, None] * np.exp(-4 * TIME)
    loss[4, 10:], loss[3, 20] = np.nan, np.inf
    figure, _ = drawn(loss)
    runs = np.reshape(trace(figure, "runs").y, (5, 34))
    np.testing.assert_allclose(runs[:, :-1], np.where(np.isfinite(loss), loss, np.nan), rtol=1e-6)
    assert np.isnan(runs[:, -1]).all()
    np.testing.assert_array_equal(np.reshape(trace(figure, "runs").x, (5, 34))[:, :-1], [8 * np.arange(33)] * 5)
    median = trace(figure, "median").y
    np.testing.assert_allclose(median[:10], loss[2, :10], rtol=1e-6)
    np.testing.assert_allclose(median[10:], loss[2, 10:], rtol=1e-6)  # an overflow counts as the largest
    marks = trace(figure, "first loss, and overflow")
    np.testing.assert_allclose(marks.y[:5], loss[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(marks.x, [0] * 5 + [np.nan] * 3 + [160, 80])
    assert trace(figure, "labels").text == ("<b>learns</b>: 3 of 5 runs", "ln 10 = 2.30: guessing", "  overflow  ")
    assert figure.layout.shapes[0].y0 == pytest.approx(np.log(10))


def test_the_median_ends_where_most_have_overflown():
    loss = np.full((5, 33), 2.0)
    loss[:3, 12:] = np.nan
    median = trace(drawn(loss)[0], "median").y
    assert np.isfinite(median[:12]).all()
    assert np.isnan(median[12:]).all()


@pytest.mark.parametrize(
    ("losses", "ratio", "sentence"),
    [
        ([np.full(33, CHANCE)] * 5, 0.0123,
         "all 5 runs are stuck; after 256 steps the loss is still 2.30, what guessing gives. At the start the first "
         "hidden layer’s gradient is 0.012 times the last one’s: healthy."),
        ([np.full(33, 5.0)] * 5, 0.0034,
         "all 5 runs are stuck; after 256 steps the loss is still 5.00, guessing gives 2.30. At the start the first "
         "hidden layer’s gradient is 0.0034 times the last one’s: vanishing."),
        (
            [20 - 15 * TIME] * 5, 4.7e-13,
            "all 5 runs learn; the median loss falls from 20.0 to 5.00 in 256 steps, still no better than guessing. "
            "At the start the first hidden layer’s gradient is 10⁻¹² times the last one’s: vanishing.",
        ),
        ([2.3 * np.exp(-5 * TIME)] * 2, 1600, "all 2 runs learn; the median loss falls from 2.30 to 0.0155 in 256 "
         "steps. At the start the first hidden layer’s gradient is 1600 times the last one’s: exploding."),
        (
            [3 + 2 * np.cos(np.arange(33) * np.pi)] * 4 + [np.full(33, 0.1)], 0.7,
            "4 runs oscillate and 1 run learns; in the second half a typical run’s lowest loss is 1.00, its highest "
            "5.00. At the start the first hidden layer’s gradient is 0.7 times the last one’s: healthy.",
        ),
        (
            [80 + 30 * np.cos(np.arange(33))] * 5, 1e5,
            "all 5 runs oscillate; in the second half a typical run’s lowest loss is 50.0, its highest 110. "
            "At the start the first hidden layer’s gradient is 10⁵ times the last one’s: exploding.",
        ),
        (
            [np.where(np.arange(33) < k, 1e9, np.nan) for k in (1, 2, 3)] + [np.full(33, CHANCE)] * 2, 1,
            "3 runs overflow and 2 runs are stuck; within 24 steps the loss is no longer a number. "
            "At the start the first hidden layer’s gradient is 1 times the last one’s: healthy.",
        ),
        ([np.full(33, np.nan)] * 5, np.nan,
         "all 5 runs overflow; before the first step the loss is no longer a number."),
    ],
)  # fmt: skip
def test_the_sentence_says_what_the_runs_did(losses, ratio, sentence):
    assert drawn(losses, ratio)[1] == "20 hidden layers of tanh units, init scale 1, learning rate 0.1: " + sentence


def test_one_layer_is_no_layers():
    figure, reading = drawn([np.full(33, CHANCE)], depth=1)
    assert reading.startswith("1 hidden layer of tanh units, init scale 1, learning rate 0.1: 1 run is stuck")
    assert "gradient" not in reading  # the first layer is the last
    assert "<sub>1 layer of tanh, scale 1, rate 0.1</sub>" in figure.layout.title.text


def test_every_recorded_state_has_a_figure_and_a_plain_sentence(recorded):
    axes = None
    for state in recorded.states():
        data = recorded(**state)
        figure, reading = draw.loss_curves(data, state), draw.loss_reading(data, state)
        assert not re.search(r"nan|inf|None|e[+-]\d", reading), reading
        layout = figure.to_plotly_json()["layout"]
        assert (layout["xaxis"], layout["yaxis"]) == (axes := axes or (layout["xaxis"], layout["yaxis"]))
        assert len(figure.data) == 4


# --- what the lesson says of the recorded runs ---


def words_at(recorded, depth, activation, scale, learning_rate):
    found = recorded(depth=depth, activation=activation, scale=scale, learning_rate=learning_rate)
    return measure.verdicts(found["loss"]).tolist()


def end_at(recorded, **state):
    return float(np.median(recorded(**state)["loss"][:, -1]))


def test_twenty_layers_of_sigmoids_are_stuck_at_every_rate_and_one_or_two_are_not(recorded):
    ends = {}
    for rate in AXES["learning_rate"]:
        assert words_at(recorded, 20, "sigmoid", 1.0, rate) == ["stuck"] * 5
        ends[rate] = end_at(recorded, depth=20, activation="sigmoid", scale=1.0, learning_rate=rate)
    assert [round(end, 2) for end in ends.values()] == [2.30, 2.30, 2.31, 2.33]
    assert words_at(recorded, 5, "sigmoid", 1.0, 1.0) == ["stuck"] * 5
    assert words_at(recorded, 2, "sigmoid", 1.0, 1.0) == words_at(recorded, 1, "sigmoid", 1.0, 1.0) == ["learns"] * 5
    assert end_at(recorded, depth=2, activation="sigmoid", scale=1.0, learning_rate=1.0) == pytest.approx(0.0747, 0.01)
    ratio = recorded(depth=20, activation="sigmoid", scale=1.0, learning_rate=0.1)["gradient_ratio"]
    assert np.median(ratio) == pytest.approx(4.7e-13, rel=0.02)


def test_the_question_before_looking_has_its_answer():
    assert loss_curves.truth() == "stuck"
    assert loss_curves.predict.choices == ("learns", "stuck", "oscillates", "overflows")


def test_a_large_scale_makes_deep_tanh_oscillate_without_overflow(recorded):
    assert words_at(recorded, 20, "tanh", 1.0, 0.01) == ["learns"] * 5
    assert words_at(recorded, 20, "tanh", 4.0, 0.01).count("oscillates") == 4
    assert words_at(recorded, 20, "tanh", 10.0, 0.01) == ["oscillates"] * 5
    exploding = [
        recorded(depth=20, activation="tanh", scale=10.0, learning_rate=rate) for rate in AXES["learning_rate"]
    ]
    assert all(np.isfinite(found["loss"]).all() for found in exploding)
    assert np.median(exploding[0]["gradient_ratio"]) == pytest.approx(3.6e6, rel=0.02)


@pytest.mark.parametrize(("depth", "ratio", "low"), [(5, 1.2, 0.070), (20, 1.6, 0.053)])
def test_a_step_too_long_oscillates_without_an_exploding_gradient(recorded, depth, ratio, low):
    assert words_at(recorded, depth, "tanh", 1.0, 10.0) == ["oscillates"] * 5
    assert words_at(recorded, depth, "tanh", 1.0, 0.1) == ["learns"] * 5
    found = recorded(depth=depth, activation="tanh", scale=1.0, learning_rate=0.1)
    assert np.median(found["gradient_ratio"]) == pytest.approx(ratio, rel=0.02)
    assert np.median(found["loss"][:, -1]) == pytest.approx(low, rel=0.01)


def test_one_layer_of_relus_overflows_where_no_gradient_can_explode_from_layer_to_layer(recorded):
    for scale in AXES["scale"]:
        assert words_at(recorded, 1, "relu", scale, 10.0) == ["overflows"] * 5
        assert words_at(recorded, 1, "relu", scale, 1.0) == ["learns"] * 5


def test_every_word_is_that_of_many_states(recorded):
    words = [measure.verdict_of_state(measure.verdicts(recorded(**state)["loss"])) for state in recorded.states()]
    counts = {word: words.count(word) for word in sorted(set(words))}
    assert counts == {"learns": 178, "oscillates": 37, "overflows": 49, "stuck": 96}
