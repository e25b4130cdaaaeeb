"""Lesson 07's saturated layer, against torch and quadrature."""

import re

import numpy as np
import pytest
import torch

from vgx import activations, datasets, normalizations
from vgx.gaussian import expectation
from vgx.lab.paths import flatten
from vgx.lessons.batchnorm import draw_recentring as draw
from vgx.lessons.batchnorm import labs, measure
from vgx.lessons.batchnorm.measure_recentring import EDGES, pre_activations

lab = labs.recentring
SOME = [{}, {"norm": "centre_only"}, {"scale": 0.03, "offset": 8}, {"scale": 3, "offset": -8, "gain": 8}]


@pytest.mark.parametrize("state", SOME)
def test_the_slopes_are_torchs(state):
    state = lab.state(**state)
    found = measure.recentring(**state)
    x = torch.tensor(datasets.digits(standardize=False).x.copy())
    weights = np.random.default_rng(0).standard_normal((64, 64)) / 8
    z = x @ torch.tensor(weights) * state["scale"] + state["offset"]
    norm = torch.nn.BatchNorm1d(64).double()
    torch.nn.init.constant_(norm.weight, state["gain"])
    after = norm(z) if state["norm"] == "centre_and_scale" else state["gain"] * (z - z.mean(0))
    for k, each in enumerate((z, after.detach())):
        each.requires_grad_()
        torch.sigmoid(each).sum().backward()
        np.testing.assert_allclose(found["slope"][k], each.grad.mean(0), atol=1e-9)
        assert found["mean_slope"][k] == pytest.approx(each.grad.mean().item(), abs=1e-9)
        assert found["saturated"][k] == pytest.approx((each.grad < 0.01).double().mean().item())
        assert found["spread"][k, 0] == pytest.approx(each.mean(0).std(correction=0).item(), abs=1e-9)
        assert found["spread"][k, 1] == pytest.approx(each.var(0, correction=0).mean().sqrt().item())


def test_normalized_the_slope_is_that_of_a_gaussian_whatever_scale_and_offset():
    gaussian = expectation(activations["sigmoid"].derivative, 1.0)
    assert gaussian == pytest.approx(0.2066, abs=5e-5)
    slopes = [measure.recentring(scale, offset, "centre_and_scale", 1)["slope"][1]
              for scale in lab.axes["scale"] for offset in lab.axes["offset"]]  # fmt: skip
    np.testing.assert_allclose(slopes, gaussian, atol=0.006)
    for each in slopes[1:]:
        np.testing.assert_allclose(each, slopes[0], atol=1e-4)  # epsilon at the smallest scale


def test_centring_suffices_only_where_the_spread_is_small():
    small, large = (measure.recentring(scale, 8, "centre_only", 1)["saturated"] for scale in (0.03, 3))
    assert (small[0], small[1]) == (1, 0)
    assert 0.7 < large[1] < large[0]
    unmoved = [measure.recentring(3, offset, "centre_only", 1)["slope"][1] for offset in (-8, 0, 8)]
    np.testing.assert_allclose(unmoved[0], unmoved[1])
    np.testing.assert_allclose(unmoved[2], unmoved[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_lessons_shares_hold_for_other_weights(seed):
    centred, scaled = (measure.recentring(1, 0, norm, 1, seed=seed) for norm in ("centre_only", "centre_and_scale"))
    assert 0.49 < centred["saturated"][0] < 0.58
    assert 0.27 < centred["saturated"][1] < 0.30
    assert scaled["saturated"][1] < 1e-4
    assert measure.recentring(1, 0, "centre_and_scale", 8, seed=seed)["saturated"][1] > 0.5


def test_the_gradient_comes_back_after_an_offset_and_shrinks_after_large_weights():
    norm, slope = normalizations["batch"], activations["sigmoid"].derivative
    from_above = np.random.default_rng(1).standard_normal(pre_activations().shape)

    def arrived(scale, offset):  # the weights' own factor, scale, is the same raw and normalized
        z = scale * pre_activations() + offset
        y, cache = norm.forward(z)
        normalized, _, _ = norm.backward(from_above * slope(y), cache)
        return [scale * np.sqrt(np.mean(to_z**2)) for to_z in (from_above * slope(z), normalized)]

    offset, large = arrived(0.1, 8), arrived(10, 0)
    assert offset[1] > 100 * offset[0]
    assert large[1] < large[0] / 4
    assert offset[1] == pytest.approx(large[1], rel=0.01)


def test_gain_and_shift_can_undo_it():
    z = pre_activations()
    y, _ = normalizations["batch"].forward(z, gain=z.std(0), shift=z.mean(0), eps=0)
    np.testing.assert_allclose(y, z, atol=1e-9)


def test_the_figure_shows_what_was_measured():
    for state in SOME:
        data, figure = lab.data(**state), lab.figure(**state)
        traces = {trace.name: trace for trace in figure.data}
        order = np.argsort(data["slope"][0])
        for k, when in enumerate(("before", "after")):
            np.testing.assert_array_equal(traces[f"slope {when}"].y, data["slope"][k][order])
            np.testing.assert_array_equal(traces[f"z {when}"].y, np.minimum(data["density"][k], draw.HIGHEST))
            assert np.sum(data["density"][k]) * np.diff(EDGES)[0] == pytest.approx(1)
            assert data["slope"][k].max() <= 0.25
    assert activations["sigmoid"].derivative(draw.AWAKE) == pytest.approx(0.01, abs=1e-5)


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
            "Before: mean σ′ 0.0495, 56 % of the z saturated (σ′ below 0.01). Centred and scaled, γ = 1: mean σ′ "
            "0.206, 0 % saturated.",
        ),
        (
            {"norm": "centre_only"},
            "Before: mean σ′ 0.0495, 56 % of the z saturated (σ′ below 0.01). Only centred, γ = 1: mean σ′ 0.0864, "
            "29 % saturated. What saturates now: the spread of z, which centring leaves.",
        ),
        (
            {"gain": 8},
            "Before: mean σ′ 0.0495, 56 % of the z saturated (σ′ below 0.01). Centred and scaled, γ = 8: mean σ′ "
            "0.0474, 58 % saturated. What saturates now: γ.",
        ),
        (
            {"scale": 0.03, "offset": 8, "norm": "centre_only"},
            "Before: mean σ′ 10⁻³, 100 % of the z saturated (σ′ below 0.01). Only centred, γ = 1: mean σ′ 0.249, 0 % "
            "saturated.",
        ),
    ],
)
def test_reading(state, sentence):
    assert lab.reading(**state) == sentence


def test_the_question_is_answered_by_the_lab():
    question = lab.predict
    assert "56 % of its values" in question.question
    assert lab.data(**question.at)["saturated"][0] == pytest.approx(0.56, abs=0.005)
    assert question.answer(lab.data(**question.at), question.at) == pytest.approx(29, abs=0.5)


def test_every_control_matters_and_the_lab_fits_its_budget():
    assert sum(1 for _ in lab.states()) <= 1500
    seen = lab.reading()
    for name, control in lab.controls.items():
        others = [stop for stop in control.stops if stop != lab.state()[name]]
        assert any(lab.reading(**{name: stop}) != seen for stop in others), name


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.recentring(1, 0, "centre", 1), "unknown norm 'centre'"),
        (lambda: measure.recentring(0, 0, "centre_only", 1), "scale must be a finite number > 0, got 0"),
        (lambda: measure.recentring(1, np.nan, "centre_only", 1), "offset must be a finite number, got nan"),
        (lambda: measure.recentring(1, 0, "centre_only", -1), "gain must be a finite number > 0, got -1"),
    ],
)
def test_bad_input_says_what_was_given_and_what_is_allowed(call, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        call()
