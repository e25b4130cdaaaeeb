"""Gaussian expectations against closed forms."""

import numpy as np
import pytest
from scipy.special import erfcx

from vgx.activation import activations
from vgx.gaussian import expectation


def test_expectation_of_powers_and_steps():
    q = np.array([1e-4, 0.1, 1, 10, 1e4])
    np.testing.assert_allclose(expectation(np.ones_like, q), 1, rtol=1e-12)
    np.testing.assert_allclose(expectation(lambda z: z**4, q), 3 * q**2, rtol=1e-12)
    np.testing.assert_allclose(expectation(np.abs, q), np.sqrt(2 * q / np.pi), rtol=1e-12)
    np.testing.assert_allclose(expectation(lambda z: z > 0, q), 0.5, rtol=1e-12)
    np.testing.assert_allclose(expectation(np.sin, q), 0, atol=1e-12)


def test_expectation_resolves_a_narrow_bend_at_huge_variance():
    q = np.array([1e-6, 1, 1e4, 1e6, 1e8])
    # E[exp(-x²/2)] = 1/√(1 + q), and E[exp(-|x|)] = exp(q/2) erfc(√(q/2)): as narrow as φ′ of sigmoid
    np.testing.assert_allclose(expectation(lambda x: np.exp(-(x**2) / 2), q), 1 / np.sqrt(1 + q), rtol=1e-12)
    np.testing.assert_allclose(expectation(lambda x: np.exp(-np.abs(x)), q), erfcx(np.sqrt(q / 2)), rtol=1e-12)


def test_expectation_keeps_the_shape_and_takes_any_number_of_variances():
    assert expectation(np.square, 2.0).shape == ()
    assert expectation(np.square, np.ones((2, 1, 3))).shape == (2, 1, 3)
    assert expectation(np.square, np.ones((0, 2))).shape == (0, 2)
    many = np.linspace(0, 5, 10_000)
    np.testing.assert_allclose(expectation(lambda z: z**4, many), 3 * many**2, rtol=1e-12, atol=1e-300)


def test_expectation_at_the_ends():
    ends = np.array([0, np.inf, np.nan])
    relu, tanh = activations["relu"], activations["tanh"]
    np.testing.assert_allclose(expectation(lambda z: relu.f(z) ** 2, ends), [0, np.inf, np.nan], atol=1e-300)
    np.testing.assert_allclose(expectation(lambda z: relu.derivative(z) ** 2, ends), [0.5, 0.5, np.nan])
    np.testing.assert_allclose(expectation(lambda z: tanh.f(z) ** 2, ends), [0, 1, np.nan], atol=1e-300)
    np.testing.assert_allclose(expectation(lambda z: tanh.derivative(z) ** 2, ends), [1, 0, np.nan])
    with pytest.raises(ValueError, match=r"variance must hold numbers >= 0, got \[1, -1\]"):
        expectation(np.square, [1, -1])
