"""Lesson 00: its circuits and its speeds against truth tables, autograd, the published numbers and its own prose."""

import itertools
import json
import re

import numpy as np
import pytest
import torch

from tests.lessons.prose import NOTEBOOKS, said
from tests.mnist import needs_mnist
from vgx.datasets import digits, mnist
from vgx.figures import INK
from vgx.lab.paths import flatten, same
from vgx.lessons.symptoms import labs, measure, measure_accuracies, measure_circuits, measure_probe, measure_speeds
from vgx.lessons.symptoms.measure_circuits import AND, INPUT, NOT, OR, THRESHOLD
from vgx.lessons.symptoms.record import RECORDINGS
from vgx.network import Network
from vgx.verdict import verdict_of_ratio

CIRCUITS = list(itertools.product(("pairwise", "chain", "two_layers"), ("and_or_not", "threshold")))


def all_inputs(bits):
    return np.array(list(itertools.product((False, True), repeat=bits)))


# ---------------------------------------------------------------- circuits


@pytest.mark.parametrize(("circuit", "gates"), CIRCUITS)
@pytest.mark.parametrize("bits", range(2, 9))
def test_a_circuit_computes_parity_of_every_input(bits, circuit, gates):
    made, inputs = measure_circuits.build(bits, circuit, gates), all_inputs(bits)
    values = measure_circuits.evaluate(made, inputs)
    np.testing.assert_array_equal(values[-1], inputs.sum(axis=1) % 2 == 1)


@pytest.mark.parametrize("circuit", ["pairwise", "chain", "two_layers"])
def test_the_gates_are_what_their_names_say(circuit):
    """A threshold gate with these weights is AND, OR and NOT: evaluated again by their truth tables."""
    made, inputs = measure_circuits.build(5, circuit, "and_or_not"), all_inputs(5)
    values = list(inputs.T)
    meaning = {AND: lambda v: np.all(v, axis=0), OR: lambda v: np.any(v, axis=0), NOT: lambda v: ~v[0]}
    for gate in made[5:]:
        values.append(meaning[gate.kind]([values[source] for source in gate.sources]))
    np.testing.assert_array_equal(measure_circuits.evaluate(made, inputs), values)


@pytest.mark.parametrize(("circuit", "gates"), CIRCUITS)
def test_the_number_of_gates_is_that_of_the_circuits_that_are_built(circuit, gates):
    for bits in range(2, 11):
        made = measure_circuits.build(bits, circuit, gates)
        assert sum(gate.kind != INPUT for gate in made) == measure.gate_count(bits, circuit, gates)
    assert measure.gate_count(np.array([8, 32]), "two_layers", "and_or_not").tolist() == [137, 2**31 + 33]


@pytest.mark.parametrize(
    ("circuit", "gates", "layers"),
    [
        ("pairwise", "and_or_not", 6), ("chain", "and_or_not", 14), ("two_layers", "and_or_not", 2),
        ("pairwise", "threshold", 6), ("chain", "threshold", 14), ("two_layers", "threshold", 2),
    ],
)  # fmt: skip
def test_the_layers_of_a_circuit(circuit, gates, layers):
    assert measure.parity_circuit(8, circuit, gates, 0)["layer_count"] == layers


def test_fewer_ands_than_half_of_all_inputs_cannot_say_parity():
    """What `Derive` proves, tried out: an AND that leaves a bit free is 1 for an even input whenever for an odd one."""
    inputs = all_inputs(4)
    odd = inputs.sum(axis=1) % 2 == 1
    for wanted in itertools.product((None, False, True), repeat=4):  # None: the AND does not listen to this bit
        fits = np.all([inputs[:, i] == want for i, want in enumerate(wanted) if want is not None], axis=0)
        fits = np.broadcast_to(fits, len(inputs))
        if not (fits & ~odd).any():
            assert fits.sum() == 1
            assert None not in wanted


def test_one_and_fires_in_the_wall_and_knows_its_input():
    for ones in range(9):
        data = measure.parity_circuit(8, "two_layers", "and_or_not", ones)
        assert data["values"][data["kinds"] == AND].sum() == ones % 2


def test_wires_go_from_the_left_to_the_right_and_every_gate_is_heard():
    for circuit, gates in CIRCUITS:
        data = measure.parity_circuit(6, circuit, gates, 2)
        sources, targets = data["wires"].T
        assert np.all(data["layers"][sources] < data["layers"][targets])
        assert set(sources) | {len(data["kinds"]) - 1} == set(range(len(data["kinds"])))
        assert set(data["kinds"]) <= ({INPUT, THRESHOLD} if gates == "threshold" else {INPUT, NOT, AND, OR})


def test_a_circuit_for_one_bit_hands_it_on():
    for circuit, gates in CIRCUITS:
        if circuit != "two_layers":
            assert measure.parity_circuit(1, circuit, gates, 1)["values"].tolist() == [True]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.parity_circuit(0, "chain", "threshold", 0), "bits must be a whole number >= 1, got 0"),
        (lambda: measure.parity_circuit(11, "chain", "threshold", 0), "bits must be at most 10, got 11"),
        (lambda: measure.parity_circuit(4, "chian", "threshold", 0), "unknown circuit 'chian'; there are: chain"),
        (lambda: measure.parity_circuit(4, "chain", "nand", 0), "unknown gates 'nand'; there are: "),
        (lambda: measure.parity_circuit(4, "chain", "threshold", -1), "ones must be a whole number >= 0, got -1"),
        (lambda: measure.learning_speeds(0, 1), "hidden must be a whole number >= 1, got 0"),
        (lambda: measure.learning_speeds(1, 1, n_epochs=-1), "n_epochs must be a whole number >= 0, got -1"),
        (lambda: measure.learning_speeds(1, 1, n_images=0), "n_images must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input_says_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


# ---------------------------------------------------------------- speeds


def in_torch(hidden, draw, dtype=torch.float64):
    """The network of a draw as tensors."""
    weights, biases = measure_speeds._drawn(hidden, draw, 0)
    return [[torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays] for arrays in (weights, biases)]


def cost_in_torch(weights, biases, x, y):
    h = torch.tensor(x, dtype=weights[0].dtype)
    for W, b in zip(weights, biases, strict=True):
        z = h @ W + b
        h = torch.sigmoid(z)
    y = torch.tensor(y, dtype=z.dtype)
    return torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum") / len(x)


@pytest.fixture
def images(monkeypatch):
    """Random images, for machines without MNIST."""
    rng = np.random.default_rng(0)
    x, labels = rng.random((50, 784), dtype=np.float32), rng.integers(0, 10, 50)
    y = np.eye(10, dtype=np.float32)[labels]
    monkeypatch.setattr(measure_speeds, "_images", lambda n: (x[:n], y[:n]))
    return x, y


@pytest.mark.parametrize("hidden", [1, 2, 4])
def test_the_speeds_are_what_autograd_finds(images, hidden):
    data = measure.learning_speeds(hidden, 3, n_epochs=0, n_starts=3)
    weights, biases = in_torch(hidden, 3)
    cost = cost_in_torch(weights, biases, *images)
    grads = torch.autograd.grad(cost, biases[:-1])
    norms = [float(grad.norm()) for grad in grads]
    np.testing.assert_allclose(data["start"][2], norms, rtol=5e-4)
    np.testing.assert_allclose(data["speeds"], [norms], rtol=5e-4)
    np.testing.assert_allclose(data["loss"], [cost.item()], rtol=5e-4)


def test_training_is_what_torch_does(images):
    """Twelve steps with weight decay on the weights alone, by torch's optimizer."""
    data = measure.learning_speeds(2, 1, n_epochs=12, n_starts=1)
    weights, biases = in_torch(2, 1)
    groups = [{"params": weights, "weight_decay": 5.0 / 50}, {"params": biases, "weight_decay": 0.0}]
    optimizer, speeds, losses = torch.optim.SGD(groups, lr=0.1), [], []
    for _ in range(13):
        optimizer.zero_grad()
        cost = cost_in_torch(weights, biases, *images)
        cost.backward()
        speeds.append([float(b.grad.norm()) for b in biases[:-1]])
        losses.append(cost.item())
        optimizer.step()
    assert data["epochs"].tolist() == list(range(13))
    np.testing.assert_allclose(data["speeds"], speeds, rtol=1e-3)
    np.testing.assert_allclose(data["loss"], losses, rtol=1e-3)
    assert data["slower"] == [np.mean([first < second for first, second in speeds])]


def test_several_draws_at_once_equal_one_at_a_time(images):
    together = measure.learning_speeds(2, (5, 2), n_epochs=3, n_starts=2)
    for i, draw in enumerate((5, 2)):
        for name, array in measure.learning_speeds(2, draw, n_epochs=3, n_starts=2).items():
            np.testing.assert_array_equal(together[name][i], array, err_msg=name)


def test_a_draw_is_the_same_network_at_every_depth_in_front():
    (shallow, b_shallow), (deep, b_deep) = (measure_speeds._drawn(hidden, 7, 0) for hidden in (1, 4))
    np.testing.assert_array_equal(shallow[0], deep[0])
    np.testing.assert_array_equal(b_shallow[0], b_deep[0])
    assert [W.shape for W in deep] == [(784, 30), (30, 30), (30, 30), (30, 30), (30, 10)]
    assert deep[0].std() == pytest.approx(784**-0.5, rel=0.02)
    assert np.concatenate(b_deep).std() == pytest.approx(1, rel=0.2)


def test_the_cost_of_a_certain_and_wrong_output_is_infinite_without_a_warning():
    assert measure_speeds.cross_entropy(np.array([[1.0, 0.0]]), np.array([[0, 1]])) == np.inf
    assert measure_speeds.cross_entropy(np.array([[0.5, 0.5]]), np.array([[0, 1]])) == pytest.approx(2 * np.log(2))


@needs_mnist
def test_the_recorded_speeds_come_out_again():
    assert RECORDINGS.differences("learning-speeds", {"hidden": [3], "draw": [7]}, rtol=2e-3) == []


def recorded(hidden):
    grid = RECORDINGS.load("learning-speeds")
    return [grid(hidden=hidden, draw=draw) for draw in range(1, measure.N_DRAWS + 1)]


@pytest.mark.parametrize("hidden", [2, 3, 4])
def test_the_speeds_that_nielsen_published_lie_among_ours(hidden):
    start = recorded(hidden)[0]["start"]
    assert start.shape == (200, hidden)
    low, high = np.percentile(start, [5, 95], axis=0)
    published = np.array(measure.PUBLISHED_SPEEDS[hidden])
    assert np.all((low < published) & (published < high))
    assert np.all(np.diff(start, axis=1) > 0)


def test_what_depends_on_the_seed_and_what_does_not():
    slower = {hidden: np.array([run["slower"][0] for run in recorded(hidden)]) for hidden in (2, 3, 4)}
    assert (slower[2] == 1).sum() == 30
    assert np.all(slower[3] == 1)
    assert np.all(slower[4] == 1)


def test_the_deep_networks_end_at_the_cost_of_knowing_the_frequencies_alone():
    """They have learned how often each digit occurs, and nothing about the images."""
    for hidden in (3, 4):
        assert all(run["loss"][-1] == pytest.approx(3.245, abs=0.003) for run in recorded(hidden))
    assert all(run["loss"][-1] < 1.5 for run in recorded(1))


@needs_mnist
def test_the_cost_of_the_frequencies():
    share = np.bincount(mnist().y[:1000]) / 1000
    assert -(share * np.log(share) + (1 - share) * np.log(1 - share)).sum() == pytest.approx(3.2459, abs=5e-5)
    assert share.max() == 0.117


# ---------------------------------------------------------------- what the labs show and say


@pytest.mark.parametrize(
    ("lab", "state", "words"),
    [
        (labs.parity_circuits, {}, "4 bits, XOR by pairs: 12 gates (6 AND, 3 OR, 3 NOT) in 4 layers. 3 of the bits "
         "are 1: odd, and the output is 1."),
        (labs.parity_circuits, {"bits": 8, "circuit": "two_layers", "ones": 1}, "8 bits, two layers: 137 gates "
         "(128 AND, 1 OR, 8 NOT). 1 of the bits is 1: odd, and the output is 1."),
        (labs.parity_circuits, {"bits": 8, "circuit": "two_layers", "gates": "threshold", "ones": 8},
         "8 bits, two layers: 9 neurons. 8 of the bits are 1: even, and the output is 0."),
        (labs.parity_circuits, {"bits": 2, "circuit": "chain", "ones": 8}, "2 bits, a chain of XORs: 4 gates (2 AND, "
         "1 OR, 1 NOT) in 2 layers. 2 of the bits are 1"),
        (labs.learning_speeds, {"hidden": 1}, "1 hidden layer: at the start it learns at 0.29. After 500 epochs draw "
         "1 costs 1.36 and gets 86% right."),
        (labs.learning_speeds, {"draw": 20}, "the first learns at 0.061 and the last at 0.3 (medians); each layer is "
         "slower than the next in 100% of the draws. After 500 epochs draw 20 costs 2.90 and gets 40% right; its "
         "first layer was slower than the second in 57.5% of the epochs."),
        (labs.learning_speeds, {"hidden": 4}, "slower than the second in all epochs."),
    ],
)  # fmt: skip
def test_each_reading_says_what_the_figure_shows(lab, state, words):
    assert words in lab.reading(**state)


@pytest.mark.parametrize("lab", [labs.parity_circuits, labs.learning_speeds], ids=lambda lab: lab.name)
def test_the_labs_keep_their_axes_and_their_leaves_in_all_states(lab):
    states = list(lab.states())
    some = [states[i] for i in np.random.default_rng(0).choice(len(states), 12, replace=False)]
    leaves = [flatten(lab.figure(**state)) for state in [*some, lab.defaults]]
    assert len({frozenset(each) for each in leaves}) == 1
    fixed = [path for path in leaves[0] if path[0] == "layout" and path[-1] in ("range", "domain", "type", "tickvals")]
    assert fixed
    assert all(same(each[path], leaves[0][path]) for each in leaves for path in fixed)


def test_the_black_wires_are_those_that_carry_a_one():
    state = {"bits": 4, "circuit": "two_layers", "ones": 3}
    data, figure = labs.parity_circuits.data(**state), labs.parity_circuits.figure(**state)
    every, black = (set_of_lines(trace) for trace in figure.data[:2])
    assert len(every) == len(data["wires"])
    assert black < every
    assert len(black) == data["values"][data["wires"][:, 0]].sum()
    assert np.isfinite(figure.data[0].y).all()  # all are connected: one line
    assert figure.data[-1].text[:-1] == ("1\u2002\u2002",) * 3 + ("0\u2002\u2002", "\u2002\u2002<b>1</b>")
    off, on = figure.data[2:4]
    assert on.marker.color == INK != off.marker.color
    assert len(on.x) == data["values"].sum() == len(data["values"]) - len(off.x)


def set_of_lines(trace):
    points = np.transpose([trace.x, trace.y])
    pairs = itertools.pairwise(points)
    return {tuple(sorted([tuple(a), tuple(b)])) for a, b in pairs if np.isfinite(a).all() and np.isfinite(b).all()}


@pytest.mark.parametrize(("ones", "fires"), [(3, True), (2, False)])
def test_the_figure_points_at_the_and_that_knows_the_input(ones, fires):
    state = {"bits": 8, "circuit": "two_layers", "ones": ones}
    data, figure = labs.parity_circuits.data(**state), labs.parity_circuits.figure(**state)
    label = next(trace for trace in figure.data if trace.name == "words")
    assert ("this AND" in label.text[-1]) == fires
    if fires:
        place = np.flatnonzero(data["values"] & (data["kinds"] == AND)).item()
        assert label.y[-1] == pytest.approx(1000 * (data["rows"][place] + 0.5) / 8, abs=1)


def test_the_question_before_the_circuits_has_the_answer_of_the_derivation():
    assert labs.parity_circuits.truth() == 2 ** (8 - 1)


def test_the_speeds_of_layers_that_are_not_there_are_not_drawn():
    figure = labs.learning_speeds.figure(hidden=2)
    first, behind, names = figure.data[3:]
    assert len(behind.y) == len(first.y) + 1  # one layer, then the line is lifted
    assert np.isnan(behind.y[-1])
    assert names.text == ("\u2002layer 1", "\u2002layer 2")
    np.testing.assert_array_equal(figure.data[2].y[2:], measure.PUBLISHED_SPEEDS[2])
    assert len(labs.learning_speeds.figure(hidden=1).data[4].x) == 0


def test_lines_behind_the_first_are_those_of_their_layers():
    speeds = labs.learning_speeds.data(hidden=4)["speeds"]
    behind = np.reshape(labs.learning_speeds.figure(hidden=4).data[4].y, (3, -1))
    np.testing.assert_array_equal(behind[:, :-1], speeds[:, 1:].T)
    assert np.isnan(behind[:, -1]).all()


def test_the_names_of_lines_that_end_close_together_stay_apart():
    ends = labs.learning_speeds.data(draw=5)["speeds"][-1]
    assert np.log10(ends[1] / ends[0]) < 0.25
    low, high = np.log10(labs.learning_speeds.figure(draw=5).data[5].y)
    assert low == pytest.approx(np.log10(ends[0]))
    assert high - low > 0.28


# ---------------------------------------------------------------- what the lesson says


def in_lesson(words):
    return said("00_symptoms", words)


@pytest.fixture(scope="module")
def states():
    """Every state of the loss curves: (depth, scale, activation, rate) -> what its loss and its gradient do."""
    curves, found = RECORDINGS.load("loss-curves"), {}
    for state in curves.states():
        data = curves(**state)
        word = measure.verdict_of_state(measure.verdicts(data["loss"]))
        found[tuple(state.values())] = word, str(verdict_of_ratio(np.median(data["gradient_ratio"])))
    return found


def test_the_numbers_of_the_walk_through_the_loss_curves(states):
    curves = RECORDINGS.load("loss-curves")
    rates = measure.LOSS_CURVE_AXES["learning_rate"]
    ends = [curves(depth=20, scale=1, activation="sigmoid", learning_rate=rate)["loss"][:, -1] for rate in rates]
    assert in_lesson(f"the lines end between {np.min(ends):.2f} and {np.max(ends):.2f}")
    assert [states[depth, 1, "sigmoid", 1][0] for depth in (20, 5, 2)] == ["stuck", "stuck", "learns"]
    swinging = [
        (
            measure.verdicts(curves(depth=20, scale=s, activation="tanh", learning_rate=0.01)["loss"]) == "oscillates"
        ).sum()
        for s in (1, 4, 10)
    ]
    assert swinging == [0, 4, 5]
    assert in_lesson("At 1 all five runs learn, slowly. At 4 four of them go up and down, at 10 all.")
    high, low = (
        np.median(curves(depth=20, scale=s, activation="tanh", learning_rate=r)["loss"][:, 17:])
        for s, r in ((1, 10), (10, 0.01))
    )
    assert high > 2 * low
    assert in_lesson("The loss goes up and down again, higher still")
    assert states[20, 1, "tanh", 0.1] == ("learns", "healthy")
    assert in_lesson("this swing is cured by a smaller rate (try 0.1)")
    assert states[20, 2, "relu", 0.1] == ("overflows", "exploding")
    assert in_lesson("Choose relu, rate 0.1, and raise *init scale* to 2. A third thing happens: the loss overflows.")


def test_how_high_the_states_end_that_learn(states):
    curves, names = RECORDINGS.load("loss-curves"), ("depth", "scale", "activation", "learning_rate")
    learning = [dict(zip(names, key, strict=True)) for key, (word, _) in states.items() if word == "learns"]
    high = sum(np.median(curves(**state)["loss"][:, -1]) > np.log(10) / 2 for state in learning)
    assert in_lesson(f"({high} of the {len(learning)} states that learn end above half of the grey line)")


def test_the_rule_and_the_two_states_to_try(states):
    assert states[10, 2, "sigmoid", 1] == ("stuck", "vanishing")
    assert states[5, 1.4, "relu", 1] == ("overflows", "healthy")
    assert in_lesson("predict 10 layers of sigmoid at init scale 2 and rate 1, then 5 layers of relu at init scale 1.4")
    stuck = [word == "stuck" for word, of in states.values() if of == "vanishing"]
    assert in_lesson(f"nearly always, in {sum(stuck)} of {len(stuck)} states")
    assert in_lesson("With $L$ hidden layers, raise the factor to the power $L - 1$")
    at_start = RECORDINGS.load("loss-curves")(depth=20, scale=1, activation="sigmoid", learning_rate=0.1)
    assert 4e-13 < np.median(at_start["gradient_ratio"]) < 6e-13
    assert in_lesson("about $5 \\cdot 10^{-13}$")


def test_where_the_rule_fails(states):
    """The rule is the lesson's: its cell is run here, with the factors that the cell before it finds."""
    cells = json.loads((NOTEBOOKS / "00_symptoms.ipynb").read_text(encoding="utf-8"))["cells"]
    names = {"labs": labs, "measure": measure, "np": np}
    for cell in cells:
        if cell["id"] in ("explore-factors", "explore-rule-code"):
            exec("".join(cell["source"]), names)
    predicted = {key: names["expected"](*key) for key in states}
    wrong = {key: (predicted[key], states[key][0]) for key in states if predicted[key] != states[key][0]}
    assert len(wrong) == 35
    assert predicted[10, 2, "relu", 0.1] == "overflows"  # which a limit of a hundred would miss
    short = [key for key, what in wrong.items() if key[3] == 0.01 and what == ("learns", "stuck")]
    assert sum(key[1] == 0.3 or (key[2] == "sigmoid" and key[0] >= 2) for key in short) == 7 == len(short) - 1
    swinging = [key for key, what in wrong.items() if what == ("stuck", "oscillates")]
    assert {key[1:] for key in swinging} == {(4, "sigmoid", 10), (0.3, "tanh", 10)}
    assert sum(what in (("overflows", "stuck"), ("oscillates", "stuck")) for what in wrong.values()) == 10
    assert all(names["factor"]["sigmoid", scale] < 1 for scale in measure.LOSS_CURVE_AXES["scale"])
    curves = RECORDINGS.load("loss-curves")
    relu, tanh = (
        np.median(curves(depth=10, scale=2, activation=kind, learning_rate=0.1)["loss"][:, 0])
        for kind in ("relu", "tanh")
    )
    assert relu > 20 * tanh


def test_the_counts_of_symptoms_and_causes(states):
    def count(word=None, of=None, where=lambda key: True):
        return sum((word in (None, w)) and (of in (None, v)) and where(key) for key, (w, v) in states.items())

    assert in_lesson(
        f"of {count('oscillates')} states whose loss swings, the gradient explodes in "
        f"{count('oscillates', 'exploding')}, and in {count('oscillates', 'healthy')} it is healthy"
    )
    relu = count("overflows", "exploding", lambda key: key[2] == "relu")
    assert relu == count("overflows", "exploding")
    assert in_lesson(f"of {count(of='exploding')} states {relu} overflow, all of them ReLUs. The other 12 are tanh")
    assert count(of="exploding", where=lambda key: key[2] == "tanh") == 12
    assert (count("oscillates", "exploding"), count("learns", "exploding")) == (11, 1)
    assert [key[3] for key, what in states.items() if what == ("learns", "exploding")] == [0.01]
    curves, names = RECORDINGS.load("loss-curves"), ("depth", "scale", "activation", "learning_rate")
    exploding = [key for key, (_, of) in states.items() if of == "exploding" and key[2] == "tanh"]
    ratios = [np.median(curves(**dict(zip(names, key, strict=True)))["gradient_ratio"]) for key in exploding]
    assert 1e3 < min(ratios) < 1e4 < 1e6 < max(ratios) < 1e7
    assert in_lesson("gets thousands or millions of times the gradient of the last")
    highest = max(curves(**dict(zip(names, key, strict=True)))["loss"].max() for key in exploding)
    assert in_lesson(f"no loss exceeds {np.ceil(highest):.0f}")
    (learning,) = (key for key, what in states.items() if what == ("learns", "exploding"))
    end = np.median(curves(**dict(zip(names, learning, strict=True)))["loss"][:, -1])
    assert in_lesson(f"its loss still falls, from far above guessing to {end:.1f}")
    not_exploding = f"in {count('overflows', 'healthy')} of {count('overflows')} states that overflow"
    assert in_lesson(not_exploding + " the gradient did *not* explode before the first step")
    assert in_lesson(f"In {count('stuck', 'vanishing')} of {count('stuck')} states it does")
    able = [key for key, what in states.items() if what == ("stuck", "healthy")]
    rates = curves.axes["learning_rate"]
    learn_at = [[rate for rate in rates if states[(*key[:3], rate)][0] == "learns"] for key in able]
    larger, smaller = (
        sum(any(sign * (rate - key[3]) > 0 for rate in found) for key, found in zip(able, learn_at, strict=True))
        for sign in (1, -1)
    )
    assert in_lesson(f"The other {len(able)} have a gradient that could serve: {larger} of them learn at a larger rate")
    assert in_lesson(f"{smaller} at a smaller one, one at none")
    assert sum(not found for found in learn_at) == 1
    fastest = [key for key, what in states.items() if what == ("oscillates", "exploding") and key[3] == 0.01]
    assert len(fastest) == 2
    assert in_lesson("(two of the others have no smaller rate in the lab)")
    assert in_lesson("of 37 oscillating states in this lab 22 have a healthy gradient")


def test_the_numbers_of_the_circuits():
    assert measure.gate_count(32, "two_layers", "and_or_not") > 2e9
    assert in_lesson("at 32 bits it has passed two thousand million gates")
    assert in_lesson(f"The deep circuits take {measure.gate_count(32, 'pairwise', 'and_or_not')}.")
    assert measure.gate_count(8, "two_layers", "threshold") == 9
    assert in_lesson("Two layers with nine neurons do it")
    assert in_lesson("one of the 128 with an odd number of ones")


def test_the_draws_in_which_the_first_layer_is_the_faster_for_a_while():
    slower = [run["slower"][0] for run in recorded(2)[:20]]
    assert [draw for draw, share in enumerate(slower, start=1) if share < 1] == [11, 19, 20]
    assert in_lesson("draws 11, 19 and 20 show it above for a while")


def test_the_factor_between_layers_and_the_loss_at_the_start():
    four = recorded(4)
    medians = np.median(four[0]["start"], axis=0)
    assert np.all(np.abs(medians[1:] / medians[:-1] - 5) < 0.15)
    assert -np.log(0.1) - 9 * np.log(0.9) == pytest.approx(3.25, abs=0.005)
    assert in_lesson("Each new one in front is about five times slower than the one behind it")


def test_the_numbers_of_the_accuracies():
    runs = RECORDINGS.load("accuracies")
    ends = {hidden: runs(hidden=hidden)["validation"][:, -1] for hidden in measure.HIDDEN}
    assert all(ends[h].min() < published < ends[h].max() for h, published in measure.PUBLISHED.items())
    assert np.mean(ends[2] > ends[1][:, None]) >= 0.9
    assert in_lesson("a second hidden layer helps, in nine pairs of ten")
    begun = [np.median(runs(hidden=hidden)["validation"][:, 1]) for hidden in measure.HIDDEN]
    assert in_lesson(
        f"gets {begun[3]:.1f} % right, when the others get {begun[0]:.1f}, {begun[1]:.1f} and {begun[2]:.1f}"
    )


def test_the_numbers_of_the_probe():
    found = RECORDINGS.load("probe")(data="mnist", width=30)
    read = {name: np.median(found[name], axis=0) for name in ("accuracy", "neighbour", "contrast")}
    assert in_lesson(f"reads {read['accuracy'][2]:.0f} % of the digits instead of {read['accuracy'][0]:.0f} %")
    assert in_lesson(f"sinks from {read['neighbour'][2]:.0f} % to {read['neighbour'][5]:.0f} %")
    np.testing.assert_allclose(read["contrast"][3:] / read["contrast"][2:-1], 0.2, atol=0.02)
    wide = np.median(RECORDINGS.load("probe")(data="mnist", width=300)["accuracy"], axis=0)
    assert wide[5] > wide[0]
    assert in_lesson("lose nothing of the digit that a regression reads")
    assert in_lesson("half of the pixels' variance is left")
    np.testing.assert_allclose(np.median(found["recovered"], axis=0)[2:], 50, atol=2)


def test_deeper_layers_are_lopsided_and_whitening_gives_the_neighbour_its_digits_back():
    """What the lesson shows for one draw, for ten."""
    data = digits(standardize=False)
    x, seen = data.x / 16, 1297
    for seed in range(10):
        net = Network.sample(
            depth=4, width=30, n_inputs=64, activation="sigmoid", initializer="lecun_normal", bias_std=1,
            rng=np.random.default_rng(seed),
        )  # fmt: skip
        spread, read = [], []
        for h in net.forward(x).activations:
            values, directions = np.linalg.eigh(np.cov(h.T))
            spread.append(values.sum() ** 2 / np.sum(values**2))
            read.append([measure_probe._neighbours_agree(u, data.y, seen) for u in (h, h @ directions / values**0.5)])
        assert spread[0] > 1.5 * spread[3]
        (plain, white), (deep, deep_white) = read[0], read[3]
        assert deep < plain - 0.07
        assert abs(deep_white - white) < 0.03


# ---------------------------------------------------------------- long training


@pytest.fixture(scope="module")
def longer():
    return RECORDINGS.load("long-training")


@needs_mnist
def test_the_start_of_the_long_training_comes_out_again(longer, monkeypatch):
    monkeypatch.setattr(measure_speeds, "LONG_STEPS", measure.LONG_STEPS[:4])
    for decay in (0.0, 5.0):
        found, then = measure.long_training(decay, n_draws=1), longer(decay=decay)
        for name, values in found.items():
            np.testing.assert_allclose(values, then[name][:1, :4], rtol=2e-3, atol=1e-6, err_msg=name)


def test_the_weights_of_the_long_training_are_as_fast_as_autograd_finds(images, monkeypatch):
    monkeypatch.setattr(measure_speeds, "LONG_STEPS", (0, 1))
    found = measure.long_training(0.0, hidden=2, n_draws=1)
    weights, biases = in_torch(2, 1)
    grads = torch.autograd.grad(cost_in_torch(weights, biases, *images), [*weights, *biases])
    norms = [float(grad.norm()) for grad in grads]
    np.testing.assert_allclose(found["by_weights"][0, 0], norms[:2], rtol=5e-4)
    np.testing.assert_allclose(found["by_biases"][0, 0], norms[3:5], rtol=5e-4)


def test_with_decay_more_steps_do_not_help_and_without_it_they_do(longer):
    with_it, without = (longer(decay=decay) for decay in (5.0, 0.0))
    assert np.all(without["loss"][:, -1] < 0.06)
    assert np.all(without["accuracy"][:, -1] > 0.998)
    assert np.all(with_it["loss"][:, 3:] > 3.2)
    assert np.all(with_it["first_weights"][:, -1] < 0.1)
    assert in_lesson("Without decay the way down exists, and 10,000 steps find it")
    assert measure_speeds.LEARNING_RATE == 0.1
    assert measure_speeds.WEIGHT_DECAY == measure_accuracies.DECAY  # divided by 1,000 and by 50,000 images
    assert in_lesson("the decay is fifty times as strong")
    decay = measure_accuracies.RATE * measure_accuracies.DECAY / measure_accuracies.N_TRAINING
    assert decay == pytest.approx(1e-5)
    assert in_lesson("here by a factor of $1 - 10^{-5}$")


def test_by_weights_the_first_layer_is_slower_at_the_start_only(longer):
    speeds = longer(decay=5.0)["by_weights"]
    times = speeds[..., 1] / speeds[..., 0]
    assert np.all((times[:, 0] > 1.9) & (times[:, 0] < 2.8))
    assert np.all(times[:, 1:4] < 1)
    assert in_lesson("about half as fast as the second at the start, and faster within 50 steps")
    biases = longer(decay=5.0)["by_biases"]
    assert np.all(biases[..., 1] > biases[..., 0])
