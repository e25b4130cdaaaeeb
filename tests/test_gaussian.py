"""Gaussian expectations against closed forms."""

import numpy as np
import pytest
from scipy.special import erf, erfcx

from vgx.activation import activations
from vgx.gaussian import expectation, pair_expectation


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


C = np.array([-1, -0.999, -0.5, 0, 0.3, 0.9, 0.999, 1 - 1e-8, 1])
VARIANCES = np.array([1e-8, 1e-4, 1, 100, 1e4])[:, None]


def test_pairs_of_powers_kinks_and_jumps():
    q, angle = VARIANCES, np.arccos(C)
    ones = pair_expectation(lambda u, v: np.ones_like(u), q, C)
    np.testing.assert_allclose(ones, np.ones((5, 9)), rtol=1e-12)
    np.testing.assert_allclose(pair_expectation(lambda u, v: u**2 * v**2, q, C), q**2 * (1 + 2 * C**2), rtol=1e-12)
    # Cho & Saul 2009: the arc-cosine kernels of degree 0 and 1
    both = pair_expectation(lambda u, v: (u > 0) & (v > 0), q, C)
    np.testing.assert_allclose(both, np.tile((np.pi - angle) / (2 * np.pi), (5, 1)), atol=1e-12)
    ramps = pair_expectation(lambda u, v: np.maximum(u, 0) * np.maximum(v, 0), q, C)
    np.testing.assert_allclose(
        ramps / q, np.tile(np.sin(angle) + (np.pi - angle) * C, (5, 1)) / (2 * np.pi), atol=1e-12
    )


def test_pairs_of_bends_at_every_variance():
    q = VARIANCES
    product = pair_expectation(lambda u, v: erf(u) * erf(v), q, C)
    np.testing.assert_allclose(product, 2 / np.pi * np.arcsin(2 * q * C / (1 + 2 * q)), atol=1e-9)
    # both near 0: E[exp(-u² - v²)] = 1/√((1 + 2q)² - (2qc)²)
    product = pair_expectation(lambda u, v: np.exp(-(u**2) - v**2), q, C)
    np.testing.assert_allclose(product, 1 / np.sqrt((1 + 2 * q) ** 2 - (2 * q * C) ** 2), rtol=1e-9)


def test_pairs_take_any_shape_and_any_number():
    assert pair_expectation(np.multiply, 1.0, 0.5).shape == ()
    assert pair_expectation(np.multiply, np.ones((3, 1)), np.zeros((0,))).shape == (3, 0)
    many = np.linspace(-1, 1, 70)
    np.testing.assert_allclose(pair_expectation(np.multiply, 2.0, many), 2 * many, atol=1e-12)
    np.testing.assert_allclose(pair_expectation(lambda u, v: u**2 * v, [0, 3], 1), 0, atol=1e-12)


def test_pairs_outside_their_range_raise():
    for bad in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"variance must hold finite numbers >= 0, got"):
            pair_expectation(np.multiply, bad, 0)
    for bad in (-1.01, [0.5, 2], np.nan):
        with pytest.raises(ValueError, match=r"correlation must hold numbers from -1 to 1, got"):
            pair_expectation(np.multiply, 1, bad)
