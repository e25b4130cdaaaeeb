"""Mean-field predictions against closed forms, scipy's quadrature and simulated layers."""

import functools
import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from vgx import theory
from vgx.activation import activations
from vgx.network import Network

Q = np.array([1e-4, 0.1, 1.0, 10.0, 1e3])
SIGMA_W = {  # near the value that keeps gradients, where there is one
    "identity": 1.0,
    "sigmoid": 4.0,
    "tanh": 1.2,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2),
    "elu": 1.2,
    "selu": 1.0,
    "gelu": 1.5,
    "silu": 1.7,
    "softplus": 1.5,
}

every = pytest.mark.parametrize("name", activations)


def test_every_activation_is_tested():
    assert list(SIGMA_W) == list(activations)


@functools.cache
def by_quad(function, q):
    """E[g(√q z)²] by scipy, in panels that grow from 0 so that the narrow bend is not missed."""

    def integrand(z):
        return float(function(math.sqrt(q) * z)) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    edges = [0, 1e-4, 1e-3, 1e-2, 0.1, 1, 4, 12]
    sides = list(itertools.pairwise(edges))
    sides += [(-b, -a) for a, b in sides]
    return math.fsum(quad(integrand, *side, epsabs=1e-14, epsrel=1e-10)[0] for side in sides)


@every
def test_chi_and_variance_map_equal_scipy_quad(name):
    phi = activations[name]
    chi = theory.chi(activation=name, sigma_w=1.3, q=Q)
    np.testing.assert_allclose(chi, [1.69 * by_quad(phi.derivative, q) for q in Q], rtol=1e-9)
    next_q = theory.variance_map(Q, activation=name, sigma_w=1.3, sigma_b=0.5)
    np.testing.assert_allclose(next_q, [1.69 * by_quad(phi.f, q) + 0.25 for q in Q], rtol=1e-9)


def test_closed_forms():
    chi = functools.partial(theory.chi, sigma_w=1.5, q=Q)
    next_q = functools.partial(theory.variance_map, Q, sigma_w=1.5, sigma_b=0.5)
    for name, mean_square in [("identity", 1), ("relu", 1 / 2), ("leaky_relu", (1 + 0.01**2) / 2)]:
        np.testing.assert_allclose(chi(activation=name), 2.25 * mean_square, rtol=1e-12)
        np.testing.assert_allclose(next_q(activation=name), 2.25 * mean_square * Q + 0.25, rtol=1e-12)


def test_closed_form_of_the_error_function():
    # Williams 1997: E[erf(x)²] = (2/π) arcsin(2q/(1 + 2q)); E[erf′(x)²] = (4/π)/√(1 + 4q)
    from scipy.special import erf

    from vgx.activation import Activation

    phi = Activation("erf", r"\mathrm{erf} z", erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2)))
    expected = 2 / np.pi * np.arcsin(2 * Q / (1 + 2 * Q))
    np.testing.assert_allclose(theory.variance_map(Q, activation=phi, sigma_w=1.0), expected, rtol=1e-10)
    expected = 4 / np.pi / np.sqrt(1 + 4 * Q)
    np.testing.assert_allclose(theory.chi(activation=phi, sigma_w=1.0, q=Q), expected, rtol=1e-10)


C = np.array([-1, -0.7, 0, 0.3, 0.9, 0.999, 1])


def test_correlation_map_of_relu_and_identity():
    # Cho & Saul 2009, the arc-cosine kernel of degree 1; a leaky ReLU is a ReLU and a line
    angle = np.arccos(C)
    kernel = (np.sin(angle) + (np.pi - angle) * C) / (2 * np.pi)
    leaky = 0.99**2 * kernel + 0.01 * 0.99 * C + 0.01**2 * C
    for name, mean_product in [("relu", kernel), ("leaky_relu", leaky), ("identity", C)]:
        q = np.array([[0.3], [50.0]])
        next_c = theory.correlation_map(C, activation=name, sigma_w=1.3, sigma_b=0.2, q=q)
        expected = (1.69 * mean_product * q + 0.04) / (1.69 * mean_product[-1] * q + 0.04)
        np.testing.assert_allclose(next_c, expected, atol=1e-12)
    without_biases = theory.correlation_map(C, activation="relu", sigma_w=7.0, q=[[0.0], [1e-300], [1e300]])
    np.testing.assert_allclose(without_biases, np.tile(2 * kernel, (3, 1)), atol=1e-12)


def test_correlation_map_of_the_error_function():
    # Williams 1997: E[erf(u) erf(v)] = (2/π) arcsin(2qc/(1 + 2q))
    from scipy.special import erf

    from vgx.activation import Activation

    phi = Activation("erf", r"\mathrm{erf} z", erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2)))
    q = Q[:, None]
    covariance, variance = (4 * 2 / np.pi * np.arcsin(2 * q * c / (1 + 2 * q)) + 0.09 for c in (C, 1))
    next_c = theory.correlation_map(C, activation=phi, sigma_w=2.0, sigma_b=0.3, q=q)
    np.testing.assert_allclose(next_c, covariance / variance, atol=1e-9)


@every
def test_correlation_map_keeps_1_and_has_the_slope_chi(name):
    sigma_w, sigma_b = (1.2, 0.3) if name != "sigmoid" else (8.0, 0.3)
    q = theory.fixed_point(activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    q = 1.0 if np.isinf(q) else q
    at_1, near = theory.correlation_map([1, 1 - 1e-4], activation=name, sigma_w=sigma_w, sigma_b=sigma_b, q=q)
    assert at_1 == pytest.approx(1, abs=1e-11)
    slope = theory.chi(activation=name, sigma_w=sigma_w, q=q)
    slope *= q / theory.variance_map(q, activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    assert (1 - near) / 1e-4 == pytest.approx(slope, rel=0.02)  # a kink adds √(1 - c) to it


@every
def test_correlation_map_equals_simulated_layers(name):
    rng = np.random.default_rng(0)
    c, q, sigma_w, sigma_b, n = 0.6, 1.5, 1.3, 0.4, 1_000_000
    u, other = math.sqrt(q) * rng.standard_normal((2, n))
    v = c * u + math.sqrt(1 - c**2) * other
    phi = activations[name]
    products = sigma_w**2 * phi.f(u) * phi.f(v) + sigma_b**2
    variance = theory.variance_map(q, activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    error = products.std() / math.sqrt(n) / variance
    predicted = theory.correlation_map(c, activation=name, sigma_w=sigma_w, sigma_b=sigma_b, q=q)
    assert abs(products.mean() / variance - predicted) < 3 * error < 0.02


def test_correlations_outside_their_range_raise():
    for bad in (1.01, [0.5, -1.1], math.nan, "1"):
        with pytest.raises(ValueError, match=r"correlation must hold (finite )?numbers( from -1 to 1)?, got"):
            theory.correlation_map(bad, activation="tanh", sigma_w=1.0, q=1.0)
    with pytest.raises(ValueError, match="q must hold finite numbers >= 0, got inf"):
        theory.correlation_map(0.5, activation="tanh", sigma_w=1.0, q=math.inf)
    assert np.isnan(theory.correlation_map(0.5, activation="tanh", sigma_w=0.0, q=1.0))
    shape = theory.correlation_map(C[:, None], activation="tanh", sigma_w=[1.0, 2], q=np.ones((5, 1, 1))).shape
    assert shape == (5, 7, 2)


@functools.cache
def simulated_layers(n_draws=200, width=512, q=1.5, sigma_b=0.3):
    """Simulate a layer of each activation with the same draws: its factor on E‖grad‖² and its next q."""
    rng = np.random.default_rng(0)
    factors, next_variances = np.empty((2, n_draws, len(activations)))
    sigma_w = np.array(list(SIGMA_W.values()))
    for draw in range(n_draws):
        weights = rng.standard_normal((width, width), np.float32) / np.float32(math.sqrt(width))
        z = np.float32(math.sqrt(q)) * rng.standard_normal((4, width), np.float32)
        grad_next = rng.standard_normal((4, width), np.float32)
        back = grad_next @ weights.T
        grads = np.array([back * phi.derivative(z) for phi in activations.values()])
        factors[draw] = sigma_w**2 * (grads**2).sum(axis=(1, 2)) / (grad_next**2).sum()
        signals = np.concatenate([phi.f(z) for phi in activations.values()]) @ weights
        signals = signals.reshape(-1, *z.shape)
        next_z = sigma_w[:, None, None] * signals + sigma_b * rng.standard_normal(width)
        next_variances[draw] = (next_z**2).mean(axis=(1, 2))
    return factors, next_variances


@every
def test_chi_and_variance_map_equal_simulated_layers(name):
    """One layer of width 512, 200 draws of weights: within 3 standard errors and within 2 %."""
    chi = theory.chi(activation=name, sigma_w=SIGMA_W[name], q=1.5)
    next_q = theory.variance_map(1.5, activation=name, sigma_w=SIGMA_W[name], sigma_b=0.3)
    index = list(activations).index(name)
    for simulated, predicted in zip(simulated_layers(), [chi, next_q], strict=True):
        simulated = simulated[:, index]
        error = simulated.std(ddof=1) / math.sqrt(len(simulated))
        assert abs(simulated.mean() - predicted) < 3 * error
        assert abs(simulated.mean() - predicted) < 0.02 * predicted
        assert error < 0.01 * predicted  # else three of them would say little


@pytest.mark.parametrize(("name", "sigma_w", "sigma_b"), [("tanh", 1.6, 0.3), ("relu", 1.3, 0), ("gelu", 1.5, 0.1)])
def test_profile_equals_a_simulated_stack(name, sigma_w, sigma_b):
    rng = np.random.default_rng(0)
    phi, width, depth, n_nets = activations[name], 256, 6, 64
    scale = sigma_w / math.sqrt(width)
    weights = scale * rng.standard_normal((depth, n_nets, width, width))  # the first is not used
    biases = sigma_b * rng.standard_normal((depth, n_nets, 1, width))
    z = [rng.standard_normal((n_nets, 1, width))]
    for layer in range(1, depth):
        z.append(phi.f(z[-1]) @ weights[layer] + biases[layer])
    grads = [rng.standard_normal((n_nets, 1, width))]
    for layer in range(depth - 1, 0, -1):
        grads.insert(0, (grads[0] @ weights[layer].swapaxes(-1, -2)) * phi.derivative(z[layer - 1]))
    mean_squares = np.array([(grad**2).mean(axis=(1, 2)) for grad in grads])
    ratios = mean_squares / mean_squares[-1].mean()
    error = ratios.std(axis=1, ddof=1) / math.sqrt(n_nets)
    predicted = theory.gradient_profile(1.0, depth=depth, activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    assert (np.abs(ratios.mean(axis=1) - predicted**2)[:-1] < 3 * error[:-1]).all()
    assert (error < 0.05 * predicted**2).all()


def test_profile_is_the_product_of_the_factors():
    depth, q = 5, 2.0
    expected = [1.0]
    variances = [q]
    for _ in range(depth - 2):
        variances.append(theory.variance_map(variances[-1], activation="tanh", sigma_w=1.8, sigma_b=0.2))
    for variance in reversed(variances):
        chi = theory.chi(activation="tanh", sigma_w=1.8, q=variance)
        expected.insert(0, expected[0] * math.sqrt(chi))
    profile = theory.gradient_profile(q, depth=depth, activation="tanh", sigma_w=1.8, sigma_b=0.2)
    np.testing.assert_allclose(profile, expected, rtol=1e-13)


def test_profile_of_relu():
    profile = theory.gradient_profile([1.0, 7.0], depth=30, activation="relu", sigma_w=1.0)
    np.testing.assert_allclose(profile, np.broadcast_to(2.0 ** (-np.arange(29, -1, -1) / 2), (2, 30)), rtol=1e-12)
    assert (theory.gradient_profile(1.0, depth=1, activation="relu", sigma_w=1.0) == [1]).all()


def test_shapes_broadcast():
    q, sigma_w = np.ones((3, 1), np.float32), np.array([1.0, 1.5])
    profile = theory.gradient_profile(q, depth=4, activation="tanh", sigma_w=sigma_w, sigma_b=0.1)
    assert profile.shape == (3, 2, 4)
    assert profile.dtype == np.float64
    one = theory.gradient_profile(1.0, depth=4, activation=activations["tanh"], sigma_w=1.5, sigma_b=0.1)
    np.testing.assert_allclose(profile[1, 1], one, rtol=1e-14)
    assert theory.chi(activation="tanh", sigma_w=sigma_w, q=q).shape == (3, 2)
    assert theory.variance_map(q, activation="tanh", sigma_w=sigma_w, sigma_b=np.ones((5, 1, 1))).shape == (
        5,
        3,
        2,
    )


def test_factors_below_the_range_of_floats_come_back():
    # q underflows to 0 on the way, where χ is the limit q → 0⁺
    profile = theory.gradient_profile(1.0, depth=2000, activation="relu", sigma_w=1.0)
    assert profile[0] == pytest.approx(2.0 ** (-1999 / 2), rel=1e-10)
    assert (profile > 0).all()


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus"])
def test_overflow_is_a_result(name):
    profile = theory.gradient_profile([0, 1, 1e300, np.inf], depth=300, activation=name, sigma_w=20.0, sigma_b=1.0)
    assert np.isinf(profile[:, 0]).all()
    assert not np.isnan(profile).any()
    assert (profile[:, -1] == 1).all()
    if name != "identity":  # a large signal sees one half of the inputs at slope 0 or nearly
        assert theory.chi(activation="relu", sigma_w=1.0, q=np.inf) == pytest.approx(0.5, rel=1e-12)


@every
def test_the_ends(name):
    q = np.array([0, 1, 1e300, np.inf])
    assert (theory.gradient_profile(q, depth=3, activation=name, sigma_w=0.0)[:, :-1] == 0).all()
    assert theory.variance_map(q, activation=name, sigma_w=0, sigma_b=2.0).tolist() == [4, 4, 4, 4]
    is_bounded = name in ("sigmoid", "tanh")
    next_q = theory.variance_map(np.inf, activation=name, sigma_w=2.0)
    assert next_q == (pytest.approx(2 if name == "sigmoid" else 4) if is_bounded else math.inf)
    slope_at_0 = activations[name].derivative(np.array([-1e-12, 1e-12]))
    chi = theory.chi(activation=name, sigma_w=1.0, q=0)
    assert chi == pytest.approx((slope_at_0**2).mean(), rel=1e-9)


@pytest.mark.parametrize("bad", [-1, math.nan, "1", None, [1.0, -0.1], 1j])
def test_bad_numbers_raise(bad):
    for function in (theory.variance_map, theory.chi, functools.partial(theory.gradient_profile, depth=3)):
        for arguments in ({"q": bad, "sigma_w": 1.0}, {"q": 1.0, "sigma_w": bad}):
            with pytest.raises(ValueError, match=r"(q|sigma_w) must hold (finite )?numbers >= 0, got"):
                function(activation="tanh", **arguments)
        with pytest.raises(ValueError, match="sigma_w must hold finite numbers >= 0, got inf"):
            function(activation="tanh", q=1.0, sigma_w=math.inf)
        with pytest.raises(ValueError, match="unknown activation 'tanhh'; there are: tanh"):
            function(activation="tanhh", q=1.0, sigma_w=1.0)
    with pytest.raises(ValueError, match="sigma_b must hold finite numbers >= 0"):
        theory.variance_map(1.0, activation="tanh", sigma_w=1.0, sigma_b=bad)
    with pytest.raises(ValueError, match="depth must be a whole number >= 1"):
        theory.gradient_profile(1.0, depth=bad, activation="tanh", sigma_w=1.0)


@pytest.mark.parametrize("name", ["identity", "relu", "tanh", "gelu"])
@pytest.mark.parametrize(("skip", "branch"), [(1.0, 1.0), (0.8, 0.6), (-1.0, 0.3), (1.0, 0.0), (0.0, 0.7)])
def test_a_block_adds_the_squares_of_the_skip_and_of_the_branch(name, skip, branch):
    """Its moments are those of scipy's quadrature; the profile is the product of the blocks' factors."""
    phi, block = activations[name], {"activation": name, "sigma_w": 1.3, "skip": skip, "branch": branch}
    for q in (0.1, 2.0):
        end, slope = 1.69 * by_quad(phi.f, q) + 0.25, 1.69 * by_quad(phi.derivative, q)
        next_q = theory.variance_map(q, sigma_b=0.5, **block)
        assert next_q == pytest.approx(skip**2 * q + branch**2 * end, rel=1e-9)
        assert theory.chi(q=q, **block) == pytest.approx(skip**2 + branch**2 * slope, rel=1e-9)
        profile = theory.gradient_profile(q, depth=3, sigma_b=0.5, **block)
        expected = [theory.chi(q=q, **block) * theory.chi(q=next_q, **block), theory.chi(q=next_q, **block), 1]
        np.testing.assert_allclose(profile**2, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["identity", "relu", "tanh", "gelu"])
def test_a_stack_of_blocks_equals_the_network(name):
    """Stream and gradient of 200 residual networks: within 4 standard errors of the prediction."""
    rng, width, depth, block = np.random.default_rng(1), 128, 8, {"skip": 0.9, "branch": 0.7}
    net = Network.sample(depth=depth, width=width, activation=name, initializer="lecun_normal", scale=1.4,
                         bias_std=0.2, n_nets=200, rng=rng, **block)  # fmt: skip
    trace = net.forward(rng.standard_normal((200, 1, width)))
    grads = net.backward(trace, rng.standard_normal((200, 1, width)))
    q = [1.4**2 + 0.2**2]
    for _ in range(depth - 1):
        q.append(theory.variance_map(q[-1], activation=name, sigma_w=1.4, sigma_b=0.2, **block))
    squares = np.array([np.mean(z**2, axis=(1, 2)) for z in trace.pre_activations])
    error = squares.std(axis=1, ddof=1) / math.sqrt(200)
    assert (np.abs(squares.mean(axis=1) - q) < 4 * error).all()
    assert (error < 0.04 * np.array(q)).all()
    profile = theory.gradient_profile(q[0], depth=depth, activation=name, sigma_w=1.4, sigma_b=0.2, **block)
    squares = np.array([np.sum(dz**2, axis=(1, 2)) for dz in grads.pre_activations])
    ratio = squares.mean(axis=1) / squares[-1].mean()
    error = (squares / squares[-1]).std(axis=1, ddof=1) / math.sqrt(200) + 1e-9
    assert (np.abs(ratio - profile**2) < 4 * error + 0.01 * profile**2).all()


def test_what_is_multiplied_by_0_may_be_infinite():
    block = {"activation": "relu", "sigma_w": 1.0}
    assert theory.variance_map(np.inf, skip=1.0, branch=0.0, **block) == np.inf
    assert theory.variance_map(np.inf, skip=0.0, branch=0.0, **block) == 0
    profile = theory.gradient_profile([1.0, 1e300], depth=300, activation="relu", sigma_w=20.0, skip=1.0)
    assert np.isinf(profile[:, 0]).all()
    assert not np.isnan(profile).any()
    for function in (theory.variance_map, theory.chi, functools.partial(theory.gradient_profile, depth=3)):
        for factor in ("skip", "branch"):
            with pytest.raises(ValueError, match=f"{factor} must be a finite number, got nan"):
                function(q=1.0, **block, **{factor: math.nan})
