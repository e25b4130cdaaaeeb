"""Lesson 05, shattered gradients: against autograd, finite differences, wide-network theory and the recording."""

import re

import numpy as np
import pytest
import torch

from vgx import Network, theory
from vgx.lessons.resnet_skips import draw, draw_shattering, labs, measure, measure_shattering
from vgx.lessons.resnet_skips.measure_shattering import BIASES, DEPTHS, DISTANCES, LAGS, POSITIONS, VARIANTS, WEIGHTS
from vgx.lessons.resnet_skips.record import RECORDINGS

QUARTER = 3  # of the distances
LARGEST_EPS = 1e-3  # by which two float32 computations of a correlation differ


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("shattered-gradients")


def drawn(variant, *, depth=4, bias=0.3, width=16, seed=0):
    rng = np.random.default_rng(seed)
    net = Network.sample(depth=depth, width=width, activation="relu", initializer="he_normal", bias_std=bias,
                         **VARIANTS[variant], rng=rng)  # fmt: skip
    return net, rng.standard_normal((9, width)), rng.standard_normal((1, width))


def at(recorded, distance=QUARTER, name="median", **state):
    state = {"depth": 24, "variant": "plain", "weights": "he", "bias": 0.0} | state
    return recorded(**state)[name][distance]


# ---------------------------------------------------------------- the gradient and the correlation


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_input_gradient_is_autograds(variant):
    net, x, readout = drawn(variant)
    inputs, z = torch.tensor(x, requires_grad=True), None
    h = inputs
    for W, b in zip(net.weights, net.biases, strict=True):
        branch = h @ torch.tensor(W) + torch.tensor(b)
        z = z + branch if "residual" in variant and z is not None else branch
        y = torch.nn.functional.batch_norm(z, None, None, training=True, eps=1e-5) if "batchnorm" in variant else z
        h = torch.relu(y)
    expected = torch.autograd.grad((h * torch.tensor(readout)).sum(), inputs)[0]
    np.testing.assert_allclose(measure_shattering.input_gradient(net, x, readout), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_slope_is_the_finite_difference_of_the_summed_output(variant):
    net, x, readout = drawn(variant, seed=1)
    along, step = np.random.default_rng(2).standard_normal(16), 1e-6

    def output(shift):
        moved = x.copy()
        moved[4] += shift * along
        return float(np.sum(net.forward(moved).activations[-1] * readout))

    slope = measure_shattering.input_gradient(net, x, readout)[4] @ along
    assert slope == pytest.approx((output(step) - output(-step)) / (2 * step), rel=1e-5, abs=1e-7)


def test_the_line_passes_by_the_origin_at_distance_1_and_is_measured_in_that_unit():
    through, along = measure_shattering.plane(np.random.default_rng(0))
    points = through + POSITIONS[:, None] * along
    sizes = np.linalg.norm(points, axis=1) / np.sqrt(measure_shattering.WIDTH)
    np.testing.assert_allclose(sizes, np.sqrt(1 + POSITIONS**2))
    for lag, distance in zip(LAGS, DISTANCES, strict=True):
        apart = np.linalg.norm(points[lag:] - points[:-lag], axis=1) / np.sqrt(measure_shattering.WIDTH)
        np.testing.assert_allclose(apart, distance)


def test_the_correlation_of_noises_is_known():
    rng, n = np.random.default_rng(0), len(POSITIONS)
    white = rng.standard_normal((n, 20_000))
    np.testing.assert_allclose(measure_shattering.correlation(white), 0, atol=0.005)
    brown = np.cumsum(white, axis=0) - white[0]
    np.testing.assert_allclose(measure_shattering.correlation(brown), draw_shattering.brown_correlation(), atol=0.03)
    same = np.ones((n, 5))
    np.testing.assert_allclose(measure_shattering.correlation(same), 1)


def test_a_line_through_the_origin_cannot_shatter_without_biases():
    net, _, readout = drawn("plain", depth=30, bias=0.0, width=64)
    along = np.random.default_rng(5).standard_normal(64)
    gradients = measure_shattering.input_gradient(net, POSITIONS[POSITIONS != 0, None] * along, readout)
    np.testing.assert_allclose(gradients[:64], np.broadcast_to(gradients[0], (64, 64)), atol=1e-12)
    np.testing.assert_allclose(gradients[64:], np.broadcast_to(gradients[-1], (64, 64)), atol=1e-12)


# ---------------------------------------------------------------- theory


def test_the_predicted_angles_are_the_books_correlation_map(monkeypatch):
    """On two inputs of one size, position -a and a, the closed form has to walk as `vgx.theory` does."""
    sigma_b, a = 0.7, POSITIONS[-1]
    q = 2 * (1 + a**2) + sigma_b**2
    c, expected = (2 * (1 - a**2) + sigma_b**2) / q, 1.0
    for _ in range(12):
        expected *= 1 - np.arccos(c) / np.pi
        c = float(theory.correlation_map(c, activation="relu", sigma_w=np.sqrt(2), sigma_b=sigma_b, q=q))
        q = float(theory.variance_map(q, activation="relu", sigma_w=np.sqrt(2), sigma_b=sigma_b))
    monkeypatch.setattr(measure_shattering, "LAGS", [len(POSITIONS) - 1])
    found = measure.predicted_correlation(12, sigma_b=sigma_b)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("variant", ["plain", "residual"])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("bias", BIASES)
def test_measured_correlations_follow_theory(recorded, variant, weights, bias):
    for depth in DEPTHS:
        data = recorded(depth=depth, variant=variant, weights=weights, bias=bias)
        np.testing.assert_allclose(data["median"], data["theory"], atol=0.1)
        inside = (data["low"] - 0.01 <= data["theory"]) & (data["theory"] <= data["high"] + 0.01)
        assert inside.all(), (depth, data["low"], data["theory"], data["high"])


def test_the_plain_network_decays_as_the_cube_of_its_depth_and_not_as_a_power_of_two():
    shallow, deep = measure.predicted_correlation(400)[-1], measure.predicted_correlation(800)[-1]
    assert np.log2(deep / shallow) == pytest.approx(-3, abs=0.1)


@pytest.mark.parametrize(("skip", "branch", "p"), [(0.0, 1.0, 1.0), (1.0, 1.0, 1 / 2), (1.0, 0.5, 1 / 5)])
def test_the_lessons_closed_form_holds_for_small_angles(skip, branch, p):
    angles = np.arctan(POSITIONS)  # of the points, seen from the origin
    for depth in (10, 24, 50):
        for k, lag in enumerate(LAGS[:4]):
            law = (1 + (1 + p * (depth - 1)) * (angles[lag:] - angles[:-lag]) / (3 * np.pi)) ** -3
            predicted = measure.predicted_correlation(depth, skip=skip, branch=branch)[k]
            assert predicted == pytest.approx(law.mean(), abs=0.02)


def test_a_residual_network_shatters_like_a_plain_one_of_half_its_depth():
    for depth in (24, 50, 200):
        residual, plain = measure.predicted_correlation(depth, skip=1.0), measure.predicted_correlation(depth // 2)
        np.testing.assert_allclose(residual, plain, atol=0.03)


def test_branches_of_one_over_the_root_of_depth_do_not_shatter_at_any_depth():
    found = [measure.predicted_correlation(depth, skip=1.0, branch=depth**-0.5)[QUARTER] for depth in (10, 100, 1000)]
    assert min(found) > 0.8
    assert max(found) - min(found) < 0.03


# ---------------------------------------------------------------- what the table says


def test_a_small_part_of_the_recording_is_computed_again():
    part = {"depth": [1, 3], "variant": ["residual", "plain_batchnorm"], "weights": ["xavier"], "bias": [0.3]}
    assert RECORDINGS.differences("shattered-gradients", part, rtol=2e-3, atol=2e-3) == []


def test_the_plain_network_shatters_in_part(recorded):
    decay = [at(recorded, depth=depth) for depth in DEPTHS]
    np.testing.assert_allclose(decay, [0.96, 0.87, 0.65, 0.49, 0.23], atol=0.01)
    assert at(recorded, distance=0, depth=50, name="low") > 0.5  # neighbours stay similar even at 50 layers


def test_without_biases_the_weights_scale_is_irrelevant(recorded):
    for depth in DEPTHS:
        he, xavier = (recorded(depth=depth, variant="plain", weights=w, bias=0.0) for w in WEIGHTS)
        for name in ("median", "low", "high", "theory"):
            np.testing.assert_allclose(he[name], xavier[name], atol=LARGEST_EPS)
    large = measure.shattering(10, "plain", "he", 0.0, scale=8.0, n_nets=3)  # a power of two: no other rounding
    once = measure.shattering(10, "plain", "he", 0.0, n_nets=3)
    np.testing.assert_allclose(large["median"], once["median"], atol=1e-6)


def test_biases_count_by_their_size_relative_to_the_signal(recorded):
    assert at(recorded, bias=0.3, depth=10) == pytest.approx(at(recorded, depth=10), abs=0.01)  # small against He's
    assert at(recorded, bias=3.0) > at(recorded) + 0.2
    # Xavier's signal halves its variance a layer: the same biases take over, and depth stops to matter
    taken = [at(recorded, weights="xavier", bias=0.3, depth=depth) for depth in (10, 24, 50)]
    np.testing.assert_allclose(taken, 0.74, atol=0.02)
    # ten times the inputs and ten times the biases is the same network
    base, theirs = measure.predicted_correlation(10, sigma_b=0.4), measure.predicted_correlation(10, sigma_b=4.0)
    assert base[QUARTER] < theirs[QUARTER] - 0.1


def test_batchnorm_shatters_fully_and_skips_save_it(recorded):
    plain, residual = ({"variant": f"{kind}_batchnorm"} for kind in ("plain", "residual"))
    for depth in (24, 50):
        white = recorded(depth=depth, weights="he", bias=0.0, **plain)
        assert np.abs(white["median"]).max() < 0.04  # white noise, as finely as the line is sampled
        assert at(recorded, distance=0, depth=depth, name="low", **residual) > 0.8
    survives = [at(recorded, depth=depth, **residual) for depth in DEPTHS]
    np.testing.assert_allclose(survives, [0.70, 0.62, 0.49, 0.37, 0.27], atol=0.01)
    np.testing.assert_allclose(
        [at(recorded, depth=depth, **plain) for depth in DEPTHS[:3]], [0.7, 0.43, -0.02], atol=0.01
    )


def test_the_skip_alone_is_mild(recorded):
    survives = [at(recorded, depth=depth, variant="residual") for depth in DEPTHS]
    np.testing.assert_allclose(survives, [0.96, 0.91, 0.78, 0.60, 0.41], atol=0.01)


def test_batchnorm_subtracts_the_biases_and_takes_out_the_scale(recorded):
    net, x, readout = drawn("plain_batchnorm", depth=6, bias=0.0)
    with_biases = drawn("plain_batchnorm", depth=6, bias=2.0)[0]
    gradient = measure_shattering.input_gradient(net, x, readout)
    np.testing.assert_allclose(
        measure_shattering.input_gradient(with_biases, x, readout), gradient, rtol=1e-8, atol=1e-9
    )
    for depth in DEPTHS:
        he, xavier = (recorded(depth=depth, variant="residual_batchnorm", weights=w, bias=0.0) for w in WEIGHTS)
        np.testing.assert_allclose(he["median"], xavier["median"], atol=LARGEST_EPS)


def test_with_batchnorm_the_gradients_of_a_batch_add_up_to_zero():
    net, x, readout = drawn("residual_batchnorm", depth=5)
    gradient = measure_shattering.input_gradient(net, x, readout)
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-10 * np.abs(gradient).max() * len(x))


def test_residual_batchnorm_shatters_like_a_plain_one_as_deep_as_the_harmonic_number(recorded):
    """Block l adds 1 to a variance of l: its branch carries 1/(l + 1), and of L layers 1 + 1/2 + ... 1/L count."""
    plain = measure.shattering((3, 4, 5), "plain_batchnorm", "he", 0.0, n_nets=5)["median"]
    for depth, less, more in ((10, 0, 0), (24, 0, 1), (50, 1, 2)):
        counted = np.sum(1 / np.arange(1, depth + 1))
        assert 2.9 + less <= counted <= 3 + more
        found = recorded(depth=depth, variant="residual_batchnorm", weights="he", bias=0.0)["median"][:4]
        slack = 0.07 if less == more else 0.03  # ten layers count as 2.93
        assert np.all(plain[more][:4] - 0.03 <= found)
        assert np.all(found <= plain[less][:4] + slack)


def test_a_line_as_its_own_batch_shatters_faster(recorded):
    alone = measure.shattering(10, "plain_batchnorm", "he", 0.0, others=0, n_nets=4)
    assert alone["median"][0] < at(recorded, distance=0, depth=10, variant="plain_batchnorm", name="low")


# ---------------------------------------------------------------- arguments, figure, sentence


def test_wrong_arguments_say_what_is_allowed():
    with pytest.raises(ValueError, match="unknown variant 'resnet'"):
        measure.shattering(3, "resnet", "he", 0.0)
    with pytest.raises(ValueError, match="unknown weights 'kaiming'"):
        measure.shattering(3, "plain", "kaiming", 0.0)
    with pytest.raises(ValueError, match="bias must be"):
        measure.shattering(3, "plain", "he", -1.0)


def test_several_depths_at_once_are_each_alone():
    together = measure.shattering((2, 5), "residual_batchnorm", "he", 0.0, n_nets=2, others=32)
    for k, depth in enumerate((2, 5)):
        alone = measure.shattering(depth, "residual_batchnorm", "he", 0.0, n_nets=2, others=32)
        for name, row in alone.items():
            np.testing.assert_allclose(together[name][k], row, atol=LARGEST_EPS, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_figure_and_the_sentence_show_the_data(recorded, variant):
    controls = {"depth": 50, "variant": variant, "weights": "he", "bias": 0.3}
    data = recorded(**controls)
    traces = {trace["name"]: trace for trace in draw.shattering(data, controls).data}
    assert len(traces) <= 8
    np.testing.assert_array_equal(traces["median"]["y"], data["median"])
    np.testing.assert_array_equal(traces["gradient"]["y"], data["slope"])
    np.testing.assert_array_equal(traces["theory"]["y"], data["theory"])
    text = draw.shattering_reading(data, controls)
    said = float(re.search(r"correlate by (−?[\d.]+)", text)[1].replace("−", "-"))
    assert said == pytest.approx(data["median"][QUARTER], abs=0.006)
    assert ("theory" in text) == ("batchnorm" not in variant)
    assert ("subtracts the biases" in text) == ("batchnorm" in variant)


@pytest.mark.parametrize(
    ("median", "expected"), [([0.9, 0.7, 0.3], 0.125), ([0.4, 0.3, 0.2], 0.0), ([0.9, 0.9, 0.6], np.inf)]
)
def test_the_half_distance_lies_on_the_line_between_two_points(median, expected):
    found = draw_shattering.half_distance(np.array(median))
    if expected == 0.125:  # half-way between 1/16 and 1/8 on the log axis
        assert found == pytest.approx(2**-3.5)
    else:
        assert found == expected


def test_the_answer_to_the_labs_question_is_unrelated():
    lab = labs.shattered_gradients
    assert draw.more_or_less_alike(lab.compute(**lab.predict.at), lab.predict.at) == "unrelated"
    plain = lab.predict.at | {"variant": "plain"}
    assert lab.compute(**plain)["theory"][QUARTER] == pytest.approx(0.4, abs=0.03)  # as the question says
    assert draw.more_or_less_alike(lab.compute(**plain), plain) == "as before"
