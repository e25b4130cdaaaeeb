"""Lesson 08, where-to-clip: what each place of clipping does to the step, against a training written out by hand."""

import math

import numpy as np
import pytest
import torch

import vgx
from vgx.lessons.clipping_and_regularization import draw, draw_where, labs, measure, measure_where
from vgx.lessons.clipping_and_regularization.record import RECORDINGS
from vgx.verdict import Verdict

LIMITS, PLACES = measure_where.LIMITS, measure_where.PLACES
compute = labs.where_to_clip.compute
every_limit = pytest.mark.parametrize("limit", LIMITS)


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("where-to-clip")


@pytest.mark.parametrize(("place", "limit"), [*zip(PLACES, (*LIMITS, 1.0), strict=True)])
def test_the_recording_is_what_the_code_measures(recorded, place, limit):
    again = measure.where_to_clip(place, limit, n_steps=4, n_seeds=2)
    for name in ("loss", "gradient", "step"):
        np.testing.assert_allclose(again[name], recorded(place=place, limit=limit)[name][:2, :4], rtol=1e-5)
    np.testing.assert_allclose(again["angle"], recorded(place=place, limit=limit)["angle"][:2, :4], atol=1e-3)


def by_hand(limit, *, each=False):
    """Four steps of the same training without torch.nn, GradScaler or clip_grad_norm_: losses and lengths of steps."""
    rng = torch.Generator().manual_seed(0)
    _, parameters = measure_where._network(rng)
    W_x, W_h, b_x, b_h, V, c = parameters
    for _ in range(4):
        x = torch.randn(256, 20, 1, generator=rng, dtype=torch.float64)
        h = torch.zeros(256, 32, dtype=torch.float64)
        for t in range(20):
            h = torch.tanh(x[:, t] @ W_x.T + b_x + h @ W_h.T + b_h)
        loss = (h @ V.T + c - x[:, 0]).square().mean()
        grads = torch.autograd.grad(loss, parameters)
        rule = vgx.clipping.clip_each_by_norm if each else vgx.clip_by_norm
        clipped, _ = rule(grads, limit)
        for parameter, step in zip(parameters, clipped, strict=True):
            parameter.data -= 0.1 * step
        yield loss.item(), vgx.clip_by_norm(grads, 1.0)[1], vgx.clip_by_norm(clipped, 1.0)[1]


@pytest.mark.parametrize("place", ["right_place", "each_parameter"])
def test_a_step_is_that_of_a_training_written_by_hand(place):
    data = measure.where_to_clip(place, 1.0, n_steps=4, n_seeds=1)
    loss, gradient, step = zip(*by_hand(1.0, each=place == "each_parameter"), strict=True)
    for name, wanted in (("loss", loss), ("gradient", gradient), ("step", step)):
        np.testing.assert_allclose(data[name][0], wanted, rtol=3e-6)


@every_limit
def test_at_the_right_place_the_step_is_the_gradient_shortened_to_the_limit(recorded, limit):
    data = recorded(place="right_place", limit=limit)
    np.testing.assert_allclose(data["step"], np.minimum(data["gradient"], limit), rtol=2e-5)
    assert data["angle"].max() < 1e-6


@every_limit
@pytest.mark.parametrize("place", ["before_backward", "after_the_step"])
def test_before_backward_and_after_the_step_it_is_as_if_not_clipped(recorded, place, limit):
    data, free = recorded(place=place, limit=limit), recorded(place="no_clipping", limit=1.0)
    for name in ("loss", "gradient", "step"):
        np.testing.assert_array_equal(data[name], free[name])


@every_limit
def test_before_unscaling_the_limit_is_divided_by_the_scale(recorded, limit):
    data = recorded(place="before_unscaling", limit=limit)
    np.testing.assert_allclose(data["step"], limit / 2**16, rtol=1e-4)
    assert np.median(data["loss"][:, -1]) > 0.5  # as if not trained


@every_limit
def test_each_parameter_by_itself_the_step_turns_and_is_longer(recorded, limit):
    data = recorded(place="each_parameter", limit=limit)
    assert (data["step"] <= limit * math.sqrt(6) * (1 + 1e-6)).all()  # six parameters
    assert np.median(data["step"].max(axis=1)) > 1.5 * limit
    assert np.median(data["angle"].max(axis=1)) > 5


SEEN = {
    ("right_place", 0.1): (1, 0, 0.286),
    ("right_place", 0.3): (1, 0, 0.110),
    ("right_place", 1.0): (1, 0, 0.186),
    ("right_place", 3.0): (1, 0, 0.148),
    ("right_place", 10.0): (1, 0, 1.155),
    ("before_unscaling", 1.0): (2**-16, 0, 1.277),
    ("each_parameter", 1.0): (6**0.5, 25.75, 0.230),
    ("each_parameter", 0.1): (6**0.5, 33.85, 0.104),
}


def test_what_is_to_be_seen_in_the_lab():
    """The states that the lesson names: longest step over the limit, angle, loss at the end; medians of 5 seeds."""
    for (place, limit), wanted in SEEN.items():
        data = compute(place=place, limit=limit)
        found = [np.median(data["step"].max(axis=1)) / limit, np.median(data["angle"].max(axis=1)),
                 np.median(data["loss"][:, -1])]  # fmt: skip
        assert found == pytest.approx(wanted, rel=0.01, abs=0.01), (place, limit)


def test_without_clipping_most_runs_explode_and_some_get_away(recorded):
    data = recorded(place="no_clipping", limit=1.0)
    assert np.median(data["step"].max(axis=1)) == pytest.approx(3e10, rel=0.05)
    assert np.median(data["loss"][:, -1]) == pytest.approx(2e13, rel=0.06)
    assert data["loss"][:, -1].min() == pytest.approx(0.149, abs=0.001)
    acts = recorded(place="right_place", limit=10.0)["gradient"] > 10
    assert acts.mean() == pytest.approx(0.19, abs=0.005)


def test_numbers_are_written_as_powers_where_they_are_far_from_1():
    assert [draw_where._number(value) for value in (1.53e-5, 0.186, 2.45, 3.02e10)] == [
        "1.5 · 10⁻⁵", "0.186", "2.45", "3.0 · 10¹⁰",
    ]  # fmt: skip


def test_verdicts():
    found = {place: draw.where_verdict(compute(place=place, limit=1.0), {"limit": 1.0}) for place in PLACES}
    wanted = dict.fromkeys(PLACES, Verdict.EXPLODING) | {
        "right_place": Verdict.HEALTHY, "each_parameter": Verdict.HEALTHY, "before_unscaling": Verdict.VANISHING,
    }  # fmt: skip
    assert found == wanted


def test_the_figure_shows_what_was_measured(recorded):
    data, controls = (
        compute(place="each_parameter", limit=0.3),
        {"place": "each_parameter", "limit": 0.3},
    )
    figure = draw.where_to_clip(data, controls)
    traces = {trace.name: trace for trace in figure.data}
    np.testing.assert_allclose(traces["step, median"].y, np.median(data["step"], axis=0))
    np.testing.assert_allclose(traces["gradient, median"].y, np.median(data["gradient"], axis=0))
    right = np.median(recorded(place="right_place", limit=0.3)["loss"], axis=0)
    np.testing.assert_allclose(traces["loss, right place"].y, right)
    assert figure.layout.shapes[0].y0 == 0.3
    assert draw.where_reading(data, controls).startswith("Clipped each parameter by itself, limit 0.3: the gradient")


@pytest.mark.parametrize(
    ("given", "message"),
    [(("before", 1.0), "unknown place 'before'"), (("right_place", 0.0), "limit must be a finite number > 0")],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.where_to_clip(*given)
