"""Lesson 06, the adding problem: the training against NumPy's own, and what the recording holds."""

import numpy as np
import pytest

from vgx.datasets import adding_problem
from vgx.lessons.lstm_gates import draw_memory as drawn
from vgx.lessons.lstm_gates import labs
from vgx.lessons.lstm_gates import measure_memory as measured
from vgx.lessons.lstm_gates.record import RECORDINGS
from vgx.recurrent import GRU, LSTM, RNN

CELLS, LAGS, NAIVE = list(measured.CELLS), measured.LAGS, measured.NAIVE
GATED = CELLS[3:]


def parameters(cell, lag=50, seed=0):
    state = measured.adding_network(cell, lag, seed=seed).state_dict()
    return {name.split(".")[-1]: value.numpy().astype(float) for name, value in state.items()}


def numpy_cell(cell, p):
    u, w = p["weight_ih_l0"].T, p["weight_hh_l0"].T
    b, b2 = p["bias_ih_l0"][None], p["bias_hh_l0"][None]
    if cell == "gru":
        return GRU(u, w, b, b2)
    return LSTM(u, w, b + b2) if cell.startswith("lstm") else RNN("relu" if cell == "irnn" else "tanh", u, w, b + b2)


def sequences(lag, seed):
    return adding_problem(1_000, lag, rng=np.random.default_rng([seed, lag, 2]), dtype=np.float32)


def error_of(cell, p, task):
    """Return the error, and what its gradient needs."""
    recurrent = numpy_cell(cell, p)
    trace = recurrent.forward(task.x.astype(float))
    off = trace.states[-1] @ p["weight"].T + p["bias"] - task.y
    return (off**2).mean(), recurrent, trace, off


# ---------------------------------------------------------------- how the cells start


@pytest.mark.parametrize("cell", CELLS)
def test_a_network_has_64_units_and_torchs_uniform_weights_but_for_what_its_name_says(cell):
    p = parameters(cell)
    gates = {"gru": 3}.get(cell, 4 if cell.startswith("lstm") else 1)
    assert p["weight_hh_l0"].shape == (gates * 64, 64)
    assert p["weight_ih_l0"].shape == (gates * 64, 2)
    special = {"irnn": [], "rnn_orthogonal": ["weight_ih_l0", "weight"]}
    uniform = ["weight_hh_l0", "weight_ih_l0", "weight"] + (
        ["bias_ih_l0", "bias_hh_l0"] if cell in ("rnn", "gru") else []
    )
    for name in special.get(cell, uniform):
        assert 0.11 < np.abs(p[name]).max() <= 0.125  # ±1/√64
        assert np.abs(p[name].mean()) < 4 * 0.125 / np.sqrt(3 * p[name].size)
    if cell not in ("rnn", "gru"):
        assert not p["bias_hh_l0"].any()


def test_the_recurrent_matrices_of_the_networks_without_gates():
    orthogonal, identity = (parameters(cell) for cell in ("rnn_orthogonal", "irnn"))
    np.testing.assert_allclose(orthogonal["weight_hh_l0"] @ orthogonal["weight_hh_l0"].T, np.eye(64), atol=1e-6)
    assert not orthogonal["bias_ih_l0"].any()
    np.testing.assert_array_equal(identity["weight_hh_l0"], np.eye(64))
    assert not identity["bias_ih_l0"].any()
    assert identity["weight_ih_l0"].std() == pytest.approx(0.001, rel=0.3)
    assert identity["weight"].std() == pytest.approx(0.001, rel=0.4)


def test_the_forget_gates_biases():
    for cell, expected in (("lstm_forget_0", 0), ("lstm_forget_1", 1)):
        bias = parameters(cell)["bias_ih_l0"].reshape(4, 64)
        assert (bias[1] == expected).all()
        assert not np.delete(bias, 1, axis=0).any()
    bias = np.array([parameters("lstm_chrono", 50, seed)["bias_ih_l0"].reshape(4, 64) for seed in range(30)])
    assert not bias[:, 2:].any()
    np.testing.assert_array_equal(bias[:, 0], -bias[:, 1])
    memory = np.exp(bias[:, 1]).ravel()  # uniform on [1, 49]
    assert 1 <= memory.min() < 2
    assert 48 < memory.max() <= 49
    assert memory.mean() == pytest.approx(25, abs=4 * 48 / np.sqrt(12 * memory.size))


def test_the_seed_decides_and_the_lstms_differ_in_their_biases_alone():
    for name in ("weight_hh_l0", "weight_ih_l0", "weight", "bias"):
        zero, one, chrono = (parameters(cell)[name] for cell in GATED[:3])
        np.testing.assert_array_equal(zero, one)
        np.testing.assert_array_equal(zero, chrono)
        assert (parameters("lstm_forget_0", seed=1)[name] != zero).any()


# ---------------------------------------------------------------- the training, against NumPy's own


@pytest.mark.parametrize("cell", CELLS)
def test_the_recorded_error_before_training_is_that_of_the_books_own_cells(cell):
    for lag in LAGS[:3]:
        run = measured.runs_of(RECORDINGS.load("memory")(cell=cell, lag=lag))[2]
        assert run[0] == pytest.approx(error_of(cell, parameters(cell, lag, 2), sequences(lag, 2))[0], rel=1e-4)


@pytest.mark.parametrize("cell", ["rnn", "lstm_forget_1"])
def test_fifty_steps_of_clipped_adam_by_hand_give_the_recorded_error(cell):
    lag, p, rate = 10, parameters(cell, 10), measured.CELLS[cell][1]
    rng = np.random.default_rng([0, lag, 1])
    m, v = ({name: np.zeros_like(value) for name, value in p.items()} for _ in range(2))
    clipped = 0
    for t in range(1, 51):
        task = adding_problem(32, lag, rng=rng, dtype=np.float32)
        _, recurrent, trace, off = error_of(cell, p, task)
        d = 2 * off / len(off)
        found = recurrent.backward(trace, last=d @ p["weight"])
        g = {"weight_ih_l0": found.input_weights.T, "weight_hh_l0": found.recurrent_weights.T}
        g |= {"bias_ih_l0": found.biases[0], "bias_hh_l0": found.biases[0]}
        g |= {"weight": d.T @ trace.states[-1], "bias": d.sum(axis=0)}
        norm = np.sqrt(sum((each**2).sum() for each in g.values()))
        clipped += norm > 1
        for name, each in g.items():
            each = each / max(norm, 1)
            m[name], v[name] = 0.9 * m[name] + 0.1 * each, 0.999 * v[name] + 0.001 * each**2
            p[name] -= rate * m[name] / (1 - 0.9**t) / (np.sqrt(v[name] / (1 - 0.999**t)) + 1e-8)
    assert 0 < clipped < 50  # so that the clipping is seen
    recorded = measured.runs_of(RECORDINGS.load("memory")(cell=cell, lag=lag))[0]
    assert error_of(cell, p, sequences(lag, 0))[0] == pytest.approx(recorded[1], rel=0.01)
    assert abs(recorded[1] - recorded[0]) > 0.3


@pytest.mark.parametrize("cell", CELLS)
def test_the_first_hundred_steps_again(cell):
    again = measured.learn_to_add(cell, 25, seed=1, max_steps=100)
    recorded = measured.runs_of(RECORDINGS.load("memory")(cell=cell, lag=25))[1]
    np.testing.assert_allclose(again, recorded[:3], rtol=0.02)  # another machine adds in another order


@pytest.mark.parametrize(
    ("errors", "step"),
    [
        ([1, 0.009, 0.009, 0.009], 50),
        ([1, 0.009, 0.009, 0.01, 0.001, 0.001, 0.001], 200),
        ([1, 0.009, 0.009], None),
        ([0.001], None),
        ([np.nan] * 3, None),
    ],
)
def test_solved_is_three_evaluations_in_a_row_below_a_hundredth(errors, step):
    assert measured.solved_after(errors) == step


def test_an_error_that_is_no_longer_finite_ends_the_run(monkeypatch):
    import torch

    errors = iter([1.0, *[0.5] * 50, np.inf])
    monkeypatch.setattr(
        measured,
        "error_of",
        lambda net, task, reach=None: next(errors) * (1 + 0 * net["readout"].bias.sum() + torch.zeros(())),
    )
    run = measured.learn_to_add("rnn", 4, seed=0, max_steps=500)
    np.testing.assert_array_equal(run, [1, np.inf])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "lstm"}, "lstm_chrono"),
        ({"lag": 1}, "lag must be a whole number >= 2, got 1"),
        ({"n_seeds": 0}, "n_seeds must be a whole number >= 1"),
        ({"max_steps": 0}, "max_steps must be a whole number >= 1"),
    ],
)
def test_what_cannot_be_trained_says_why(arguments, message):
    with pytest.raises(ValueError, match=message):
        measured.memory(**{"cell": "rnn", "lag": 4} | arguments)
    with pytest.raises(ValueError, match="rate must be a finite number > 0, got 0"):
        measured.learn_to_add("rnn", 4, seed=0, rate=0)


# ---------------------------------------------------------------- what the recording holds


@pytest.fixture(scope="module")
def recording():
    return RECORDINGS.load("memory")


def test_the_recording_is_small_and_says_how_it_was_made(recording):
    assert RECORDINGS.path("memory").stat().st_size < 150_000
    assert recording.provenance["command"] == "python -m vgx.lessons.lstm_gates.record memory"
    assert recording.provenance["fixed"] == {"n_seeds": None, "max_steps": 4000}


@pytest.mark.parametrize("lag", LAGS)
def test_a_run_ends_where_it_is_solved_or_after_4000_steps(recording, lag):
    for cell in CELLS:
        runs = measured.runs_of(recording(cell=cell, lag=lag))
        assert len(runs) == (5 if lag == 100 else 3)
        for run in runs:
            step = measured.solved_after(run)
            assert len(run) == (81 if step is None else step // 50 + 3)
            assert np.isfinite(run).all()
            assert run[0] > 0.5  # they begin far from the answer 1


def steps_of(recording, cell, lag):
    return [measured.solved_after(run) for run in measured.runs_of(recording(cell=cell, lag=lag))]


def ends_of(recording, cell, lag):
    return [float(f"{run[-1]:.2g}") for run in measured.runs_of(recording(cell=cell, lag=lag))]


def test_what_was_found_at_a_lag_of_100(recording):
    """The numbers of the lesson's prose."""
    found = {cell: steps_of(recording, cell, 100) for cell in CELLS}
    for cell, least, most in (
        ("lstm_forget_0", 1_000, 1_650),
        ("lstm_forget_1", 700, 1_200),
        ("lstm_chrono", 450, 550),
        ("gru", 300, 350),
    ):
        assert (min(found[cell]), max(found[cell])) == (least, most)
    for cell in ("rnn", "rnn_orthogonal", "irnn"):
        assert found[cell] == [None] * 5
    for cell in ("rnn", "rnn_orthogonal"):  # no better than the naive answer, to the accuracy of 1,000 sequences
        assert all(0.155 < end < 0.185 for end in ends_of(recording, cell, 100))
    assert ends_of(recording, "irnn", 100) == [0.0067, 0.15, 0.16, 0.17, 0.038]


def test_what_was_found_elsewhere(recording):
    assert all(None not in steps_of(recording, cell, 10) for cell in CELLS)
    assert steps_of(recording, "rnn", 25) == [None, None, 3_500]
    assert steps_of(recording, "rnn_orthogonal", 25) == [None] * 3
    assert steps_of(recording, "irnn", 25) == [2_150, 2_150, 1_950]
    assert steps_of(recording, "irnn", 50) == [2_700, 3_600, 2_850]
    for cell in ("rnn", "rnn_orthogonal"):
        assert all(steps_of(recording, cell, lag) == [None] * 3 for lag in (50, 200, 400))
    assert all(steps_of(recording, "irnn", lag) == [None] * 3 for lag in (200, 400))
    assert steps_of(recording, "lstm_forget_0", 400) == [None] * 3
    assert steps_of(recording, "lstm_forget_1", 400) == [None, None, 3_050]
    assert ends_of(recording, "lstm_forget_1", 400)[:2] == [0.087, 0.0059]
    assert steps_of(recording, "lstm_forget_0", 200) == [3_250, 3_850, 3_050]
    assert steps_of(recording, "lstm_forget_1", 200) == [2_450, 1_500, 1_650]
    assert steps_of(recording, "lstm_chrono", 200) == [500, 750, 450]
    assert steps_of(recording, "lstm_chrono", 400) == [800, 750, 550]
    assert steps_of(recording, "gru", 400) == [450] * 3


def birth_ratio(cell, lag, seed):
    """Return the gradient's norm at the first input over that at the last, before training, in double precision."""
    import torch

    network = measured.adding_network(cell, lag, seed=seed).double()
    task = adding_problem(32, lag, rng=np.random.default_rng(0))
    x = torch.from_numpy(task.x).requires_grad_()
    (network["readout"](network["cell"](x)[0][-1]) - torch.from_numpy(task.y)).square().mean().backward()
    first, last = x.grad.norm(dim=(1, 2))[[0, -1]]
    return (first / last).item()


def test_what_learns_is_not_what_starts_with_the_larger_gradient(recording):
    born = {cell: np.median([birth_ratio(cell, 100, seed) for seed in range(5)]) for cell in CELLS}
    assert born["rnn_orthogonal"] == pytest.approx(0.045, abs=0.005)
    assert born["irnn"] == pytest.approx(0.92, abs=0.02)
    assert born["lstm_chrono"] == pytest.approx(0.05, abs=0.01)
    assert born["gru"] == pytest.approx(1e-19, rel=0.2)
    assert born["lstm_forget_1"] == pytest.approx(5.7e-8, rel=0.1)
    assert birth_ratio("gru", 400, 0) < 1e-69
    assert "a twentieth" in labs.memory.predict.question
    assert "10⁻¹⁹" in labs.memory.predict.question
    assert labs.memory.truth() == "only the GRU"


# ---------------------------------------------------------------- the lab


def test_every_state_is_drawn_inside_its_axes():
    for state in labs.memory.states():
        figure, data = labs.memory.figure(**state), labs.memory.data(**state)
        assert len(figure.data) <= 8
        low, high = 10 ** np.array(figure.layout.yaxis.range)
        traces = {trace.name: trace for trace in figure.data}
        heights = np.asarray(traces["runs"].y, float)
        assert low <= np.nanmin(heights) <= np.nanmax(heights) <= high
        np.testing.assert_allclose(heights[~np.isnan(heights)], data["errors"], rtol=1e-4)
        assert np.isnan(heights).sum() == len(data["evaluations"])
        bold = np.asarray(traces["middle run"].y)
        assert any(len(run) == len(bold) and np.allclose(run, bold) for run in measured.runs_of(data))
        left, right = figure.layout.xaxis.range
        dots = traces["solved"]
        assert left <= min(dots.x) <= max(dots.x) <= right
        assert max(figure.layout.yaxis2.range) > max(dots.y) >= min(dots.y) > min(figure.layout.yaxis2.range)


def test_the_dots_are_when_each_run_was_solved(recording):
    for lag in (25, 100):
        figure = labs.memory.figure(cell="irnn", lag=lag)
        dots = next(trace for trace in figure.data if trace.name == "solved")
        expected = [
            measured.solved_after(run) for cell in CELLS for run in measured.runs_of(recording(cell=cell, lag=lag))
        ]
        assert [
            x if symbol == "circle" else None for x, symbol in zip(dots.x, dots.marker.symbol, strict=True)
        ] == expected
        n_seeds = len(expected) // len(CELLS)
        assert [round(y) for y in dots.y] == [row for row in range(len(CELLS)) for _ in range(n_seeds)]
        coloured = np.array(dots.marker.color).reshape(len(CELLS), n_seeds) != drawn.figures.MUTED
        assert coloured[CELLS.index("irnn")].all()
        assert not np.delete(coloured, CELLS.index("irnn"), axis=0).any()


def made_up(*runs, steps):
    runs = [np.array(run, np.float32) for run in runs]
    solved = np.full((len(CELLS), len(runs)), np.inf)
    solved[0] = [np.inf if step is None else step for step in steps]
    return {"errors": np.concatenate(runs), "evaluations": np.array([len(run) for run in runs]), "solved": solved}


@pytest.mark.parametrize(
    ("ends", "steps", "word"),
    [
        ((0.001, 0.002, 0.003), (50, 100, 50), "solved"),
        ((0.001, 0.17, 0.17), (50, None, None), "some"),
        ((0.02, 0.1, 0.17), (None, None, None), "some"),
        ((0.02, 0.16, 0.17), (None, None, None), "stuck"),
    ],
)
def test_the_word(ends, steps, word):
    data = made_up(*([1, end] for end in ends), steps=steps)
    assert drawn.memory_word(data, {"cell": "rnn", "lag": 10}) == word


def test_the_middle_run_is_bold():
    data = made_up([1, 0.3], [1, 0.1], [1, 0.2], steps=(None, None, None))
    bold = drawn.memory(data, {"cell": "rnn", "lag": 10}).data[1]
    np.testing.assert_allclose(bold.y, [1, 0.2], rtol=1e-6)
    data = made_up([1, 0.004], [1, 0.1], [1, 0.002, 0.1], steps=(50, None, 100))
    np.testing.assert_allclose(drawn.memory(data, {"cell": "rnn", "lag": 10}).data[1].y, [1, 0.002, 0.1], rtol=1e-6)


def test_the_reading_says_how_many_when_and_where_the_others_end():
    state = {"cell": "rnn", "lag": 10}
    text = drawn.memory_reading(made_up([1, 0.001], [1, 0.17], [1, 0.15], steps=(1_200, None, None)), state)
    assert text == (
        "RNN, 10 steps, Adam at rate 0.003: 1 of 3 runs stay below 0.01 within 4,000 training steps, from step 1,200; "
        "the others end at 0.150 to 0.170. Always answering 1 has an error of 0.167."
    )
    text = drawn.memory_reading(made_up([1, 0.001], [1, 0.001], steps=(50, 900)), state)
    assert "2 of 2 runs stay below 0.01 within 4,000 training steps, from step 50 to 900. Always" in text
    text = drawn.memory_reading(made_up([1, 0.16], [1, 0.17], steps=(None, None)), state)
    assert "0 of 2 runs stay below 0.01 within 4,000 training steps; they end at 0.160 to 0.170. Always" in text


def test_each_control_changes_the_figure():
    base = labs.memory.figure(cell="gru", lag=100).to_json()
    for change in ({"cell": "rnn"}, {"lag": 200}):
        assert labs.memory.figure(**{"cell": "gru", "lag": 100} | change).to_json() != base
