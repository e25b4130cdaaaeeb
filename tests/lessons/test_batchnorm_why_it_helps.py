"""Lesson 07, why it helps: the networks and measures against torch's own and closed forms, and what was recorded."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.mnist import needs_mnist
from vgx.lessons.batchnorm import draw_why_it_helps as drawn
from vgx.lessons.batchnorm import labs
from vgx.lessons.batchnorm import measure_why_it_helps as measured
from vgx.lessons.batchnorm import measure_why_it_helps_shown as shown
from vgx.lessons.batchnorm.record import RECORDINGS

NETWORKS, RATES = measured.NETWORKS, measured.RATES
LAB = labs.why_it_helps
SERIES = ("loss", "shift", "gradient_shift", "spread", "gradient_change")


def images(n=40, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, 196)).astype(np.float32))


# ---------------------------------------------------------------- the networks


def torchs_own(network, activation):
    """The first seed's network, of torch's modules."""
    layers = []
    for w, b, *affine in measured.born(network, activation, 1):
        linear = nn.Linear(*w.shape[1:])
        with torch.no_grad():
            linear.weight.copy_(w[0].T)
            linear.bias.copy_(b[0, 0])
        layers.append(linear)
        layers += [nn.BatchNorm1d(w.shape[-1], track_running_stats=False)] * bool(affine)
        layers.append({"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]())
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("activation", measured.ACTIVATIONS)
@pytest.mark.parametrize("network", ["none", "batchnorm"])
def test_the_networks_are_torchs(network, activation):
    logits, inputs = measured.forward(measured.born(network, activation, 1), images(), activation, [])
    torch.testing.assert_close(logits[0], torchs_own(network, activation)(images()), rtol=1e-4, atol=1e-5)
    assert [a.shape[-1] for a in inputs] == [64] * 5


@needs_mnist
def test_a_training_is_that_of_torchs_optimizer():
    got = measured.why_it_helps("batchnorm", "relu", rates=[0.1], n_seeds=1, steps=50)
    x, y = (torch.from_numpy(each) for each in measured.small_images())
    model, rng, losses, wrong = torchs_own("batchnorm", "relu"), np.random.default_rng([0, 2]), [], []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for rows in rng.permutation(5000).reshape(50, 100):
        optimizer.zero_grad()
        logits = model(x[rows])
        loss = nn.functional.cross_entropy(logits, y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        wrong.append((logits.argmax(1) != y[rows]).float().mean().item())
    np.testing.assert_allclose(got["loss"][0, 0], np.reshape(losses, (2, 25)).mean(1), rtol=5e-3)
    np.testing.assert_allclose(got["final"], np.mean(losses), rtol=5e-3)
    np.testing.assert_allclose(got["error"], 100 * np.mean(wrong), atol=0.3)
    np.testing.assert_array_equal(got["quiet"], got["error"])


def test_the_noise_shifts_and_stretches_each_unit_anew_at_each_step():
    noises = measured._noises("noise", 2)
    draws = [next(noises) for _ in range(200)]
    s, m = (np.array([[layer[k].numpy() for layer in noise] for noise in draws]) for k in (0, 1))
    assert s.shape == (200, 5, 2, 1, 64)  # images share it
    for drawn_, (low, high) in ((s, (0.75, 1.25)), (m, (-0.5, 0.5))):
        assert low <= drawn_.min() < low + 0.01 < high - 0.01 < drawn_.max() <= high
        assert drawn_.mean() == pytest.approx((low + high) / 2, abs=0.01)
        assert abs(np.corrcoef(drawn_[1:].ravel(), drawn_[:-1].ravel())[0, 1]) < 0.02
    theta = measured.born("noise", "relu", 2)
    _, without = measured.forward(theta, images(), "relu", [])
    _, noisy = measured.forward(theta, images(), "relu", draws[0])
    torch.testing.assert_close(noisy[0], torch.from_numpy(s[0, 0]) * without[0] + torch.from_numpy(m[0, 0]))
    assert next(measured._noises("batchnorm", 2)) == []


# ---------------------------------------------------------------- the measures


def test_the_shift_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    before = torch.from_numpy(rng.normal(2, 0.5, (50_000, 6)))
    for move, stretch in ((0.15, 1.0), (0.0, 1.3), (-0.3, 0.6)):
        after = torch.from_numpy(rng.normal(2 + move, 0.5 * stretch, (50_000, 6)))
        expected = np.hypot(move, 0.5 * (stretch - 1)) / 0.5
        assert measured.input_shift([before[:, :3], before[:, 3:]], [after]).item() == pytest.approx(expected, rel=0.05)


def test_under_batchnorm_only_gain_and_shift_move_the_moments():
    """Whatever happens to the weights: √(Δβ² + Δγ²) / γ."""
    theta = measured.born("batchnorm", "relu", 1)
    other = [[3 * w.roll(1, 1), b + 2, *affine] for w, b, *affine in theta]
    x = images(500)
    before, after = (measured.forward(p, x, "relu", [])[1] for p in (theta, other))
    assert measured.input_shift(before, after) < 1e-4
    moved = [[w, b, *([affine[0] + 0.3, affine[1] - 0.4] if affine else [])] for w, b, *affine in other]
    shift = measured.input_shift(before, measured.forward(moved, x, "relu", [])[1])
    assert shift.item() == pytest.approx(0.5, rel=1e-3)
    plain = [[w, b] for w, b, *_ in theta], [[w, b] for w, b, *_ in other]
    assert measured.input_shift(*(measured.forward(p, x, "relu", [])[1] for p in plain)) > 1


def scalar(*values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1)


def test_along_the_gradient_of_a_parabola():
    """Of ½ k (u² + v²) the gradient changes by η k in a step, and the loss is multiplied by (1 - c η k)²."""
    k, eta = scalar(1.0, 10.0), 0.3

    def slope(theta):
        (u,), (v,) = theta
        return (k * (u**2 + v**2) / 2).flatten(1), [[k * u], [k * v]]

    theta = [[scalar(2.0, 2.0)], [scalar(1.0, 1.0)]]
    loss, gradient = slope(theta)
    seen = measured._along(slope, theta, gradient, [[torch.tensor(eta)]] * 2, loss)
    np.testing.assert_allclose(seen["gradient_change"].ravel(), [0.3, 3.0])
    for each, strength, start in zip(seen["spread"].ravel(), (1, 10), (2.5, 25.0), strict=True):
        losses = start * (1 - eta * strength * np.array([0, 0.5, 1, 2, 4])) ** 2
        assert each == pytest.approx(losses.max() - losses.min())
    np.testing.assert_array_equal(seen["gradient_shift"].ravel(), 0)  # u's step says nothing to v


def test_the_shift_of_a_gradient_by_the_layers_before():
    """Of ½ (u v - 1)², by hand: G = (u v - 1) u, at u before and after its step."""

    def slope(theta):
        (u,), (v,) = theta
        e = u * v - 1
        return (e**2 / 2).flatten(1), [[e * v], [e * u]]

    u, v, eta = 2.0, 3.0, 0.01
    loss, gradient = slope(theta := [[scalar(u)], [scalar(v)]])
    seen = measured._along(slope, theta, gradient, [[torch.tensor(eta)]] * 2, loss)["gradient_shift"].item()
    moved = u - eta * (u * v - 1) * v
    assert seen == pytest.approx(abs((moved * v - 1) * moved - (u * v - 1) * u) / ((u * v - 1) * u))


@pytest.mark.parametrize(
    ("arguments", "more", "says"),
    [
        (("batch", "relu"), {}, "unknown network 'batch'; there are: batchnorm"),
        (("none", "tanh"), {}, "unknown activation 'tanh'; there are: relu, sigmoid"),
        (("none", "relu"), {"steps": 60}, "steps must be a multiple of 25, got 60"),
        (("none", "relu"), {"rates": [0.0]}, "learning rate must be"),
    ],
)
def test_what_is_not_there(arguments, more, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measured.why_it_helps(*arguments, **more)


# ---------------------------------------------------------------- the recording


@pytest.fixture(scope="module")
def recording():
    return RECORDINGS.load("why-it-helps")


@needs_mnist
@pytest.mark.parametrize(("network", "activation"), [("none", "sigmoid"), ("batchnorm", "relu"), ("noise", "relu")])
def test_a_small_part_of_the_recording_is_computed_again(recording, network, activation):
    recorded = recording(network=network, activation=activation)
    assert recorded["shift"].shape == (13, 5, 20)
    assert recorded["error"].shape == (13, 5)
    again = measured.why_it_helps(network, activation, rates=[0.1], n_seeds=2, steps=50)
    for name in SERIES:
        np.testing.assert_allclose(again[name][0], recorded[name][3, :2, :2], rtol=0.03, err_msg=name)


@needs_mnist
def test_a_run_that_overflows_is_not_counted_as_right():
    found = measured.why_it_helps("none", "relu", rates=[0.1, 50], n_seeds=1, steps=50)
    assert np.isfinite(found["error"][0]).all()
    assert np.isnan(found["error"][1]).all()
    assert np.isfinite(found["shift"][:, :, 0]).all()


def seen(recording, network="none", activation="relu", measure="input_shift", rate="best"):
    return shown.why_shown(recording, network, activation, measure, rate)


def test_best_and_largest_rates(recording):
    for activation in measured.ACTIVATIONS:
        data = seen(recording, activation=activation)
        for n, network in enumerate(NETWORKS):
            error = np.nan_to_num(recording(network=network, activation=activation)["error"], nan=90)
            medians = np.median(error, axis=1)
            assert medians[RATES.index(data["rates"][n])] == medians.min()
            for seed in range(5):
                trained = [rate for rate, each in zip(RATES, error[:, seed], strict=True) if each < 10]
                assert data["largest"][n, seed] == max(trained) if trained else np.isnan(data["largest"][n, seed])
    one = seen(recording, "noise", "sigmoid", "loss_spread", "0.2")
    assert (one["rates"] == 0.2).all()
    np.testing.assert_array_equal(one["values"][2], recording(network="noise", activation="sigmoid")["spread"][4])
    np.testing.assert_array_equal(one["quiet"], recording(network="noise", activation="sigmoid")["quiet"][4])


# ---------------------------------------------------------------- the lab


STATE = {"network": "noise", "activation": "relu", "measure": "input_shift", "rate": "best"}


def test_every_state_is_drawn_inside_its_axes():
    for state in LAB.states():
        figure, powers = LAB.figure(**state), np.array(drawn.DRAWN[state["measure"]][2])
        assert len(figure.data) <= 8
        np.testing.assert_array_equal(figure.layout.yaxis.range, powers)
        for axis, low, high in (("y", *10.0**powers), ("y2", drawn.LOWEST, drawn.HIGHEST)):
            traces = [trace for trace in figure.data if (trace.yaxis or "y") == axis]
            heights = np.concatenate([np.asarray(trace.y, float) for trace in traces])
            assert low <= np.nanmin(heights) <= np.nanmax(heights) <= high
        names = next(trace for trace in figure.data if trace.name == "labels")
        assert np.diff(np.sort(np.log10(names.y))).min() > 0.09 * np.ptp(powers)


def test_each_control_changes_the_figure():
    base = LAB.figure(**STATE).to_json()
    changes = {"network": "none", "activation": "sigmoid", "measure": "loss_spread", "rate": "0.8"}
    for name, value in changes.items():
        assert LAB.figure(**STATE | {name: value}).to_json() != base


def test_the_lines_are_the_medians_of_the_recorded_runs(recording):
    state = STATE | {"measure": "loss_spread", "rate": "0.05"}
    traces = {trace.name: trace for trace in LAB.figure(**state).data}
    for name, network in (("chosen", "noise"), ("others", "none")):
        recorded = np.median(recording(network=network, activation="relu")["spread"][2], axis=0)
        np.testing.assert_allclose(traces[name].y[:20], recorded, rtol=1e-3)
    errors = np.median(recording(network="noise", activation="relu")["error"][:9], axis=1)
    np.testing.assert_allclose(traces["chosen at the end"].y[:9], errors, rtol=1e-3)
    np.testing.assert_allclose(traces["shown above"].y[2], errors[2], rtol=1e-3)


def test_a_run_that_overflowed_has_no_line_and_no_number():
    state = STATE | {"network": "none", "rate": "0.8"}
    chosen = next(trace for trace in LAB.figure(**state).data if trace.name == "chosen")
    assert np.isfinite(np.asarray(chosen.y, float)).sum() <= 2
    assert "no norm, rate 0.8: all 5 runs overflow." in LAB.reading(**state)
    names = next(trace for trace in LAB.figure(**state).data if trace.name == "labels").text
    assert tuple(names) == ("● no norm: overflow", "■ BatchNorm", "◆ + noise")


# ---------------------------------------------------------------- the lesson's numbers


def typical(recording, measure, activation="relu", rate="0.2"):
    return np.nanmedian(seen(recording, measure=measure, activation=activation, rate=rate)["typical"], axis=1)


def test_the_input_shifts_less_with_batchnorm_and_more_with_the_noise(recording):
    plain, normalized, noisy = typical(recording, "input_shift")
    assert (plain, normalized, noisy) == pytest.approx((0.063, 0.0010, 0.36), rel=0.05)
    assert plain / normalized > 50
    for rate in ("0.0125", "0.05", "0.2"):
        data = seen(recording, rate=rate)["typical"]
        assert data[2].min() > 4 * data[0].max()  # every run, against every run without BatchNorm
        assert data[1].max() < data[0].min() / 40


def test_and_yet_it_trains_at_the_same_rates(recording):
    plain, normalized, noisy = seen(recording)["largest"]
    assert plain.tolist() == pytest.approx([0.2, 0.4, 0.4, 0.4, 0.4])
    assert normalized.tolist() == noisy.tolist() == pytest.approx([3.2] * 5)
    assert LAB.truth() == "up to 3.2, as before"
    plain, normalized, noisy = seen(recording, activation="sigmoid")["largest"]
    assert np.isnan(plain).all()
    assert sorted(normalized) == pytest.approx([12.8] * 3 + [25.6] * 2)
    assert noisy.tolist() == pytest.approx([12.8] * 5)


def test_the_loss_is_smoother_along_the_gradient_with_either(recording):
    assert typical(recording, "loss_spread") == pytest.approx((0.74, 0.071, 0.15), rel=0.05)
    assert typical(recording, "gradient_change", rate="0.05") == pytest.approx((1.0, 0.42, 0.36), rel=0.05)
    data = seen(recording, measure="loss_spread", rate="0.2")["typical"]
    assert data[1:].max() < data[0].min() / 3
    # but not at the smallest rate: there a step is too short to see it
    assert typical(recording, "loss_spread", rate="0.0125") == pytest.approx((0.11, 0.11, 0.14), rel=0.06)


def test_the_shift_of_the_gradient_is_hardly_less_at_a_rate_worth_taking(recording):
    assert typical(recording, "gradient_shift") == pytest.approx((0.95, 0.78, 0.67), rel=0.02)
    assert typical(recording, "gradient_shift", rate="best") == pytest.approx((0.87, 0.78, 0.90), rel=0.02)


def test_a_sigmoid_network_is_stable_and_smooth_and_learns_nothing(recording):
    for measure, found in (
        ("input_shift", (0.011, 0.00055, 0.36)),
        ("gradient_shift", (0.0086, 0.37, 0.31)),
        ("loss_spread", (0.046, 0.14, 0.15)),
    ):
        assert typical(recording, measure, "sigmoid") == pytest.approx(found, rel=0.06)
    errors = np.median(seen(recording, activation="sigmoid")["error"], axis=-1)
    assert errors[0].min() > 89
    assert errors[1:].min(axis=1) == pytest.approx((5.4, 6.3), abs=0.05)


def test_what_the_noise_costs(recording):
    errors = np.median(seen(recording)["error"], axis=-1)
    assert errors.min(axis=1) == pytest.approx((1.82, 1.12, 3.30), abs=0.01)
    assert np.median(recording(network="noise", activation="relu")["quiet"][:9], axis=1).min() == pytest.approx(
        2.3, abs=0.01
    )
    # at the same small rate BatchNorm is no better than nothing: what it gains, it gains by larger rates
    assert errors[:, 0] == pytest.approx((8.66, 12.70, 18.42), abs=0.01)
    assert errors[:, 3] == pytest.approx((1.82, 1.72, 5.48), abs=0.01)


def test_the_readings():
    text = LAB.reading(**STATE | {"rate": "0.2"})
    assert "4.1 (3.9 to 4.5) % wrong at the end (2.4 % with the noise switched off)" in text
    assert "shifts by 0.36 (0.36 to 0.38) of its width, 5.8 times as much as without BatchNorm (rate 0.2)" in text
    assert text.endswith("no norm: 0.4 (0.2 to 0.4), BatchNorm: 3.2, BatchNorm + noise: 3.2.")
    assert "no norm: none, BatchNorm: 12.8 (12.8 to 25.6)" in LAB.reading(**STATE | {"activation": "sigmoid"})
    for state in LAB.states():
        assert "nan" not in LAB.reading(**state)
