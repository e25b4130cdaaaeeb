"""Lesson 06, powers: a matrix whose eigenvalues are all ρ, against fractions, NumPy's powers, free probability."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

from vgx.lessons.lstm_gates import draw, draw_powers, labs, measure, measure_powers
from vgx.recurrent import RNN, recurrent_matrix

powers = functools.cache(measure.powers)
STEPS = measure_powers.STEPS


def matrix(rho, k):
    return np.array([[rho, k], [0, rho]])


def norms(rho, k, last):
    power, found = np.eye(2), []
    for _ in range(last + 1):
        found.append(np.linalg.norm(power, 2))
        power = power @ matrix(rho, k)
    return np.array(found)


# ---------------------------------------------------------------- the closed form


@pytest.mark.parametrize("t", [0, 1, 2, 9, 100, 1000])
@pytest.mark.parametrize(("rho", "k"), [(0.5, 3.0), (0.9, 1.0), (1.0, 0.25), (1.05, 10.0), (0.95, 0.0)])
def test_the_power_is_the_closed_form(rho, k, t):
    W = np.array([[Fraction(rho), Fraction(k)], [Fraction(0), Fraction(rho)]])
    exact = np.array(np.linalg.matrix_power(W, t), dtype=float)
    np.testing.assert_allclose(measure.shear_power(rho, k, t), exact, rtol=1e-12, atol=0)
    np.testing.assert_allclose(np.linalg.matrix_power(matrix(rho, k), t), exact, rtol=1e-12, atol=0)


def test_many_powers_at_once():
    t = np.array([[0, 3], [7, 100]])
    at_once = measure.shear_power(0.9, 1.5, t)
    assert at_once.shape == (2, 2, 2, 2)
    np.testing.assert_array_equal(at_once[1, 0], measure.shear_power(0.9, 1.5, 7))


def test_the_largest_powers_end_in_zero_or_infinity_and_never_in_nan():
    np.testing.assert_array_equal(measure.shear_power(0.5, 10.0, 5000), np.zeros((2, 2)))
    np.testing.assert_array_equal(measure.shear_power(1.1, 10.0, 10_000), [[np.inf, np.inf], [0, np.inf]])
    np.testing.assert_array_equal(measure.shear_power(1.1, 0.0, 10_000), [[np.inf, 0], [0, np.inf]])
    assert measure.log_norm(0.5, 10.0, 5000) == pytest.approx(5000 * math.log(0.5) + math.log(5000 * 10 / 0.5))
    assert measure.log_norm(1.1, 10.0, 10_000) == pytest.approx(10_000 * math.log(1.1) + math.log(10_000 * 10 / 1.1))


@pytest.mark.parametrize("rho", [0.5, 0.9, 0.95, 1.0, 1.05])
@pytest.mark.parametrize("k", [0.0, 0.1, 1.0, 10.0])
def test_the_norm_is_that_of_svd(rho, k):
    t = np.array([0, 1, 2, 5, 20, 100, 1000])
    by_svd = [np.linalg.norm(measure.shear_power(rho, k, each), 2) for each in t]
    np.testing.assert_allclose(np.exp(measure.log_norm(rho, k, t)), by_svd, rtol=1e-12)
    data = powers(rho, k, 20)
    np.testing.assert_allclose(data["norm"], norms(rho, k, 100)[STEPS], rtol=1e-12)
    np.testing.assert_allclose(data["bound"], np.linalg.norm(matrix(rho, k), 2) ** STEPS, rtol=1e-11)
    np.testing.assert_allclose(data["state"], [measure.shear_power(rho, k, s) @ [0, 1] for s in range(21)], rtol=1e-12)
    with np.errstate(over="ignore"):
        assert np.all(data["radius"] <= data["norm"] * (1 + 1e-12))
    assert np.all(data["norm"] <= data["bound"] * (1 + 1e-12))


# ---------------------------------------------------------------- peak, and the step below 1


@pytest.mark.parametrize("rho", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("k", [0.0, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0])
def test_peak_and_end_are_those_of_all_steps_gone_through(rho, k):
    measured = norms(rho, k, 1500)
    assert measure.peak_step(rho, k) == np.argmax(measured)
    assert measure.first_below_one(rho, k) == np.flatnonzero(measured >= 1 - 1e-12)[-1] + 1
    np.testing.assert_allclose(powers(rho, k, 1)["peak"], [np.argmax(measured), measured.max()])


def test_the_peak_is_near_minus_one_over_ln_rho():
    for rho, k in [(0.9, 1.0), (0.95, 1.0), (0.99, 1.0), (0.9, 10.0)]:
        assert measure.peak_step(rho, k) == pytest.approx(-1 / math.log(rho), abs=1)


def test_the_norm_grows_first_exactly_when_the_largest_singular_value_exceeds_one():
    for rho in (0.5, 0.8, 0.95):
        edge = 1 - rho**2
        assert measure.peak_step(rho, 0.999 * edge) == 0
        assert measure.peak_step(rho, 1.001 * edge) >= 1
        assert np.linalg.norm(matrix(rho, edge), 2) == pytest.approx(1)


def test_nothing_ends_at_radius_one_and_above():
    assert measure.peak_step(1.0, 0.0) == 0
    assert measure.first_below_one(1.0, 0.0) == np.inf
    for rho, k in [(1.0, 0.1), (1.05, 0.0), (1.05, 1.0)]:
        assert measure.peak_step(rho, k) == np.inf
        assert measure.first_below_one(rho, k) == np.inf
        np.testing.assert_array_equal(powers(rho, k, 3)["peak"], np.inf)


# ---------------------------------------------------------------- Gaussian matrices


def test_gaussian_powers_are_those_of_the_matrices():
    W = recurrent_matrix("gaussian", 64, radius=0.9, n_nets=20, rng=np.random.default_rng(0))
    measured = [np.linalg.norm(np.linalg.matrix_power(W, t), 2, axis=(-2, -1)) for t in (0, 1, 4, 20)]
    expected = np.quantile(measured, [0.05, 0.5, 0.95], axis=1)
    shown = powers(0.9, 1.0, 9)["gaussian"][:, [0, 1, 4, 20]]
    np.testing.assert_allclose(shown, expected, rtol=1e-10)


def test_gaussian_powers_follow_the_fuss_catalan_law():
    """A product of t independent ones stretches by sqrt((t+1)^(t+1)/t^t); so do powers of one while t << width."""
    t = np.array([1, 2, 3])
    law = np.sqrt((t + 1.0) ** (t + 1) / t.astype(float) ** t)
    W = np.random.default_rng(1).standard_normal((4, 256, 256)) / math.sqrt(256)
    measured = [np.linalg.norm(np.linalg.matrix_power(W, each), 2, axis=(-2, -1)).mean() for each in t]
    np.testing.assert_allclose(measured, law, rtol=0.04)


# ---------------------------------------------------------------- arguments, figure, sentence


def test_wrong_arguments_say_what_is_allowed():
    with pytest.raises(ValueError, match="rho must be a finite number > 0"):
        measure.powers(0.0, 1.0, 3)
    with pytest.raises(ValueError, match="k must be a finite number >= 0"):
        measure.powers(0.9, -1.0, 3)
    with pytest.raises(ValueError, match="t must be a whole number >= 0"):
        measure.powers(0.9, 1.0, 2.5)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ((0.9, 1.0, 9), "‖Wᵗ‖ grows 3.91-fold in 9 steps and is below 1 only from step 35 on (largest singular value "
                        "1.53). At t = 9 it is 3.91, ρᵗ 0.387 and σ_maxᵗ 45.8."),
        ((0.5, 1.0, 1), "grows 1.21-fold in 1 step and"),
        ((0.5, 0.3, 3), "largest singular value 0.672: ‖Wᵗ‖ never exceeds 1."),
        ((1.0, 0.0, 9), "never exceeds 1. At t = 9 it is 1, ρᵗ 1 and σ_maxᵗ 1."),
        ((0.5, 0.3, 3), "Gaussian matrices of that radius, 64 units, never exceed 1 (median of 20)."),
        ((0.9, 1.0, 9), "64 units, reach 1.83 within 100 steps (median of 20)."),
        ((1.0, 0.1, 9), "Spectral radius 1: ‖Wᵗ‖ grows without end."),
        ((1.05, 10.0, 100), "grows without end. At t = 100 it is 10⁵"),
    ],
)  # fmt: skip
def test_the_sentence(state, words):
    controls = dict(zip(("rho", "k", "t"), state, strict=True))
    assert words in draw.powers_reading(powers(*state), controls)


@pytest.mark.parametrize("state", [(0.9, 1.0, 9), (0.5, 0.0, 100), (0.95, 10.0, 50), (1.05, 10.0, 100), (1.1, 10.0, 0)])
def test_the_figure_shows_what_was_measured(state):
    controls, data = dict(zip(("rho", "k", "t"), state, strict=True)), powers(*state)
    figure = draw.powers(data, controls)
    traces = {trace["name"]: trace for trace in figure.data}
    assert len(figure.data) <= 8
    for name, quantity in [("‖Wᵗ‖", "norm"), ("ρᵗ", "radius"), ("σ_maxᵗ", "bound")]:
        shown = np.isin(STEPS, traces[name]["x"])
        np.testing.assert_array_equal(traces[name]["y"], data[quantity][shown])
        left_out = data[quantity][~shown]
        low, high = (10.0**power for power in draw_powers.POWERS)
        assert not np.any((left_out >= low) & (left_out <= high))
    assert traces["step t"]["y"][0] == pytest.approx(np.linalg.norm(measure.shear_power(*state), 2))
    way = np.stack([traces["state"]["x"], traces["state"]["y"]], axis=1)
    np.testing.assert_array_equal(way, data["state"][: len(way)])
    assert len(way) == state[2] + 1 or np.abs(way[-1, 0]) > draw_powers.PLANE["x"][1]
    axes = [figure.layout[axis].range for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2")]
    assert axes == [draw.powers(powers(0.9, 1.0, 9), {"rho": 0.9, "k": 1.0, "t": 9}).layout[axis].range
                    for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2")]  # fmt: skip


def test_the_answer_to_the_labs_question():
    lab = labs.powers
    assert draw.largest_norm(powers(**lab.predict.at), lab.predict.at) == pytest.approx(norms(0.9, 1, 200).max())


@pytest.mark.parametrize(
    ("rho", "k", "peak", "below", "after_100"),
    [
        (0.9, 1.0, 3.91, 35, 0.00295),
        (0.9, 10.0, 38.7, 63, 0.0295),
        (0.95, 10.0, 75.5, 143, 6.23),
        (0.9, 0.1, 1, 1, 3e-4),
    ],
)
def test_what_to_try_in_the_lab(rho, k, peak, below, after_100):
    data = powers(rho, k, 100)
    assert data["peak"][1] == pytest.approx(peak, rel=2e-3)
    assert data["below"] == below
    assert data["at"][0] == pytest.approx(after_100, rel=1e-2)


def test_gaussian_matrices_grow_first_too():
    for rho, most, largest in [(0.9, 1.83, 1.69), (0.95, 2.17, 1.78)]:
        median = powers(rho, 1.0, 1)["gaussian"][1]
        assert median.max() == pytest.approx(most, abs=0.005)
        assert median[1] == pytest.approx(largest, abs=0.005)


def test_the_determinant_says_nothing_about_the_norm():
    assert np.linalg.det(np.diag([2, 0.1])) == pytest.approx(0.2)
    assert np.linalg.norm(np.linalg.matrix_power(np.diag([2, 0.1]), 9), 2) == pytest.approx(512)
    np.testing.assert_allclose(np.linalg.det(measure.shear_power(0.9, 10.0, np.arange(9))), 0.81 ** np.arange(9))


# ---------------------------------------------------------------- truncation


def test_no_gradient_passes_a_cut_exactly():
    rng = np.random.default_rng(0)
    cell = RNN.sample(n_inputs=1, width=16, radius=0.7, rng=rng)
    trace = cell.forward(rng.standard_normal((10, 32, 1)))
    for truncation, reached in [(None, 10), (9, 9), (5, 5), (1, 1)]:
        inputs = cell.backward(trace, last=np.ones((32, 16)), truncation=truncation).inputs
        assert np.all(inputs[: 10 - reached] == 0)
        assert np.all(np.abs(inputs[10 - reached :]).max(axis=(1, 2)) > 0)
