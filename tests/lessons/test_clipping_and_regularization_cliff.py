"""Lesson 08's cliff: its loss and gradient against autograd, differences and closed forms; the way over it; the lab."""

import gzip
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgx.lab import static
from vgx.lessons.clipping_and_regularization import draw_cliff, labs, measure, measure_cliff
from vgx.lessons.clipping_and_regularization.measure_cliff import RIDGE, STARTS, STEPS, cliff_loss, wall
from vgx.sweep import tabulate
from vgx.verdict import Verdict

lab = labs.cliff
S0 = 1 / (1 + math.exp(-0.5))  # σ(x₀)
THROWN = {"start": "on_the_floor", "rate": 0.3, "rule": "no_clipping"}


def torch_loss(w, b):
    x = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(50):
        x = w * torch.sigmoid(x) + b
    return (torch.sigmoid(x) - 0.7) ** 2


def torch_at(w, b):
    return [torch.tensor(float(value), dtype=torch.float64, requires_grad=True) for value in (w, b)]


@pytest.fixture(scope="module")
def every():
    return tabulate(lab.compute, lab.axes, vectorized=lab.vectorized, progress=False)


# ---------------------------------------------------------------- the loss and its gradient


@settings(max_examples=60, deadline=None)
@given(st.floats(-3, 7), st.floats(-5, 3))
def test_loss_and_gradient_are_autograds(w, b):
    at = torch_at(w, b)
    loss = torch_loss(*at)
    loss.backward()
    found = cliff_loss(w, b)
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-6, abs=1e-12)
    gradient = [found["dC_dw"], found["dC_db"]]
    np.testing.assert_allclose(gradient, [each.grad.item() for each in at], rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(("w", "b"), [(4.6, -2.0), (5.2, -3.1), (3.8, -2.8), (4.4, -2.2)])
def test_the_gradient_is_that_of_finite_differences(w, b):
    found, e = cliff_loss(w, b), 1e-6
    by_w = (cliff_loss(w + e, b)["loss"] - cliff_loss(w - e, b)["loss"]) / (2 * e)
    by_b = (cliff_loss(w, b + e)["loss"] - cliff_loss(w, b - e)["loss"]) / (2 * e)
    np.testing.assert_allclose([found["dC_dw"], found["dC_db"]], [by_w, by_b], rtol=1e-5)


def test_many_places_at_once_are_the_same_places_one_by_one():
    w, b = np.array([4.2, 4.6, 5.0]), np.array([[-2.0], [-3.0]])
    together = cliff_loss(w, b)
    for row, height in enumerate(b[:, 0]):
        for column, weight in enumerate(w):
            alone = cliff_loss(weight, height)
            for name, values in together.items():
                assert values[row, column] == pytest.approx(float(alone[name]), rel=1e-12)


def on_the_wall(w):
    """∂C/∂b where the unit never leaves x₀: the sum over the steps of a^k, a = w σ′(x₀)."""
    a = w * S0 * (1 - S0)
    return 2 * (S0 - 0.7) * S0 * (1 - S0) * (a**50 - 1) / (a - 1)


@pytest.mark.parametrize("w", [3.0, 4.5, 5.0, 5.5, 6.0])
def test_on_the_wall_the_gradient_has_a_closed_form(w):
    found = cliff_loss(w, wall(w))
    assert found["output"] == pytest.approx(S0, abs=1e-7)
    assert found["dC_db"] == pytest.approx(on_the_wall(w), rel=1e-6)
    assert found["dC_dw"] == pytest.approx(S0 * on_the_wall(w), rel=1e-6)


def test_the_cliff_stands_on_the_wall_and_begins_at_the_ridge():
    assert pytest.approx(1 / (S0 * (1 - S0))) == RIDGE
    w = np.linspace(4.6, 6.6, 30)
    low, high = cliff_loss(w, wall(w) + 0.01)["loss"], cliff_loss(w, wall(w) - 0.01)["loss"]
    assert (low < 0.1).all()
    assert (high > 0.27).all()
    before = np.linspace(1, 3.9, 10)
    gone = cliff_loss(before, wall(before) - 0.01)["loss"] - cliff_loss(before, wall(before) + 0.01)["loss"]
    assert abs(gone).max() < 0.05


def fixed_points(w, b):
    x = np.linspace(-12, 12, 200_001)
    return np.flatnonzero(np.diff(np.sign(w / (1 + np.exp(-x)) + b - x))).size


def test_three_fixed_points_stand_between_the_two_folds_and_none_below_w_4():
    for w in (4.5, 5.0, 6.0):
        s = (1 + np.array([-1, 1]) * np.sqrt(1 - 4 / w)) / 2  # σ where w σ(1 - σ) = 1
        high, low = np.log(s / (1 - s)) - w * s
        assert low < wall(w) < high
        assert [fixed_points(w, b) for b in (low - 0.01, wall(w), high + 0.01)] == [1, 3, 1]
    assert {fixed_points(3.9, b) for b in np.linspace(-4, 0, 40)} == {1}


def test_the_curvature_grows_as_the_square_of_the_gradient_and_along_it():
    ratios = []
    for w in (4.5, 5.0, 5.5, 6.0):
        here = cliff_loss(w, wall(w))
        gradient = np.array([here["dC_dw"], here["dC_db"]])
        norm = np.linalg.norm(gradient)
        along, across = gradient / norm, np.array([gradient[1], -gradient[0]]) / norm

        def bent(direction, w=w, norm=norm):
            e = 1e-5 / norm
            ahead, behind = (cliff_loss(w + k * e * direction[0], wall(w) + k * e * direction[1]) for k in (1, -1))
            return np.array([ahead[name] - behind[name] for name in ("dC_dw", "dC_db")]) / (2 * e)

        curvature = bent(along) @ along
        assert abs(bent(across) @ across) < 1e-4 * curvature
        ratios.append(curvature / norm**2)
    assert 100 < min(ratios) < max(ratios) < 180


# ---------------------------------------------------------------- the way over it


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("rule", "limit"), [("no_clipping", 1), ("by_norm", 0.3), ("by_value", 0.3)])
def test_the_way_is_torchs_as_long_as_rounding_allows(start, rule, limit):
    """Over the cliff a difference of 1e-16 grows, so each step is compared from the same place."""
    found = measure.cliff(start, 0.3, limit, rule)
    for step in range(0, STEPS, 3):
        at = torch_at(found["w"][step], found["b"][step])
        loss = torch_loss(*at)
        loss.backward()
        if rule == "by_norm":
            torch.nn.utils.clip_grad_norm_(at, limit)
        elif rule == "by_value":
            torch.nn.utils.clip_grad_value_(at, limit)
        torch.optim.SGD(at, lr=0.3).step()
        assert found["loss"][step] == pytest.approx(loss.item(), rel=1e-6, abs=1e-14)
        following = [found["w"][step + 1], found["b"][step + 1]]
        np.testing.assert_allclose(following, [each.item() for each in at], rtol=1e-5, atol=1e-9)


def test_no_step_is_longer_than_rate_times_limit_and_by_value_up_to_the_root_of_two(every):
    for state in lab.states():
        if state["rule"] != "no_clipping":
            found = every(**state)
            most = state["rate"] * state["limit"] * (1 if state["rule"] == "by_norm" else math.sqrt(2))
            assert found["length"].max() <= most * (1 + 1e-12)
            lengths = np.hypot(np.diff(found["w"]), np.diff(found["b"]))
            np.testing.assert_allclose(found["length"], lengths, atol=1e-12)
            shortened = found["length"] < state["rate"] * found["norm"][:-1] * (1 - 1e-9)
            np.testing.assert_array_equal(found["clipped"], shortened)


def test_without_clipping_the_three_starts_at_the_cliff_are_thrown_at_some_rate_and_the_fourth_never(every):
    thrown = {
        start: [
            rate
            for rate in lab.axes["rate"]
            if draw_cliff.thrown_at(every(start=start, rate=rate, rule="no_clipping", limit=1))
        ]
        for start in STARTS
    }
    assert thrown == {
        "on_the_floor": [0.3, 1],
        "on_the_plateau": [0.3, 1],
        "on_the_edge": [0.03, 0.1, 0.3, 1],
        "where_no_cliff_is": [],
    }


def test_who_is_thrown_stays_there_and_every_number_is_finite():
    found = lab.compute("on_the_edge", 0.1, 1, "no_clipping")
    assert all(np.isfinite(found[name]).all() for name in ("w", "b", "loss", "norm"))
    assert (found["norm"][1:] == 0).all()
    np.testing.assert_allclose(found["loss"][1:], (1 - 0.7) ** 2)
    assert found["length"][0] == pytest.approx(0.1 * math.hypot(S0, 1) * abs(on_the_wall(6.0)), rel=1e-6)


def test_the_loss_swings_for_twenty_steps_while_every_gradient_is_small():
    found = lab.compute("on_the_plateau", 0.3, 1, "no_clipping")
    swings = found["loss"][9:31]
    assert (np.diff(swings) > 0).sum() >= 8
    assert swings.max() > 20 * swings.min()
    assert found["norm"][:30].max() < 0.25
    assert found["norm"][30] > 40


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: measure.cliff("on_the_flor", 0.3, 1, "by_norm"), "unknown start 'on_the_flor'"),
        (lambda: measure.cliff("on_the_floor", 0.3, 1, "by_size"), "unknown rule 'by_size'"),
        (lambda: measure.cliff("on_the_floor", -1, 1, "by_norm"), "rate must hold finite numbers >= 0, got -1"),
        (lambda: measure.cliff("on_the_floor", 0.3, -1, "no_clipping"), "limit must be a finite number > 0, got -1"),
        (lambda: cliff_loss(math.nan, 0), "w must hold finite numbers, got nan"),
        (lambda: cliff_loss(5, math.inf), "b must hold finite numbers, got inf"),
    ],
)
def test_errors_say_what_was_given(call, says):
    with pytest.raises(ValueError) as error:
        call()
    assert says in str(error.value)


# ---------------------------------------------------------------- the lab


def traces(**state):
    return {trace.name: trace for trace in lab.figure(**state).data}


def test_the_lines_of_the_relief_never_cross_so_that_none_is_hidden():
    _, b, loss = measure_cliff.landscape()
    rows = draw_cliff._upwards(b[:, None], loss)
    assert (np.diff(rows, axis=0) > 0).all()


def test_the_relief_drawn_is_the_loss():
    drawn = traces()["loss in relief"]
    x, y = np.array(drawn.x, float), np.array(drawn.y, float)
    w, b, loss = measure_cliff.landscape()
    ends = np.flatnonzero(np.isnan(x))
    assert len(ends) == len(b)
    for row, (start, end) in enumerate(zip([0, *(ends[:-1] + 1)], ends, strict=True)):
        drawn_loss = (np.interp(w, x[start:end], y[start:end]) + b[row]) / draw_cliff.HEIGHT
        np.testing.assert_allclose(drawn_loss, loss[row], atol=0.003)


def test_the_arrow_points_along_the_step_that_leaves(every):
    for state in list(lab.states())[::7]:
        found = every(**state)
        shown = {trace.name: trace for trace in lab.draw(found, state).data}
        x, y = np.append(shown["way"].x, shown["end"].x[-1]), np.append(shown["way"].y, shown["end"].y[-1])
        assert (np.stack([x, y], -1) >= draw_cliff.FRAME[0]).all()
        assert (np.stack([x, y], -1) <= draw_cliff.FRAME[1]).all()
        up = draw_cliff._upwards(found["b"], found["loss"])
        last = len(x) - 1
        np.testing.assert_array_equal(x[:-1], found["w"][:last])
        if shown["end"].marker.symbol == "arrow":
            seen = np.array([x[-1] - x[-2], y[-1] - y[-2]])
            step = np.array([found["w"][last] - found["w"][last - 1], up[last] - up[last - 1]])
            assert seen @ step / np.linalg.norm(seen) / np.linalg.norm(step) == pytest.approx(1)
            assert np.linalg.norm(seen) < np.linalg.norm(step)
            inside = np.minimum(np.array([x[-1], y[-1]]) - draw_cliff.FRAME[0], draw_cliff.FRAME[1] - [x[-1], y[-1]])
            assert (inside / draw_cliff.MARGIN).min() == pytest.approx(1)
        else:
            assert last == STEPS
            np.testing.assert_array_equal(y, up)


def test_a_thrown_way_has_the_colour_of_exploding_and_rings_mark_what_was_clipped():
    thrown, kept = traces(**THROWN), traces(**THROWN | {"rule": "by_norm"})
    assert thrown["way"].line.color == draw_cliff.figures.COLOURS[Verdict.EXPLODING]
    assert kept["way"].line.color == draw_cliff.figures.COLOURS[Verdict.HEALTHY]
    assert len(thrown["clipped"].x) == len(thrown["clipped steps"].x) == 0
    np.testing.assert_array_equal(kept["clipped steps"].x, [9, 19, 33])
    np.testing.assert_array_equal(kept["clipped"].x, kept["way"].x[[9, 19, 33]])


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (THROWN, "step 10 meets a gradient of 77 and is 23 long; it lands at w = 16, b = 17, where the gradient"),
        (THROWN, "where the gradient is 10⁻¹⁵; after 40 steps the loss is 0.09."),
        (THROWN | {"rule": "by_norm"}, "the longest step is 0.3; after 40 steps the loss is 0.01. 3 of 40 steps were"),
        ({"start": "on_the_plateau"}, "step 31 meets a gradient of 42 and is 12 long; it lands at w = −1.7, b = −13"),
        ({"start": "on_the_edge", "rate": 0.1}, "is 300,000 long; it lands at w = 160,000, b = 260,000"),
        ({"start": "on_the_edge", "rate": 0.1}, "where the gradient is 0; after 40 steps the loss is 0.09."),
        ({"start": "where_no_cliff_is"}, "the longest step is 0.49; after 40 steps the loss is below 10⁻⁶."),
        ({"start": "on_the_edge", "rule": "by_norm"}, "1 of 40 steps was clipped."),
        ({"rule": "by_norm", "limit": 0.1}, "the loss is 0.00083. 24 of 40 steps were"),
        ({"rule": "by_norm", "limit": 0.3}, "the loss is 0.003. 8 of 40 steps were"),
        ({"rule": "by_norm", "limit": 3}, "the longest step is 0.9; after 40 steps the loss is 0.049. 1 of 40"),
        ({"rule": "by_value", "limit": 3}, "step 10 meets a gradient of 77 and is 1.3 long"),
        ({"rate": 0.1}, "no clipping: the longest step is 0.051; after 40 steps the loss is 0.00041."),
        ({"start": "on_the_plateau", "rule": "by_norm"}, "the loss is 0.31. 1 of 40 steps was"),
        ({"start": "on_the_plateau", "rate": 1}, "step 4 meets a gradient of 6,200 and is 6,200 long"),
        ({"start": "on_the_edge", "rate": 0.1, "rule": "by_norm"}, "step is 0.1; after 40 steps the loss is 0.035."),
        ({"start": "where_no_cliff_is", "rule": "by_norm", "limit": 0.1}, "below 10⁻⁶. 30 of 40 steps were clipped."),
    ],
)  # fmt: skip
def test_the_reading_says_what_happened(state, says):
    assert says in lab.reading(**state)


def test_the_answer_to_the_question_is_the_length_of_the_first_step():
    assert lab.truth() == pytest.approx(5.48, abs=0.01)


def test_every_control_changes_figure_or_reading(every):
    base = {"start": "on_the_floor", "rate": 0.3, "rule": "by_norm", "limit": 0.3}
    states = [base, *(base | {name: stop} for name, stops in lab.axes.items() for stop in stops if stop != base[name])]
    assert len({lab.read(every(**state), state) for state in states}) == len(states)


def test_titles_fit_a_phone_and_the_page_stays_light(every):
    payload = static.payload(lab, every)
    (titles,) = (column["values"] for column in payload["columns"] if column["path"] == ["layout", "title", "text"])
    for title in titles:
        heading, sub = title.removesuffix("</sub>").split("<br><sub>")
        assert len(heading) <= 45
        assert len(sub) <= 60
    assert len(gzip.compress(static._literal(payload).encode())) <= 30_000


def test_several_rates_at_once_are_one_by_one(every):
    for rate in lab.axes["rate"]:
        state = {"start": "on_the_plateau", "rate": rate, "rule": "by_value", "limit": 0.3}
        together, alone = every(**state), lab.compute(**state)
        for name, values in alone.items():
            np.testing.assert_allclose(values, together[name], rtol=1e-9)
