"""Normalizations against torch, finite differences and what they must leave unchanged."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from vgx.normalization import batch_eval, batch_eval_backward, normalizations, running_statistics
from vgx.registry import UnknownNameError

TORCH = {
    "batch": lambda x, gain, shift, eps: functional.batch_norm(x, None, None, gain, shift, training=True, eps=eps),
    "layer": lambda x, gain, shift, eps: functional.layer_norm(x, x.shape[-1:], gain, shift, eps),
    "rms": lambda x, gain, shift, eps: functional.rms_norm(x, x.shape[-1:], gain, eps) + shift,
}
BATCH, LAYER, RMS = (normalizations[name] for name in TORCH)

every = pytest.mark.parametrize("normalization", normalizations.values(), ids=list(normalizations))


def drawn(*leading, batch=6, width=5, seed=0):
    """x, dy, gain and shift."""
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, *leading, batch, width))
    return 3 * x + 1, dy, *rng.standard_normal((2, width))


def autograd(function, dy, *arguments):
    """The oracle: y and the gradients with respect to the arguments."""
    arguments = [torch.tensor(each, requires_grad=True) for each in arguments]
    y = function(*arguments)
    gradients = torch.autograd.grad((y * torch.tensor(dy)).sum(), arguments)
    return [each.detach().numpy() for each in (y, *gradients)]


def passes(normalization, x, dy, gain, shift, eps):
    """y, dx, dgain and dshift."""
    y, cache = normalization.forward(x, gain=gain, shift=shift, eps=eps)
    return y, *normalization.backward(dy, cache)


# --- against torch ---


def test_registry_holds_the_three():
    assert list(normalizations) == list(TORCH)
    with pytest.raises(UnknownNameError, match="unknown normalization 'batchnorm'; there are: batch, layer, rms"):
        normalizations["batchnorm"]


@every
@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(2, 8),
    width=st.integers(1, 8),
    size=st.sampled_from([1e-3, 1e-1, 1.0, 30.0]),
    eps=st.sampled_from([1e-1, 1e-3, 1e-5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_passes_agree_with_autograd(normalization, batch, width, size, eps, seed):
    x, *others = drawn(batch=batch, width=width, seed=seed)
    x = size * x
    wanted = autograd(lambda *given: TORCH[normalization.name](*given, eps), others[0], x, *others[1:])
    units = (1, 1 / math.sqrt(eps), 1, 1)  # where x varies little, the gradient dx is as large as this
    for got, want, unit in zip(passes(normalization, x, *others, eps), wanted, units, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10 * unit)


@every
@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(2, 8),
    width=st.integers(1, 8),
    value=st.sampled_from([0.0, 0.1, -3.0]),
    eps=st.sampled_from([1e-5, 1e-8, 1e-12]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_passes_agree_with_autograd_where_x_does_not_vary(normalization, batch, width, value, eps, seed):
    x, *others = drawn(batch=batch, width=width, seed=seed)
    x[:, 0] = x[0] = value  # one unit that is the same for all inputs, one input that is the same in all units
    wanted = autograd(lambda *given: TORCH[normalization.name](*given, eps), others[0], x, *others[1:])
    for got, want in zip(passes(normalization, x, *others, eps), wanted, strict=True):
        # rounding, which differs, and gradients are multiplied by up to 1/√ε
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12 / math.sqrt(eps))


@settings(deadline=None, max_examples=30)
@given(
    batches=st.lists(st.integers(2, 9), max_size=5),
    momentum=st.sampled_from([0.1, 0.9, 1.0, 0.0]),
    eps=st.sampled_from([1e-2, 1e-5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_after_the_same_batches_evaluation_agrees_with_torchs_module(batches, momentum, eps, seed):
    module = torch.nn.BatchNorm1d(5, eps=eps, momentum=momentum, dtype=torch.float64)
    mean, var = np.zeros(5), np.ones(5)
    for step, batch in enumerate(batches):
        x = drawn(batch=batch, seed=seed + step)[0]
        module(torch.tensor(x))
        mean, var = running_statistics(x, mean, var, momentum=momentum)
    np.testing.assert_allclose(mean, module.running_mean.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(var, module.running_var.numpy(), rtol=1e-12)
    x, dy, gain, shift = drawn(batch=1, seed=seed)
    module.eval().requires_grad_(False)
    wanted = autograd(lambda x, gain, shift: gain * module(x) + shift, dy, x, gain, shift)
    y, cache = batch_eval(x, mean, var, gain=gain, shift=shift, eps=eps)
    for got, want in zip((y, *batch_eval_backward(dy, cache)), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)


# --- against finite differences ---


@pytest.mark.parametrize("name", [*normalizations, "batch_eval"])
def test_backward_agrees_with_finite_differences(name):
    x, dy, gain, shift = drawn(batch=3, width=4)
    mean, var = [0.5, -1.0, 2.0, 0.0], [0.1, 2.0, 1.0, 4.0]

    def forward(x, gain, shift):
        if name == "batch_eval":
            return batch_eval(x, mean, var, gain=gain, shift=shift)
        return normalizations[name].forward(x, gain=gain, shift=shift)

    backward = batch_eval_backward if name == "batch_eval" else normalizations[name].backward
    gradients = backward(dy, forward(x, gain, shift)[1])
    step = 1e-6
    for position, gradient in enumerate(gradients):
        for index in np.ndindex(gradient.shape):
            costs = []
            for sign in (1, -1):
                moved = [x.copy(), gain.copy(), shift.copy()]
                moved[position][index] += sign * step
                costs.append((forward(*moved)[0] * dy).sum())
            assert gradient[index] == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-6, abs=1e-8)


# --- ensembles ---


@every
def test_an_ensemble_equals_the_loop_over_its_members(normalization):
    x, dy, *_ = drawn(3, 2)
    gain, shift = np.random.default_rng(1).standard_normal((2, 3, 1, 5))
    together = passes(normalization, x, dy, gain, shift, 1e-5)
    assert [each.shape for each in together] == [(3, 2, 6, 5), (3, 2, 6, 5), (3, 2, 5), (3, 2, 5)]
    for i, j in np.ndindex(3, 2):
        alone = passes(normalization, x[i, j], dy[i, j], gain[i, 0], shift[i, 0], 1e-5)
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[i, j], theirs, rtol=1e-12, atol=1e-14)


@every
def test_gains_and_costs_can_be_ensembles_of_their_own(normalization):
    x, dy, *_ = drawn()
    gains, costs = np.array([[1.0], [-2.0]]), np.stack([dy, 3 * dy, -dy])
    y, cache = normalization.forward(x, gain=gains)
    np.testing.assert_allclose(y[1], -2 * y[0], rtol=1e-14)
    dx, dgain, dshift = normalization.backward(costs[:, None], cache)
    assert (dx.shape, dgain.shape, dshift.shape) == ((3, 2, 6, 5), (3, 2, 5), (3, 2, 5))
    np.testing.assert_allclose(dx[1, 1], -6 * dx[0, 0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dgain[2, 1], -dgain[0, 0], rtol=1e-12)


def test_statistics_can_be_ensembles():
    x = drawn(4, batch=7)[0]
    mean, var = running_statistics(x, momentum=1)
    np.testing.assert_allclose(mean, x.mean(axis=-2), rtol=1e-14)
    np.testing.assert_allclose(var, x.var(axis=-2, ddof=1), rtol=1e-14)
    y, _ = batch_eval(x, mean, 6 / 7 * var)
    np.testing.assert_allclose(y, BATCH.forward(x)[0], rtol=1e-10)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_x_and_x_itself_are_kept(normalization, dtype):
    x, dy, gain, shift = drawn()
    x, before = x.astype(dtype), x.astype(dtype)
    assert {each.dtype for each in passes(normalization, x, dy, gain, shift, 1e-5)} == {np.dtype(dtype)}
    np.testing.assert_array_equal(x, before)
    assert {each.dtype for each in running_statistics(x)} == {np.dtype(dtype)}
    assert batch_eval(x, gain, gain**2)[0].dtype == dtype


# --- what it does not see ---


def test_what_each_is_blind_to():
    x = drawn()[0]
    of_units, of_inputs = np.array([0.5, 1, 2, 3, 9]), np.array([[0.5], [1], [2], [3], [9], [70]])
    for normalization, scale in ((BATCH, of_units), (LAYER, of_inputs), (RMS, of_inputs)):
        y = normalization.forward(x, eps=0)[0]
        np.testing.assert_allclose(normalization.forward(scale * x, eps=0)[0], y, rtol=1e-12)
        moved = normalization.forward(x + scale, eps=0)[0]
        assert np.allclose(moved, y, rtol=1e-10) == normalization.centred


def test_batch_normalization_is_blind_to_the_weights_scale_until_eps_matters():
    x, W = (np.random.default_rng(seed).standard_normal((8, 8)) for seed in (0, 1))
    y, small, tiny = (BATCH.forward(x @ (scale * W))[0] for scale in (1.0, 1e-1, 1e-6))
    np.testing.assert_allclose(small, y, rtol=1e-2)
    assert np.abs(tiny).max() < 1e-2


@every
def test_the_gradient_is_orthogonal_to_what_the_output_does_not_depend_on(normalization):
    x, dy, gain, shift = drawn()
    _, cache = normalization.forward(x, gain=gain, shift=shift, eps=0)
    dx = normalization.backward(dy, cache)[0]
    assert np.abs(dx).max() > 0.1
    np.testing.assert_allclose((dx * x).sum(axis=normalization.axis), 0, atol=1e-13)  # another scale: the same y
    total = np.abs(dx.sum(axis=normalization.axis))
    assert (total < 1e-13).all() if normalization.centred else (total > 1e-3).all()


def test_the_gradient_with_respect_to_weights_before_a_batch_normalization_is_orthogonal_to_them():
    x, dy, *_ = drawn(width=5)
    W = np.random.default_rng(1).standard_normal((5, 5))
    dWs = []
    for scale in (1.0, 4.0):
        dz = BATCH.backward(dy, BATCH.forward(x @ (scale * W), eps=0)[1])[0]
        dWs.append(x.T @ dz)
        np.testing.assert_allclose((W * dWs[-1]).sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(dWs[1], dWs[0] / 4, rtol=1e-10)  # large weights learn slowly


def test_with_a_batch_of_two_batch_normalization_is_a_sign():
    x, dy, *_ = drawn(batch=2)
    sign = np.sign(x - x.mean(axis=0))
    np.testing.assert_array_equal(BATCH.forward(x, eps=0)[0], sign)
    steepest = []
    for eps in (1e-3, 1e-5, 1e-7):
        y, cache = BATCH.forward(x, eps=eps)
        np.testing.assert_allclose(y, sign, atol=eps / np.ptp(x, axis=0).min() ** 2 * 4)
        steepest.append(np.abs(BATCH.backward(dy, cache)[0]).max())
    assert steepest[0] / steepest[1] == pytest.approx(100, rel=0.01)  # the gradient is proportional to eps
    assert steepest[1] / steepest[2] == pytest.approx(100, rel=0.01)


@every
def test_what_does_not_vary_gives_the_shift(normalization):
    x = np.zeros((4, 3)) if normalization is RMS else np.full((4, 3), 0.1)
    shift = [1.0, 2.0, 3.0]
    np.testing.assert_allclose(normalization.forward(x, shift=shift)[0], np.tile(shift, (4, 1)), rtol=1e-12)
    assert np.isnan(normalization.forward(np.zeros((4, 3)), eps=0)[0]).all()


# --- overflow is a result (and a warning would be an error here) ---


@every
@pytest.mark.parametrize("huge", [np.inf, -np.inf, np.nan, 1e200, 1e308])
def test_overflow_shows_where_it_is_and_nowhere_else(normalization, huge):
    x, dy, *_ = drawn()
    x[2, 3] = huge
    y, cache = normalization.forward(x)
    dx = normalization.backward(dy, cache)[0]
    affected = np.zeros((6, 5), dtype=bool)
    affected[(slice(None), 3) if normalization is BATCH else 2] = True
    np.testing.assert_array_equal(np.isnan(y), affected)  # in particular not 0, which would look vanished
    np.testing.assert_array_equal(np.isnan(dx), affected)


@every
def test_a_gradient_may_overflow(normalization):
    x, dy, *_ = drawn()
    y, cache = normalization.forward(1e-3 * x, eps=0)
    assert np.isfinite(y).all()
    assert not np.isfinite(normalization.backward(1e307 * dy, cache)[0]).all()


def test_statistics_that_overflow():
    mean, var = running_statistics(np.array([[1e200, 1.0], [-1e200, 1.0]]))
    np.testing.assert_allclose(var, [np.inf, 0.9])
    y, _ = batch_eval(np.ones((2, 2)), mean, var)
    np.testing.assert_array_equal(np.isnan(y), [[True, False]] * 2)


# --- what is not allowed ---


@every
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": -1e-5}, "eps must be a finite number >= 0, got -1e-05"),
        ({"eps": np.nan}, "eps must be a finite number >= 0, got nan"),
        ({"eps": None}, "eps must be a finite number >= 0, got None"),
        ({"x": np.zeros(5)}, r"x must have the shape \(..., batch, width\), got \(5,\)"),
        ({"x": np.zeros((3, 0))}, r"x must have the shape \(..., batch, width\), got \(3, 0\)"),
        ({"x": [["1", "2"]]}, "x must hold real numbers, got"),
        ({"x": np.zeros((3, 2), complex)}, "x must hold real numbers, got complex128"),
        (
            {"gain": np.ones(4)},
            r"gain must be a number or have the shape \(..., 5\) for x of shape \(6, 5\), got \(4,\)",
        ),
        ({"shift": np.ones((6, 6))}, r"shift must be a number or have the shape .* got \(6, 6\)"),
        ({"gain": "1"}, "gain must hold real numbers, got"),
    ],
)
def test_bad_arguments_are_named(normalization, changes, message):
    with pytest.raises(ValueError, match=message):
        normalization.forward(**({"x": drawn()[0]} | changes))


@pytest.mark.parametrize("shape", [(1, 5), (3, 1, 5), (0, 5)])
def test_one_value_a_channel_has_no_batch_statistics(shape):
    with pytest.raises(ValueError, match=r"more than one value a channel, got x of shape \(.*batch_eval"):
        BATCH.forward(np.zeros(shape))
    with pytest.raises(ValueError, match="more than one value a channel, got x of shape"):
        running_statistics(np.zeros(shape))
    assert LAYER.forward(np.zeros(shape))[0].shape == RMS.forward(np.zeros(shape))[0].shape == shape


@every
@pytest.mark.parametrize("shape", [(), (5,), (1, 5), (6, 4), (3, 6, 5)])
def test_a_gradient_of_another_shape(normalization, shape):
    _, cache = normalization.forward(drawn(2)[0])
    with pytest.raises(ValueError, match=r"dy has shape \(.*, y has \(2, 6, 5\)"):
        normalization.backward(np.zeros(shape), cache)
    with pytest.raises(ValueError, match=r"dy has shape \(.*, y has \(2, 6, 5\)"):
        batch_eval_backward(np.zeros(shape), cache)


def test_bad_statistics_are_named():
    x = drawn()[0]
    with pytest.raises(ValueError, match=r"mean must be a number or have the shape \(..., 5\) .* got \(6,\)"):
        batch_eval(x, np.zeros(6), np.ones(5))
    with pytest.raises(ValueError, match="var must hold numbers >= 0, got -1"):
        batch_eval(x, 0.0, [1.0, 1.0, -1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="eps must be a finite number >= 0, got inf"):
        batch_eval(x, 0.0, 1.0, eps=math.inf)
    with pytest.raises(ValueError, match="var must hold numbers >= 0, got -1"):
        running_statistics(x, 0.0, -1.0)
    with pytest.raises(ValueError, match="momentum must be a number from 0 to 1, got 2"):
        running_statistics(x, momentum=2)
    with pytest.raises(ValueError, match="momentum must be a finite number >= 0, got None"):
        running_statistics(x, momentum=None)
