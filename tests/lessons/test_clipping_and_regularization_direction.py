"""Lesson 08, direction: the angle by which clipping turns a gradient, against vgx.clipping, torch and closed forms."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad

import vgx
from vgx.lessons.clipping_and_regularization import draw, labs, measure, measure_direction

turned = functools.cache(measure.direction)


def cosine(c):
    """Gaussian entries, limit c in standard deviations: all moments in closed form."""
    above, density = math.erfc(c / math.sqrt(2)), math.sqrt(2 / math.pi) * math.exp(-(c**2) / 2)
    small = 1 - above - c * density  # E[g²; |g| < c]
    return (small + c * density) / math.sqrt(small + c**2 * above)


@pytest.mark.parametrize("limit", [0.01, 0.5, 1.0, 3.0])
def test_predicted_for_gaussian_entries_is_the_closed_form(limit):
    c = limit * math.sqrt(2 / math.pi)
    assert measure.predicted_angle("gaussian", limit) == pytest.approx(math.degrees(math.acos(cosine(c))), abs=1e-5)


@pytest.mark.parametrize(("tail", "dof"), [("t_5_dof", 5), ("t_3_dof", 3)])
def test_predicted_for_student_t_is_the_integral(tail, dof):
    law = stats.t(dof)
    c = 0.5 * 2 * quad(lambda g: g * law.pdf(g), 0, math.inf)[0]
    overlap = 2 * quad(lambda g: min(g, c) * g * law.pdf(g), 0, math.inf)[0]
    clipped = 2 * quad(lambda g: min(g, c) ** 2 * law.pdf(g), 0, math.inf)[0]
    wanted = math.degrees(math.acos(overlap / math.sqrt(dof / (dof - 2) * clipped)))
    assert measure.predicted_angle(tail, 0.5) == pytest.approx(wanted, abs=1e-3)


def test_where_nearly_all_is_cut_only_the_signs_are_left():
    """sign(g) stands at arccos √(2/π) = 37.07° to a Gaussian g; more is not possible for it."""
    signs = math.degrees(math.acos(math.sqrt(2 / math.pi)))
    assert signs == pytest.approx(37.07, abs=0.005)
    assert measure.predicted_angle("gaussian", 1e-6) == pytest.approx(signs, abs=1e-3)
    assert turned(10_000, "gaussian", 0.01)["angle_here"][1] == pytest.approx(signs, abs=0.4)


def test_by_value_about_30_degrees_at_half_the_mean_magnitude():
    data = turned(10_000, "gaussian", 0.5)
    low, median, high = data["angle_here"]
    assert data["theory_here"] == pytest.approx(29.09, abs=0.01)
    assert low < data["theory_here"] < high
    assert median == pytest.approx(29.1, abs=0.05)
    assert (low, high) == pytest.approx((28.8, 29.4), abs=0.05)
    assert data["share_here"][1] == pytest.approx(math.erfc(0.5 / math.sqrt(math.pi)), abs=0.005)  # 69 %
    assert data["length_here"][1] == pytest.approx(0.355, abs=0.001)


@pytest.mark.parametrize("tail", measure_direction.TAILS)
@pytest.mark.parametrize("limit", [0.1, 1.0, 10.0])
def test_measured_as_clip_by_value_does_it(tail, limit):
    g = measure_direction._gradients(100, tail, 20, 7)
    assert np.mean(abs(g), axis=1) == pytest.approx(1)
    angles, shares, lengths = [], [], []
    for each in g:
        clipped, share = vgx.clip_by_value(each, limit)
        angles.append(measure.angle(each, clipped))
        shares.append(share)
        lengths.append(np.linalg.norm(clipped) / np.linalg.norm(each))
    data = measure.direction(100, tail, limit, n_gradients=20, seed=7)
    for name, values in (("angle", angles), ("share", shares), ("length", lengths)):
        np.testing.assert_allclose(data[f"{name}_here"], np.quantile(values, [0.05, 0.5, 0.95]), atol=2e-6)


@pytest.mark.parametrize("tail", measure_direction.TAILS)
def test_by_norm_the_gradient_does_not_turn(tail):
    for entries in (2, 100):
        assert turned(entries, tail, 0.1)["norm_angle"] < 1e-12
    g = torch.tensor(measure_direction._gradients(100, tail, 20, 7)[0])
    weight = torch.nn.Parameter(torch.zeros(100, dtype=torch.float64))
    weight.grad = g.clone()
    torch.nn.utils.clip_grad_norm_([weight], 1.0)
    assert measure.angle(g.numpy(), weight.grad.numpy()) < 1e-12


def test_angles_are_those_of_the_cosine():
    a, b = np.random.default_rng(0).standard_normal((2, 5, 3))
    cosines = np.sum(a * b, axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    np.testing.assert_allclose(measure.angle(a, b), np.degrees(np.arccos(cosines)))
    assert measure.angle(np.array([1.0, 0.0]), np.array([1.0, 1e-12])) == pytest.approx(math.degrees(1e-12))


def test_heavy_tails_turn_more_and_without_a_variance_to_90_degrees():
    angles = {tail: turned(10_000, tail, 1.0) for tail in measure_direction.TAILS}
    medians = [data["angle_here"][1] for data in angles.values()]
    assert medians == sorted(medians)
    assert [data["theory_here"] for data in angles.values()][3:] == [90, 90]
    growing = [turned(entries, "t_1.5_dof", 1.0)["angle_here"][1] for entries in (10, 100, 1000, 10_000)]
    assert growing == sorted(growing)
    assert growing[-1] > growing[0] + 30


SEEN = {
    ("gaussian", 0.01): (36.6, 36.9, 37.2),
    ("gaussian", 0.5): (28.8, 29.1, 29.4),
    ("gaussian", 1): (21.3, 21.6, 21.9),
    ("gaussian", 5): (0.0, 0.0, 0.4),
    ("t_3_dof", 5): (12.7, 17.7, 29.1),
    ("t_3_dof", 10): (4.9, 10.3, 23.9),
    ("t_1.5_dof", 10): (37.7, 52.6, 75.5),
}


def test_what_is_to_be_seen_in_the_lab():
    """The states that the lesson names: median and 5th to 95th percentile."""
    seen = {(tail, limit): turned(10_000, tail, limit)["angle_here"] for tail, limit in SEEN}
    for state, wanted in SEEN.items():
        assert seen[state] == pytest.approx(wanted, abs=0.1), state
    low, median, high = turned(2, "gaussian", 0.5)["angle_here"]
    assert (low, median, high) == pytest.approx((1.7, 14.8, 25.9), abs=0.1)


def test_the_figure_shows_what_was_measured():
    data = turned(100, "t_3_dof", 2.0)
    controls = {"entries": 100, "tail": "t_3_dof", "limit": 2.0}
    traces = {trace.name: trace for trace in draw.direction(data, controls).data}
    np.testing.assert_array_equal(traces["angle, median"].y, data["angle"][1])
    np.testing.assert_array_equal(traces["infinitely many entries"].y, data["theory"])
    np.testing.assert_array_equal(traces["share cut"].y, data["share"][1])
    np.testing.assert_array_equal(traces["length left"].y, data["length"][1])
    assert tuple(traces["angle here"].x) == (2.0, 2.0)
    assert tuple(traces["angle here"].y) == (data["angle_here"][1], 0)
    reading = draw.direction_reading(data, controls)
    assert reading.startswith("100 entries, Student t, 3 degrees of freedom, a limit of 2 times their mean size: ")
    assert f"turns by {data['angle_here'][1]:.3g}°" in reading
    assert labs.direction.predict.answer(turned(10_000, "gaussian", 0.5), {}) == 29.1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1, "gaussian", 1.0), "entries must be a whole number >= 2"),
        ((10_001, "gaussian", 1.0), "entries must be at most 10000, got 10001"),
        ((10, "gauss", 1.0), "unknown tail 'gauss'"),
        ((10, "gaussian", 0.0), "limit must be a finite number > 0"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.direction(*given)
