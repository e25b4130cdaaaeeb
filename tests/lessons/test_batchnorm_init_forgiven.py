"""Lesson 07, init-forgiven: what normalization makes of weights that are too small or too large."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from vgx.activation import activations
from vgx.lessons.batchnorm import draw, draw_init_forgiven, measure, measure_init_forgiven
from vgx.verdict import Verdict

forgiven = functools.cache(measure.init_forgiven)
SCALES = (0.001, 0.003, 0.01, 1.0, 1000.0)
RELU, XAVIER = 2**0.5, 1.0  # σ_w
NORMS = {
    "none": lambda z, eps: z,
    "batch": lambda z, eps: torch.nn.functional.batch_norm(z, None, None, training=True, eps=eps),
    "layer": lambda z, eps: torch.nn.functional.layer_norm(z, z.shape[-1:], eps=eps),
    "rms": lambda z, eps: torch.nn.functional.rms_norm(z, z.shape[-1:], eps=eps),
}


@pytest.mark.parametrize("norm", list(NORMS))
@pytest.mark.parametrize(("activation", "scale"), [("relu", 0.003), ("tanh", 10.0)])
def test_signal_and_gradient_are_those_of_autograd(norm, activation, scale):
    depth, relu = 5, activation == "relu"
    net, x, readout = measure_init_forgiven._draw("he_normal" if relu else "xavier_normal", 3, 0)
    phi, sd = (torch.relu, (2 / 128) ** 0.5) if relu else (torch.tanh, 128**-0.5)
    signals, gradients = [], []
    for k in range(3):
        h, zs, sizes = torch.tensor(x), [], []
        for unit in net.unit_weights[:depth]:
            zs.append(h @ (scale * sd * torch.tensor(unit[k]).double()))
            zs[-1].requires_grad_()
            h = phi(NORMS[norm](zs[-1], 1e-5))
            sizes.append(h.square().mean().sqrt().item())
        grads = torch.autograd.grad((h * torch.tensor(readout)).sum(), zs)
        signals.append(sizes)
        gradients.append([grad.norm().item() / grads[-1].norm().item() for grad in grads])
    data = forgiven(depth, scale, activation, norm, n_nets=3)
    for found, expected in ((data["signal"], signals), (data["gradient"], gradients)):
        assert found.shape == (3, depth)
        np.testing.assert_allclose(found, np.quantile(expected, [0.05, 0.5, 0.95], axis=0), rtol=1e-3)


def test_many_states_at_once_are_each_state_alone():
    many = measure.init_forgiven((5, 10), (0.003, 2.0), "tanh", "layer")
    for k, depth in enumerate((5, 10)):
        for j, scale in enumerate((0.003, 2.0)):
            for name, values in measure.init_forgiven(depth, scale, "tanh", "layer").items():
                np.testing.assert_allclose(many[name][k][j], values, rtol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_normalization_forgives_the_scale(activation, norm):
    """From 0.1 to 1000 the median signal stays within 1 % of that at scale 1, the median gradient within 10 %."""
    data = forgiven(25, (0.1, 1.0, 10.0, 1000.0), activation, norm)
    signal, gradient = data["signal"][:, 1], data["gradient"][:, 1]
    np.testing.assert_allclose(signal, signal[[1, 1, 1, 1]], rtol=0.01)
    np.testing.assert_allclose(gradient, gradient[[1, 1, 1, 1]], rtol=0.1)


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
@pytest.mark.parametrize(("activation", "sigma_w", "decays", "rests"),
                         [("relu", RELU, 0.003, 0.01), ("tanh", XAVIER, 0.003, 0.01)])  # fmt: skip
def test_below_the_smallest_scale_the_signal_decays(activation, sigma_w, decays, rests, norm):
    threshold = measure.smallest_scale(activation, norm, sigma_w=sigma_w)
    assert decays < threshold < rests
    data = forgiven(50, (0.001, decays, rests), activation, norm)
    signal = data["signal"][:, 1]
    np.testing.assert_allclose(data["smallest_scale"], threshold)
    # far below, each layer multiplies the signal by scale / threshold, within 4 % at width 128
    assert (signal[0, 9] / signal[0, 1]) ** (1 / 8) == pytest.approx(0.001 / threshold, rel=0.04)
    assert signal[1, -1] < 0.5 * signal[1, 0]
    assert signal[2, -1] > 0.9 * signal[2, 0]


def test_in_a_batch_that_decays_one_input_takes_over():
    """Under ReLU a layer then keeps half of its square, not (1 - 1/π)/2 as of inputs that are alike."""
    net, x, _ = measure_init_forgiven._draw("he_normal", 8, 0)
    net = dataclasses.replace(net, activation=activations["relu"], scale=0.003, norm="batch")
    shares = []
    for h in net.forward(x).activations:
        rows = np.square(h - h.mean(-2, keepdims=True), dtype=np.float64).sum(-1)
        shares.append((rows.max(-1) / rows.sum(-1)).mean())
    assert shares[0] == pytest.approx(0.04, abs=0.01)
    assert shares[-1] > 0.75
    signal = forgiven(50, 0.003, "relu", "batch")["signal"][1]
    assert (signal[-1] / signal[-10]) ** (1 / 9) > 1.1 * (signal[9] / signal[1]) ** (1 / 8)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_above_it_the_signal_comes_to_rest(norm):
    """ReLU, mean square u² after the normalization: u² = 1 - (threshold / scale)²."""
    threshold = measure.smallest_scale("relu", norm, sigma_w=RELU)
    u = np.sqrt(2) * forgiven(50, 0.01, "relu", norm)["signal"][1, 20:]
    np.testing.assert_allclose(u.mean() ** 2, 1 - (threshold / 0.01) ** 2, rtol=0.03)


def test_smallest_scale_in_closed_form():
    """√ε for what keeps a small signal; ReLU keeps half, of which BatchNorm takes 1/π; sigmoid's slope is a quarter."""
    for activation, norm, sigma_w, expected in (
        ("tanh", "batch", 1.0, 1e-5**0.5),
        ("relu", "layer", RELU, 1e-5**0.5),
        ("relu", "rms", RELU, 1e-5**0.5),
        ("relu", "batch", RELU, (1e-5 / (1 - 1 / np.pi)) ** 0.5),
        ("sigmoid", "batch", 1.0, 4 * 1e-5**0.5),
        ("sigmoid", "layer", 1.0, 0.0),
        ("gelu", "batch", RELU, (1e-5 / 2) ** 0.5 / 0.5),
    ):
        assert measure.smallest_scale(activation, norm, sigma_w=sigma_w) == pytest.approx(expected, rel=1e-3)
    assert measure.smallest_scale("tanh", "rms", sigma_w=1, eps=1e-7) == pytest.approx(1e-7**0.5, rel=1e-3)


def test_what_is_to_be_seen_in_the_lab():
    """50 layers: the first layer's gradient over the last one's, the median of 8 networks, as the lesson says it."""
    for (activation, norm), seen in SEEN.items():
        ends = forgiven(50, SCALES, activation, norm)["gradient"][:, 1, 0]
        np.testing.assert_allclose(ends, [float(each) for each in seen], rtol=0.06)
    data = forgiven(50, 0.001, "relu", "batch")
    assert draw.exponent_at_layer_1(data, {}) == pytest.approx(-24.7, abs=0.1)
    assert f"{data['signal'][1, -1]:.1e}" == "2.7e-28"


SEEN = {
    ("relu", "batch"): ["2e-25", "0.022", "1.2e+04", "1.7e+04", "1.6e+04"],
    ("relu", "layer"): ["2.4e-25", "0.014", "0.5", "0.53", "0.53"],
    ("sigmoid", "batch"): ["0", "1.6e-31", "1.6e-06", "1.2", "1.2"],
    ("sigmoid", "layer"): ["0", "1.2e-34", "3.7e-23", "5.9e-21", "5.9e-21"],
}


def state(depth, scale, activation, norm):
    controls = {"depth": depth, "scale": scale, "activation": activation, "norm": norm}
    data = forgiven(**controls)
    return data, controls, draw.init_forgiven(data, controls)


@pytest.mark.parametrize(
    ("scale", "activation", "norm", "signal", "gradient"),
    [
        (0.001, "relu", "none", Verdict.DEAD, Verdict.DEAD),
        (1000.0, "relu", "none", Verdict.OVERFLOW, Verdict.OVERFLOW),
        (1000.0, "tanh", "none", Verdict.HEALTHY, Verdict.DEAD),
        (0.001, "relu", "layer", Verdict.VANISHING, Verdict.VANISHING),
        (1000.0, "relu", "batch", Verdict.HEALTHY, Verdict.EXPLODING),
        (1000.0, "relu", "rms", Verdict.HEALTHY, Verdict.HEALTHY),
        (1.0, "sigmoid", "layer", Verdict.HEALTHY, Verdict.VANISHING),
        (0.001, "sigmoid", "rms", Verdict.HEALTHY, Verdict.DEAD),
    ],
)
def test_verdicts_at_the_ends(scale, activation, norm, signal, gradient):
    data, controls, figure = state(50, scale, activation, norm)
    assert [draw_init_forgiven.init_verdict(data, which) for which in ("signal", "gradient")] == [signal, gradient]
    reading = draw.init_reading(data, controls)
    for verdict in {signal, gradient}:
        assert str(verdict) in reading
    texts = figure.data[-1].text
    assert f"<b>{signal}</b>" in texts[0]
    assert f"<b>{gradient}</b>" in texts[1]


def test_the_figure_shows_what_was_measured():
    data, controls, figure = state(25, 0.1, "gelu", "rms")
    traces = {trace.name: trace for trace in figure.data}
    for quantity in ("signal", "gradient"):
        layers = traces[f"{quantity}, median"].x
        assert (layers[0], layers[-1]) == (1, 25)
        np.testing.assert_array_equal(traces[f"{quantity}, median"].y, data[quantity][1, layers - 1])
    assert "ε" not in draw.init_reading(data, controls)
    other = state(50, 0.001, "relu", "batch")
    assert "At this scale ε outweighs" in draw.init_reading(other[0], other[1])
    for axis in ("xaxis", "yaxis", "yaxis2"):
        assert figure.layout[axis].range == other[2].layout[axis].range
    assert {len(figure.data), len(other[2].data)} == {5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((51, 1.0, "relu", "none"), "depth must be at most 50, got 51"),
        ((1, 1.0, "relu", "none"), "depth must be a whole number >= 2"),
        ((5, -1.0, "relu", "none"), "scale must hold finite numbers >= 0"),
        ((5, 1.0, "rleu", "none"), "unknown activation 'rleu'"),
        ((5, 1.0, "relu", "bath"), "unknown norm 'bath'"),
    ],
)
def test_what_is_not_allowed_is_said(given, message):
    with pytest.raises(ValueError, match=message):
        measure.init_forgiven(*given)


def test_without_normalization_there_is_no_smallest_scale():
    with pytest.raises(ValueError, match="unknown norm 'none'"):
        measure.smallest_scale("relu", "none", sigma_w=1)
