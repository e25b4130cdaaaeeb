"""Fixed and critical points against brute force: maps iterated with another quadrature, scipy, simulated stacks."""

import functools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, fsolve
from scipy.special import erf

from vgx import theory
from vgx.activation import Activation, activations

every = pytest.mark.parametrize("name", activations)

Z = np.linspace(-10, 10, 20_001)
DENSITY = np.exp(-(Z**2) / 2) / math.sqrt(2 * math.pi)


def by_trapezoid(function, q):
    """E[g(√q z)] by the plain trapezoidal rule: not the quadrature of the package. Its error is below 1e-5 here."""
    return np.trapezoid(function(np.sqrt(q)[..., None] * Z) * DENSITY, Z)


def iterate(q, name, sigma_w, sigma_b, layers):
    """Follow q through so many layers, with the other quadrature."""
    phi = activations[name]
    for _ in range(layers):
        with np.errstate(over="ignore", invalid="ignore"):
            q = sigma_w**2 * by_trapezoid(lambda z: phi.f(z) ** 2, q) + sigma_b**2
    return q


@every
def test_fixed_point_is_where_the_iterated_map_ends(name):
    sigma_w, sigma_b = np.broadcast_arrays(np.array([0.5, 1.1, 1.3, 1.6, 2.5, 12.0]), np.array([[0.0], [0.5]]))
    q = theory.fixed_point(activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    iterated = iterate(np.ones_like(sigma_w), name, sigma_w, sigma_b, 150)
    slope = theory.variance_slope(np.where(np.isinf(q), 1.0, q), activation=name, sigma_w=sigma_w)
    assert (slope[np.isfinite(q)] < 0.99).all()  # so that 150 layers are enough
    np.testing.assert_allclose(np.where(iterated < 1e8, iterated, np.inf), q, rtol=3e-4, atol=1e-4)
    np.testing.assert_allclose(
        theory.variance_map(q, activation=name, sigma_w=sigma_w, sigma_b=sigma_b), q, rtol=1e-11, atol=1e-300
    )


def test_fixed_points_in_closed_form():
    q = theory.fixed_point(activation="relu", sigma_w=1.2, sigma_b=[0, 1e-9, 0.3, 100])
    np.testing.assert_allclose(q, np.array([0, 1e-9, 0.3, 100]) ** 2 / (1 - 0.72), rtol=1e-11)
    # at the edge every q is a fixed point; beyond, and with biases, there is none
    assert theory.fixed_point(activation="relu", sigma_w=math.sqrt(2), start=[0.3, 7]).tolist() == [0.3, 7]
    assert theory.fixed_point(activation="relu", sigma_w=[math.sqrt(2), 1.5], sigma_b=[0.1, 0]).tolist() == [np.inf] * 2
    assert theory.fixed_point(activation="tanh", sigma_w=[1.0, 0.9, 0.0], start=[1, 1e6, 5]).tolist() == [0, 0, 0]
    assert theory.fixed_point(activation="tanh", sigma_w=0.0, sigma_b=2.0) == 4
    # just beyond the edge: V(q) = σ_w² (q - 2 q² + 17/3 q³)
    sigma_w = math.sqrt(1 + 1e-4)
    q = theory.fixed_point(activation="tanh", sigma_w=sigma_w)
    assert q == pytest.approx((1 - 1 / sigma_w**2) / 2 + 17 / 6 * (0.5e-4) ** 2, rel=1e-6)


def test_the_fixed_point_of_error_function():
    # Williams 1997: q = σ_w² (2/π) arcsin(2q/(1 + 2q)) + σ_b²
    phi = Activation("erf", r"\mathrm{erf} z", erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2)))
    expected = brentq(lambda q: 4 * 2 / math.pi * math.asin(2 * q / (1 + 2 * q)) + 0.09 - q, 0.1, 10, xtol=1e-14)
    assert theory.fixed_point(activation=phi, sigma_w=2.0, sigma_b=0.3) == pytest.approx(expected, rel=1e-12)


def test_which_fixed_point_depends_on_the_start():
    # GELU between √2 and 2: a small signal dies out, a large one explodes; what lies between repels both
    below, above = 1.0, 2.0
    q = theory.fixed_point(activation="gelu", sigma_w=1.5, start=[1e-3, below, above, 1e5])
    assert q.tolist() == [0, 0, np.inf, np.inf]
    for _ in range(50):
        middle = (below + above) / 2
        dies = theory.fixed_point(activation="gelu", sigma_w=1.5, start=middle) == 0
        below, above = (middle, above) if dies else (below, middle)
    assert theory.variance_map(middle, activation="gelu", sigma_w=1.5) == pytest.approx(middle, rel=1e-10)
    assert theory.variance_slope(middle, activation="gelu", sigma_w=1.5) > 1
    assert iterate(np.array([0.9, 1.1]) * middle, "gelu", 1.5, 0.0, 200).round(3)[0] == 0
    assert iterate(np.array([0.9, 1.1]) * middle, "gelu", 1.5, 0.0, 200)[1] > 1e4


@every
def test_the_map_increases_so_that_the_way_is_one_way(name):
    phi = activations[name]
    q = np.logspace(-8, 8, 400)
    assert (np.diff(theory.variance_map(q, activation=phi, sigma_w=1.0)) > 0).all()


@every
def test_slope_is_the_derivative_of_the_map(name):
    q = np.array([1e-3, 0.1, 1.0, 10.0, 1e3])
    step = 1e-4 * q
    ahead, behind = (theory.variance_map(q + s, activation=name, sigma_w=1.3) for s in (step, -step))
    slope = theory.variance_slope(q, activation=name, sigma_w=1.3)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)
    at_0 = theory.variance_slope(0.0, activation=name, sigma_w=1.3)
    expected = {"sigmoid": 1.69 / 16, "softplus": 1.69 * (1 / 4 + math.log(2) / 4)}  # φ′(0)² + φ(0) φ″(0)
    assert at_0 == pytest.approx(expected.get(name, theory.chi(activation=name, sigma_w=1.3, q=0)), rel=1e-6)


def bisect_by_quad(sigma_b):
    """Solve q = V(q) and χ = 1 for tanh, both integrals by scipy."""

    def mean(function, q):
        integral, _ = quad(lambda z: function(math.sqrt(q) * z) * math.exp(-z * z / 2), -12, 12, epsabs=1e-13)
        return integral / math.sqrt(2 * math.pi)

    def equations(unknowns):
        weight_variance, q = unknowns
        signal, slope = mean(lambda x: math.tanh(x) ** 2, q), mean(lambda x: math.cosh(x) ** -4, q)
        return weight_variance * signal + sigma_b**2 - q, weight_variance * slope - 1

    return fsolve(equations, [1.5, 0.5], xtol=1e-13)


@pytest.mark.parametrize("bias_variance", [0.01, 0.05, 0.3])
def test_critical_tanh_equals_scipy(bias_variance):
    point = theory.critical_point(activation="tanh", sigma_b=math.sqrt(bias_variance))
    np.testing.assert_allclose([point.sigma_w**2, point.q], bisect_by_quad(math.sqrt(bias_variance)), rtol=1e-9)
    if bias_variance == 0.05:
        assert round(point.sigma_w**2, 4) == 1.7610  # Schoenholz et al. 2016 say 1.76


def test_critical_points_in_closed_form():
    for name, weight_variance in [("identity", 1), ("relu", 2), ("leaky_relu", 2 / (1 + 0.01**2))]:
        assert theory.critical_point(activation=name).sigma_w ** 2 == pytest.approx(weight_variance, rel=1e-12)
    phi = Activation("erf", r"\mathrm{erf} z", erf, lambda z: 2 / math.sqrt(math.pi) * np.exp(-(z**2)))
    assert theory.critical_point(activation=phi).sigma_w ** 2 == pytest.approx(math.pi / 4, rel=1e-12)
    q = brentq(lambda q: (q - 0.09) * 2 / (math.asin(2 * q / (1 + 2 * q)) * math.sqrt(1 + 4 * q)) - 1, 0.1, 10)
    assert theory.critical_point(activation=phi, sigma_b=0.3).q == pytest.approx(q, rel=1e-10)
    # φ = exp(-z²/2): E[φ²] = 1/√(1 + 2q), E[φ′²] = q/(1 + 2q)^(3/2), hence q² = 1 + 2q
    bump = Activation("bump", "e^{-z^2/2}", lambda z: np.exp(-(z**2) / 2), lambda z: -z * np.exp(-(z**2) / 2))
    point = theory.critical_point(activation=bump)
    q = 1 + math.sqrt(2)
    assert (point.q, point.sigma_w**2) == pytest.approx((q, q * math.sqrt(1 + 2 * q)), rel=1e-10)


# σ_w, q and stability for σ_b = 0, √0.05, 1/2, 1. What each row claims is tried by brute force below.
CRITICAL = {
    "identity": [(1, 1, True), (1, np.inf, True), (1, np.inf, True), (1, np.inf, True)],
    "sigmoid": [(10.149, 45.62, True), (10.155, 45.73, True), (10.179, 46.17, True), (10.265, 47.80, True)],
    "tanh": [(1, 0, True), (1.327, 0.5700, True), (1.550, 1.318, True), (1.856, 3.036, True)],
    "relu": [(1.414, 1, True), (1.414, np.inf, True), (1.414, np.inf, True), (1.414, np.inf, True)],
    "leaky_relu": [(1.414, 1, True), (1.414, np.inf, True), (1.414, np.inf, True), (1.414, np.inf, True)],
    "elu": [(1, 0, True), (1.238, 1.301, True), (1.306, 4.887, True), (1.358, 21.78, True)],
    "selu": [(0.690, 0, True), (0.950, 0.8273, True), (1.050, 2.556, True), (1.148, 8.399, True)],
    "gelu": [(2, 0, False), (1.517, 0.7220, False), (1.400, 6.434, True), (1.406, 82.31, True)],
    "silu": [(2, 0, False), (1.652, 0.8266, False), (1.457, 4.428, False), (1.403, 39.39, True)],
    "softplus": [None, None, None, None],
}
SIGMA_B = [0.0, math.sqrt(0.05), 0.5, 1.0]
ROWS = [(name, *row) for name, rows in CRITICAL.items() for row in zip(SIGMA_B, rows, strict=True)]


@pytest.mark.parametrize(("name", "sigma_b", "expected"), ROWS)
def test_critical_point_of_every_activation(name, sigma_b, expected):
    point = theory.critical_point(activation=name, sigma_b=sigma_b)
    if expected is None:
        assert point is None
        return
    assert (point.sigma_w, point.q) == pytest.approx(expected[:2], abs=5e-4, rel=5e-4)
    assert point.stable is expected[2]
    # q stays and χ is 1, by the other quadrature
    phi = activations[name]
    if np.isinf(point.q):
        deviations = iterate(np.array([1.0, 2.0]), name, point.sigma_w, sigma_b, 300)
        np.testing.assert_allclose(deviations, np.array([1, 2]) + 300 * sigma_b**2, rtol=0.01)
        assert point.sigma_w**2 * by_trapezoid(lambda z: phi.derivative(z) ** 2, 7.0) == pytest.approx(1, rel=1e-3)
        return
    q = max(point.q, 1e-8)
    assert point.sigma_w**2 * by_trapezoid(lambda z: phi.derivative(z) ** 2, q) == pytest.approx(1, rel=2e-3)
    assert iterate(np.array(q), name, point.sigma_w, sigma_b, 1) == pytest.approx(q, rel=1e-3)
    # a deviation grows with depth where the point is not stable, and only there
    start = np.array([0.9, 1.1]) * point.q if point.q else np.array([0.0, 0.05])
    end = iterate(start, name, point.sigma_w, sigma_b, 40)
    assert (np.ptp(end) > 1.05 * np.ptp(start)) == (not point.stable)


@every
@pytest.mark.parametrize("sigma_b", SIGMA_B)
def test_the_whole_curve_crosses_1_once_and_there(name, sigma_b):
    """χ at q*(σ_w), for σ_w from 0.1 to 20: it rises through 1 at the critical σ_w, or jumps over 1 where q* leaves."""
    sigma_w = np.geomspace(0.1, 20, 400)
    q = theory.fixed_point(activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    chi = theory.chi(activation=name, sigma_w=sigma_w, q=q)
    crossing = np.flatnonzero((chi[1:] > 1) != (chi[:-1] > 1))
    assert len(crossing) == 1
    border = sigma_w[crossing[0]], sigma_w[crossing[0] + 1]
    point = theory.critical_point(activation=name, sigma_b=sigma_b)
    jumps = chi[crossing[0] + 1] - chi[crossing[0]] > 0.1
    if point is not None and point.stable:
        assert border[0] <= point.sigma_w <= border[1] * (1 + 1e-9)
        assert not jumps
    elif point is None:  # softplus: χ < 1 up to √2, where q leaves for inf
        assert border[0] <= math.sqrt(2) <= border[1]
        assert q[crossing[0]] > 20
        assert np.isinf(q[crossing[0] + 1])
    else:  # GELU, SiLU: the signal jumps from a small q to inf, and never rests at the critical point
        assert jumps
        assert np.isinf(q[crossing[0] + 1])


def test_of_several_critical_points_the_one_with_the_smallest_weights():
    # the "derivative" is none, but makes χ = 1 at two fixed points: 3q = (1 + q)^(3/2)
    phi = Activation("?", "?", lambda z: np.sqrt(1 + z**2), lambda z: math.sqrt(3) * np.exp(-(z**2) / 4))
    first, second = (brentq(lambda q: 3 * q - (1 + q) ** 1.5, *ends) for ends in [(0.1, 2), (2, 20)])
    assert first < second
    point = theory.critical_point(activation=phi)
    assert (point.q, point.sigma_w) == pytest.approx((first, math.sqrt(first / (1 + first))), rel=1e-9)


# near the edge where there is one, and where the signal comes to rest at a q > 0
AT_REST = {
    "identity": (0.95, 0.3),
    "sigmoid": (10.0, 0.5),
    "tanh": (1.33, 0.22),
    "relu": (1.35, 0.3),
    "leaky_relu": (1.35, 0.3),
    "elu": (1.24, 0.22),
    "selu": (1.0, 0.0),
    "gelu": (1.39, 0.5),
    "silu": (1.4, 1.0),
    "softplus": (1.2, 0.3),
}
DEPTH = 8


@functools.cache
def simulated_stacks(width, n_nets):
    """Simulate 8 layers of each activation, at rest: E‖grad‖² of the first layer over that of the last, a network."""
    rng = np.random.default_rng(0)
    chunk = min(n_nets, 2**20 // width**2)
    ratios = {name: [] for name in AT_REST}
    for _ in range(0, n_nets, chunk):
        weights = rng.standard_normal((DEPTH, chunk, width, width), np.float32) / np.float32(math.sqrt(width))
        biases = rng.standard_normal((DEPTH, chunk, 1, width), np.float32)
        first, last = rng.standard_normal((2, chunk, 1, width), np.float32)
        for name, (sigma_w, sigma_b) in AT_REST.items():
            phi, sigma_w = activations[name], np.float32(sigma_w)
            q = theory.fixed_point(activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
            z = [np.float32(math.sqrt(q)) * first]
            for layer in range(1, DEPTH):
                z.append(sigma_w * phi.f(z[-1]) @ weights[layer] + np.float32(sigma_b) * biases[layer])
            grad = last
            for layer in range(DEPTH - 1, 0, -1):
                grad = sigma_w * (grad @ weights[layer].swapaxes(-1, -2)) * phi.derivative(z[layer - 1])
            ratios[name].append((grad**2).sum(axis=(1, 2)) / (last**2).sum(axis=(1, 2)))
    return {name: np.concatenate(parts).astype(np.float64) for name, parts in ratios.items()}


def factor_a_layer(name, width, n_nets):
    """Measure the factor on E‖grad‖², its standard error, and what theory predicts at the fixed point."""
    ratios = simulated_stacks(width, n_nets)[name]
    sigma_w, sigma_b = AT_REST[name]
    q = theory.fixed_point(activation=name, sigma_w=sigma_w, sigma_b=sigma_b)
    assert 0 < q < 100
    assert theory.variance_slope(q, activation=name, sigma_w=sigma_w) < 1
    factor = ratios.mean() ** (1 / (DEPTH - 1))
    error = factor * ratios.std(ddof=1) / math.sqrt(len(ratios)) / ratios.mean() / (DEPTH - 1)
    return factor, error, float(theory.chi(activation=name, sigma_w=sigma_w, q=q))


@every
def test_chi_at_the_fixed_point_equals_simulated_stacks(name):
    """Width 512, 100 networks: within 3 standard errors and 2 %."""
    factor, error, chi = factor_a_layer(name, 512, 100)
    assert abs(factor - chi) < 3 * error
    assert abs(factor - chi) < 0.02 * chi
    assert error < 0.01 * chi


@every
def test_the_finite_width_correction(name):
    """At width n the factor is χ (1 + a/n): a = 1.6 for softplus, whose mean is far from 0, at most 0.3 for others."""
    width = 32
    factor, error, chi = factor_a_layer(name, width, 6000)
    a, spread = width * (factor / chi - 1), width * error / chi
    assert abs(a - (1.6 if name == "softplus" else 0)) < 0.3 + 3 * spread
    assert spread < 0.2


def test_the_depth_scale():
    # 2^(1/2) a layer: the mean squared gradient falls by e in 2/ln 2 layers
    scale = theory.depth_scale(activation="relu", sigma_w=[1.0, 2**0.25, math.sqrt(2), 2.0, 0.0], sigma_b=0.1)
    np.testing.assert_allclose(scale, [1 / math.log(2), 2 / math.log(2), np.inf, -1 / math.log(2), 0], rtol=1e-12)
    point = theory.critical_point(activation="tanh", sigma_b=0.3)
    assert theory.depth_scale(activation="tanh", sigma_w=point.sigma_w, sigma_b=0.3) > 1e9
    # deep down the profile falls by e a depth scale, in the square
    scale = float(theory.depth_scale(activation="tanh", sigma_w=1.2, sigma_b=0.3))
    profile = theory.gradient_profile(1.0, depth=200, activation="tanh", sigma_w=1.2, sigma_b=0.3)
    assert profile[100] / profile[150] == pytest.approx(math.exp(-25 / scale), rel=1e-6)
    # it is the correlation's, too: 1 - c falls by e a depth scale
    q = theory.fixed_point(activation="tanh", sigma_w=1.2, sigma_b=0.3)
    c = 1 - 1e-5
    for _ in range(3):
        c = theory.correlation_map(c, activation="tanh", sigma_w=1.2, sigma_b=0.3, q=q)
    assert (1 - c) / 1e-5 == pytest.approx(math.exp(-3 / scale), rel=1e-4)


def test_at_its_critical_point_the_gradient_of_tanh_falls_as_a_power():
    """Without biases q sinks like 1/(2l) at σ_w = 1, and the mean squared gradient with it: about 0.7/L."""
    for depth in (100, 400):
        q = 1.0
        for _ in range(depth - 1):
            q = theory.variance_map(q, activation="tanh", sigma_w=1.0)
        assert 2 * depth * q == pytest.approx(1, abs=0.05)
        profile = theory.gradient_profile(1.0, depth=depth, activation="tanh", sigma_w=1.0)
        assert depth * profile[0] ** 2 == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "1", None, 1j])
def test_bad_numbers_raise(bad):
    for function in (theory.fixed_point, theory.depth_scale):
        for key in ("sigma_w", "sigma_b", "start"):
            with pytest.raises(ValueError, match=rf"{key} must hold finite numbers >= 0, got"):
                function(**({"activation": "tanh", "sigma_w": 1.0} | {key: bad}))
    with pytest.raises(ValueError, match="sigma_b must be a finite number >= 0, got"):
        theory.critical_point(activation="tanh", sigma_b=bad)
    with pytest.raises(ValueError, match="q must hold finite numbers >= 0, got"):
        theory.variance_slope(bad, activation="tanh", sigma_w=1.0)
    with pytest.raises(ValueError, match="unknown activation 'tahn'; there are: tanh"):
        theory.critical_point(activation="tahn")
    with pytest.raises(ValueError, match="unknown activation 'tahn'; there are: tanh"):
        theory.fixed_point(activation="tahn", sigma_w=1.0)


def test_shapes_broadcast():
    q = theory.fixed_point(activation="tanh", sigma_w=[1.5, 2.0], sigma_b=np.ones((3, 1)), start=np.ones((4, 1, 1)))
    assert q.shape == (4, 3, 2)
    assert theory.fixed_point(activation="tanh", sigma_w=2.0, sigma_b=1.0) == pytest.approx(q[0, 0, 1], rel=1e-14)
    assert theory.fixed_point(activation="tanh", sigma_w=np.ones((0, 2))).shape == (0, 2)
    assert isinstance(theory.critical_point(activation="tanh").sigma_w, float)
