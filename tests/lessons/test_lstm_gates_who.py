"""Lesson 06: whose digit moves an answer, against torch's autograd, plain loops and the recording."""

import re
from functools import cache

import numpy as np
import pytest
import torch

from vgx.lessons.lstm_gates import draw_who as draw
from vgx.lessons.lstm_gates import labs, measure_who
from vgx.lessons.lstm_gates.record import RECORDINGS
from vgx.recurrent import RNN

LENGTH, LAGS, STEPS = measure_who.LENGTH, measure_who.LAGS, measure_who.STEPS
SEEDS = measure_who.WHO_AXES["seed"]


@cache
def recorded():
    return RECORDINGS.load("who-did-it")


@cache
def runs(name, cell, step):
    """What was recorded of all networks: the seeds are the first axis."""
    return np.array([recorded()(step=step, cell=cell, seed=seed)[name] for seed in SEEDS])


def torch_network(cell, seed=0):
    """Draw a network of torch in float64, its recurrent weights large enough to be heard at the end."""
    torch.manual_seed(seed)
    net = getattr(torch.nn, measure_who.MODULES[cell])(11, 48).double()
    outputs = torch.nn.Linear(48, 10).double()
    with torch.no_grad():
        net.weight_hh_l0 *= 1.7
        net.weight_ih_l0 *= 3
    return net, outputs


def in_numpy(net, outputs):
    return measure_who.in_numpy(net), outputs.weight.detach().numpy().T, outputs.bias.detach().numpy()


def some_sequences(n, seed=0):
    rng = np.random.default_rng(seed)
    return measure_who.random_digits(n, rng=rng), rng.integers(LENGTH, size=n)


# ---------------------------------------------------------------- what is asked


def test_inputs_say_which_digit_and_where_the_mark_is():
    digits, marks = some_sequences(7)
    x = measure_who.encoded(digits, marks)
    assert x.shape == (20, 7, 11)
    np.testing.assert_array_equal(x[..., :10].argmax(-1), digits)
    np.testing.assert_array_equal(x[..., :10].sum(-1), 1)
    np.testing.assert_array_equal(x[..., 10].argmax(0), marks)
    np.testing.assert_array_equal(x[..., 10].sum(0), 1)


@pytest.mark.parametrize("cell", measure_who.MODULES)
def test_effects_are_those_of_autograd(cell):
    net, outputs = torch_network(cell)
    digits, marks = some_sequences(6)
    x = measure_who.encoded(digits, marks).astype(float)
    answers, norms = measure_who.effects(*in_numpy(net, outputs), x)
    assert len(set(answers)) > 1
    inputs = torch.from_numpy(x).requires_grad_()
    logits = outputs(net(inputs)[0][-1])
    np.testing.assert_array_equal(answers, logits.argmax(1).numpy())
    (gradient,) = torch.autograd.grad(logits.max(dim=1).values.sum(), inputs)
    np.testing.assert_allclose(norms, gradient[..., :10].norm(dim=-1).numpy(), rtol=1e-10)
    assert (norms > 0).all()


def test_without_recurrence_only_the_last_digit_moves_the_answer():
    rng = np.random.default_rng(0)
    u, w, b = rng.normal(size=(11, 48)), np.zeros((48, 48)), rng.normal(size=(1, 48))
    weights, biases = rng.normal(size=(48, 10)), np.zeros(10)
    digits, marks = some_sequences(5)
    x = measure_who.encoded(digits, marks).astype(float)
    answers, norms = measure_who.effects(RNN("tanh", u, w, b), weights, biases, x)
    assert not norms[:-1].any()
    slopes = 1 - np.tanh(x[-1] @ u + b) ** 2
    by_hand = [np.linalg.norm(u[:10] @ (s * weights[:, a])) for s, a in zip(slopes, answers, strict=True)]
    np.testing.assert_allclose(norms[-1], by_hand)


@pytest.mark.parametrize("cell", measure_who.MODULES)
def test_exchanges_are_counted_as_a_loop_counts_them(cell):
    net, outputs = torch_network(cell, seed=1)
    digits, marks = some_sequences(2, seed=1)

    def answers(digits):
        with torch.no_grad():
            x = torch.from_numpy(measure_who.encoded(digits, marks)).double()
            return outputs(net(x)[0][-1]).argmax(1).numpy()

    counts = np.zeros_like(digits)
    for place in range(LENGTH):
        for shift in range(1, 10):
            other = digits.copy()
            other[place] = (other[place] + shift) % 10
            counts[place] += answers(other) != answers(digits)
    assert counts.max() > 0
    np.testing.assert_array_equal(measure_who.answers_changed(*in_numpy(net, outputs), digits, marks), counts)


def test_readers_begin_as_torch_draws_them_and_leave_its_random_state_alone():
    before = torch.random.get_rng_state()
    (first, weights, biases), (later, *_) = measure_who.readers("lstm", (0, 2), seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(3)
    net, outputs = torch.nn.LSTM(11, 48), torch.nn.Linear(48, 10)
    np.testing.assert_array_equal(first.recurrent_weights, net.weight_hh_l0.detach().numpy().T)
    np.testing.assert_array_equal(weights, outputs.weight.detach().numpy().T)
    np.testing.assert_array_equal(biases, outputs.bias.detach().numpy())
    moved = np.abs(later.recurrent_weights - first.recurrent_weights).max()
    assert 0 < moved <= 2.1 * measure_who.LEARNING_RATE  # Adam's first steps are as long as the rate


@pytest.mark.parametrize(
    ("given", "says"),
    [((0, "gru", 0), "unknown cell 'gru'; there are: rnn, lstm"), (((5, 2), "rnn", 0), "steps must rise, got [5, 2]"),
     ((-1, "rnn", 0), "step must be a whole number >= 0"), ((0, "rnn", -1), "seed must be a whole number >= 0")],
)  # fmt: skip
def test_what_it_does_not_take(given, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure_who.who_did_it(*given)


def test_a_latch_remembers_without_a_gradient():
    """One tanh unit that feeds itself by 2: what it holds for 20 steps hangs on the first input, without a gradient.

    It rests where h = tanh 2h, at ±0.9575, and a step back multiplies the gradient by 2 (1 − h²) = 0.166 there.
    """
    two = np.array([[2.0]])
    latch, x = RNN("tanh", two, two, np.zeros((1, 1))), np.zeros((20, 2, 1))
    x[0] = [[1], [-1]]
    trace = latch.forward(x)
    held = trace.states[-1, :, 0]
    np.testing.assert_allclose(held, [0.9575, -0.9575], atol=5e-5)
    np.testing.assert_allclose(np.tanh(2 * held), held)
    grads = latch.backward(trace, last=np.ones((2, 1)))
    effect = grads.inputs[0, 0, 0]
    assert 1e-16 < effect < 3e-16
    step_back = 2 * (1 - held[0] ** 2)
    assert round(step_back, 3) == 0.166
    np.testing.assert_allclose(grads.states[10, 0, 0] / grads.states[15, 0, 0], step_back**5)


# ---------------------------------------------------------------- the recording


@pytest.mark.parametrize("cell", measure_who.MODULES)
def test_the_first_steps_are_computed_again(cell):
    again = measure_who.who_did_it((0, 200), cell, 1, n_test=10)
    for k, step in enumerate((0, 200)):
        then = recorded()(step=step, cell=cell, seed=1)
        np.testing.assert_allclose(again["gradient"][k], then["gradient"], atol=0.05)
        assert (again["answer"][k] == then["answer"]).mean() > 0.9
        assert np.abs(again["changed"][k].astype(int) - then["changed"]).mean() < 0.2
    again = measure_who.who_did_it(0, cell, 1)
    for name in ("accuracy", "mark_share", "found"):
        np.testing.assert_allclose(again[name], recorded()(step=0, cell=cell, seed=1)[name], atol=0.011)


def test_before_training_both_cells_forget_geometrically_and_no_more_slowly_with_gates():
    """torch draws weights within ±1/√width: an RNN's step then multiplies a gradient by 1/√3 at most, on average."""
    factors = {}
    for cell in measure_who.MODULES:
        log_norms = runs("gradient", cell, 0).astype(float)
        factors[cell] = 10 ** ((log_norms[..., -1] - log_norms[..., 2]) / -17)
    assert 0.5 < np.median(factors["rnn"]) < 1 / np.sqrt(3) + 0.02
    assert abs(np.median(factors["lstm"]) - np.median(factors["rnn"])) < 0.1


def test_chance_before_training_and_who_learns_first():
    for cell in measure_who.MODULES:
        assert abs(runs("accuracy", cell, 0).mean() - 0.1) < 0.02
    assert np.median(runs("accuracy", "lstm", 400), axis=0).min() > 0.95
    assert np.median(runs("accuracy", "rnn", 1000), axis=0)[:15].max() < 0.25


def by_lag(name, cell, step):
    """Per cent, median over the networks, from the last place of the mark back to the first."""
    return np.round(100 * np.median(runs(name, cell, step), axis=0)[::-1])


def of_the_mark(values):
    """What belongs to the marked digit, of (seeds, sequences, lags, 20)."""
    return np.stack([values[:, :, k, LENGTH - 1 - lag] for k, lag in enumerate(LAGS)], axis=-1)


def right(cell, step):
    digits = np.array([[int(digit) for digit in text] for text in measure_who.SEQUENCES.values()])
    return runs("answer", cell, step) == digits[:, LENGTH - 1 - np.array(LAGS)]  # (seeds, sequences, lags)


def test_a_right_answer_hangs_on_the_marked_digit_alone():
    """Each of its 9 exchanges changes the answer, of the 171 others at most two."""
    for cell in measure_who.MODULES:
        named, changed = right(cell, 4000), runs("changed", cell, 4000)
        at_mark = of_the_mark(changed)
        elsewhere = changed.sum(axis=-1) - at_mark
        far = np.array(LAGS) <= 16
        assert named[..., far].all()
        assert (at_mark[..., far] == 9).all()
        assert elsewhere[..., far].max() <= 2
    assert right("lstm", 4000).all()
    assert right("rnn", 4000)[..., -1].sum() == 4


def test_the_gradient_finds_the_digit_in_the_lstm_and_not_in_the_rnn():
    """What the lesson says of 100 random sequences a place: accuracy, share of the gradient, largest bar."""
    lags = [0, 4, 8, 16, 19]
    assert by_lag("accuracy", "rnn", 4000)[lags].tolist() == [100, 100, 100, 98, 11]
    assert by_lag("mark_share", "rnn", 4000)[lags].tolist() == [61, 32, 15, 6, 2]
    assert by_lag("found", "rnn", 4000)[lags].tolist() == [100, 80, 32, 12, 6]
    assert by_lag("accuracy", "lstm", 4000)[lags].tolist() == [100] * 5
    assert by_lag("mark_share", "lstm", 4000)[lags].tolist() == [64, 43, 38, 36, 46]
    assert by_lag("found", "lstm", 4000)[lags].tolist() == [100, 100, 94, 85, 93]


def test_the_gradient_points_to_the_mark_before_the_lstm_can_name_it():
    assert round(100 * runs("accuracy", "lstm", 200).mean()) == 34
    assert round(100 * runs("found", "lstm", 200).mean()) == 92
    assert round(100 * runs("accuracy", "rnn", 1000).mean()) == 17
    assert round(100 * runs("found", "rnn", 1000).mean()) == 5


# ---------------------------------------------------------------- the lab


def states():
    return labs.who_did_it.compute.states()


def shown(**state):
    state = {"cell": "rnn", "step": 4000, "lag": 16, "sequence": "pi"} | state
    return labs.who_did_it.compute(**state), state


def test_what_is_shown_is_what_was_recorded():
    data, _ = shown(cell="lstm", step=200, lag=4, sequence="e")
    then = recorded()(step=200, cell="lstm", seed=2)
    norms = 10.0 ** then["gradient"][1, LAGS.index(4)].astype(float)
    np.testing.assert_allclose(data["share"][2], norms / norms.sum())
    np.testing.assert_array_equal(data["changed"][2] * 9, then["changed"][1, LAGS.index(4)])
    assert data["answers"][2] == then["answer"][1, LAGS.index(4)]
    assert "".join(map(str, data["digits"])) == "27182818284590452353"
    assert data["mark"] == 15
    np.testing.assert_array_equal(data["accuracy"][1, 2], then["accuracy"])
    np.testing.assert_allclose(data["share"].sum(axis=1), 1)


def test_every_control_moves_the_figure():
    readings = {}
    for state in states():
        data = labs.who_did_it.compute(**state)
        readings[tuple(state.values())] = draw.who_reading(data, state)
    assert len(readings) == 216
    assert len(set(readings.values())) == 216
    assert not any("nan" in reading or "inf" in reading for reading in readings.values())


def test_the_figure_shows_median_range_and_the_marked_digit():
    data, state = shown(lag=4)
    figure = draw.who_did_it(data, state)
    assert len(figure.data) <= 8
    bars, spread, exchanged, *lines, names = figure.data
    tops = np.array(bars.y)[1:100:5]
    np.testing.assert_allclose(tops, np.median(data["share"], axis=0), atol=0.5 / draw.FINE)
    np.testing.assert_allclose(np.array(spread.y)[:100:5], data["share"].min(axis=0), atol=0.5 / draw.FINE)
    np.testing.assert_allclose(np.array(spread.y)[1:100:5], data["share"].max(axis=0), atol=0.5 / draw.FINE)
    np.testing.assert_allclose(np.nan_to_num(exchanged.y), np.median(data["changed"], axis=0))
    for line, accuracies in zip(lines, data["accuracy"], strict=True):
        np.testing.assert_allclose(np.array(line.y) + line.error_y.array, accuracies.max(axis=0))
    assert figure.layout.xaxis.title.text == "marked ▲ 3; answers " + " ".join(map(str, data["answers"]))
    assert figure.layout.xaxis.ticktext[15] == "<b>3<br>▲</b>"
    assert sum("▲" in text for text in figure.layout.xaxis.ticktext) == 1
    assert names.text == ("RNN", "LSTM")


def test_what_the_reading_says():
    assert draw.who_reading(*shown()) == (
        "RNN after 4,000 steps, mark 16 steps back: 5 of 5 networks name the 1 (answers 1, 1, 1, 1, 1). The marked "
        "digit has 2 % of the gradient (1 % to 10 %), the last 3 digits have 69 %. Exchanged, the marked digit changes "
        "the answer in 9 of 9 cases, another one in none (medians)."
    )
    assert "1 of 5 networks names the 1" in draw.who_reading(*shown(step=0))
    assert "digit has 10⁻⁴ of the gradient (10⁻⁵ to 10⁻⁴)" in draw.who_reading(*shown(step=0))
    assert draw.who_reading(*shown(step=0, lag=0)).startswith("RNN before the first step, mark at the end:")
    assert "mark 1 step back" in draw.who_reading(*shown(lag=1))


def test_the_question_is_about_networks_that_all_name_the_digit():
    at = labs.who_did_it.predict.at
    data = labs.who_did_it.compute(**at)
    assert (data["answers"] == data["digits"][data["mark"]]).all()
    assert at["lag"] == 16
    assert round(labs.who_did_it.truth(), 1) == 1.8
