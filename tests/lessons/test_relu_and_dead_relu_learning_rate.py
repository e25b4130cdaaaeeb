"""Lesson 04: the units that a learning rate kills, against torch, hand-made networks and the recording."""

import re
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch

from vgx.datasets import digits
from vgx.lessons.relu_and_dead_relu import draw_learning_rate as draw
from vgx.lessons.relu_and_dead_relu import labs, measure_learning_rate
from vgx.lessons.relu_and_dead_relu.measure_dead_by_rate import DEAD_BY_RATE_AXES, dead_by_rate
from vgx.lessons.relu_and_dead_relu.record import RECORDINGS
from vgx.training import train

RATES = measure_learning_rate.LEARNING_RATES
X = digits().x[:1024].astype(np.float32)


@cache
def recorded():
    return RECORDINGS.load("learning-rate-kills")


def at(optimizer, activation, epoch=30):
    return dead_by_rate(recorded(), epoch, optimizer, activation)


def median(name, rate, optimizer, activation):
    return float(draw._median(at(optimizer, activation)[name])[RATES.index(rate)])


# ---------------------------------------------------------------- what is counted


@pytest.mark.parametrize("activation", measure_learning_rate.TRAINED)
def test_idle_units_are_those_without_slope_by_autograd(activation):
    models = [measure_learning_rate.digit_network(activation, seed=seed) for seed in (0, 1)]
    with torch.no_grad():
        for model in models:
            for layer in (0, 2, 4):
                model[layer].bias[:3] = torch.tensor([-50.0, 50.0, -1.0])
    state = {
        name: torch.stack([dict(m.named_parameters())[name].detach() for m in models])
        for name, _ in models[0].named_parameters()
    }
    dead, negative = measure_learning_rate.idle_units(state, X, activation)
    assert dead.shape == negative.shape == (2, 3, 64)
    for k, model in enumerate(models):
        h = torch.from_numpy(X)
        for layer in range(3):
            z = model[2 * layer](h).detach().requires_grad_()
            h = model[2 * layer + 1](z)
            (slope,) = torch.autograd.grad(h.sum(), z)
            flat = (slope.abs() < 0.01 - 1e-6).all(0).numpy()
            np.testing.assert_array_equal(dead[k, layer], flat)
            np.testing.assert_array_equal(negative[k, layer], (z < 0).all(0).numpy())
            h = h.detach()
    assert dead[:, :, 0].all() == (activation != "leaky_relu")
    assert negative[:, :, 0].all()
    assert not dead[:, :, 1].any()


def test_a_unit_of_the_first_layer_that_died_under_sgd_never_comes_back():
    model, seen = measure_learning_rate.digit_network("relu", seed=0), []
    with torch.no_grad():
        model[0].bias[:5] = -50.0
        model[2].bias[:20] = -3.0

    def keep(_, state):
        stacked = {name: tensor[None] for name, tensor in state.items()}
        seen.append((measure_learning_rate.idle_units(stacked, X, "relu")[0][0, 0], state["0.weight"][:5].clone()))

    train(model, X, digits().y[:1024], epochs=3, learning_rate=0.5, batch_size=32, each_epoch=keep, progress=False)
    assert seen[0][0][:5].all()
    assert all((before <= after).all() for (before, _), (after, _) in pairwise(seen))
    assert torch.equal(seen[0][1], seen[-1][1])


def test_seeds_share_their_draw_over_rates():
    part = measure_learning_rate.learning_rate_kills((0.001, 0.1), "sgd", "relu", epochs=1, n_seeds=2)
    assert part["dead"].shape == (2, 2, 2)
    np.testing.assert_array_equal(part["loss"][0, :, 0], part["loss"][1, :, 0])
    alone = measure_learning_rate.learning_rate_kills(0.1, "sgd", "relu", epochs=1, n_seeds=2)
    np.testing.assert_allclose(alone["loss"], part["loss"][1], rtol=1e-4)


def test_a_run_that_overflowed_has_no_numbers_from_then_on():
    part = measure_learning_rate.learning_rate_kills(1e6, "sgd", "relu", epochs=3, n_seeds=1)
    assert np.isfinite(part["loss"][0, 0])
    for name in ("dead", "negative", "loss"):
        assert np.isnan(part[name][0, -1]), name
        assert part[name].shape == (1, 4)
    assert np.isnan(part["layers"]).all()
    assert np.isnan(part["test_accuracy"]).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [((0.1, "sgd", "rleu"), "unknown activation 'rleu'; there are: relu"),
     ((0.1, "rmsprop", "relu"), "unknown optimizer"),
     ((-0.1, "sgd", "relu"), "learning_rate must be a finite number > 0")],
)  # fmt: skip
def test_what_it_does_not_take(given, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure_learning_rate.learning_rate_kills(*given, epochs=1, n_seeds=1)


# ---------------------------------------------------------------- the recording


@pytest.mark.parametrize(("optimizer", "activation", "rate"), [("sgd", "relu", 0.1), ("adam", "elu", 0.003)])
def test_the_first_epochs_are_computed_again(optimizer, activation, rate):
    again = measure_learning_rate.learning_rate_kills(rate, optimizer, activation, epochs=2, n_seeds=3)
    then = recorded()(learning_rate=rate, optimizer=optimizer, activation=activation)
    np.testing.assert_allclose(again["loss"], then["loss"][:3, :3], rtol=1e-3)
    for name in ("dead", "negative"):
        np.testing.assert_allclose(again[name], then[name][:3, :3], atol=1.5 / 192)


def test_relu_units_die_when_negative_and_leaky_ones_never():
    for optimizer in ("sgd", "adam"):
        relu, leaky = at(optimizer, "relu"), at(optimizer, "leaky_relu")
        np.testing.assert_array_equal(relu["dead"], relu["negative"])
        assert not np.nan_to_num(leaky["dead"]).any()


def test_sgd_kills_only_where_runs_overflow():
    for activation in measure_learning_rate.TRAINED:
        data = at("sgd", activation)
        whole = np.isfinite(data["loss"]).all(axis=1)
        assert whole.tolist() == [True] * 7 + [False] * 2
        assert data["dead"][whole].max() < 0.02
        assert RATES[int(np.argmin(draw._median(data["loss"])[:7]))] == 0.5


def test_adam_kills_without_overflow():
    for activation in measure_learning_rate.TRAINED:
        assert np.isfinite(at("adam", activation)["loss"]).all()
    shares = [median("dead", rate, "adam", "relu") for rate in (0.001, 0.01, 0.03, 0.1, 1.0)]
    np.testing.assert_allclose(shares, [0.005, 0.034, 0.227, 0.633, 0.664], atol=0.001)
    assert median("loss", 0.01, "adam", "relu") == min(median("loss", rate, "adam", "relu") for rate in RATES)


def test_what_the_lesson_says_of_the_rates():
    after_one = draw._median(at("adam", "relu", epoch=1)["dead"])[RATES.index(0.1)]
    assert round(100 * after_one) == 41
    dead = {
        (name, rate): round(100 * median("dead", rate, "adam", name))
        for name in ("gelu", "elu")
        for rate in (0.03, 1.0)
    }
    assert list(dead.values()) == [22, 66, 15, 61]
    right = {(name, rate): round(100 * median("test_accuracy", rate, "adam", name))
             for name in ("relu", "leaky_relu", "elu") for rate in (0.03, 0.1, 1.0)}  # fmt: skip
    assert list(right.values()) == [89, 22, 10, 90, 81, 73, 83, 10, 10]
    assert round(100 * draw._median(at("adam", "leaky_relu")["negative"]).max()) == 35
    over = np.isnan(at("sgd", "relu")["loss"]).sum(axis=1)
    assert over.tolist() == [0] * 7 + [4, 9]


def test_above_the_first_layer_the_dead_may_come_back():
    """The derivation: what a unit of the second or third layer sees still changes."""
    runs = [recorded()(learning_rate=rate, optimizer="adam", activation="relu") for rate in (0.01, 0.03)]
    np.testing.assert_allclose([100 * run["revived"].mean(axis=0) for run in runs], [[0, 3, 7], [0, 9, 26]], atol=0.5)
    np.testing.assert_allclose([100 * run["layers"].mean(axis=0) for run in runs], [[0, 3, 6], [0, 40, 35]], atol=0.5)


def test_only_the_leaky_ones_still_read_at_rates_that_are_too_large():
    for rate in RATES[5:]:
        for activation in ("relu", "elu", "gelu"):
            assert median("test_accuracy", rate, "adam", activation) < 0.11
        assert 0.6 < median("test_accuracy", rate, "adam", "leaky_relu") < 0.85
        assert median("loss", rate, "adam", "leaky_relu") > 100


def test_the_first_layer_does_not_die():
    runs = [recorded()(**state)["layers"] for state in recorded().states()]
    assert max(np.nan_to_num(run[:, 0]).max() for run in runs) <= 1 / 64


# ---------------------------------------------------------------- the lab


def states():
    return labs.learning_rate_kills.compute.states()


def test_every_control_moves_the_figure():
    readings = {}
    for state in states():
        data = labs.learning_rate_kills.compute(**state)
        readings[tuple(state.values())] = draw.learning_rate_reading(data, state)
        figure = draw.learning_rate_kills(data, state)
        assert len(figure.data) <= 8
        assert {trace.yaxis for trace in figure.data} == {None, "y2"}
    assert len(readings) == 64
    assert len(set(readings.values())) == 64
    assert not any("nan" in reading or "inf" in reading for reading in readings.values())


def test_what_the_reading_says():
    state = {"epoch": 30, "optimizer": "adam", "activation": "relu"}
    assert draw.learning_rate_reading(labs.learning_rate_kills.compute(**state), state) == (
        "ReLU with Adam, after 30 epochs: the loss is least at rate 0.01 (2.7 · 10⁻⁵, 3 % dead); at 0.03 already "
        "23 % of the units are dead and the loss is 0.15; from 0.3 on it is above guessing’s 2.30, up to 67 % are "
        "dead, 10 % of the test digits are right."
    )


def test_the_median_is_over_runs_that_did_not_overflow_if_they_are_half():
    values = np.array([[1, 2, np.nan, np.nan], [1, np.nan, np.nan, np.inf], [4, 1, 2, 3]])
    np.testing.assert_array_equal(draw._median(values), [1.5, np.nan, 2.5])


def test_axes_are_those_of_the_recording():
    assert set(DEAD_BY_RATE_AXES["activation"]) == set(recorded().axes["activation"])
    assert (
        max(DEAD_BY_RATE_AXES["epoch"]) + 1
        == recorded()(learning_rate=0.1, optimizer="sgd", activation="relu")["loss"].shape[1]
    )
