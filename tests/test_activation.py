"""Activations against torch autograd, finite differences and their limits."""

import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from vgx.activation import Activation, activations
from vgx.registry import UnknownNameError

TORCH = {
    "identity": lambda z: 1 * z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "softplus": lambda z: torch.nn.functional.softplus(z, threshold=1000),
}
LIMITS = {  # f(-inf), f(inf), f'(-inf), f'(inf)
    "identity": (-math.inf, math.inf, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, math.inf, 0, 1),
    "leaky_relu": (-math.inf, math.inf, 0.01, 1),
    "elu": (-1, math.inf, 0, 1),
    "selu": (-1.0507009873554805 * 1.6732632423543772, math.inf, 0, 1.0507009873554805),
    "gelu": (0, math.inf, 0, 1),
    "silu": (0, math.inf, 0, 1),
    "softplus": (0, math.inf, 0, 1),
}

every = pytest.mark.parametrize("activation", activations.values(), ids=list(activations))


def test_registry_holds_the_ten():
    assert list(activations) == list(TORCH)


@every
def test_value_and_derivative_equal_torch_autograd(activation):
    z = (torch.arange(-1000, 1001, dtype=torch.float64) * 0.03).requires_grad_()  # holds 0, the kink
    value = TORCH[activation.name](z)
    value.sum().backward()
    points = z.detach().numpy()
    np.testing.assert_allclose(activation.f(points), value.detach().numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(activation.derivative(points), z.grad.numpy(), rtol=1e-12, atol=1e-12)


@every
@settings(deadline=None, max_examples=50)
@given(magnitude=st.floats(1e-3, 20), sign=st.sampled_from([-1, 1]))
def test_derivative_equals_finite_differences(activation, magnitude, sign):
    z, step = sign * magnitude, 1e-4 * magnitude  # one side of the kink
    slope = (activation.f(z + step) - activation.f(z - step)) / (2 * step)
    assert activation.derivative(z) == pytest.approx(slope, rel=1e-6, abs=1e-7)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_dtype_and_shape_are_kept_and_the_input_too(activation, dtype, shape):
    z = np.full(shape, -0.5, dtype)
    for function in (activation.f, activation.derivative):
        result = function(z)
        assert result.dtype == dtype
        assert result.shape == shape
        assert not np.shares_memory(result, z)
    assert (z == dtype(-0.5)).all()


@every
def test_float32_is_float64_rounded(activation):
    z = np.linspace(-20, 20, 401)
    for function in (activation.f, activation.derivative):
        np.testing.assert_allclose(function(z.astype(np.float32)), function(z), rtol=2e-5, atol=3e-7)


@every
def test_numbers_and_integers_count_as_float64(activation):
    for function in (activation.f, activation.derivative):
        assert function(2).dtype == np.float64
        assert function(2) == function(2.0) == function([2])[0] == function(np.array(2.0))
        assert function(np.float32(2)).dtype == np.float32


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", ["huge", "infinite"])
def test_extreme_inputs_give_the_limit_without_a_warning(activation, dtype, size):
    z = np.array([-1, 1], dtype) * {"huge": np.finfo(dtype).max, "infinite": np.inf}[size]
    low, high, *slopes = LIMITS[activation.name]
    limits = np.array([low, high])
    is_bounded = np.isfinite(limits)
    with np.errstate(all="raise", under="ignore"):
        value, slope = activation.f(z), activation.derivative(z)
    np.testing.assert_allclose(value[is_bounded], limits[is_bounded], rtol=1e-6)
    assert (np.abs(value[~is_bounded]) > np.finfo(dtype).max / 101).all()
    assert (np.sign(value[~is_bounded]) == np.sign(limits[~is_bounded])).all()
    np.testing.assert_allclose(slope, slopes, rtol=1e-6)


@every
def test_moderate_extremes_pass_without_a_warning(activation):
    z = np.array([-1000.0, -750.0, -100.0, 100.0, 750.0, 1000.0])
    with np.errstate(all="raise", under="ignore"):
        for dtype in (np.float32, np.float64):
            assert np.isfinite(activation.f(z.astype(dtype))).all()
            assert np.isfinite(activation.derivative(z.astype(dtype))).all()


def test_tails():
    sigmoid, softplus = activations["sigmoid"], activations["softplus"]
    assert sigmoid.f(-1000.0) == 0
    assert softplus.f(1000.0) == 1000
    assert softplus.f(-40.0) == pytest.approx(math.exp(-40), rel=1e-14, abs=0)
    assert sigmoid.derivative(50.0) == pytest.approx(math.exp(-50), rel=1e-14, abs=0)  # not 0
    assert sigmoid.derivative(-50.0) == pytest.approx(math.exp(-50), rel=1e-14, abs=0)
    assert activations["tanh"].derivative([-50.0, 50.0]) == pytest.approx(4 * math.exp(-100), rel=1e-14, abs=0)
    assert activations["silu"].f(-50.0) == pytest.approx(-50 * math.exp(-50), rel=1e-14, abs=0)
    assert activations["gelu"].f(-20.0) == pytest.approx(-10 * math.erfc(20 / math.sqrt(2)), rel=1e-12, abs=0)
    assert activations["relu"].derivative(0.0) == 0


@every
def test_nan_passes_through(activation):
    for dtype in (np.float32, np.float64):
        z = np.array([np.nan, 1], dtype)
        assert np.isnan(activation.f(z)).tolist() == [True, False]
        assert np.isnan(activation.derivative(z)).tolist() == [True, False]


@every
@pytest.mark.parametrize("bad", [1j, "1", None, [object()]])
def test_what_is_not_real_raises(activation, bad):
    for function in (activation.f, activation.derivative):
        with pytest.raises(ValueError, match="takes real numbers, got"):
            function(bad)


@every
def test_gain_keeps_the_mean_square(activation):
    def integrand(z):
        return float(activation.f(z)) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    mean_square = sum(quad(integrand, *side, epsabs=1e-13, epsrel=1e-12)[0] for side in [(-12, 0), (0, 12)])
    assert activation.gain == pytest.approx(1 / math.sqrt(mean_square), rel=1e-10)
    assert type(activation.gain) is float


def test_known_gains():
    assert activations["identity"].gain == pytest.approx(1, rel=1e-12)
    assert activations["relu"].gain == pytest.approx(math.sqrt(2), rel=1e-12)
    assert activations["leaky_relu"].gain == pytest.approx(math.sqrt(2 / (1 + 0.01**2)), rel=1e-12)
    assert activations["selu"].gain == pytest.approx(1, rel=1e-12)  # SELU's constants are made so


@every
def test_pickles(activation):
    copy = pickle.loads(pickle.dumps(activation))
    assert copy == activation
    assert copy.f is activation.f
    assert copy.gain == activation.gain


@every
def test_latex_is_balanced(activation):
    assert activation.latex.count("{") == activation.latex.count("}")
    assert activation.latex.count(r"\left") == activation.latex.count(r"\right")


def test_frozen_and_by_name():
    with pytest.raises(AttributeError):
        activations["tanh"].name = "other"
    assert activations.resolve("tanh") is activations["tanh"]
    mine = Activation("square", "z^2", np.square, lambda z: 2 * z)
    assert activations.resolve(mine) is mine
    assert mine.gain == pytest.approx(1 / math.sqrt(3), rel=1e-12)
    with pytest.raises(UnknownNameError, match="unknown activation 'rleu'; there are: relu"):
        activations.resolve("rleu")
    with pytest.raises(UnknownNameError, match="unknown activation 3"):
        activations.resolve(3)
