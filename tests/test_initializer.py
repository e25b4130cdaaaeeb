"""Initializers: their variance, shape and range, and what they refuse."""

import math
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm, uniform

from vgx.initializer import initializers
from vgx.registry import UnknownNameError

FAN_IN, FAN_OUT = 24, 40
VARIANCES = {
    "normal": 1,
    "uniform": 1 / 3,
    "lecun_normal": 1 / 24,
    "xavier_normal": 2 / 64,
    "xavier_uniform": 2 / 64,
    "he_normal": 2 / 24,
    "he_uniform": 2 / 24,
    "truncated_normal": 1,
    "orthogonal": 1 / 40,
    "zeros": 0,
    "constant": 1,
}

every = pytest.mark.parametrize("initializer", initializers.values(), ids=list(initializers))


def new_rng():
    return np.random.default_rng(7)


@every
def test_variance_is_the_formula(initializer):
    variance = VARIANCES[initializer.name]
    assert initializer.variance(FAN_IN, FAN_OUT) == pytest.approx(variance, rel=1e-15)
    assert initializer.std(FAN_IN, FAN_OUT) == pytest.approx(math.sqrt(variance), rel=1e-15)


def test_registry_holds_the_eleven():
    assert list(initializers) == list(VARIANCES)
    with pytest.raises(UnknownNameError, match="unknown initializer 'he'; there are:"):
        initializers["he"]


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fans", [(FAN_IN, FAN_OUT), (FAN_OUT, FAN_IN), (1, 5), (5, 1), (1, 1)])
def test_draws_have_the_variance(initializer, dtype, fans):
    n_draws = 60_000 // math.prod(fans)
    scale = 1.7
    weights = initializer.sample((n_draws, *fans), rng=new_rng(), scale=scale, dtype=dtype)
    assert weights.dtype == dtype
    assert weights.shape == (n_draws, *fans)
    assert weights.flags.c_contiguous
    weights = weights.astype(float)
    mean_square = (weights**2).mean(axis=(1, 2))
    error = mean_square.std(ddof=1) / math.sqrt(n_draws)
    expected = scale**2 * initializer.variance(*fans)
    assert abs(mean_square.mean() - expected) <= 4 * error + 1e-6 * expected
    mean = weights.mean(axis=(1, 2))
    expected_mean = scale if initializer.name == "constant" else 0
    assert abs(mean.mean() - expected_mean) <= 4 * mean.std(ddof=1) / math.sqrt(n_draws) + 1e-6


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sample_is_the_unit_draw_times_scale_and_std(initializer, dtype):
    shape = (2, 3, FAN_IN, FAN_OUT)
    unit = initializer.draw_unit(shape, rng=new_rng(), dtype=dtype)
    sample = initializer.sample(shape, rng=new_rng(), scale=0.3, dtype=dtype)
    np.testing.assert_allclose(sample, 0.3 * initializer.std(FAN_IN, FAN_OUT) * unit, rtol=1e-6)
    assert unit.dtype == dtype


@every
def test_seeds_reproduce_and_draws_differ(initializer):
    rng = new_rng()
    first, second = (initializer.sample((FAN_IN, FAN_OUT), rng=rng) for _ in range(2))
    np.testing.assert_array_equal(first, initializer.sample((FAN_IN, FAN_OUT), rng=new_rng()))
    is_random = initializer.name not in ("zeros", "constant")
    assert (first != second).any() == is_random


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("normal", "norm"),
        ("uniform", uniform(-1, 2).cdf),
        ("he_uniform", uniform(-math.sqrt(6 / 8), 2 * math.sqrt(6 / 8)).cdf),
        ("truncated_normal", truncnorm(-2, 2, scale=1 / truncnorm(-2, 2).std()).cdf),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distribution(name, distribution, dtype):
    weights = initializers[name].sample((300, 8, 8), rng=new_rng(), dtype=dtype)
    assert kstest(weights.ravel(), distribution).pvalue > 0.01


def test_truncated_normal_ends_at_two_sd_of_its_parent():
    weights = initializers["truncated_normal"].sample((100, 50, 50), rng=new_rng())
    end = 2 / truncnorm(-2, 2).std()
    assert 0.999 * end < np.abs(weights).max() <= end * (1 + 1e-14)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(30, 30), (30, 12), (12, 30), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_orthogonal(fan_in, fan_out, dtype, tolerance):
    w = initializers["orthogonal"].sample((3, fan_in, fan_out), rng=new_rng(), scale=2.0, dtype=dtype)
    transposed = w.swapaxes(-2, -1)
    gram = transposed @ w if fan_in >= fan_out else w @ transposed
    np.testing.assert_allclose(gram, np.broadcast_to(4 * np.eye(len(gram[0])), gram.shape), atol=4 * tolerance)


def test_orthogonal_has_the_size_of_torch():
    ours = initializers["orthogonal"].sample((30, 12), rng=new_rng(), scale=1.5)
    torchs = torch.nn.init.orthogonal_(torch.empty(30, 12, dtype=torch.float64), gain=1.5).numpy()
    np.testing.assert_allclose(np.linalg.norm(ours, 2), np.linalg.norm(torchs, 2), rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ours), np.linalg.norm(torchs), rtol=1e-12)


def test_orthogonal_is_haar_distributed():
    # a Haar-distributed orthogonal matrix has E[trace²] = 1 and a symmetric first entry; without the sign
    # fix LAPACK's R has negative diagonal entries and Q's first entries are all negative
    q = initializers["orthogonal"].sample((20_000, 3, 3), rng=new_rng())
    trace = np.trace(q, axis1=1, axis2=2)
    assert (trace**2).mean() == pytest.approx(1, abs=0.05)
    assert trace.mean() == pytest.approx(0, abs=0.03)
    assert q[:, 0, 0].mean() == pytest.approx(0, abs=0.02)
    assert np.linalg.det(q).mean() == pytest.approx(0, abs=0.03)


def test_constant_and_zeros():
    assert (initializers["constant"].sample((2, 3), rng=new_rng(), scale=0.25) == 0.25).all()
    assert (initializers["zeros"].sample((2, 3), rng=new_rng(), scale=0.25) == 0).all()


@every
def test_scale_zero_gives_zeros(initializer):
    assert (initializer.sample((4, 5), rng=new_rng(), scale=0) == 0).all()


def test_overflow_is_a_result():
    weights = initializers["normal"].sample((4, 5), rng=new_rng(), scale=1e200, dtype=np.float32)
    assert np.isinf(weights).all()


@every
def test_pickles(initializer):
    assert pickle.loads(pickle.dumps(initializer)) == initializer


@every
def test_latex_is_balanced(initializer):
    assert initializer.latex.count("{") == initializer.latex.count("}")


@every
@pytest.mark.parametrize("shape", [(), (3,), 3, "33", (0, 3), (3, -1), (2.5, 3), (2, True), (2, math.nan), None])
def test_bad_shapes_raise(initializer, shape):
    for draw in (initializer.sample, initializer.draw_unit):
        with pytest.raises(ValueError, match="shape"):
            draw(shape, rng=new_rng())


@every
@pytest.mark.parametrize("scale", [-1, math.nan, math.inf, "1", None, True])
def test_bad_scales_raise(initializer, scale):
    with pytest.raises(ValueError, match="scale must be a finite number >= 0, got"):
        initializer.sample((2, 3), rng=new_rng(), scale=scale)


@every
def test_other_bad_arguments_raise(initializer):
    for rng in (0, None, np.random.RandomState(0), np.random):
        with pytest.raises(ValueError, match=r"rng must be a numpy\.random\.Generator"):
            initializer.sample((2, 3), rng=rng)
    for dtype in (np.int64, np.float16, complex, "tensor"):
        with pytest.raises(ValueError, match=r"unknown dtype .*; there are: .*float32"):
            initializer.sample((2, 3), rng=new_rng(), dtype=dtype)
    for fans in [(0, 3), (3, -1), (1.5, 3), (math.nan, 3), ("3", 3)]:
        with pytest.raises(ValueError, match=r"fan_(in|out) must be a whole number >= 1"):
            initializer.variance(*fans)
        with pytest.raises(ValueError, match=r"fan_(in|out) must be a whole number >= 1"):
            initializer.std(*fans)
