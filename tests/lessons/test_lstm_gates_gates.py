"""Lesson 06, gates: the gradient by lag at birth, the part by the keeping gates alone, against torch's autograd."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import torch

from vgx.lessons.lstm_gates import draw, draw_gates, labs, measure, measure_gates
from vgx.verdict import Verdict

WIDTH, UNITS = measure_gates.WIDTH, measure_gates.UNITS
gates = functools.cache(measure.gates)
CELLS = [("RNN", "one_value"), ("LSTM", "one_value"), ("LSTM", "chrono"), ("LSTM", "half_chrono"),
         ("GRU", "one_value"), ("GRU", "chrono")]  # fmt: skip


def decay(cell, biases="one_value", forget_bias=0.0, steps=100):
    return gates(cell, biases, forget_bias, steps)["decay"]


def torch_step(drawn, k):
    """The step of network k of these cells as torch's documentation writes it: memory and h before, to both after."""
    parameters = ("input_weights", "recurrent_weights", "biases", "recurrent_biases")
    own = {}
    for name in parameters:
        if hasattr(drawn, name):
            array = getattr(drawn, name)
            own[name] = torch.tensor(array[k if array.ndim > 2 else ...])
    U, W, b = own["input_weights"], own["recurrent_weights"], own["biases"]

    def rnn(x, memory, h):
        new = torch.tanh(x @ U + h @ W + b)
        return new, new

    def lstm(x, c, h):
        i, f, g, o = (x @ U + h @ W + b).chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return c, o.sigmoid() * c.tanh()

    def gru(x, memory, h):
        (xr, xz, xn), (hr, hz, hn) = (x @ U + b).chunk(3, -1), (h @ W + own["recurrent_biases"]).chunk(3, -1)
        z = (xz + hz).sigmoid()
        new = (1 - z) * (xn + (xr + hr).sigmoid() * hn).tanh() + z * h
        return new, new

    return {"RNN": rnn, "LSTM": lstm, "GRU": gru}[type(drawn).__name__]


def drawn_as_measured(cell, biases, forget_bias, steps, n_nets, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((steps, n_nets, 1, WIDTH))
    readout = rng.standard_normal((n_nets, 1, WIDTH))
    return measure.cell_at_birth(cell, biases, forget_bias, steps, n_nets=n_nets, rng=rng), x, readout


@pytest.mark.parametrize(("cell", "biases"), CELLS)
def test_the_gradient_by_lag_is_autograds(cell, biases):
    steps, n_nets = 12, 3
    drawn, x, readout = drawn_as_measured(cell, biases, 1.0, steps, n_nets)
    norms = []
    for k in range(n_nets):
        step = torch_step(drawn, k)
        memories = [torch.zeros(1, WIDTH, dtype=torch.float64, requires_grad=True)]
        h = memories[0] if cell != "LSTM" else torch.zeros(1, WIDTH, dtype=torch.float64)
        for t in range(steps):
            memory, h = step(torch.tensor(x[t, k]), memories[-1], h)
            memories.append(memory)
        found = torch.autograd.grad((h * torch.tensor(readout[k])).sum(), memories)
        norms.append([each.norm().item() for each in found[::-1]])
    norms = np.array(norms)
    data = gates(cell, biases, 1.0, steps, n_nets=n_nets)
    expected = np.quantile(norms / norms[:, :1], [0.05, 0.5, 0.95], axis=0)
    np.testing.assert_allclose(data["gradient"], expected, rtol=1e-9)
    np.testing.assert_allclose(data["decay"], expected[:, -1] ** (1 / steps), rtol=1e-2)


@pytest.mark.parametrize(("cell", "biases"), CELLS[1:])
def test_direct_and_rest_are_the_two_parts_of_the_gradient(cell, biases):
    data = gates(cell, biases, 1.0, 12, n_nets=1)
    drawn, x, readout = drawn_as_measured(cell, biases, 1.0, 12, 1)
    trace = drawn.forward(x)
    grads = drawn.backward(trace, last=readout)
    total, keep = (grads.cells, trace.forget_gates) if cell == "LSTM" else (grads.states, trace.update_gates)
    for lag in (0, 1, 5, 12):
        direct = total[-1] * np.prod(keep[12 - lag :], axis=0)
        rest = total[12 - lag] - direct
        size = np.linalg.norm(total[-1])
        assert data["direct"][lag] == pytest.approx(np.linalg.norm(direct) / size, rel=1e-12)
        assert data["through"][lag] == pytest.approx(np.linalg.norm(rest) / size, rel=1e-9, abs=1e-14)
    np.testing.assert_array_equal(data["gates"], keep[:, 0, 0, :UNITS].T)


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_the_jacobian_written_out_is_autograds(cell):
    rng = np.random.default_rng(1)
    drawn = measure.cell_at_birth(cell, "one_value", 1.0, 6, rng=rng)
    trace = drawn.forward(rng.standard_normal((6, 1, WIDTH)))
    step, t = torch_step(drawn, ...), 4
    h = torch.tensor(trace.states[t - 1])
    x = torch.tensor(trace.inputs[t - 1])
    memory = torch.tensor(trace.cells[t - 1]) if cell == "LSTM" else h
    if cell == "LSTM":
        found = torch.autograd.functional.jacobian(lambda c, h: step(x, c, h), (memory, h))
        expected = np.block([[block[0, :, 0].numpy() for block in row] for row in found])
        np.testing.assert_allclose(measure.lstm_jacobian(trace, t), expected, rtol=1e-10, atol=1e-14)
    else:
        expected = torch.autograd.functional.jacobian(lambda h: step(x, None, h)[1], h)[0, :, 0].numpy()
        np.testing.assert_allclose(measure.gru_jacobian(trace, t), expected, rtol=1e-10, atol=1e-14)


def test_the_product_of_the_lstms_jacobians_is_backpropagation():
    rng = np.random.default_rng(2)
    drawn = measure.cell_at_birth("LSTM", "chrono", None, 50, rng=rng)
    trace = drawn.forward(rng.standard_normal((50, 1, WIDTH)))
    readout = rng.standard_normal((1, WIDTH))
    grads = drawn.backward(trace, last=readout)
    product = np.linalg.multi_dot([measure.lstm_jacobian(trace, t) for t in range(50, 10, -1)])
    by_h = np.concatenate([np.zeros_like(readout), readout], axis=1)  # C = v · h_T, where c_T acts through h_T alone
    o, c = trace.output_gates[-1], trace.cells[-1]
    on_c = by_h @ product[:, :WIDTH]
    # the path from c_10 through h_10 is counted in grads.cells, and is the second block of columns
    o10, c10 = trace.output_gates[9], trace.cells[10]
    on_h = by_h @ product[:, WIDTH:]
    np.testing.assert_allclose(grads.cells[10], on_c + on_h * o10 * (1 - np.tanh(c10) ** 2), rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(grads.states[10], on_h, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(grads.cells[50], readout * o * (1 - np.tanh(c) ** 2), rtol=1e-12)


# ---------------------------------------------------------------- what is drawn


def test_weights_and_biases_are_those_of_the_text():
    bound = 1 / np.sqrt(WIDTH)
    for cell, biases in CELLS:
        drawn = measure.cell_at_birth(cell, biases, 3.0, 100, n_nets=20, rng=np.random.default_rng(0))
        for weights in (drawn.input_weights, drawn.recurrent_weights):
            assert np.abs(weights).max() <= bound
            assert weights.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
        b = np.split(np.broadcast_to(drawn.biases, (20, 1, drawn.biases.shape[-1])),
                     {"RNN": 1, "LSTM": 4, "GRU": 3}[cell], axis=-1)  # fmt: skip
        if cell == "RNN":
            assert not np.any(b)
            continue
        keeping = b[1]
        if biases == "one_value":
            assert np.all(keeping == 3)
        else:
            assert keeping.min() >= 0
            assert keeping.max() <= np.log(99)
            # log U[1, T - 1]: half of the units keep for more than T/2 steps
            assert np.median(np.exp(keeping)) == pytest.approx(50, rel=0.1)
        others = b[:1] + b[2:]
        if (cell, biases) == ("LSTM", "chrono"):
            np.testing.assert_array_equal(others[0], -keeping)
            others = others[1:]
        assert not np.any(others)


def test_torchs_own_default_biases_change_little():
    """Theirs are uniform as the weights are, here they are 0: a step's factor differs by less than the spread."""
    torch.manual_seed(0)
    found = []
    for _ in range(10):
        net = torch.nn.RNN(WIDTH, WIDTH, dtype=torch.float64)
        x = torch.randn(100, 1, WIDTH, dtype=torch.float64)
        h0 = torch.zeros(1, 1, WIDTH, dtype=torch.float64, requires_grad=True)
        v = torch.randn(WIDTH, dtype=torch.float64)
        (g,) = torch.autograd.grad((net(x, h0)[1][0, 0] * v).sum(), h0)
        found.append((g.norm() / v.norm()).item() ** 0.01)
    low, _, high = decay("RNN")
    assert low < np.median(found) < high


# ---------------------------------------------------------------- what the table and the text say


TABLE = {
    ("RNN", "one_value", 0.0): (0.47, 0.46),
    ("GRU", "one_value", 0.0): (0.61, 0.61),
    ("LSTM", "one_value", 0.0): (0.60, 0.60),
    ("LSTM", "one_value", 1.0): (0.81, 0.81),
    ("LSTM", "chrono", 0.0): (0.982, 0.991),
}


@pytest.mark.parametrize(("state", "expected"), TABLE.items())
def test_the_decay_a_step(state, expected):
    for steps, factor in zip((100, 200), expected, strict=True):
        low, median, high = measure.decay_per_step(*state, steps)
        np.testing.assert_array_equal([low, median, high], decay(*state, steps=steps))
        assert median == pytest.approx(factor, abs=0.008 if factor < 0.9 else 0.001)
        assert median - 0.06 < low < median < high < median + 0.06


def test_the_decay_holds_for_other_seeds():
    for state, (factor, _) in TABLE.items():
        other = measure.decay_per_step(*state, 100, seed=1)[1]
        assert other == pytest.approx(factor, abs=0.015 if factor < 0.9 else 0.002)


def test_forget_bias_1_slows_the_decay_and_does_not_end_it():
    """RNN < forget bias 0 < 1 < 2 in every network's reach; at 1 still vanishing, 100 and 200 steps back."""
    states = [("RNN", "one_value", 0.0)] + [("LSTM", "one_value", b) for b in (0.0, 1.0, 2.0)]
    spreads = [decay(*state) for state in states]
    for (_, _, high), (low, _, _) in itertools.pairwise(spreads):
        assert high < low
    for steps, power in ((100, -9.4), (200, -18.3)):
        data = gates("LSTM", "one_value", 1.0, steps)
        assert draw.gates_verdict(data) is Verdict.VANISHING
        assert np.log10(data["gradient"][1, -1]) == pytest.approx(power, abs=0.3)
    assert draw.gates_verdict(gates("LSTM", "one_value", 2.0, 100)) is Verdict.VANISHING
    assert draw.gates_verdict(gates("LSTM", "chrono", 0.0, 200)) is Verdict.HEALTHY


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("bias", [0.0, 1.0, 4.0])
def test_the_product_of_gates_is_about_a_power_of_the_biass_sigmoid(cell, bias):
    direct, gate = gates(cell, "one_value", bias, 100)["direct"], 1 / (1 + np.exp(-bias))
    assert direct[-1] ** 0.01 == pytest.approx(gate, rel=0.02)


def test_what_is_very_small_is_not_taken_for_nothing():
    """Its square is below the smallest double."""
    direct = gates("LSTM", "one_value", -2.0, 200)["direct"][-1]
    assert np.log10(direct) == pytest.approx(-180, abs=3)


def test_the_direct_path_carries_the_first_steps_and_the_gates_the_rest():
    data = gates("LSTM", "one_value", 1.0, 200)
    share = data["direct"] / data["gradient"][1]
    np.testing.assert_allclose(share[[1, 10]], [1.0, 0.58], atol=0.1)
    np.testing.assert_allclose(np.log10(share[[50, 100, 200]]), [-2.3, -4.9, -10.2], atol=0.4)
    np.testing.assert_allclose(data["through"][50:] / data["gradient"][1, 50:], 1, atol=0.03)
    chrono = gates("LSTM", "chrono", 0.0, 200)
    assert (chrono["direct"] / chrono["gradient"][1]).min() > 0.85
    assert chrono["through"][-1] / chrono["gradient"][1, -1] == pytest.approx(0.3, abs=0.05)


def test_the_detours_through_h_carry_so_much_because_the_weights_are_the_same_at_every_step():
    def factor(k, *, afresh, steps=100):
        rng = np.random.default_rng(k)
        drawn, traces, state = measure.cell_at_birth("LSTM", "one_value", 1.0, steps, rng=rng), [], None
        for _ in range(steps):
            if afresh:
                drawn = measure.cell_at_birth("LSTM", "one_value", 1.0, steps, rng=rng)
            traces.append(drawn.forward(rng.standard_normal((1, 1, WIDTH)), state))
            state = traces[-1].states[-1], traces[-1].cells[-1]
        row = np.concatenate([np.zeros((1, WIDTH)), rng.standard_normal((1, WIDTH))], axis=1)
        slope = traces[-1].output_gates[0] * (1 - np.tanh(traces[-1].cells[1]) ** 2)
        at_the_end = np.linalg.norm(row[:, WIDTH:] * slope)
        for trace in reversed(traces):
            row = row @ measure.lstm_jacobian(trace, 1)
        return (np.linalg.norm(row[:, :WIDTH]) / at_the_end) ** (1 / steps)

    same, afresh = (np.median([factor(k, afresh=each) for k in range(10)]) for each in (False, True))
    assert same == pytest.approx(0.81, abs=0.01)
    assert afresh == pytest.approx(0.73, abs=0.01)
    gates_alone = measure.gates("LSTM", "one_value", 1.0, 100)["direct"][100] ** (1 / 100)
    assert gates_alone == pytest.approx(0.72, abs=0.01)


def test_with_a_large_forget_bias_it_is_the_young_cells_that_have_the_large_gradient():
    old = []
    for k in range(6):
        rng = np.random.default_rng(k)
        drawn = measure.cell_at_birth("LSTM", "one_value", 6.0, 600, rng=rng)
        trace = drawn.forward(rng.standard_normal((600, 1, WIDTH)))
        norms = np.linalg.norm(drawn.backward(trace, last=rng.standard_normal((1, WIDTH))).cells[:, 0], axis=-1)
        old.append(norms[400] / norms[600])
    young = gates("LSTM", "one_value", 6.0, 200)["gradient"]
    assert young[1, 100] < 3
    assert np.median(old) < 3 < young[0, 200]


def test_without_closing_the_input_gates_the_state_and_the_gradient_grow():
    full, half = (gates("LSTM", biases, 0.0, 200) for biases in ("chrono", "half_chrono"))
    assert full["size"] == pytest.approx(0.066, abs=0.01)
    assert half["size"] == pytest.approx(6.4, abs=0.7)
    assert full["gradient"][1, -1] < 0.25
    assert half["gradient"][0, -1] > 1
    assert half["direct"][-1] < full["direct"][-1]  # no more is kept, the growth comes through the gates
    for steps in (100, 200):
        for bias in (4.0, 6.0):  # one large value for all: the same growth
            assert decay("LSTM", forget_bias=bias, steps=steps)[0] > 1
            assert decay("GRU", forget_bias=bias, steps=steps)[2] < 1  # 1 - u closes as u opens


def test_an_lstm_explodes_where_its_recurrent_weights_are_large():
    ratios = []
    for k in range(10):
        rng = np.random.default_rng(k)
        drawn = measure.cell_at_birth("LSTM", "one_value", 1.0, 100, rng=rng)
        drawn = dataclasses.replace(drawn, recurrent_weights=8 * drawn.recurrent_weights)
        trace = drawn.forward(rng.standard_normal((100, 1, WIDTH)))
        norms = np.linalg.norm(drawn.backward(trace, last=rng.standard_normal((1, WIDTH))).cells[:, 0], axis=-1)
        ratios.append(norms[0] / norms[-1])
    assert np.median(ratios) > 1e3


def test_the_biases_of_the_exercises():
    def keeps(bias, steps):
        return (1 + np.exp(-bias)) ** -steps

    for steps in (10.0, 100.0, 200.0):
        assert keeps(-np.log(2 ** (1 / steps) - 1), steps) == pytest.approx(0.5)
        assert keeps(np.log(steps - 1), 1) == pytest.approx(1 - 1 / steps)
    assert -np.log(2 ** (1 / 100) - 1) == pytest.approx(4.97, abs=0.005)
    assert keeps(np.log(99), 100) == pytest.approx(0.366, abs=0.0005)


# ---------------------------------------------------------------- arguments, figure, sentence


def test_wrong_arguments_say_what_is_allowed():
    for wrong, words in [
        (("lstm", "chrono", 0.0, 10), "unknown cell 'lstm'"),
        (("LSTM", "chrona", 0.0, 10), "unknown biases 'chrona'"),
        (("LSTM", "chrono", np.nan, 10), "forget_bias must be"),
        (("LSTM", "chrono", 0.0, 2), "steps must be a whole number >= 3"),
    ]:
        with pytest.raises(ValueError, match=words):
            measure.gates(*wrong)


def test_what_has_no_part_changes_nothing():
    one = gates("RNN", "one_value", 0.0, 20)
    for other in (gates("RNN", "chrono", 5.0, 20), gates("RNN", "half_chrono", 1.0, 20)):
        np.testing.assert_array_equal(one["gradient"], other["gradient"])
    for cell in ("LSTM", "GRU"):
        a, b = gates(cell, "chrono", 0.0, 20), gates(cell, "chrono", 5.0, 20)
        np.testing.assert_array_equal(a["gradient"], b["gradient"])
    a, b = gates("GRU", "chrono", 0.0, 20), gates("GRU", "half_chrono", 0.0, 20)
    np.testing.assert_array_equal(a["gradient"], b["gradient"])


def shown(cell, biases="one_value", forget_bias=1.0, steps=100):
    controls = {"cell": cell, "biases": biases, "forget_bias": forget_bias, "steps": steps}
    data = gates(**controls)
    return data, controls, {trace.name: trace for trace in draw.gates(data, controls).data}


def test_the_figure_shows_the_data():
    data, _, traces = shown("LSTM", "chrono")
    assert len(traces) <= 8
    lags = np.array(traces["gradient, median"].x)
    assert (lags[0], lags[-1]) == (0, 100)
    np.testing.assert_array_equal(traces["gradient, median"].y, data["gradient"][1, lags])
    np.testing.assert_array_equal(traces["by the keeping gates alone"].y, data["direct"][lags])
    levels, (caption,), (heading, *means) = (
        traces["gates"].z, traces["captions"].text, traces["means of the gates"].text
    )  # fmt: skip
    assert levels.shape == (UNITS, 25)
    sorted_means = np.sort(data["gates"].mean(axis=1))
    np.testing.assert_allclose([float(mean) for mean in means], sorted_means, atol=0.0051)
    # the column at lag 0 is the last step's gates, of the rows in the order of their means
    last = data["gates"][np.argsort(data["gates"].mean(axis=1)), -1]
    halving = 10 ** (-0.6 + levels[:, 0] / 24 * 3.0)
    np.testing.assert_allclose(2 ** (-1 / halving), last, atol=0.03)
    assert caption == "— at lag 100: 0.17, <b>healthy</b><br>··· Π f alone: 0.16"
    assert heading == "forget gate f, 8 units; means right"


def test_gates_that_are_fully_open_or_shut_are_drawn_at_the_ends_of_the_scale():
    levels, means = draw_gates._levels(np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert (levels[:, 0] == [0, 24]).all()
    assert [mean.strip() for mean in means] == ["0.00", "1.000"]


def test_an_rnn_has_no_gate_to_show():
    data, controls, traces = shown("RNN")
    assert not len(traces["by the keeping gates alone"].y)
    assert np.isnan(traces["gates"].z).all()
    assert list(traces["means of the gates"].text) == ["an RNN has no gate"]
    assert "An RNN has no gate" in draw.gates_reading(data, controls)


def test_the_sentence_says_the_numbers():
    data, controls, _ = shown("LSTM")
    assert draw.gates_reading(data, controls) == (
        "LSTM, forget bias 1: 100 steps back the gradient with respect to c is 10⁻⁹ times the one at the end (5 to 95 "
        "%: 10⁻¹⁰ to 10⁻⁹), 0.806 a step: vanishing. Π f alone leaves 10⁻¹⁴ (0.721 a step): 10⁻⁵ of it; the rest came "
        "through h."
    )
    for state, words in [
        (("LSTM", "one_value", -2.0), "forget bias −2"),
        (("LSTM", "half_chrono"), "LSTM, half chrono biases (b_i = 0)"),
        (("LSTM", "chrono"), "nearly all of it"),
        (("GRU", "half_chrono"), "both kinds of chrono are one"),
        (("GRU", "one_value"), "GRU, update bias 1"),
    ]:
        data, controls, _ = shown(*state)
        assert words in draw.gates_reading(data, controls)


def test_the_labs_answer_is_what_it_shows():
    lab = labs.gates
    data = lab.compute(**lab.predict.at)
    assert draw.gradient_exponent(data, lab.predict.at) == pytest.approx(-9.4, abs=0.2)
