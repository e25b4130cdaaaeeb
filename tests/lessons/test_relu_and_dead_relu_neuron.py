"""Lesson 04's single neuron, against autograd and closed forms; SELU's constants; and the stopwatch."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgx import activations, theory
from vgx.lab.paths import flatten
from vgx.lessons.relu_and_dead_relu import draw_neuron, labs, measure, measure_cost
from vgx.lessons.relu_and_dead_relu.measure_neuron import LAST

lab = labs.one_neuron
SOURCE = {"x": -1, "t": 1, "w": 1, "b": 0}  # the source gives x, t and z = -1; w = 1 and b = 0 are ours
SOME = [  # starts dead; dies at once; lives; comes back; comes back and is thrown out again; has learned; t below 0
    {},
    {"w": -2, "b": 2, "rate": 0.8, "step": 1},
    {"w": -2, "rate": 0.8},
    {"activation": "leaky_relu", "step": 10},
    {"x": 2, "w": -2, "b": -1, "rate": 0.8, "step": 100, "activation": "leaky_relu"},
    {"w": -2, "b": -1},
    {"x": 2, "t": -1, "b": 2, "rate": 0.8, "step": 1000, "activation": "leaky_relu"},
]


# ---------------------------------------------------------------- the gradient


@pytest.mark.parametrize(("w", "b"), [(1.0, 0.0), (2.0, 1.0), (0.0, -1.0)])
def test_the_sources_example_has_the_sources_factors(w, b):
    """Any w and b with z = -w + b = -1 give (-1) · 0 · (-1) = 0."""
    found = measure.neuron_gradient(-1.0, w, b, 1.0)
    assert (found["z"], found["y"], found["L"]) == (-1, 0, 0.5)
    assert (found["dL_dy"], found["dy_dz"], found["dL_dw"], found["dL_db"]) == (-1, 0, 0, 0)


def test_the_sources_two_weights_both_learn():
    found = measure.neuron_gradient([-2.0, 3.0], [2.0, 2.0], 0.0, 1.0)
    assert (found["z"], found["y"]) == (2, 2)
    np.testing.assert_array_equal(found["dL_dw"], [-2, 3])
    alone = measure.neuron_gradient(-2.0, 2.0, 0.0, 1.0)
    assert (alone["z"], alone["dL_dw"]) == (-4, 0)


numbers = st.floats(-3, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4), numbers, numbers,
    st.sampled_from(["relu", "leaky_relu", "elu", "gelu", "silu"]),
)  # fmt: skip
def test_the_gradient_is_autograds(pairs, b, t, activation):
    x, w = np.transpose(pairs)
    weights, bias = torch.tensor(w, requires_grad=True), torch.tensor(b, dtype=torch.float64, requires_grad=True)
    y = getattr(torch.nn.functional, activation)(torch.tensor(x) @ weights + bias)
    loss = (y - t) ** 2 / 2
    loss.backward()
    found = measure.neuron_gradient(x, w, b, t, activation=activation)
    if found["z"] == 0 or abs(found["z"]) > 1e-12:  # else the order of a sum decides on which side of the kink it is
        assert found["L"] == pytest.approx(loss.item(), abs=1e-12)
        np.testing.assert_allclose(found["dL_dw"], weights.grad, atol=1e-12)
        np.testing.assert_allclose(found["dL_db"], bias.grad, atol=1e-12)


@pytest.mark.parametrize("state", SOME)
def test_the_way_is_that_of_torchs_gradient_descent(state):
    state = lab.state(**state)
    w, b = (torch.tensor(float(state[name]), dtype=torch.float64, requires_grad=True) for name in "wb")
    path = measure.one_neuron(**state)["path"]
    for step in range(150):
        z = w * state["x"] + b
        assert path[step] == pytest.approx(z.item(), abs=1e-9)
        loss = (getattr(torch.nn.functional, state["activation"])(z) - state["t"]) ** 2 / 2
        for_w, for_b = torch.autograd.grad(loss, (w, b))
        with torch.no_grad():
            w -= state["rate"] * for_w
            b -= state["rate"] * for_b


def test_above_zero_a_step_multiplies_the_distance_and_below_leaky_relus_is_ten_thousand_times_slower():
    live = measure.one_neuron(-1, 1, -2, 0, 0.8, 0, "relu")["path"]
    np.testing.assert_allclose(live[:50], 1 + (1 - 0.8 * 2) ** np.arange(50), atol=1e-12)
    leaky = measure.one_neuron(**SOURCE, rate=0.3, step=0, activation="leaky_relu")["path"]
    below = 0.01 * leaky[:166] - 1
    np.testing.assert_allclose(below, -1.01 * (1 - 0.3 * 1e-4 * 2) ** np.arange(166), rtol=1e-9)
    assert (leaky[:166] < 0).all()
    assert (leaky[166:] > 0).all()


def test_what_is_dead_stays_dead_and_leaky_relu_comes_back_to_every_target_above_zero():
    for state in lab.states():
        if state["step"] == 0 and state["rate"] == 0.3:
            path = lab.compute(**state)["path"]
            if state["activation"] == "relu":
                off = np.flatnonzero(path <= 0)
                assert off.size == 0 or (path[off[0] :] == path[off[0]]).all()
            elif state["t"] > 0:
                assert path[-1] == pytest.approx(1)
            else:
                assert path[-1] < path[100] < 0


def comes_back(activation, rate=0.3, z=-1.0, t=1):
    """The first step after which z > 0, None if there is none; x = -1."""
    path = measure.one_neuron(-1, t, -z, 0, rate, 0, activation)["path"]
    return next((step for step, height in enumerate(path) if height > 0), None)


def test_when_leaky_relu_comes_back():
    assert [comes_back("leaky_relu", rate) for rate in (0.1, 0.3, 0.8)] == [498, 166, 63]
    assert math.ceil(math.log(1.01) / 6e-5) == 166


def test_a_negative_slope_drives_the_smooth_ones_away_from_the_target():
    assert [comes_back(name) for name in ("elu", "selu", "silu", "gelu")] == [3, 2, 8, None]
    assert measure.one_neuron(-1, 1, 1, 0, 0.3, 0, "gelu")["path"][-1] == pytest.approx(-4.0, abs=0.01)
    for name, turn in {"gelu": -0.7518, "silu": -1.2785}.items():
        assert activations[name].derivative(turn + 1e-3) > 0 > activations[name].derivative(turn - 1e-3)
        assert comes_back(name, z=turn + 0.05)
        assert comes_back(name, z=turn - 0.05) is None


def test_a_target_below_zero_kills_every_relu():
    ends = [lab.compute(**state)["path"][-1] for state in lab.states() if state["t"] < 0 and state["step"] == 0]
    assert max(ends) <= 0


def test_the_largest_rate_that_no_relu_dies_of():
    """From z > t > 0 it is out if the first step overshoots by more than t: η > z / ((z - t)(x² + 1))."""
    for rate, dies in [(0.66, False), (0.68, True)]:
        assert (measure.one_neuron(-1, 1, -2, 2, rate, 0, "relu")["path"][1] < 0) == dies


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.neuron_gradient(1, 1, 0, 0, activation="rleu"), "unknown activation 'rleu'"),
        (lambda: measure.neuron_gradient(math.nan, 1, 0, 0), "x must hold finite numbers, got nan"),
        (lambda: measure.neuron_gradient(1, 1, math.inf, 0), "b must be a finite number, got inf"),
        (lambda: measure.neuron_gradient([1.0, 2], [1.0], 0, 0), "x and w must be two numbers or two lists of one"),
        (lambda: measure.neuron_gradient([[1.0]], [[1.0]], 0, 0), "got shapes (1, 1) and (1, 1)"),
        (lambda: measure.one_neuron(1, math.nan, 1, 1, 0.1, 0, "relu"), "t must be a finite number, got nan"),
        (lambda: measure.one_neuron(1, 1, 1, 1, -0.1, 0, "relu"), "rate must be a finite number >= 0, got -0.1"),
        (lambda: measure.one_neuron(1, 1, 1, 1, 0.1, 1001, "relu"), "step must be at most 1000, got 1001"),
        (lambda: measure.one_neuron(1, 1, 1, 1, 0.1, -1, "relu"), "step must be a whole number >= 0, got -1"),
        (lambda: measure.activation_cost("jax"), "unknown library 'jax'"),
        (lambda: measure.activation_cost(names=["rleu"]), "unknown activation 'rleu'"),
        (lambda: measure.activation_cost(repeats=0), "repeats must be a whole number >= 1, got 0"),
        (lambda: measure.selu_growth(0), "depth must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input_says_what_was_given_and_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()


# ---------------------------------------------------------------- the lab


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def test_a_cross_marks_the_factor_that_is_zero():
    def crosses(**state):
        chain = trace(lab.figure(**state), "from w to L, and factors that are 0")
        assert chain.marker.symbol[4:] == ("x",) * 3
        return [place for place in chain.x[4:] if not np.isnan(place)]

    assert crosses() == [1.5]  # φ′
    assert crosses(w=-2, b=-1) == [2.5]  # y = t
    assert crosses(w=-2, b=2) == []
    assert crosses(activation="leaky_relu") == []
    assert crosses(x=0.0, b=2.0) == [0.5]


def test_the_picture_says_all_factors_and_gradients():
    texts = trace(lab.figure(), "values, factors and gradients").text
    assert texts == (
        "w<br>1", "z<br>−1", "y<br>0", "L<br>0.5", "x<br>−1", "φ′(z)<br>0", "y − t<br>−1",
        "∂L/∂w<br><b>0</b>", "∂L/∂z<br><b>0</b>", "∂L/∂y<br><b>−1</b>",
    )  # fmt: skip


@pytest.mark.parametrize("state", SOME)
def test_no_height_of_the_way_is_lost(state):
    path, drawn = lab.data(**state)["path"], trace(lab.figure(**state), "z by step")
    np.testing.assert_array_equal(drawn.y, path[np.array(drawn.x) - 1])
    assert (np.diff(drawn.x) > 0).all()
    assert (drawn.x[0], drawn.x[-1]) == (1, LAST + 1)
    assert (min(drawn.y), max(drawn.y)) == (path.min(), path.max())
    assert len(drawn.x) < 50


def test_the_point_stays_in_the_panel():
    inside, below = (trace(lab.figure(**state), "z now, and the target") for state in ({}, SOME[-1]))
    assert (inside.x[0], inside.y[0], inside.marker.symbol) == (1, -1, "circle")
    assert (below.x[0], below.marker.symbol) == (LAST + 1, "triangle-down")
    assert below.y[0] > draw_neuron.Z_ENDS[0]


def test_axes_and_leaves_are_the_same_in_all_states():
    figures = [lab.figure(**state) for state in SOME]
    assert {frozenset(flatten(figure)) for figure in figures} == {frozenset(flatten(figures[0]))}
    for axis in ("xaxis", "xaxis2", "yaxis", "yaxis2"):
        assert len({str(figure.layout[axis].range) for figure in figures}) == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            {},
            "relu, at the start: z = −1, ∂L/∂w = −1 · 0 · −1 = 0. z is not above 0, so the slope is 0. "
            "It started there: with this example alone it is dead and never comes back.",
        ),
        (
            {"w": -2, "b": 2, "rate": 0.8},
            "relu, at the start: z = 4, ∂L/∂w = 3 · 1 · −1 = −3. Step 1 will take z to 0 or below, and there it is "
            "dead.",
        ),
        (
            {"w": -2, "b": 2, "rate": 0.8, "step": 100},
            "relu, after 100 steps at rate 0.8: z = −0.8, ∂L/∂w = −1 · 0 · −1 = 0. z is not above 0, so the slope is "
            "0. Step 1 threw it there: with this example alone it is dead and never comes back.",
        ),
        (
            {"w": -2, "rate": 0.8, "step": 1},
            "relu, after 1 step at rate 0.8: z = 0.4, ∂L/∂w = −0.6 · 1 · −1 = 0.6. It lives: z stays above 0, and y "
            "goes to t = 1.",
        ),
        (
            {"activation": "leaky_relu"},
            "leaky relu, at the start: z = −1, ∂L/∂w = −1.01 · 0.01 · −1 = 0.0101. The slope is small, not 0: it "
            "creeps back, and step 166 takes it above 0.",
        ),
        (
            SOME[4],
            "leaky relu, after 100 steps at rate 0.8: z = −0.882, ∂L/∂w = −1.01 · 0.01 · 2 = −0.0202. The slope is "
            "small, not 0: it creeps back, and step 122 takes it above 0, but step 124 throws it out again.",
        ),
        (
            {"x": 2, "t": -1, "rate": 0.1, "activation": "leaky_relu", "step": 1},
            "leaky relu, after 1 step at rate 0.1: z = 0.5, ∂L/∂w = 1.5 · 1 · 2 = 3. Step 2 will take z to 0 or "
            "below, and there it hardly moves.",
        ),
        (
            {"t": -1, "activation": "leaky_relu"},
            "leaky relu, at the start: z = −1, ∂L/∂w = 0.99 · 0.01 · −1 = −0.0099. The slope is small, not 0: it "
            "follows its target down, and is still below 0 after 1000 steps.",
        ),
        (
            {"w": -2, "b": -1},
            "relu, at the start: z = 1, ∂L/∂w = 0 · 1 · −1 = 0. y is t: it has learned its example, and has nothing "
            "left to learn.",
        ),
    ],
)
def test_reading(state, sentence):
    assert lab.reading(**state) == sentence


def test_a_step_that_only_swings_is_not_said_to_arrive():
    # 1 - η(x² + 1) = -1, so z goes from 2 to 0.5 and back for ever
    assert "swings about t = 1" in lab.read(*_at(x=1.0, t=1.0, w=0.5, b=1.0, rate=1.0, step=0, activation="relu"))


def _at(**state):
    return measure.one_neuron(**state), state


def test_every_control_matters_and_the_lab_fits_its_budget():
    assert sum(1 for _ in lab.states()) <= 1500
    from_here = {"w": -2, "b": 2, "rate": 0.8, "step": 2}
    seen = lab.reading(**from_here)
    for name, control in lab.controls.items():
        others = [stop for stop in control.stops if stop != lab.state(**from_here)[name]]
        assert any(lab.reading(**from_here | {name: stop}) != seen for stop in others), name


# ---------------------------------------------------------------- SELU


def test_selus_constants_are_the_papers_the_registrys_and_the_closed_forms():
    alpha, scale = measure.selu_constants()
    assert (f"{alpha:.8f}", f"{scale:.8f}") == ("1.67326324", "1.05070099")
    below = [math.exp(k**2 / 2) * math.erfc(k / math.sqrt(2)) / 2 for k in range(3)]  # E[e^(kz); z < 0]
    by_hand = 1 / math.sqrt(2 * math.pi) / (below[0] - below[1])
    assert alpha == pytest.approx(by_hand, rel=1e-12)
    mean_square = 1 / 2 + alpha**2 * (below[2] - 2 * below[1] + below[0])
    assert scale == pytest.approx(1 / math.sqrt(mean_square), rel=1e-12)
    z = np.array([-3.0, -0.1, 0.0, 2.0])
    np.testing.assert_allclose(
        activations["selu"].f(z), scale * np.where(z > 0, z, alpha * (np.exp(z) - 1)), rtol=1e-12, atol=1e-15
    )


def test_selu_keeps_the_signal_and_not_the_gradient():
    found = measure.selu_growth(20, width=128, n_nets=40, n_inputs=8)
    assert found["chi"] == pytest.approx(1.0716, abs=1e-4)
    assert found["chi"] ** 50 == pytest.approx(31.7, abs=0.1)
    error = found["gradient"].std() / math.sqrt(40)
    assert found["gradient"].mean() == pytest.approx(found["chi"] ** 19, abs=4 * error)
    assert found["gradient"].mean() > 1 + 10 * error
    assert found["signal"].mean() == pytest.approx(1, abs=4 * found["signal"].std() / math.sqrt(40) + 0.01)


def test_selus_signal_is_drawn_back_to_its_fixed_point():
    assert theory.variance_map(1.0, activation="selu", sigma_w=1.0) == pytest.approx(1)
    assert theory.variance_slope(1.0, activation="selu", sigma_w=1.0) == pytest.approx(0.783, abs=5e-4)


# ---------------------------------------------------------------- what an activation costs


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_each_is_timed_forward_and_backward(library):
    found = measure.activation_cost(library, ["relu", "identity"], repeats=2, batch=4, width=8)
    assert list(found) == ["relu", "identity", "matrix product"]
    assert all(0 < found[name][way] < 1 for name in found for way in ("forward", "backward"))


def test_torchs_threads_are_given_back():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        measure.activation_cost("torch", ["relu"], repeats=1, batch=4, width=8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_what_is_timed_is_the_way_forward_and_back():
    rng = np.random.default_rng(0)
    z, weights, grad = rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), rng.standard_normal((3, 4))
    steps = measure_cost._numpy_steps(["tanh", "gelu"], z, weights, grad)
    np.testing.assert_array_equal(steps["tanh", "forward"](), np.tanh(z))
    np.testing.assert_array_equal(steps["gelu", "backward"](), grad * activations["gelu"].derivative(z))
    for_weights, for_z = steps["matrix product", "backward"]()
    tracked, tracked_weights = torch.tensor(z, requires_grad=True), torch.tensor(weights, requires_grad=True)
    (tracked @ tracked_weights).backward(torch.tensor(grad))
    np.testing.assert_allclose(for_weights, tracked_weights.grad)
    np.testing.assert_allclose(for_z, tracked.grad)


def test_rounds_are_interleaved_and_the_shortest_counts(monkeypatch):
    clock, order = iter([0, 5, 10, 12, 20, 23, 30, 37]), []
    monkeypatch.setattr(measure_cost, "perf_counter", lambda: next(clock))
    steps = {("a", "forward"): lambda: order.append("a"), ("b", "forward"): lambda: order.append("b")}
    assert measure_cost._shortest(steps, 2) == {("a", "forward"): 3, ("b", "forward"): 2}
    assert order == ["a", "b"] * 3  # the first round warms up


def test_what_the_lesson_prints_of_the_cost():
    found = measure.activation_cost(repeats=30)
    total = {name: sum(ways.values()) for name, ways in found.items()}
    assert total["relu"] < total["matrix product"]
    assert found["sigmoid"]["forward"] > found["relu"]["forward"]
    assert total["gelu"] > total["relu"] + total["sigmoid"]
