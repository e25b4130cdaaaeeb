"""Lesson 08, training with a clipped gradient: the loop against torch's, the recording, and what the lab says of it."""

import math

import numpy as np
import pytest

from vgx.datasets import adding_problem
from vgx.lessons.clipping_and_regularization import draw_clipped_training as drawn
from vgx.lessons.clipping_and_regularization import labs
from vgx.lessons.clipping_and_regularization import measure_clipped_training as measured
from vgx.lessons.clipping_and_regularization.record import RECORDINGS

LIMITS, RATES, WINDOWS = tuple(measured.LIMITS), measured.RATES, measured.WINDOWS


@pytest.fixture(scope="module")
def recording():
    return RECORDINGS.load("clipped-training")


# ---------------------------------------------------------------- the training, against torch's


def trained_by_torch(limit, rate, *, seed, max_steps):
    import torch

    U, W, b, V, c = (torch.from_numpy(part) for part in measured.start(np.random.default_rng([seed, 0])))
    cell, readout = torch.nn.RNN(2, 32), torch.nn.Linear(32, 1)
    cell.load_state_dict({"weight_ih_l0": U.T, "weight_hh_l0": W.T, "bias_ih_l0": b[0], "bias_hh_l0": 0 * b[0]})
    cell.bias_hh_l0.requires_grad_(False)
    readout.load_state_dict({"weight": V.T, "bias": c[0]})
    parameters = [p for p in [*cell.parameters(), *readout.parameters()] if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
    rng, losses, norms = np.random.default_rng([seed, 1]), [], []
    for _ in range(max_steps):
        task = adding_problem(32, 20, rng=rng, dtype=np.float32)
        loss = torch.nn.functional.mse_loss(readout(cell(torch.from_numpy(task.x))[0][-1]), torch.from_numpy(task.y))
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, limit).item())
        optimizer.step()
    return losses, norms


@pytest.mark.parametrize("seed", [0, 3])
def test_sixty_steps_are_those_of_torch(seed):
    limits = np.array([math.inf, 1.0, 0.1])
    losses, norms = measured.train_clipped(limits, 0.03, n_seeds=1, max_steps=60, first_seed=seed)
    for k, limit in enumerate(limits):
        theirs = trained_by_torch(limit, 0.03, seed=seed, max_steps=60)
        np.testing.assert_allclose(losses[k, 0], theirs[0], rtol=2e-3)
        np.testing.assert_allclose(norms[k, 0], theirs[1], rtol=2e-3)
    assert (norms[1] > 1).any()
    assert (norms[1] < 1).any()
    assert (losses[0] != losses[1]).any()


def test_a_seed_decides_start_and_sequences_whatever_the_limit_and_whoever_runs_beside():
    alone = measured.train_clipped(np.array([0.3]), 0.1, n_seeds=1, max_steps=10, first_seed=2)
    beside = measured.train_clipped(np.array([1.0, 0.3]), 0.1, n_seeds=3, max_steps=10)
    for one, many in zip(alone, beside, strict=True):
        np.testing.assert_allclose(one[0, 0], many[1, 2], rtol=1e-5)
        assert many[0, 2, 0] == many[1, 2, 0]
        assert len(set(many[0, :, 0])) == 3


def test_a_run_that_overflows_ends_and_the_others_go_on():
    losses, norms = measured.train_clipped(np.array([math.inf, 1.0]), 0.3, n_seeds=2, max_steps=80)
    assert np.isfinite(losses[1]).all()
    assert np.isfinite(norms[1]).all()
    for loss, norm in zip(losses[0], norms[0], strict=True):
        first = np.flatnonzero(~np.isfinite(norm))[0]
        assert 10 < first < 40
        assert norm[first - 1] > 1e18
        assert not np.isfinite(norm[first:]).any()
        assert loss[first - 1] > 1e30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": "2"}, "limit"),
        ({"limit": ("none", "half")}, "half"),
        ({"rate": 0}, "rate must be a finite number > 0, got 0"),
        ({"n_seeds": 0}, "n_seeds must be a whole number >= 1"),
        ({"max_steps": 0}, "max_steps must be a whole number >= 1"),
    ],
)
def test_what_cannot_be_trained_says_why(arguments, message):
    with pytest.raises(ValueError, match=message):
        measured.clipped_training(**{"limit": "1", "rate": 0.1, "max_steps": 2} | arguments)


def test_the_summary_counts_only_the_steps_before_a_run_ended():
    losses = np.array([[4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0], [4.0, 3.0, np.inf, 5.0, 5.0, 5.0, 5.0]])
    norms = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1.0, 20.0, np.inf, 30.0, 30.0, 30.0, 30.0]])
    found = measured.summary(losses, norms, limit=2.0)
    np.testing.assert_array_equal(found["ended"], [np.inf, 2])
    np.testing.assert_allclose(found["clipped"], [5 / 7, 1 / 2])
    np.testing.assert_allclose(found["last"], [13 / 7, np.nan])
    np.testing.assert_array_equal(found["loss"], np.where(np.arange(7) < [[7], [2]], losses, np.nan))
    np.testing.assert_allclose(found["norm"][:, 1], [11, 18.2, 20])
    np.testing.assert_allclose(found["norm"][:, 2], 3)
    alive = [*norms[0], 1, 20]
    np.testing.assert_allclose(found["percentiles"], np.percentile(alive, [50, 90, 99]), rtol=1e-6)
    assert found["mean"] == pytest.approx(np.mean(alive))


# ---------------------------------------------------------------- what the recording holds


@pytest.mark.parametrize("rate", [0.03, 0.1])
def test_the_first_steps_again(recording, rate):
    again = measured.clipped_training(("1", "0.1"), rate, max_steps=17)
    n = list(WINDOWS).index(18)  # the windows that 17 steps fill
    assert again["loss"].shape == (2, 10, n)
    for k, limit in enumerate(("1", "0.1")):
        recorded = recording(limit=limit, rate=rate)
        np.testing.assert_allclose(again["loss"][k], recorded["loss"][:, :n], rtol=0.02)
        np.testing.assert_allclose(again["norm"][k], recorded["norm"][:, :n], rtol=0.02)


def test_the_recording_is_small_and_says_how_it_was_made(recording):
    assert RECORDINGS.path("clipped-training").stat().st_size < 150_000
    command = "python -m vgx.lessons.clipping_and_regularization.record clipped-training"
    assert recording.provenance["command"] == command
    assert recording.provenance["fixed"] == {"n_seeds": 10, "max_steps": 4000}


def test_windows_cover_all_steps():
    assert WINDOWS[0] == 1
    assert (np.diff(WINDOWS) > 0).all()
    assert WINDOWS[-1] < measured.MAX_STEPS
    assert len(WINDOWS) == 39


def of_all(recording, name):
    """Return a number of each state and run, as {(rate, limit): shape (10,)}."""
    return {(rate, limit): recording(rate=rate, limit=limit)[name] for rate in RATES for limit in LIMITS}


def test_only_what_is_not_clipped_overflows(recording):
    for (rate, limit), ended in of_all(recording, "ended").items():
        overflows = limit == "none" and rate >= 0.1
        assert np.isfinite(ended).all() if overflows else np.isinf(ended).all()
        assert (np.isnan(recording(rate=rate, limit=limit)["last"]) == overflows).all()
    ended = recording(rate=0.1, limit="none")["ended"]
    assert (ended.min(), ended.max()) == (37, 394)
    ended = recording(rate=0.3, limit="none")["ended"]
    assert (ended.min(), ended.max()) == (17, 23)


def test_how_many_are_solved(recording):
    solved = {state: (last < 0.01).sum() for state, last in of_all(recording, "last").items()}
    assert [solved[0.01, limit] for limit in LIMITS] == [10, 0, 0, 0, 2, 10, 9]
    assert [solved[0.03, limit] for limit in LIMITS] == [10, 0, 0, 0, 10, 10, 9]
    assert not any(solved[rate, limit] for rate in (0.1, 0.3) for limit in LIMITS)


@pytest.mark.parametrize(
    ("rate", "limit", "low", "high"),
    [
        (0.01, "none", 0.0051, 0.009),
        (0.03, "none", 0.0032, 0.0077),
        (0.1, "0.1", 0.011, 0.02),
        (0.1, "0.3", 0.011, 0.029),
        (0.1, "1", 0.11, 0.71),
        (0.1, "3", 0.73, 8.4),
        (0.1, "10", 9.7, 94),
        (0.3, "0.03", 0.011, 0.022),
        (0.3, "10", 95, 1200),
    ],
)
def test_the_losses_at_the_end(recording, rate, limit, low, high):
    last = recording(rate=rate, limit=limit)["last"]
    assert [float(f"{end:.2g}") for end in (last.min(), last.max())] == [low, high]


def test_clipping_lets_a_rate_survive_and_no_rate_win(recording):
    medians = {state: np.median(last) for state, last in of_all(recording, "last").items()}
    assert min(medians.values()) == medians[0.03, "10"] == pytest.approx(0.0046, abs=5e-5)
    assert medians[0.03, "none"] == pytest.approx(0.0047, abs=5e-5)
    assert medians[0.1, "1"] == pytest.approx(0.18, abs=0.005)
    faster = [medians[rate, limit] for rate in (0.1, 0.3) for limit in LIMITS if limit != "none"]
    assert min(faster) > 2.9 * medians[0.03, "none"]


def test_norms_shares_and_percentiles(recording):
    norms = {rate: recording(rate=rate, limit="none") for rate in (0.01, 0.03)}
    assert [float(f"{each:.2g}") for each in norms[0.01]["percentiles"]] == [0.8, 2.1, 3.9]
    assert [float(f"{each:.2g}") for each in norms[0.03]["percentiles"]] == [0.54, 1.4, 2.7]
    assert norms[0.01]["mean"] == pytest.approx(1.02, abs=0.01)
    assert norms[0.03]["mean"] == pytest.approx(0.69, abs=0.005)
    shares = {state: round(float(share.mean()), 2) for state, share in of_all(recording, "clipped").items()}
    assert [shares[0.03, limit] for limit in ("0.3", "1", "3")] == [0.97, 0.24, 0.01]
    assert [shares[0.01, limit] for limit in ("1", "3")] == [0.71, 0.04]
    assert [shares[0.1, limit] for limit in ("0.3", "1")] == [0.87, 0.32]
    slowed = recording(rate=0.01, limit="0.3")["percentiles"][0]
    assert slowed == pytest.approx(5, abs=0.05)
    assert slowed > 6 * norms[0.01]["percentiles"][0]


def test_where_every_step_is_clipped_only_limit_times_rate_counts(recording):
    one, norms = measured.train_clipped(np.array([0.1]), 0.03, n_seeds=1, max_steps=200)
    other, _ = measured.train_clipped(np.array([0.03]), 0.1, n_seeds=1, max_steps=200)
    assert norms.min() > 0.1
    np.testing.assert_allclose(one, other, rtol=1e-5)
    along = [np.median(recording(rate=r, limit=c)["last"]) for r, c in ((0.01, "0.3"), (0.03, "0.1"), (0.1, "0.03"))]
    np.testing.assert_allclose(along, 0.022, atol=0.0015)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_explodes_is_the_readout_by_its_curvature_and_the_rest_has_vanished(seed):
    _, norms = measured.train_clipped(np.array([np.inf]), 0.1, n_seeds=1, max_steps=38, first_seed=seed)
    growth = norms[0, 0, 30:36] / norms[0, 0, 29:35]
    np.testing.assert_allclose(growth, np.abs(np.roots([1, 0.1 * 66 - 1.9, 0.9])).max(), rtol=0.01)
    assert growth.mean() == pytest.approx(4.50, abs=0.01)
    theta = measured.start(np.random.default_rng(0))
    theta[0] *= 1e6  # thrown far away: every unit is at an end of tanh
    task = adding_problem(32, 20, rng=np.random.default_rng(0), dtype=np.float32)
    gradients = measured.loss_and_gradients(theta, task.x, task.y)[1]
    assert [bool(np.abs(gradient).max() > 1e-3) for gradient in gradients] == [False, False, False, True, True]


# ---------------------------------------------------------------- the lab


def test_every_state_is_drawn_inside_its_axes():
    for state in labs.clipped_training.states():
        figure, data = labs.clipped_training.figure(**state), labs.clipped_training.data(**state)
        assert len(figure.data) <= 8
        left, right = 10.0 ** np.array(figure.layout.xaxis.range)
        for trace in figure.data:
            axis = figure.layout.yaxis2 if trace.yaxis == "y2" else figure.layout.yaxis
            low, high = 10.0 ** np.array(axis.range)
            x, y = np.array(trace.x, float), np.array(trace.y, float)
            shown = ~np.isnan(y)
            assert ((left < x) & (x < right))[shown].all()
            assert ((low * (1 - 1e-9) <= y) & (y <= high * (1 + 1e-9)))[shown].all()
        (line,) = (trace for trace in figure.data if trace.name == "loss")
        ended = np.isnan(data["loss"]).mean(axis=0)
        for window, share in enumerate(ended):
            expected = 1e3 if share > 0.5 else np.median(np.nan_to_num(data["loss"][:, window], nan=np.inf))
            assert line.y[window] == pytest.approx(min(max(expected, 1e-3), 1e3), rel=1e-4)


def test_the_limit_is_a_line_where_there_is_one_and_overflow_is_hatched():
    for state in labs.clipped_training.states():
        figure, data = labs.clipped_training.figure(**state), labs.clipped_training.data(**state)
        lines = [shape for shape in figure.layout.shapes if shape.yref == "y2"]
        assert [shape.y0 for shape in lines] == ([] if state["limit"] == "none" else [float(state["limit"])])
        (all_runs,) = (trace for trace in figure.data if trace.name == "all runs")
        assert (all_runs.fillpattern.shape == "/") == np.isfinite(data["ended"]).any()


def made_up(last, *, ended=None, clipped=0.25, percentiles=(0.5, 1.5, 20_000.0)):
    n = len(last)
    return {
        "loss": np.full((n, len(WINDOWS)), 0.5),
        "norm": np.full((3, len(WINDOWS)), 2.0),
        "percentiles": np.array(percentiles),
        "mean": np.float32(1),
        "last": np.array(last),
        "clipped": np.full(n, clipped),
        "ended": np.full(n, np.inf) if ended is None else np.array(ended),
    }


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ((0.001, 0.002, 0.2), "solved"),
        ((0.001, 0.02, 0.2), "unsolved"),
        ((0.001, 0.17, np.nan), "unsolved"),
        ((0.001, 0.2, np.nan), "exploded"),
        ((0.001, np.nan, np.nan), "overflow"),
    ],
)
def test_the_word_is_that_of_the_middle_run(last, word):
    assert drawn.clipped_training_word(made_up(last)) == word


def test_percentiles_stand_at_their_height_or_not_at_all():
    marks = drawn.clipped_training(made_up([0.1]), {"rate": 0.1, "limit": "1"}).data[4]
    assert marks.text == ("50 %", "90 %", "99 %")
    np.testing.assert_array_equal(marks.y, [0.5, 1.5, np.nan])
    assert min(marks.x) > measured.MAX_STEPS


def test_the_reading_counts_runs_and_says_how_long_a_step_can_be():
    data = made_up([0.001, 0.05, np.nan, np.nan], ended=[np.inf, np.inf, 20, 31])
    assert drawn.clipped_training_reading(data, {"rate": 0.1, "limit": "0.3"}) == (
        "Rate 0.1, limit 0.3: 1 of 4 runs end below 0.01, 2 overflow (after 20 to 31 steps); the others’ loss in the "
        "last 200 steps is 0.001 to 0.05 (always answering 1: 0.17). Half of the gradients are shorter than 0.5, 90 % "
        "than 1.5, 99 % than 10⁴; 25 % of the steps were clipped, and none can be longer than 0.3 × 0.1 / (1 − 0.9) = "
        "0.3."
    )
    text = drawn.clipped_training_reading(made_up([0.001, 0.001]), {"rate": 0.1, "limit": "none"})
    assert text.startswith("Rate 0.1, not clipped: 2 of 2 runs end below 0.01, none overflow; the loss in the last 200")
    assert text.endswith("99 % than 10⁴.")
    text = drawn.clipped_training_reading(made_up([np.nan], ended=[20]), {"rate": 0.1, "limit": "none"})
    assert "0 of 1 runs end below 0.01, 1 overflow (after 20 steps). Half" in text


def test_each_control_changes_the_figure_and_titles_fit():
    base = {"rate": 0.03, "limit": "0.3"}
    figure = labs.clipped_training.figure(**base)
    for change in ({"rate": 0.1}, {"limit": "1"}, {"limit": "none"}):
        assert labs.clipped_training.figure(**base | change).to_json() != figure.to_json()
    for state in labs.clipped_training.states():
        title, below = labs.clipped_training.figure(**state).layout.title.text.removesuffix("</sub>").split("<br><sub>")
        assert len(title) <= 45
        assert len(below) <= 60
