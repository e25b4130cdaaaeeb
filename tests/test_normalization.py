"""Normalizations against torch, finite differences and what they must leave unchanged."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from vgx.normalization import normalizations

TORCH = {
    "batch": lambda x, gain, shift, eps: functional.batch_norm(x, None, None, gain, shift, training=True, eps=eps),
    "layer": lambda x, gain, shift, eps: functional.layer_norm(x, x.shape[-1:], gain, shift, eps),
    "rms": lambda x, gain, shift, eps: functional.rms_norm(x, x.shape[-1:], gain, eps) + shift,
}

every = pytest.mark.parametrize("normalization", normalizations.values(), ids=list(normalizations))


def drawn(*leading, batch=6, width=5, seed=0):
    """x, dy, gain and shift."""
    rng = np.random.default_rng(seed)
    x, dy = 3 * rng.standard_normal((2, *leading, batch, width)) + [[1.0]]
    gain, shift = rng.standard_normal((2, width))
    return x, dy, gain, shift


def autograd(name, x, dy, gain, shift, eps):
    """The oracle: y, dx, dgain, dshift."""
    x, gain, shift = (torch.tensor(array, requires_grad=True) for array in (x, gain, shift))
    y = TORCH[name](x, gain, shift, eps)
    return [each.detach().numpy() for each in (y, *torch.autograd.grad((y * torch.tensor(dy)).sum(), (x, gain, shift)))]


# --- against torch ---


def test_registry_holds_the_three():
    assert list(normalizations) == list(TORCH)


@every
@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(2, 8),
    width=st.integers(1, 8),
    size=st.sampled_from([1e-6, 1e-2, 1.0, 1e4]),
    constant=st.booleans(),
    eps=st.sampled_from([1e-1, 1e-3, 1e-5, 1e-8, 1e-12]),
    seed=st.integers(0, 2**32 - 1),
)
def test_forward_and_backward_agree_with_autograd(normalization, batch, width, size, constant, eps, seed):
    x, dy, gain, shift = drawn(batch=batch, width=width, seed=seed)
    x *= size
    if constant:
        x[:, 0], x[0] = x[0, 0], x[0, 0]  # a unit that is the same for all inputs, and an input the same in all units
    y, cache = normalization.forward(x, gain=gain, shift=shift, eps=eps)
    wanted = autograd(normalization.name, x, dy, gain, shift, eps)
    steepest = 1 / math.sqrt(eps)  # what an error of rounding in x, or a gradient, is multiplied by at most
    for got, want in zip((y, *normalization.backward(dy, cache)), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10 * max(1, 1e-4 * size * steepest, 1e-2 * steepest))
