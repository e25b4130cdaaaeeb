"""Lesson 08, weight decay: penalty and gradients against autograd, and what the recording holds."""

import math
import re

import numpy as np
import pytest
import torch

from vgx import figures
from vgx.lessons.clipping_and_regularization import draw_weight_decay as drawn
from vgx.lessons.clipping_and_regularization import labs
from vgx.lessons.clipping_and_regularization import measure_weight_decay as measured
from vgx.lessons.clipping_and_regularization.measure_weight_decay_shown import (
    WEIGHT_DECAY_AXES,
    decay_by_strength,
    half_life,
)
from vgx.lessons.clipping_and_regularization.record import RECORDINGS
from vgx.training import train

STATE = {"depth": 20, "scale": 2.0, "activation": "tanh", "kind": "L2", "epoch": 30}
STRENGTHS, EPOCHS, KINDS = measured.STRENGTHS, measured.EPOCHS, measured.KINDS


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("weight-decay")


def inputs(n=128, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 64)).astype(np.float32), rng.integers(10, size=n)


def nets(n, depth=4, activation="tanh", scale=1.0):
    return [measured.decaying_network(depth, activation, scale, seed=0) for _ in range(n)]


# ---------------------------------------------------------------- the penalty


def test_the_hook_adds_the_gradients_of_both_penalties():
    weights = torch.randn(4, 5, 3, generator=torch.manual_seed(0)).requires_grad_()
    strengths = torch.tensor([0.1, 0.3])
    of_each = torch.cat([strengths, strengths])
    squares = (weights[:2].square().sum(dim=(1, 2)) / 2 * of_each[:2]).sum()
    absolutes = (weights[2:].abs().sum(dim=(1, 2)) * of_each[2:]).sum()
    expected = torch.autograd.grad(squares + absolutes, weights)[0]
    gradients = {"0.weight": torch.ones(4, 5, 3), "0.bias": torch.ones(4, 5)}
    state = {"0.weight": weights.detach(), "0.bias": torch.ones(4, 5)}
    measured.penalty(state, strengths)(gradients)
    torch.testing.assert_close(gradients["0.weight"] - 1, expected)
    assert torch.equal(gradients["0.bias"], torch.ones(4, 5))


def test_in_training_the_first_half_has_the_weight_decay_of_train():
    (x, y), state, models, alone = inputs(), {}, nets(2), nets(1)[0]
    settings = {"epochs": 2, "learning_rate": 0.1, "batch_size": 32, "progress": False}
    penalty = measured.penalty(state, torch.tensor([0.05]))
    train(models, x, y, clip=penalty, each_epoch=lambda _, now: state.update(now), seeds=[0, 0], **settings)
    train([alone], x, y, weight_decay=0.05, seeds=[0], **settings)
    for mine, other, its in zip(*(model.parameters() for model in (*models, alone)), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-5)
        assert not torch.allclose(other, its, atol=1e-3)


@pytest.mark.parametrize("rate", [0.1, 0.01])
def test_half_lives(rate):
    for strength in (0.1, 0.01):
        weight, steps = 1.0, 0
        while weight > 0.5:
            weight, steps = weight * (1 - rate * strength), steps + 1
        assert math.ceil(half_life("L2", strength, rate=rate)) == steps
    assert half_life("L1", 0.01, rate=rate, weight=0.2) == pytest.approx(0.1 / (rate * 0.01))
    assert half_life("L2", 0.0, rate=rate) == math.inf
    assert half_life("L2", 100, rate=rate) == 1
    with pytest.raises(ValueError, match="unknown kind 'L3'; there are"):
        half_life("L3", 0.1, rate=rate)


# ---------------------------------------------------------------- what is looked at


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_look_agrees_with_autograd_and_numpy(activation):
    model, (x, y) = nets(1, depth=5, activation=activation, scale=1.5)[0], inputs()
    state = {name: value.detach().unsqueeze(0) for name, value in model.named_parameters()}
    seen = measured.looked_at(state, x, y, activation)
    z, sums = torch.from_numpy(x).double(), []
    for module in model.double():
        z = module(z)
        if isinstance(module, torch.nn.Linear):
            sums.append(z)
    loss = torch.nn.functional.cross_entropy(z, torch.from_numpy(y), reduction="sum")
    first, last = (g.norm().item() for g in torch.autograd.grad(loss, [sums[0], sums[-2]]))
    assert 10 ** seen["gradient"][0] == pytest.approx(first / last, rel=1e-6)
    inner = [layer.weight.detach().numpy() for layer in model[2:-1:2]]
    assert len(inner) == 3
    largest = [np.linalg.svd(w, compute_uv=False)[0] for w in inner]
    radius = [np.abs(np.linalg.eigvals(w)).max() for w in inner]
    for name, each in (("largest", largest), ("radius", radius)):
        assert seen[name][0] == pytest.approx(np.exp(np.mean(np.log(each))), rel=1e-6)
    assert seen["size"][0] == pytest.approx(np.sqrt(np.mean(np.square(inner))), rel=1e-6)


def test_no_gradient_at_the_last_hidden_layer_is_minus_infinity():
    model, (x, y) = nets(1, activation="relu")[0], inputs()
    state = {name: value.detach().unsqueeze(0).clone() for name, value in model.named_parameters()}
    state["4.bias"] -= 1e3
    assert measured.looked_at(state, x, y, "relu")["gradient"] == -np.inf


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((5, "gelu", 1.0), "unknown activation 'gelu'"), ((2, "tanh", 1.0), "depth must be a whole number >= 3, got 2")],
)
def test_networks_that_are_not_there(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measured.weight_decay(*arguments)


# ---------------------------------------------------------------- the recording


def test_a_part_of_the_recording_comes_out_again(recorded):
    some = [0, STRENGTHS.index(0.01)]
    strengths = [STRENGTHS[k] for k in some]
    again = measured.weight_decay(6, "relu", 1.0, strengths=strengths, epochs=EPOCHS[:3], n_seeds=2)
    kept = recorded(depth=6, activation="relu", scale=1.0)
    for name, values in again.items():
        np.testing.assert_allclose(values, kept[name][:, some, :2, :3], rtol=0.02, atol=0.02, err_msg=name)


def test_what_must_be_the_same_is_the_same(recorded):
    assert len(recorded) == 32
    for state in ({"depth": d, "activation": a, "scale": s} for d in (3, 20) for a in ("tanh", "relu") for s in (1, 2)):
        for name, values in recorded(**state).items():
            assert values.shape == (2, len(STRENGTHS), 5, len(EPOCHS))
            np.testing.assert_array_equal(values[0, 0], values[1, 0], err_msg=name)  # no L2 and no L1
            starts = values[..., 0].reshape(-1, 5)
            np.testing.assert_array_equal(starts, np.broadcast_to(starts[0], starts.shape), err_msg=name)


@pytest.mark.parametrize("depth", [6, 20])
def test_with_relu_the_scale_to_the_power_of_the_layers_between_is_the_starts_ratio(recorded, depth):
    start = [np.median(recorded(depth=depth, activation="relu", scale=s)["gradient"][0, 0, :, 0]) for s in (1, 2)]
    assert start[1] - start[0] == pytest.approx((depth - 2) * math.log10(2), abs=0.15)


def shown(recorded, **changes):
    return decay_by_strength(recorded, **STATE | changes)


def test_the_lab_shows_what_was_recorded(recorded):
    data = shown(recorded, kind="L1", epoch=10)
    kept = recorded(depth=20, activation="tanh", scale=2.0)
    np.testing.assert_array_equal(data["accuracy"], kept["accuracy"][1, :, :, 3])
    np.testing.assert_allclose(data["gradient"], 10.0 ** kept["gradient"][1, :, :, 3].astype(float))
    np.testing.assert_array_equal(data["start_largest"], kept["largest"][0, 0, :, 0])


# ---------------------------------------------------------------- what was found: the lesson says it


def median(recorded, name, strength, epoch=30, kind="L2", **state):
    kept = recorded(**{"depth": 20, "activation": "tanh", "scale": 2.0} | state)[name]
    return float(np.median(kept[KINDS.index(kind), STRENGTHS.index(strength), :, EPOCHS.index(epoch)].astype(float)))


def test_with_relu_decay_comes_too_late(recorded):
    for depth, scale in ((10, 2), (20, 2), (6, 3), (10, 3), (20, 3)):
        assert np.isnan(recorded(depth=depth, activation="relu", scale=scale)["accuracy"][..., 1:]).all()
    alive = np.isfinite(recorded(depth=6, activation="relu", scale=2)["accuracy"]).sum(axis=2)[:, :, 1]
    assert alive.tolist() == [[4, 4, 4, 4, 4, 4, 4, 3], [4, 4, 4, 4, 4, 3, 4, 4]]
    accuracy = drawn._median(recorded(depth=6, activation="relu", scale=2)["accuracy"][0, :, :, -1].astype(float))
    assert accuracy[[0, STRENGTHS.index(0.03)]] == pytest.approx([0.65, 0.99], abs=0.005)
    ratio = [10 ** median(recorded, "gradient", 0, epoch=0, activation="relu", depth=d) for d in (3, 6, 10, 20)]
    assert ratio == pytest.approx([2.2, 17, 320, 2.1e5], rel=0.05)


def test_with_tanh_decay_helps_slowly(recorded):
    start = 10 ** median(recorded, "gradient", 0, epoch=0)
    assert start == pytest.approx(16, abs=0.5)
    ends = {strength: median(recorded, "accuracy", strength) for strength in (0, 0.01, 0.1)}
    assert list(ends.values()) == pytest.approx([0.81, 0.99, 0.50], abs=0.005)
    first = recorded(depth=20, activation="tanh", scale=2.0)["accuracy"][0, :, :, 1]
    ends_of_range = [(100 * np.array([row.min(), row.max()])).round().tolist() for row in first[[0, 5]]]
    assert ends_of_range == [[14, 33], [25, 40]]  # after an epoch the seeds overlap
    assert median(recorded, "size", 0, scale=3.0) == pytest.approx(2.25, abs=0.005)
    assert median(recorded, "accuracy", 0, scale=3.0) == pytest.approx(0.19, abs=0.005)
    assert median(recorded, "accuracy", 0.03, scale=3.0) == pytest.approx(0.59, abs=0.005)
    assert median(recorded, "size", 0.03, scale=3.0) == pytest.approx(0.14, abs=0.005)
    largest = [median(recorded, "largest", *at, scale=3.0) for at in ((0, 0), (0.03, 30), (0, 30))]
    assert largest == pytest.approx([5.7, 1.3, 10.2], abs=0.06)
    assert 10 ** median(recorded, "gradient", 0, epoch=0, scale=3.0) == pytest.approx(270, rel=0.02)


def test_decay_makes_vanishing_worse(recorded):
    small = {"depth": 10, "scale": 0.5}
    right = [median(recorded, "accuracy", strength, **small) for strength in (0, 1e-3, 3e-3, 0.1)]
    assert right == pytest.approx([0.57, 0.29, 0.10, 0.10], abs=0.01)
    without = recorded(depth=10, activation="tanh", scale=0.5)["accuracy"][0, 0, :, -1].astype(float)
    assert (100 * np.array([without.min(), without.max()])).round().tolist() == [23, 75]
    assert median(recorded, "size", 0, **small) == pytest.approx(1.19, abs=0.005)
    ratios = [10 ** median(recorded, "gradient", 0, epoch, **small) for epoch in (0, 30)]
    assert ratios == pytest.approx([0.0035, 2.4], rel=0.02)
    powers = [median(recorded, "gradient", strength, **small) for strength in (3e-3, 0.01, 0.03, 0.1)]
    assert [round(power) for power in powers] == [-3, -6, -12, -36]


def test_l2_leaves_one_direction_for_the_signal_and_l1_none(recorded):
    healthy = {"strength": 0.1, "scale": 1.0}
    seen = [median(recorded, name, **healthy) for name in ("size", "largest", "radius", "gradient", "accuracy")]
    assert seen == pytest.approx([0.19, 1.05, 0.10, math.log10(1.8), 0.27], abs=0.015)
    before = [median(recorded, name, 0, epoch=0, scale=1.0) for name in ("largest", "radius")]
    assert before == pytest.approx([1.91, 1.05], abs=0.01)
    assert median(recorded, "accuracy", 0.03, scale=1.0) == pytest.approx(0.82, abs=0.005)
    assert median(recorded, "accuracy", 1e-3, scale=1.0) > 0.995
    assert median(recorded, "gradient", 0.03, kind="L1", scale=1.0) < -35


# ---------------------------------------------------------------- the lab


def test_the_question_is_about_what_was_recorded():
    assert labs.weight_decay.truth() == "none of them"
    data = labs.weight_decay.data(**labs.weight_decay.predict.at)
    assert np.isnan(data["accuracy"]).all()


def test_every_state_is_drawn_inside_its_axes():
    for state in labs.weight_decay.states():
        figure = labs.weight_decay.figure(**state)
        assert len(figure.data) <= 8
        for trace in figure.data:
            axis = figure.layout.yaxis if trace.yaxis != "y2" else figure.layout.yaxis2
            low, high = 10.0 ** np.array(axis.range) if axis.type == "log" else axis.range
            heights = np.asarray(trace.y, float)
            assert ((low <= heights) & (heights <= high) | np.isnan(heights)).all(), (state, trace.name)
        assert labs.weight_decay.reading(**state).endswith(".")


def test_each_control_changes_the_figure():
    base = labs.weight_decay.figure(**STATE).to_json()
    changes = ({"depth": 10}, {"scale": 1.0}, {"activation": "relu"}, {"kind": "L1"}, {"epoch": 1})
    for change in changes:
        assert labs.weight_decay.figure(**STATE | change).to_json() != base, change


def test_points_and_reading_have_the_recordings_numbers(recorded):
    data, traces = shown(recorded), {t.name: t for t in labs.weight_decay.figure(**STATE).data if t.yaxis == "y2"}
    np.testing.assert_allclose(np.asarray(traces["right"].y), np.median(data["accuracy"], axis=1), atol=0.0051)
    text = labs.weight_decay.reading(**STATE)
    assert f"digits right without decay {figures.percent(np.median(data['accuracy'][0]))} (73–84 %; ratio" in text
    assert (100 * data["accuracy"][0]).round().min() == 73
    assert f"before training: ratio {figures.power_of_ten(np.median(data['start']))}" in text


def test_the_reading_says_where_decay_helps_harms_does_nothing_and_comes_too_late():
    cases = {
        "most at λ = 10⁻², 99 % (71–100 %; ": STATE,
        "clearly fewer from λ = 3 · 10⁻³ on, 10 % (": STATE | {"depth": 10, "scale": 0.5},
        "with it no clear change.": STATE | {"depth": 20, "scale": 0.5},
        "35 of 35 runs with L2 overflowed, without decay 5 of 5; before": STATE | {"activation": "relu", "epoch": 1},
        "8 of 35 runs with L2 overflowed, without decay 1 of 5.": STATE | {"activation": "relu", "depth": 6},
        "Decay has done nothing yet.": STATE | {"epoch": 0},
    }
    for words, state in cases.items():
        assert words in labs.weight_decay.reading(**state)


def test_crosses_stand_at_the_share_of_runs_that_overflowed(recorded):
    state = STATE | {"activation": "relu", "depth": 6}
    over = np.isnan(shown(recorded, activation="relu", depth=6)["accuracy"]).mean(axis=1)
    crosses = next(t for t in labs.weight_decay.figure(**state).data if t.name == "overflowed")
    np.testing.assert_allclose(np.asarray(crosses.y, float), over)
    assert np.isnan(np.asarray(labs.weight_decay.figure(**STATE).data[-1].y, float)).all()


def test_ticks_say_the_half_lives():
    texts = labs.weight_decay.figure(**STATE).layout.xaxis.ticktext
    assert texts[0] == "0<br>∞"
    assert texts[-1].split("<br>") == ["10⁻¹", f"{math.log(2) / -math.log(0.99) / 32:,.0f}"]
    l1 = labs.weight_decay.figure(**STATE | {"kind": "L1"}).layout.xaxis.ticktext
    assert l1[3] == f"10⁻³<br>{2 / math.sqrt(32) / 2 / 1e-4 / 32:,.0f}"


def test_strengths_in_words():
    assert [drawn._strength(value) for value in STRENGTHS] == [
        "0", "10⁻⁵", "10⁻⁴", "10⁻³", "3 · 10⁻³", "10⁻²", "3 · 10⁻²", "10⁻¹"
    ]  # fmt: skip


def test_the_axes_are_those_of_the_lab():
    controls = labs.weight_decay.controls
    assert {name: tuple(controls[name].stops) for name in controls} == {
        name: tuple(values) for name, values in WEIGHT_DECAY_AXES.items()
    }
