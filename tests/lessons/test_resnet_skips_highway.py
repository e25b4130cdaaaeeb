"""Lesson 05, gradient-highway: the same weights without and with skips, against torch's autograd and theory."""

import functools

import numpy as np
import pytest
import torch

from vgx.lessons.resnet_skips import draw, draw_highway, measure, measure_highway
from vgx.verdict import Verdict

highway = functools.cache(measure.gradient_highway)
PHI = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": torch.nn.functional.gelu}
STD = {"relu": (2 / 128) ** 0.5, "gelu": (2 / 128) ** 0.5, "tanh": 128**-0.5, "sigmoid": 128**-0.5}


def by_autograd(weights, x, readout, phi, skip, branch):
    """Norm of each z's gradient, and each z's root mean square."""
    z = [(x @ weights[0]).requires_grad_()]
    for W in weights[1:]:
        z.append(skip * z[-1] + branch * (phi(z[-1]) @ W))
    grads = torch.autograd.grad((phi(z[-1]) * readout).sum(), z)
    return [grad.norm().item() for grad in grads], [each.square().mean().sqrt().item() for each in z]


@pytest.mark.parametrize(("activation", "skip", "branch"), [("relu", 1, 0.3), ("tanh", 0, 1.0), ("gelu", 1, 1.0)])
def test_gradient_and_signal_are_those_of_autograd(activation, skip, branch):
    depth, scale = 6, 1.5
    recipe = "he_normal" if activation in ("relu", "gelu") else "xavier_normal"
    net, x, readout = measure_highway._draw(recipe, 3, 0)
    gradients, signals = [], []
    for k in range(3):
        weights = [scale * STD[activation] * torch.tensor(unit[k]).double() for unit in net.unit_weights[:depth]]
        norms, sizes = by_autograd(weights, torch.tensor(x), torch.tensor(readout), PHI[activation], skip, branch)
        gradients.append(np.array(norms) / norms[-1])
        signals.append(sizes)
    data = highway(depth, scale, activation, branch, n_nets=3)
    for found, expected in ((data["gradient"], gradients), (data["signal"], signals)):
        assert found.shape == (2, 3, depth)
        np.testing.assert_allclose(found[skip], np.quantile(expected, [0.05, 0.5, 0.95], axis=0), rtol=2e-4)


def test_many_states_at_once_are_each_state_alone():
    many = measure.gradient_highway((5, 20), (0.5, 2.0), "tanh", 0.3)
    for k, depth in enumerate((5, 20)):
        for j, scale in enumerate((0.5, 2.0)):
            alone = measure.gradient_highway(depth, scale, "tanh", 0.3)
            for name, values in alone.items():
                np.testing.assert_allclose(many[name][k][j], values, rtol=1e-5)


def test_the_plain_network_does_not_know_of_branches():
    one, other = highway(20, 1.0, "relu", 1.0), highway(20, 1.0, "relu", 0.1)
    for name in ("gradient", "signal"):
        np.testing.assert_array_equal(one[name][0], other[name][0])
        assert (one[name][1, 1, 1:-1] > other[name][1, 1, 1:-1]).all()


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("branch", [0.1, 1.0])
def test_residual_networks_follow_theory(activation, branch):
    """Within 40 % after 50 layers, the median of 16 draws, at scales from 0.25 to 4."""
    data = highway(50, (0.25, 1.0, 4.0), activation, branch)
    for name in ("gradient", "signal"):
        measured, predicted = (np.stack(data[key]) for key in (name, f"{name}_theory"))
        np.testing.assert_allclose(measured[:, 1, 1], predicted[:, 1], rtol=0.4)


def test_theory_is_the_closed_form_for_relu():
    """A block multiplies signal and gradient, both squared, by 1 + β² s², where a layer multiplies them by s²."""
    data = highway(20, 0.5, "relu", 0.3)
    behind, passed = np.arange(19, -1, -1), np.arange(20)
    block, layer = 1 + 0.09 * 0.25, 0.25
    np.testing.assert_allclose(data["gradient_theory"] ** 2, [layer**behind, block**behind], rtol=1e-10)
    np.testing.assert_allclose(data["signal_theory"] ** 2, [0.5 * layer**passed, 0.5 * block**passed], rtol=1e-10)
    assert data["sigma_w"] == pytest.approx(0.5**0.5)


def test_what_is_to_be_seen_in_the_lab():
    """The states that the lesson names."""
    plain, residual = highway(50, 1.0, "sigmoid", 1.0)["gradient"][:, 1, 0]
    assert plain == pytest.approx(1.6e-31, rel=0.1)
    assert residual == pytest.approx(1.7, rel=0.05)
    data = highway(50, 1.0, "relu", 1.0)
    assert data["gradient"][:, 1, 0] == pytest.approx([0.84, 2.2e7], rel=0.05)
    assert data["signal"][:, 1, -1] == pytest.approx([1.0, 2.6e7], rel=0.05)
    assert draw_highway.highway_verdicts(data) == [Verdict.HEALTHY, Verdict.EXPLODING]
    assert draw.exponent_with_skips(data, {}) == pytest.approx(7.3, abs=0.1)
    assert highway(50, 1.0, "relu", 0.1)["gradient"][1, 1, 0] == pytest.approx(1.3, rel=0.05)
    tanh = highway(50, 4.0, "tanh", 1.0)
    assert tanh["gradient"][:, 1, 0] == pytest.approx([1.2e9, 4.2e4], rel=0.1)
    assert highway(50, 4.0, "relu", 0.1)["gradient"][1, 1, 0] == pytest.approx(41, rel=0.1)


def state(depth, scale, activation, branch):
    controls = {"depth": depth, "scale": scale, "activation": activation, "branch": branch}
    data = highway(**controls)
    return data, controls, draw.gradient_highway(data, controls)


def test_the_figure_shows_what_was_measured():
    data, controls, figure = state(20, 1.0, "sigmoid", 1.0)
    traces = {trace.name: trace for trace in figure.data}
    layers = traces["gradient, plain"].x
    assert (layers[0], layers[-1]) == (1, 20)
    np.testing.assert_array_equal(traces["gradient, with skips"].y, data["gradient"][1, 1, layers - 1])
    np.testing.assert_array_equal(traces["signal, plain"].y, data["signal"][0, 1, layers - 1])
    np.testing.assert_array_equal(traces["gradient, theory"].y[: len(layers)], data["gradient_theory"][0, layers - 1])
    assert np.isnan(traces["signal, theory"].y[len(layers)])
    texts = traces["labels"].text
    assert texts[0] == "··· plain, at layer 1: 10⁻¹², <b>vanishing</b><br>— with skips, at layer 1: 1.3, <b>healthy</b>"
    assert "— with skips, at layer 20: 2.8" in texts[1]
    assert draw.highway_reading(data, controls) == (
        "20 layers of sigmoid, Xavier weights times 1 (σ_w = 1). Plain: the first layer's gradient is 10⁻¹² times the "
        "last one's: vanishing. With skips and branches times 1: 1.3 times (theory: 1.3): healthy. The signal ends at "
        "0.53 and, with skips, at 2.8."
    )


def test_axes_stay_and_traces_are_few():
    figures = [state(*given)[2] for given in ((5, 4.0, "relu", 1.0), (50, 0.25, "gelu", 0.1))]
    for name in ("xaxis", "yaxis", "yaxis2"):
        assert figures[0].layout[name].range == figures[1].layout[name].range
    assert {len(figure.data) for figure in figures} == {9}


def test_a_signal_below_float32_is_dead():
    data = highway(50, 0.25, "gelu", 0.1)
    assert draw_highway.highway_verdicts(data, "signal") == [Verdict.DEAD, Verdict.HEALTHY]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((51, 1.0, "relu", 1.0), "depth must be at most 50, got 51"),
        ((1, 1.0, "relu", 1.0), "depth must be a whole number >= 2"),
        ((5, -1.0, "relu", 1.0), "scale must hold finite numbers >= 0"),
        ((5, 1.0, "rleu", 1.0), "unknown activation 'rleu'"),
        ((5, 1.0, "relu", np.nan), "branch must be a finite number, got nan"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.gradient_highway(*given)
