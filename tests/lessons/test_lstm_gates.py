"""Lesson 06: what its sentences say, against the labs that they speak of and against closed forms."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from tests.lessons.prose import said
from vgx import theory
from vgx.lessons.lstm_gates import labs, measure
from vgx.lessons.lstm_gates.measure_memory import CELLS, adding_network
from vgx.recurrent import recurrent_matrix
from vgx.verdict import Verdict, verdict_of_norms

LESSON = "06_lstm_gates"


def power(value):
    return round(float(np.log10(value)))


# ---------------------------------------------------------------- gradient-through-time


def through_time(activation, recurrent, radius, input_scale, steps=100):
    return labs.gradient_through_time.data(
        steps=steps, radius=radius, activation=activation, recurrent=recurrent, input_scale=input_scale
    )


def at_h0(*state):
    return float(through_time(*state)["gradient"][1, 0])


def test_what_is_to_be_seen_through_time():
    assert said(LESSON, "the gradient falls to $10^{-22}$, by a factor of 0.603 a step.")
    assert labs.gradient_through_time.state() == {
        "steps": 100, "radius": 1, "activation": "tanh", "recurrent": "gaussian", "input_scale": 1
    }  # fmt: skip
    opened = through_time("tanh", "gaussian", 1, 1)
    assert (power(opened["gradient"][1, 0]), round(measure.factor_a_step(opened), 3)) == (-22, 0.603)
    assert measure.factor_a_step(through_time("tanh", "gaussian", 1, 1, 50)) == pytest.approx(0.603, abs=0.02)
    assert said(LESSON, "Dotted and dashed line go up to $10^{15}$. The gradient goes *down*, to $10^{-9}$.")
    box = through_time("tanh", "orthogonal", 1.4, 1)
    assert (power(1.4**100), power(box["bound"] ** 100), power(box["gradient"][1, 0])) == (15, 15, -9)
    assert said(LESSON, "68 at the same ρ, healthy.")
    assert round(at_h0("tanh", "orthogonal", 1.4, 0)) == 68
    assert said(LESSON, "$10^{15}$ for 1.4 and $10^{-5}$ for 0.9, whatever the input.")
    for input_scale in (0, 1):
        assert [power(at_h0("identity", "orthogonal", radius, input_scale)) for radius in (1.4, 0.9)] == [15, -5]
    assert said(LESSON, "At ρ = 2 and 200 steps the *state* leaves float32 after 126 steps")
    overflown = through_time("identity", "orthogonal", 2, 1, 200)
    assert verdict_of_norms(overflown["gradient"][1]) is Verdict.OVERFLOW
    assert round(float(overflown["held"])) == 126
    assert said(LESSON, "66 steps back, float32 has only zeros left. Even at ρ = 2 it is $10^{-43}$.")
    assert "dead, a factor of 0.204 a step until, 66 steps back" in labs.gradient_through_time.reading(
        steps=100, radius=1, activation="sigmoid", recurrent="orthogonal", input_scale=1
    )
    assert power(at_h0("sigmoid", "orthogonal", 2, 1)) == -43
    assert said(LESSON, "with an orthogonal $W$ and ρ = 1 it is $10^{-15}$; with the *identity* as $W$ it is 0.24, and")
    assert said(LESSON, "with ρ = 1.1 it is $10^4$.")
    assert power(at_h0("relu", "orthogonal", 1, 1)) == -15
    assert round(at_h0("relu", "identity", 1, 1), 2) == 0.24
    assert power(at_h0("relu", "identity", 1.1, 1)) == 4


def test_the_box():
    assert said(LESSON, "$1.4^{100}$ is $10^{14.6}$")
    assert math.log10(1.4) * 100 == pytest.approx(14.6, abs=0.05)
    assert said(LESSON, "$0.83^{100} = 10^{-8}$ (the networks' own 0.82 makes it $10^{-9}$)")
    assert power(0.83**100) == -8
    assert round(measure.factor_a_step(through_time("tanh", "orthogonal", 1.4, 1)), 2) == 0.82
    assert labs.gradient_through_time.truth() == pytest.approx(-8.55, abs=0.1)


def predicted(activation, radius, input_scale):
    q = 1.0
    for _ in range(100):
        q = float(theory.variance_map(q, activation=activation, sigma_w=radius, sigma_b=input_scale))
    return float(theory.chi(activation=activation, sigma_w=radius, q=q)) ** 0.5


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity"])
def test_the_rule_for_the_head_holds_in_every_state_without_the_identity(activation):
    assert said(LESSON, "(Held against the lab: within 5 % a step, which is a factor of 130 over 100 steps.")
    for input_scale in (0, 1):
        for radius in (0.5, 0.8, 0.9, 1, 1.1, 1.4, 2):
            found = measure.factor_a_step(through_time(activation, "orthogonal", radius, input_scale))
            assert found == pytest.approx(predicted(activation, radius, input_scale), rel=0.05), (radius, input_scale)
            gaussian = measure.factor_a_step(through_time(activation, "gaussian", radius, input_scale))
            if np.isfinite(gaussian) and activation != "identity":  # there it is ρ, by eigenvalues
                rule = predicted(activation, 0.95 * radius, input_scale)
                assert gaussian == pytest.approx(rule, rel=0.05), (radius, input_scale)


def test_the_table_for_the_head():
    assert said(LESSON, "| relu | $\\rho/\\sqrt2$ | $\\rho/\\sqrt2$ |")
    assert said(LESSON, "| sigmoid | about 0.2 ρ | a little more, below ρ/4 |")
    assert said(LESSON, "| tanh | 0.58 at ρ = 0.9, 0.63 at 1, 0.83 at 1.4, 1.05 at 2 | ρ below 1; above, hardly")
    assert said(LESSON, "more than 1: 1.05 at 1.4, 1.17 at 2 |")
    with_input = [round(predicted("tanh", radius, 1), 2) for radius in (0.9, 1, 1.4, 2)]
    assert with_input == [0.58, 0.63, 0.83, 1.05]
    assert [round(predicted("tanh", radius, 0), 2) for radius in (1.4, 2)] == [1.05, 1.17]
    for radius in (0.5, 1, 2):
        assert predicted("relu", radius, 1) == pytest.approx(radius / math.sqrt(2))
        assert predicted("sigmoid", radius, 1) == pytest.approx(0.2 * radius, rel=0.08)
        assert predicted("sigmoid", radius, 1) < predicted("sigmoid", radius, 0) < radius / 4
    assert said(LESSON, "A Gaussian one of 64 units has σ_w = 0.95 ρ")
    W = recurrent_matrix("gaussian", 64, radius=1.0, n_nets=100, rng=np.random.default_rng(0))
    assert float(np.median(W.std(axis=(1, 2)) * 8)) == pytest.approx(0.95, abs=0.01)


def test_input_tames():
    assert said(LESSON, "the edge above which tanh can explode moves from ρ = 1 to 1.86")
    assert theory.critical_point(activation="tanh").sigma_w == pytest.approx(1, abs=1e-3)
    assert theory.critical_point(activation="tanh", sigma_b=1.0).sigma_w == pytest.approx(1.86, abs=0.005)


def test_the_bound_of_the_sigmoid():
    assert said(LESSON, "For the sigmoid that is any $\\sigma_{\\max}$ below 4.")
    assert (measure.first_over_last("sigmoid", singular_value=3.9, n_nets=20, steps=20)["ratio"] < 1).all()


# ---------------------------------------------------------------- powers


def test_what_is_to_be_seen_of_powers():
    assert said(LESSON, "As it opens, $k = 0$, unit 2 does not feed unit 1: powers of 0.9.")
    assert labs.powers.defaults == {"rho": 0.9, "k": 0, "t": 9}
    assert said(LESSON, "it grows 3.91-fold in 9 steps and is below 1 only from step 35 on.")
    assert "grows 3.91-fold in 9 steps and is below 1 only from step 35 on" in labs.powers.reading(rho=0.9, k=1, t=9)
    assert said(LESSON, "$k = 10$: 38.7-fold, below 1 from step 63 on.")
    assert said(LESSON, "$k = 0.1$: no growth, since $\\sigma_{\\max} = 0.951$.")
    assert "grows 38.7-fold in 9 steps and is below 1 only from step 63 on" in labs.powers.reading(rho=0.9, k=10, t=9)
    assert "largest singular value 0.951: ‖Wᵗ‖ never exceeds 1" in labs.powers.reading(rho=0.9, k=0.1, t=9)
    assert said(LESSON, "100-fold after 100 steps")
    assert "At t = 100 it is 100, ρᵗ 1" in labs.powers.reading(rho=1, k=1, t=100)
    assert said(LESSON, "$t = -1/\\ln\\rho$, here 9.5")
    assert -1 / math.log(0.9) == pytest.approx(9.5, abs=0.05)
    assert said(LESSON, "Here that is 0.81 and says nothing of this growth")
    assert np.linalg.det([[0.9, 1], [0, 0.9]]) == pytest.approx(0.81)
    assert said(LESSON, "the Gaussian matrices grow 1.83-fold, typically")
    assert "reach 1.83 within 100 steps (median of 20)" in labs.powers.reading()


# ---------------------------------------------------------------- gates


def gates(steps=200, cell="LSTM", biases="one_value", forget_bias=1):
    return labs.gates.data(cell=cell, biases=biases, forget_bias=forget_bias, steps=steps)


def test_what_is_to_be_seen_of_gates():
    assert said(LESSON, "not $0.73^{100} = 10^{-14}$ but $10^{-9}$; 0.81 a step. At 200: $10^{-18}$.")
    data = gates(100)
    assert (power(0.73**100), power(data["gradient"][1, 100]), round(data["decay"][1], 2)) == (-14, -9, 0.81)
    assert power(gates()["gradient"][1, 200]) == -18
    assert labs.gates.truth() == pytest.approx(-9.4, abs=0.3)
    assert said(LESSON, "*cell* RNN: 0.46 a step. LSTM with *forget bias* 0: 0.60. GRU with 0: 0.61.")
    cells = [gates(cell=cell, forget_bias=0)["decay"][1] for cell in ("RNN", "LSTM", "GRU")]
    assert [round(each, 2) for each in cells] == [0.46, 0.60, 0.61]
    assert said(LESSON, "*forget bias* 2, 3, 4, 6: $10^{-5}$, 0.63, 6.7, 26.")
    ends = [float(gates(forget_bias=bias)["gradient"][1, 200]) for bias in (2, 3, 4, 6)]
    assert (power(ends[0]), *(float(f"{end:.2g}") for end in ends[1:])) == (-5, 0.63, 6.7, 26)
    alone = [float(gates(forget_bias=bias)["direct"][200]) for bias in (2, 3, 4, 6)]
    assert max(alone) < 1
    assert said(LESSON, "GRU with 4 and 6: 0.021 and 0.56, on the dotted line.")
    for bias, end in ((4, 0.021), (6, 0.56)):
        data = gates(cell="GRU", forget_bias=bias)
        assert float(f"{data['gradient'][1, 200]:.2g}") == end
        assert data["gradient"][1, 200] < 1.5 * data["direct"][200]
    assert said(LESSON, "0.17 after 200 steps (0.16 after 50: it knows $T$), and nearly all of it by the direct path.")
    for steps, end in ((200, 0.17), (50, 0.16)):
        data = gates(steps, biases="chrono")
        assert round(float(data["gradient"][1, steps]), 2) == end
        assert data["gradient"][1, steps] < 1.15 * data["direct"][steps]


def test_what_a_gate_keeps():
    assert said(LESSON, "$0.99^{100} = 0.37$ over 100 steps")
    assert round(0.99**100, 2) == 0.37
    assert said(LESSON, "needs $1 + e^b = 100$, $b = \\ln 99 = 4.6$")
    assert math.log(99) == pytest.approx(4.6, abs=0.05)
    assert 1 - 1 / (1 + math.exp(-math.log(99))) == pytest.approx(1 / 100)


# ---------------------------------------------------------------- the rest


def test_the_naive_error():
    assert said(LESSON, "a mean squared error of $1/6 = 0.167$")
    assert round(2 * stats.uniform.var(), 3) == 0.167


def test_what_the_next_lesson_is_promised():
    assert said("05_resnet_skips", "$2.4\\cdot10^4$ times it with")
    assert said(LESSON, "56 plain layers with BatchNorm, and a first gradient $2.4\\cdot10^4$ times the last")


# ---------------------------------------------------------------- memory


def solved(cell, lag):
    """Return at which training step each run was solved, NaN where it was not, and the last errors."""
    data = labs.memory.data(cell=cell, lag=lag)
    return data["solved"][list(CELLS).index(cell)], data["errors"][np.cumsum(data["evaluations"]) - 1].tolist()


def test_what_is_to_be_seen_of_memory():
    assert said(LESSON, "lag 100: 5 of 5, after 700 to 1,200 steps.")
    assert labs.memory.state() == {"cell": "lstm_forget_1", "lag": 100}
    steps, _ = solved("lstm_forget_1", 100)
    assert (len(steps), steps.min(), steps.max()) == (5, 700, 1200)
    assert said(LESSON, "0 of 5 each, all still at $1/6$. At lag 10 they learn it.")
    for cell in ("rnn", "rnn_orthogonal"):
        steps, ends = solved(cell, 100)
        assert not np.isfinite(steps).any()
        assert ends == pytest.approx([1 / 6] * 5, rel=0.12)
        assert np.isfinite(solved(cell, 10)[0]).all()
    assert said(LESSON, "The IRNN: 0 of 5, though two have left $1/6$, and one of them has just come below 0.01;")
    steps, ends = solved("irnn", 100)
    assert not np.isfinite(steps).any()
    assert sorted(ends)[0] < 0.01 < sorted(ends)[1] < 0.05 < sorted(ends)[2]
    assert np.isfinite(solved("irnn", 50)[0]).sum() == 3
    assert said(LESSON, "1,000 to 1,650, 700 to 1,200, 450 to 550 steps. At lag 400: 0 of 3, 1 of 3, 3 of 3.")
    for cell, low, high, far in (
        ("lstm_forget_0", 1000, 1650, 0), ("lstm_forget_1", 700, 1200, 1), ("lstm_chrono", 450, 550, 3)
    ):  # fmt: skip
        steps, _ = solved(cell, 100)
        assert (steps.min(), steps.max()) == (low, high)
        assert np.isfinite(solved(cell, 400)[0]).sum() == far
    assert said(LESSON, "GRU: 300 to 350 steps. At lag 400: 450.")
    steps, _ = solved("gru", 100)
    assert (steps.min(), steps.max()) == (300, 350)
    assert set(solved("gru", 400)[0]) == {450}


def test_over_400_steps_the_gru_has_no_gradient_at_birth():
    assert said(LESSON, "over 400 steps float32 has only 0 left.")
    import torch

    network, x = adding_network("gru", 400, seed=0), torch.rand(400, 8, 2, requires_grad=True)
    network["readout"](network["cell"](x)[0][-1]).sum().backward()
    assert x.grad[0].abs().max() == 0


# ---------------------------------------------------------------- who-did-it


def who(cell, step, lag):
    data = labs.who_did_it.data(cell=cell, step=step, lag=lag, sequence="pi")
    mark, right = int(data["mark"]), data["digits"][data["mark"]]
    share = np.median(data["share"], axis=0)
    return {
        "right": int(np.sum(data["answers"] == right)),
        "mark": round(100 * float(share[mark])) if share[mark] > 0.005 else power(share[mark]),
        "last": round(100 * float(np.median(data["share"][:, -3:].sum(axis=1)))),
        "changed": float(np.median(data["changed"][:, mark])),
        "others": float(np.delete(np.median(data["changed"], axis=0), mark).max()),
        "accuracy": np.median(data["accuracy"], axis=1),
    }


def test_who_did_it():
    assert said(LESSON, "all five networks name it. It has 36 % of the gradient")
    lstm = who("lstm", 4000, 16)
    assert [lstm[name] for name in ("right", "mark", "changed", "others")] == [5, 36, 1, 0]
    assert said(LESSON, "The marked digit has 2 % of the gradient, the last three digits 69 %.")
    rnn = who("rnn", 4000, 16)
    assert [rnn[name] for name in ("right", "mark", "last", "changed", "others")] == [5, 2, 69, 1, 0]
    assert said(LESSON, "rnn, mark 19 steps back: $10^{-4}$, and one of five is right.")
    forgotten = who("rnn", 4000, 19)
    assert [forgotten[name] for name in ("right", "mark")] == [1, -4]
    assert said(LESSON, "the last three digits have 83 % (LSTM 79 %), the digit 19 steps back $10^{-5}$.")
    born = [who(cell, 0, 19) for cell in ("rnn", "lstm")]
    assert [each["last"] for each in born] == [83, 79]
    assert [each["mark"] for each in born] == [-5, -5]
    assert said(LESSON, "right everywhere after 1,000 steps, the RNN after 4,000, but for the oldest digits.")
    by_place = who("lstm", 1000, 0)["accuracy"]  # of RNN and LSTM, by place
    assert by_place[1].min() > 0.98
    assert by_place[0].max() < 0.9
    rnn = who("rnn", 4000, 0)["accuracy"][0]
    assert rnn[3:].min() > 0.95
    assert rnn[0] < 0.9


# ---------------------------------------------------------------- the dots


def test_the_dots_add_up():
    """The numbers with weights drawn afresh are held in test_lstm_gates_gates."""
    assert said(LESSON, "the gates alone leave 0.72 a step, the whole gradient 0.81")
    assert said(LESSON, "drawn afresh at every step there is no such direction, and 0.73 is left")
    assert said(LESSON, "a gradient along its leading direction gains 0.09 at each step: 0.72 + 0.09")
    parts = []
    for k in range(10):
        rng = np.random.default_rng(k)
        cell = measure.cell_at_birth("LSTM", "one_value", 1.0, 200, rng=rng)
        trace, width = cell.forward(rng.standard_normal((200, 1, 64))), 64
        detours = []
        for t in range(51, 201):
            A = measure.lstm_jacobian(trace, t)[:width, width:]
            D = trace.output_gates[t - 2] * (1 - np.tanh(trace.cells[t - 1]) ** 2)
            detours.append(A * D)
        leading = np.linalg.eigvals(np.mean(detours, axis=0)).real.max()
        parts.append((trace.forget_gates[50:].mean(), leading))
    assert np.median(parts, axis=0) == pytest.approx([0.72, 0.09], abs=0.01)


def test_what_torch_draws_is_not_much_of_a_radius():
    assert said(LESSON, "torch draws $W$ with ρ = 0.6, and the Gaussian ρ = 1 of the first lab had 0.60 without a gate")
    rng = np.random.default_rng(0)
    drawn = measure.cell_at_birth("RNN", "one_value", 0.0, 100, n_nets=20, rng=rng).recurrent_weights
    radii = np.abs(np.linalg.eigvals(drawn)).max(axis=-1)
    assert np.median(radii) == pytest.approx(0.6, abs=0.03)
    data = labs.gradient_through_time.data(steps=100, radius=1, activation="tanh", recurrent="gaussian", input_scale=1)
    assert measure.factor_a_step(data) == pytest.approx(0.60, abs=0.005)


def test_what_survives_at_birth_is_not_what_learns():
    """The numbers themselves are held in test_lstm_gates_memory and test_lstm_gates_opening."""
    assert said(LESSON, "IRNN, orthogonal RNN and chrono keep 0.9, 0.05 and 0.05 of theirs over 100 steps")
    assert said(LESSON, "A lag of 100 is learnt from gradients that never go back further than 10.")
    assert said(LESSON, "its cliff comes at 700 steps")
    assert said(LESSON, "Two small inputs a step, not 64: tanh stays steeper.")
    from_value, from_marker = 1 / 3, 2 / 100  # mean squares of the two inputs; weights are uniform within ±1/8
    s = math.sqrt((from_value + from_marker) / 64 / 3)
    q = theory.fixed_point(activation="tanh", sigma_w=1.0, sigma_b=s)
    here = theory.chi(activation="tanh", sigma_w=1.0, q=q) ** 50
    assert 0.01 < here < 0.1
    assert said(LESSON, "an LSTM with forget bias 1, lag 100: 5 of 5, after 700 to 1,200 steps")


# ---------------------------------------------------------------- exercises


def test_a_memory_of_100_steps():
    assert said(LESSON, "$1.01^{100} = 2.7$ and by $1.01^{1000} = 21{,}000$")
    assert (round(1.01**100, 1), round(1.01**1000, -3)) == (2.7, 21_000)
    assert said(LESSON, "so $\\chi = 0.986$: ρ = 1.835, close below the edge of 1.86")
    assert round(0.5**0.02, 3) == 0.986
    assert predicted("tanh", 1.835, 1) == pytest.approx(0.5**0.01, abs=0.0005)


def test_the_identity_follows_a_rule_of_its_own():
    assert said(LESSON, "The lab says $10^{-26}$")
    assert power(at_h0("tanh", "identity", 1.4, 0)) == -26
    assert predicted("tanh", 1.4, 0) > 1
    rest = optimize.brentq(lambda h: np.tanh(1.4 * h) - h, 0.1, 1)
    assert said(LESSON, "at ±0.81. There the factor is $1.4\\,(1 - h^2) = 0.47$: $10^{-33}$ in 100 steps.")
    factor = 1.4 * (1 - rest**2)
    assert (round(rest, 2), round(factor, 2), power(factor**100)) == (0.81, 0.47, -33)


def test_what_is_taken_away():
    assert said(LESSON, "(16 steps, for the digits) or not within our 4,000 training steps (100, for the sum)")
    assert who("rnn", 2000, 16)["accuracy"][0][3] < 0.5 < who("rnn", 4000, 16)["accuracy"][0][3]
    assert not np.isfinite(solved("rnn", 100)[0]).any()
