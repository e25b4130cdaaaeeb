"""Lesson 05: what its sentences say, against the labs that they speak of and against closed forms."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tests.lessons.prose import said
from vgx import activations, theory
from vgx.lessons.resnet_skips import labs, measure, measure_branch

LESSON = "05_resnet_skips"


# ---------------------------------------------------------------- gradient-highway


def highway(scale, activation, branch, quantity="gradient"):
    """Plain and with skips after 50 layers: the first gradient over the last one, or where the signal ends."""
    data = labs.gradient_highway.data(depth=50, scale=scale, activation=activation, branch=branch)
    return data[quantity][:, 1, 0 if quantity == "gradient" else -1]


def power(value):
    return round(float(np.log10(value)))


def test_what_is_to_be_seen_in_the_highway():
    assert said(LESSON, "the first gradient is $10^{-31}$ of the last one. With skips it is 1.7 times as long.")
    plain, residual = highway(1.0, "sigmoid", 1.0)
    assert (power(plain), round(residual, 1)) == (-31, 1.7)
    assert said(LESSON, "Plain: 0.84. With skips $10^7$, and the signal, too, ends at $10^7$.")
    plain, residual = highway(1.0, "relu", 1.0)
    assert (round(plain, 2), power(residual), power(highway(1.0, "relu", 1.0, "signal")[1])) == (0.84, 7, 7)
    assert said(LESSON, "The first gradient is 1.3 times the last one, the signal ends at 1.8.")
    assert round(highway(1.0, "relu", 0.1)[1], 1) == 1.3
    assert round(highway(1.0, "relu", 0.1, "signal")[1], 1) == 1.8
    assert said(LESSON, "The plain gradient runs from $10^{-30}$ to $10^{29}$, the residual one from 1 to 41.")
    ends = [highway(scale, "relu", 0.1) for scale in (0.25, 4.0)]
    assert [power(plain) for plain, _ in ends] == [-30, 29]
    assert [round(residual) for _, residual in ends] == [1, 41]
    assert said(LESSON, "with $\\beta = 0.3$ and scale 4 you are at $10^9$.")
    assert power(highway(4.0, "relu", 0.3)[1]) == 9
    assert said(LESSON, "tanh, scale 4, $\\beta = 1$. Plain $10^9$, with skips $10^5$.")
    assert [power(value) for value in highway(4.0, "tanh", 1.0)] == [9, 5]
    assert labs.gradient_highway.truth() == pytest.approx(24.5 * math.log10(2), abs=0.1)
    assert said(LESSON, "49 doublings are $2^{24.5} = 10^{7.4}$ on the norm")
    assert 24.5 * math.log10(2) == pytest.approx(7.4, abs=0.05)


RULES = {  # for your head: norm of the first gradient over the last one's, with skips
    "relu": lambda L, s, b: (1 + b**2 * s**2) ** ((L - 1) / 2),
    "gelu": lambda L, s, b: (1 + b**2 * s**2) ** ((L - 1) / 2),
    "tanh": lambda L, s, b: math.exp(0.53 * s * (math.sqrt(1 + b**2 * L) - 1)),
    "sigmoid": lambda L, s, b: math.exp(0.13 * s * (math.sqrt(1 + b**2 * L / 2) - 1)),
}


SIGNALS = {  # and what is said of the signal's end
    "relu": lambda L, s, b, z: 1 / 1.7 < z / (math.sqrt(2) * s * RULES["relu"](L, s, b)) < 1.4,
    "gelu": lambda L, s, b, z: 1 / 1.7 < z / (math.sqrt(2) * s * RULES["gelu"](L, s, b)) < 1.4,
    "tanh": lambda L, s, b, z: z < s * math.sqrt(1 + b**2 * L),
    "sigmoid": lambda L, s, b, z: z < s * math.sqrt(1 + b**2 * L / 2),
}


@pytest.mark.parametrize("activation", RULES)
def test_the_rules_for_the_head_hold_in_every_state_of_the_lab(activation):
    assert said(LESSON, "| relu | $(1 + \\beta^2 s^2)^{(L-1)/2}$ | $\\sqrt2\\,s$ times that |")
    assert said(LESSON, "| tanh | about $e^{0.53\\,s\\,(\\sqrt{1 + \\beta^2 L}\\,-\\,1)}$ |")
    assert said(LESSON, "| sigmoid | about $e^{0.13\\,s\\,(\\sqrt{1 + \\beta^2 L/2}\\,-\\,1)}$ |")
    assert said(LESSON, "tanh's rule is within a factor of 1.6, but for $\\beta = 1$ with $s = 4$, where")
    assert said(LESSON, "by up to 11; the sigmoid's is within 10 %, relu's and gelu's within 40 %.")
    within = {"relu": 1.4, "gelu": 1.4, "tanh": 1.6, "sigmoid": 1.1}[activation]
    scales = (0.25, 0.5, 1.0, 2.0, 4.0)
    for branch in (0.1, 0.3, 1.0):
        many = measure.gradient_highway((5, 20, 50), scales, activation, branch)
        for depth, row, ends_at in zip((5, 20, 50), many["gradient"], many["signal"], strict=True):
            for s, found, signal in zip(scales, row, ends_at, strict=True):
                assert SIGNALS[activation](depth, s, branch, signal[1, 1, -1])
                off = RULES[activation](depth, s, branch) / found[1, 1, 0]
                if (activation, s, branch) == ("tanh", 4.0, 1.0):
                    assert 1 < off < 11
                else:
                    assert 1 / within < off < within, (depth, s, branch, off)


def test_tanh_grows_flat_as_its_stream_grows():
    assert said(LESSON, "$\\operatorname{E}[\\varphi'^2] \\approx 0.53/\\sqrt q$ for large $q$")
    area = integrate.quad(lambda z: np.cosh(z) ** -4, -20, 20)[0]
    assert area / math.sqrt(2 * math.pi) == pytest.approx(0.53, abs=0.003)
    assert theory.chi(activation="tanh", sigma_w=1.0, q=400.0) == pytest.approx(0.53 / 20, rel=0.02)


# ---------------------------------------------------------------- degradation


def wrong(depth, network, norm, rate="best"):
    """Percent of the training images at the end: median, least and most of five seeds."""
    error = labs.degradation.data(depth=depth, network=network, norm=norm, rate=rate)["error"][:, -1]
    return [float(f(error)) for f in (np.median, np.min, np.max)]


def shallow(norm, network="plain"):
    data = labs.degradation.data(depth=56, network=network, norm=norm, rate="best")
    return float(np.median(data["shallow"][:, -1]))


def test_what_is_to_be_seen_of_degradation():
    assert said(LESSON, "56 % of the training images are wrong (46 to 62 over five seeds). Two layers get 1.4 % wrong.")
    assert [round(value) for value in wrong(56, "plain", "none")] == [56, 46, 62]
    assert round(shallow("none"), 1) == 1.4
    assert said(LESSON, "At 8, 20 and 32 layers: 2.6, 20 and 39 %.")
    ends = [wrong(depth, "plain", "none")[0] for depth in (8, 20, 32)]
    assert ends == pytest.approx([2.6, 20, 39], abs=0.5)
    assert said(LESSON, "*network* residual: 2.4 % (2.0 to 3.1).")
    assert [round(value, 1) for value in wrong(56, "residual", "none")] == [2.4, 2.0, 3.1]
    assert said(LESSON, "batch: 81 % (78 to 86), worse than without.")
    assert [round(value) for value in wrong(56, "plain", "batch")] == [81, 78, 86]
    assert said(LESSON, "residual, batch: 1.2 %, less than its own 2 layers (2.0 %).")
    assert round(wrong(56, "residual", "batch")[0], 1) == 1.2
    assert round(shallow("batch"), 1) == 2.0
    assert said(LESSON, "At 56 layers only this one, He's combination, gains by its depth.")
    gains = [
        (network, norm)
        for network in ("plain", "residual", "mirrored")
        for norm in ("none", "batch")
        if wrong(56, network, norm)[0] < shallow(norm, network)
    ]
    assert gains == [("residual", "batch")]
    assert said(LESSON, "the best single run of 56 plain layers still gets 46 % wrong, while the worst run of 2 layers")
    rates = ("0.004", "0.02", "0.1")
    every = [labs.degradation.data(depth=56, network="plain", norm=n, rate=r) for n in ("none", "batch") for r in rates]
    assert round(min(data["error"][:, -1].min() for data in every)) == 46
    assert round(max(data["shallow"][:, -1].max() for data in every)) == 11
    assert said(LESSON, "*network* mirrored: 2.2 %, and there is no skip in it.")
    assert round(wrong(56, "mirrored", "none")[0], 1) == 2.2
    assert said(LESSON, "at rate 0.1, He's, the mirrored networks fail (89 %)")
    assert round(wrong(56, "mirrored", "none", "0.1")[0]) == 89
    for norm in ("none", "batch"):
        by_rate = [wrong(56, "residual", norm, rate)[0] for rate in rates]
        assert by_rate[2] == min(by_rate)


def test_mirrored_weights_let_the_stream_through():
    rng = np.random.default_rng(0)
    A, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    z = rng.normal(size=(3, 4))
    seen = np.maximum(np.concatenate([z, -z], axis=1), 0) @ np.block([[A, -A], [-A, A]])
    np.testing.assert_allclose(seen, np.concatenate([z @ A, -z @ A], axis=1), atol=1e-12)


# ---------------------------------------------------------------- branch-scale


def scaled(way, blocks=50, activation="relu"):
    return labs.branch_scale.data(way=way, blocks=blocks, activation=activation)


def ends(data):
    return data["variance"][1, -1], data["gradient"][1, 0]


def test_what_is_to_be_seen_of_branches():
    assert said(LESSON, "after 17 blocks the line leaves the figure; after 50 both are at $10^{15}$.")
    data = scaled("plain_sum")
    assert [power(value) for value in ends(data)] == [15, 15]
    top = 10 ** labs.branch_scale.figure(way="plain_sum", blocks=50, activation="relu").layout.yaxis.range[1]
    assert (data["variance"][1, :17] < top).all()
    assert data["variance"][1, 18] > top
    assert said(LESSON, "2.7 for signal and gradient. Move $L$ to 10: 2.6.")
    assert ends(scaled("branch_/√L")) == pytest.approx((2.7, 2.75), abs=0.01)
    assert ends(scaled("branch_/√L", 10)) == pytest.approx((2.62, 2.64), abs=0.01)
    assert said(LESSON, "*normalized branch*: 51 and 178.")
    assert [round(value) for value in ends(scaled("normalized_branch"))] == [51, 178]
    assert said(LESSON, "the variance is only 109, the squared gradient $10^5$: exploding.")
    variance, gradient = ends(scaled("plain_sum", activation="tanh"))
    assert (round(variance), power(gradient)) == (109, 5)
    assert gradient**0.5 > 100
    assert said(LESSON, "the median ends at 5.7 (5–95 %: 0.3 to 52), theory says 1;")
    gelu = scaled("sum_/√2", activation="gelu")
    assert gelu["variance"][:, -1] == pytest.approx([0.3, 5.7, 52], rel=0.1)
    assert gelu["variance_theory"][-1] == pytest.approx(1, abs=0.01)
    assert theory.variance_slope(1.0, activation="gelu", sigma_w=activations["gelu"].gain) > 1


def test_the_table_of_branches():
    assert said(LESSON, "| 0.59 (the mean of the draws is 1.02), 1.06 |")
    data = scaled("sum_/√2")
    assert ends(data) == pytest.approx((0.59, 1.06), abs=0.005)
    assert data["mean_variance"][-1] == pytest.approx(1.02, abs=0.005)
    assert said(LESSON, "| $(1 + 1/L)^l$, at the end e | 2.70, 2.75 |")
    assert measure_branch.predicted("branch_/√L", 1000, "relu")["variance_theory"][-1] == pytest.approx(
        math.e, rel=0.001
    )
    assert said(LESSON, "| $(1 + 1/L^2)^l$, at the end $1 + 1/L$ | 1.02, 1.02 |")
    assert ends(scaled("branch_/L")) == pytest.approx((1.02, 1.02), abs=0.005)
    assert ends(scaled("branch_0")) == pytest.approx((1, 1), abs=0.005)
    assert said(LESSON, "Theory's product is 153 for a large batch; the lab has 64 inputs.")
    normalized = scaled("normalized_branch")
    assert normalized["gradient_theory"][0] == pytest.approx(153, abs=0.5)
    np.testing.assert_allclose(normalized["variance_theory"], 1 + np.arange(51))
    assert said(LESSON, "the power is about $\\pi/(\\pi - 1) = 1.47$")
    assert math.pi / (math.pi - 1) == pytest.approx(1.467, abs=0.001)
    over_batch = 1 + np.arange(1_000_000) * (1 - 1 / math.pi)
    product = np.cumsum(np.log1p(1 / over_batch))
    assert (product[-1] - product[9_999]) / math.log(100) == pytest.approx(1.467, abs=0.002)


# ---------------------------------------------------------------- paths


def test_what_is_to_be_seen_of_paths():
    lengths = np.arange(51)

    def shares(branch, activation="relu"):
        found = labs.paths.data(depth=50, branch=branch, activation=activation)["median"]
        return found / found.sum()

    assert said(LESSON, "90 % of the squared gradient comes on paths of 19 to 31.")
    bell = shares(1.0)
    assert bell @ lengths == pytest.approx(25, abs=0.1)
    assert lengths[np.searchsorted(bell.cumsum(), [0.05, 0.95])].tolist() == [19, 31]
    assert said(LESSON, "Paths of at most 10 carry less than $10^{-4}$ of it.")
    assert bell[:11].sum() < 1e-4
    assert said(LESSON, "$\\beta = 0.3$: mean 4.1. $\\beta = 0.1$: 0.5, and 61 % comes by the skips alone.")
    assert shares(0.3) @ lengths == pytest.approx(4.1, abs=0.05)
    assert shares(0.1) @ lengths == pytest.approx(0.5, abs=0.05)
    assert shares(0.1)[0] == pytest.approx(0.61, abs=0.01)
    assert said(LESSON, "tanh, $\\beta = 1$: mean 6.8, not 25.")
    assert shares(1.0, "tanh") @ lengths == pytest.approx(6.8, abs=0.05)


def test_veits_paths_are_those_of_branches_of_a_half():
    assert said(LESSON, "most of the gradient came on paths of 5 to 17 blocks. By the law above, which adds")
    law = stats.binom(54, 0.5**2 / (1 + 0.5**2))
    assert law.cdf(17) - law.cdf(4) > 0.9


# ---------------------------------------------------------------- shattered gradients


def alike(depth, variant="plain", weights="he", bias=0.0, name="median"):
    """Correlation at distance 1/4."""
    return float(labs.shattered_gradients.data(depth=depth, variant=variant, weights=weights, bias=bias)[name][3])


def test_what_is_to_be_seen_of_shattering():
    depths = (1, 3, 10, 24, 50)
    assert said(LESSON, "At distance 1/4 the correlation goes 0.96, 0.87, 0.65, 0.49, 0.23.")
    assert [round(alike(depth), 2) for depth in depths] == [0.96, 0.87, 0.65, 0.49, 0.23]
    assert said(
        LESSON, "*variant* plain batchnorm: 0.70, 0.43, −0.02, −0.02, −0.01. From 24 layers on even the nearest"
    )
    assert [round(alike(depth, "plain_batchnorm"), 2) for depth in depths] == [0.70, 0.43, -0.02, -0.02, -0.01]
    for depth in (24, 50):
        found = labs.shattered_gradients.data(depth=depth, variant="plain_batchnorm", weights="he", bias=0.0)["median"]
        assert abs(found[0]) < 0.05
    assert said(LESSON, "residual batchnorm: 0.27 at 50 layers. residual without normalization: 0.41.")
    assert round(alike(50, "residual_batchnorm"), 2) == 0.27
    assert round(alike(50, "residual"), 2) == 0.41
    assert said(LESSON, "Xavier with *bias size* 0.3: 0.74 at 50 layers.")
    assert round(alike(50, weights="xavier", bias=0.3), 2) == 0.74
    assert alike(50, weights="xavier") == pytest.approx(alike(50), abs=1e-3)
    assert said(LESSON, "have, in theory, a correlation of 0.42:")
    assert alike(24, name="theory") == pytest.approx(0.42, abs=0.005)


def test_angles_shrink_as_the_lesson_says():
    assert said(LESSON, "$1/\\theta_l \\approx 1/\\theta + l/(3\\pi)$ for small ones")
    theta, angle = 0.1, 0.1
    for _ in range(100):
        c = math.cos(angle)
        angle = math.acos((math.sqrt(1 - c**2) + c * (math.pi - angle)) / math.pi)
    assert 1 / angle == pytest.approx(1 / theta + 100 / (3 * math.pi), rel=0.01)


# ---------------------------------------------------------------- what is often said, and the end


def test_two_blocks_that_let_nothing_through():
    assert said(LESSON, "$J = \\begin{pmatrix}-1 & \\frac12\\\\ 0 & -1\\end{pmatrix}$ two blocks let nothing through")
    block = np.eye(2) + np.array([[-1, 0.5], [0, -1]])
    assert block.any()
    assert not (block @ block).any()


def test_batchnorms_factor_and_the_cosine_of_random_images():
    assert said(LESSON, "but who is near whom is lost, and the gradient grows by 1.21 a layer")
    mean, square = (integrate.quad(lambda z, k=k: z**k * stats.norm.pdf(z), 0, 10)[0] for k in (1, 2))
    assert mean**2 / square == pytest.approx(1 / math.pi)
    assert math.sqrt(0.5 / (square - mean**2)) == pytest.approx(1.21, abs=0.002)


def test_fifty_words_are_a_fiftieth_power():
    assert said(LESSON, "What it stretches by 1.1 it stretches by 117, what it shrinks by 0.9 it shrinks by 0.005,")
    assert round(1.1**50) == 117
    assert round(0.9**50, 3) == 0.005
