"""Lesson 06, gradient-through-time: against torch's autograd, closed forms, the bound and theory."""

import functools
from collections import Counter

import numpy as np
import pytest
import torch

from vgx import theory
from vgx.lessons.lstm_gates import draw, draw_through_time, labs, measure, measure_explosion, measure_through_time
from vgx.verdict import Verdict, verdict_of_ratio

through_time = functools.cache(measure.gradient_through_time)
PHI = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "identity": lambda z: z}


def drawn(recurrent, n_nets):
    sizes = {"steps": measure_through_time.LONGEST, "width": measure_through_time.WIDTH, "n_nets": n_nets}
    return measure_through_time.networks_and_sequences(recurrent, **sizes, dtype=np.float32, seed=0)


def at_h0(steps, radius, activation, recurrent, input_scale, which=1):
    return through_time(steps, radius, activation, recurrent, input_scale)["gradient"][which, 0]


@pytest.mark.parametrize(("activation", "recurrent"), [("tanh", "gaussian"), ("relu", "orthogonal"),
                                                       ("sigmoid", "identity")])  # fmt: skip
def test_the_gradient_is_autograds(activation, recurrent):
    T, radius, scale, n_nets = 12, 1.3, 0.7, 3
    cell, x, start, readout = drawn(recurrent, n_nets)
    ratios = []
    for k in range(n_nets):
        W, U = (torch.tensor(part[k]).double() for part in (cell.recurrent_weights, cell.input_weights))
        states = [torch.tensor(start[k]).double().requires_grad_()]
        for t in range(T):
            inputs = scale * torch.tensor(x[t, k]).double() @ U
            states.append(PHI[activation](inputs + radius * states[-1] @ W))
        grads = torch.autograd.grad((states[-1] * torch.tensor(readout[k])).sum(), states)
        norms = [grad.square().sum(1).mean().sqrt().item() for grad in grads]
        ratios.append(np.array(norms) / norms[-1])
    data = measure.gradient_through_time(T, radius, activation, recurrent, scale, n_nets=n_nets)
    assert data["gradient"].shape == (3, T + 1)
    np.testing.assert_allclose(data["gradient"], np.quantile(ratios, [0.05, 0.5, 0.95], axis=0), rtol=2e-4)
    assert data["held"] == T


@pytest.mark.parametrize("recurrent", ["orthogonal", "identity"])
@pytest.mark.parametrize("radius", [0.8, 1.0, 1.1])
def test_without_a_nonlinearity_an_orthogonal_matrix_gives_the_power_of_rho(recurrent, radius):
    data = through_time(100, radius, "identity", recurrent, 1.0)
    np.testing.assert_allclose(data["gradient"], np.tile(radius ** np.arange(100.0, -1, -1), (3, 1)), rtol=1e-4)
    assert data["singular_value"] == pytest.approx(radius, rel=1e-5)


@pytest.mark.parametrize("recurrent", ["gaussian", "orthogonal", "identity"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity"])
def test_no_network_passes_the_bound(activation, recurrent):
    for radius in (1.4,):
        data = through_time(30, radius, activation, recurrent, 1.0)
        bound = float(data["bound"]) ** np.arange(30.0, -1, -1)
        assert (data["gradient"][2] <= bound * (1 + 1e-4)).all()
        assert data["bound"] == (0.25 if activation == "sigmoid" else 1) * data["singular_value"]


def test_many_lengths_at_once_are_each_alone_and_share_the_beginning_of_the_sequences():
    many = measure.gradient_through_time((10, 40), 1.1, "tanh", "gaussian", 1.0)
    for k, steps in enumerate((10, 40)):
        for name, value in through_time(steps, 1.1, "tanh", "gaussian", 1.0).items():
            np.testing.assert_allclose(many[name][k], value, rtol=1e-5)
    assert many["singular_value"][0] == many["singular_value"][1]


def test_gaussian_matrices_of_radius_1_have_a_largest_singular_value_of_nearly_2():
    for width, near in ((64, 1.86), (192, 1.9)):
        found = measure.first_over_last("identity", radius=1.0, steps=2, width=width, n_nets=6)
        assert found["singular_value"].mean() == pytest.approx(near, abs=0.05)
        over_sigma_w = found["singular_value"] / found["sigma_w"]
        assert over_sigma_w.mean() == pytest.approx(2, abs=0.06)
        assert (found["singular_value"] > found["radius"]).all()


def count(activation, **options):
    return Counter(verdict_of_ratio(measure.first_over_last(activation, n_nets=24, **options)["ratio"]).tolist())


def test_below_the_bound_all_vanish_above_it_some_explode_or_none():
    assert count("tanh", singular_value=0.95) == {"vanishing": 24}
    assert count("tanh", radius=1.1, input_scale=1.0) == {"vanishing": 24}
    free = count("tanh", radius=1.1)
    assert free["healthy"] > 12
    assert free["vanishing"] > 0
    assert not free["exploding"]
    assert count("tanh", radius=2.0)["exploding"] > 18
    assert count("tanh", radius=2.5, input_scale=1.0) == {"exploding": 24}
    assert count("identity", radius=1.1) == {"exploding": 24}


@pytest.mark.parametrize("singular_value", [1.0, 2.0, 4.0])
def test_sigmoids_never_explode_up_to_a_singular_value_of_4(singular_value):
    for input_scale in (0.0, 1.0):
        assert count("sigmoid", singular_value=singular_value, input_scale=input_scale) == {"vanishing": 24}


def test_sigmoids_begin_to_explode_where_theory_has_it_far_above_an_eigenvalue_of_1():
    """Mean-field theory: at σ_w = 10.15."""
    assert theory.critical_point(activation="sigmoid").sigma_w == pytest.approx(10.15, abs=0.01)
    assert count("sigmoid", radius=4.0) == {"vanishing": 24}
    assert count("sigmoid", radius=16.0)["exploding"] > 15


def test_input_moves_tanhs_critical_radius_where_theory_has_it():
    """In units of σ_w the typical crossing is the theory's within 5 % at width 64, and within ρ / σ_w = 1.05 in ρ."""
    expected = {0.3: 1.396, 1.0: 1.856}
    for input_scale, predicted in expected.items():
        assert theory.critical_point(activation="tanh", sigma_b=input_scale).sigma_w == pytest.approx(predicted, 1e-3)
        radii = predicted * np.array([0.9, 1.0, 1.1, 1.2])
        found = measure.critical_radius(radii, "tanh", input_scale, width=64, n_nets=16, steps=100)
        low, typical, high = found["typical"]
        assert low < typical < high
        assert typical * found["sigma_w"] == pytest.approx(predicted, rel=0.05)
        assert found["mean_square"][1] == pytest.approx(predicted, rel=0.06)
        assert found["mean_square"][1] <= typical
        assert found["log_factor"].shape == (4, 16)


def test_a_crossing_is_interpolated():
    assert measure_explosion._crossing(np.array([1.0, 2.0, 3.0]), np.array([-1.0, -1.0, 3.0])) == 2.25
    assert measure_explosion._crossing(np.array([1.0, 2.0]), np.array([-1.0, -0.1])) == np.inf
    assert measure_explosion._crossing(np.array([1.0, 2.0]), np.array([0.5, 1.0])) == -np.inf


def test_identity_and_relu_keep_what_stays_awake():
    """Without input every unit that starts above 0 stays there, and passes its gradient unchanged."""
    data = through_time(200, 1.0, "relu", "identity", 0.0)
    *_, start, readout = drawn("identity", 16)
    awake = np.sqrt(np.mean(np.sum(readout**2 * (start > 0), -1), -1) / np.mean(np.sum(readout**2, -1), -1))
    np.testing.assert_allclose(data["gradient"][:, 0], np.quantile(awake, [0.05, 0.5, 0.95]), rtol=1e-5)
    np.testing.assert_array_equal(data["gradient"][:, :1] * np.ones(200), data["gradient"][:, :-1])


def test_what_is_to_be_seen_in_the_lab():
    """The states that the lesson names."""
    assert labs.gradient_through_time.truth() == pytest.approx(-8.55, abs=0.1)
    assert at_h0(100, 1.4, "tanh", "orthogonal", 0.0) == pytest.approx(68, rel=0.1)
    for radius, low, median, high in ((1.0, -24.8, -22.0, -20.5), (1.4, -12.8, -9.6, -8.8), (2.0, -2.6, -0.1, 1.3)):
        found = through_time(100, radius, "tanh", "gaussian", 1.0)["gradient"][:, 0]
        assert np.log10(found) == pytest.approx([low, median, high], abs=0.2)
    free = through_time(100, 1.1, "tanh", "gaussian", 0.0)["gradient"][:, 0]
    assert free == pytest.approx([4.9e-5, 0.43, 0.94], rel=0.1)
    assert np.log10(at_h0(100, 2.0, "tanh", "gaussian", 0.0)) == pytest.approx(5.4, abs=0.1)
    assert np.log10(at_h0(50, 2.0, "sigmoid", "orthogonal", 1.0)) == pytest.approx(-21.4, abs=0.1)
    assert np.log10(at_h0(10, 1.0, "sigmoid", "orthogonal", 1.0)) == pytest.approx(-6.9, abs=0.1)
    for recurrent in ("gaussian", "orthogonal", "identity"):  # the best that a sigmoid does
        assert max(at_h0(10, 2.0, "sigmoid", recurrent, input_scale) for input_scale in (0.0, 1.0)) < 1e-3
    assert at_h0(100, 1.0, "identity", "gaussian", 1.0) == pytest.approx(0.33, rel=0.05)
    awake = [at_h0(100, 1.0, "relu", "identity", input_scale) for input_scale in (0.0, 1.0)]
    assert awake == pytest.approx([0.70, 0.24], rel=0.05)
    assert np.log10(at_h0(100, 1.1, "relu", "identity", 1.0)) == pytest.approx(3.8, abs=0.1)
    assert at_h0(100, 0.9, "relu", "identity", 1.0) == 0


def state(**controls):
    controls = labs.gradient_through_time.state(**controls)
    data = through_time(**controls)
    return data, controls, draw.gradient_through_time(data, controls)


def test_the_figure_shows_what_was_measured():
    data, controls, figure = state(steps=50, radius=0.8, activation="identity", recurrent="orthogonal")
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(traces["median"].y, data["gradient"][1, 50 - traces["median"].x])
    assert (traces["median"].x[0], traces["median"].x[-1]) == (0, 50)
    np.testing.assert_allclose(traces["bound"].y, [1, 0.8**50], rtol=1e-4)
    np.testing.assert_allclose(traces["powers of ρ"].y, [1, 0.8**50], rtol=1e-12)
    assert traces["labels"].text == ("at h₀: 10⁻⁵, <b>vanishing</b>",)
    assert draw.through_time_reading(data, controls) == (
        "50 steps of no nonlinearity, orthogonal W with ρ = 0.8 (σ_max ≤ 0.8), input 1: the gradient at h₀ is 10⁻⁵ of "
        "that at h_T: vanishing, a factor of 0.8 a step; ρ^T is 10⁻⁵, the bound 10⁻⁵."
    )


def test_overflow_and_zero_are_said_and_drawn():
    data, controls, figure = state(steps=200, radius=2, activation="identity", recurrent="identity")
    assert draw_through_time.time_verdict(data) is Verdict.OVERFLOW
    assert data["held"] == pytest.approx(126, abs=3)
    assert "overflow. After 126 steps the state leaves float32" in draw.through_time_reading(data, controls)
    assert "<b>overflow</b>" in {trace.name: trace for trace in figure.data}["labels"].text[0]
    data, controls, figure = state(steps=200, radius=0.5, activation="sigmoid", recurrent="orthogonal")
    assert draw_through_time.time_verdict(data) is Verdict.DEAD
    assert {trace.name: trace for trace in figure.data}["median"].y[-1] == 1e-300
    last = int(np.flatnonzero(data["gradient"][1] == 0).max())
    assert f"until, {200 - last} steps back, float32 has only 0 left" in draw.through_time_reading(data, controls)


def test_axes_stay_and_traces_are_few():
    figures = [state(steps=10, radius=2.0)[2], state(steps=200, radius=0.5)[2]]
    for name in ("xaxis", "yaxis"):
        assert figures[0].layout[name].range == figures[1].layout[name].range
    assert {len(figure.data) for figure in figures} == {5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((201, 1.0, "relu", "gaussian", 0.0), "steps must be at most 200, got 201"),
        ((1, 1.0, "relu", "gaussian", 0.0), "steps must be a whole number >= 2"),
        ((5, -1.0, "relu", "gaussian", 0.0), "radius must be a finite number >= 0"),
        ((5, 1.0, "rleu", "gaussian", 0.0), "unknown activation 'rleu'"),
        ((5, 1.0, "relu", "guassian", 0.0), "unknown recurrent matrix 'guassian'"),
        ((5, 1.0, "relu", "gaussian", np.nan), "input_scale must be a finite number"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.gradient_through_time(*given)


def test_radius_or_singular_value():
    for given in ({}, {"radius": 1.0, "singular_value": 1.0}):
        with pytest.raises(ValueError, match="exactly one of radius and singular_value must be given"):
            measure.first_over_last("tanh", **given)
