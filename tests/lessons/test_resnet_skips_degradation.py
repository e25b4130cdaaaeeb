"""Lesson 05, degradation: the networks against autograd's and the theory's oracles, and what the recording holds."""

import math
import re

import numpy as np
import pytest
import torch

from tests.mnist import needs_mnist
from vgx.lessons.resnet_skips import draw, labs
from vgx.lessons.resnet_skips import draw_degradation as drawn
from vgx.lessons.resnet_skips import measure_degradation as measured
from vgx.lessons.resnet_skips.record import RECORDINGS

DEPTHS, NETWORKS, NORMS = measured.DEGRADATION_DEPTHS, measured.NETWORKS, measured.NORMS
STATE = {"depth": 56, "network": "plain", "norm": "none", "rate": "best"}


def net(depth, network="plain", norm="none", **more):
    return measured.degradation_network(depth, network, norm, **more)


def inputs(n=64, seed=0, width=196):
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


# ---------------------------------------------------------------- the networks


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("norm", NORMS)
def test_depth_counts_layers_of_weights(network, norm):
    linear = [m for m in net(7, network, norm).modules() if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(196, 32), *[(32, 32)] * 5, (32, 10)]
    assert all(not m.bias.any() for m in linear)
    again, other = (net(7, network, norm, seed=seed)[0].weight for seed in (0, 1))
    assert torch.equal(again, linear[0].weight)
    assert not torch.equal(other, again)


@pytest.mark.parametrize("norm", NORMS)
def test_with_two_layers_plain_and_residual_are_one(norm):
    x = torch.from_numpy(inputs())
    plain, residual = (net(2, name, norm)(x) for name in ("plain", "residual"))
    assert torch.equal(plain, residual)


@pytest.mark.parametrize(("norm", "strength"), [("none", 0.5), ("batch", 1.0)])
def test_a_block_adds_its_branch(norm, strength):
    block, z = net(6, "residual", norm)[1], torch.from_numpy(inputs(width=32))
    h = (z - z.mean(0)) / torch.sqrt(z.var(0, correction=0) + 1e-5) if norm == "batch" else z
    expected = z + strength * h.clamp(min=0) @ block.branch[-1].weight.T
    torch.testing.assert_close(block(z), expected, rtol=1e-4, atol=1e-4)


def test_he_draws_and_mirrored_draws():
    weight = net(4, width=200)[2].weight
    assert weight.var().item() == pytest.approx(2 / 200, rel=0.05)
    a = net(4, "mirrored")[2].weight.detach()
    torch.testing.assert_close(a[:16, :16] @ a[:16, :16].T, torch.eye(16), rtol=0, atol=1e-5)
    assert torch.equal(a[:16], torch.cat([a[:16, :16], -a[:16, :16]], 1))
    assert torch.equal(a[16:], -a[:16])


def test_a_mirrored_network_is_born_linear():
    model, x = net(20, "mirrored"), torch.from_numpy(inputs(2))
    with torch.no_grad():
        torch.testing.assert_close(model(x[:1] + x[1:]), model(x[:1]) + model(x[1:]), rtol=1e-3, atol=1e-4)
        assert not torch.allclose(net(20)(x[:1] + x[1:]), net(20)(x[:1]) + net(20)(x[1:]), atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((5, "plane", "none"), "unknown network 'plane'; there are: plain"),
        ((5, "plain", "bach"), "unknown norm 'bach'; there are: batch"),
        ((1, "plain", "none"), "depth must be a whole number >= 2, got 1"),
    ],
)
def test_networks_that_are_not_there(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measured.degradation_network(*arguments)


# ---------------------------------------------------------------- before training


def looked_at(model, n=64, x=None):
    x = inputs(n) if x is None else x
    return measured.before_training(model, x, np.arange(len(x)) % 10)


def test_the_gradient_is_the_chain_rules():
    model, x, y = net(6), inputs(8), np.arange(8)
    h, slopes, weights = torch.from_numpy(x).double(), [], [m.weight.double() for m in model[::2]]
    for weight in weights[:-1]:
        z = h @ weight.T
        slopes.append((z > 0).double())
        h = z.clamp(min=0)
    delta = torch.softmax(h @ weights[-1].T, 1) - torch.eye(10).double()[torch.from_numpy(y)]
    norms = []
    for weight, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        delta = delta @ weight * slope
        norms.append(delta.norm().item())
    assert measured.before_training(model, x, y)["gradient"] == pytest.approx(norms[-1] / norms[0], rel=1e-9)
    assert looked_at(net(2))["gradient"] == 1.0


def test_relu_pulls_all_images_together_as_its_correlation_map_says():
    """Cho and Saul's arc-cosine kernel of degree 1 gives the next cosine from this one."""
    x = np.array([[1, 0], [0, 1]], np.float32) @ inputs(2)
    cosine = float(x[0] @ x[1] / np.linalg.norm(x[0]) / np.linalg.norm(x[1]))
    for depth in (2, 12):
        c = cosine
        for _ in range(depth - 1):
            c = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi
        seen = [looked_at(net(depth, width=1000, seed=seed), x=x)["cosine"] for seed in range(3)]
        assert np.mean(seen) == pytest.approx(c, abs=0.02)


def test_with_batchnorm_all_images_are_as_far_apart_as_random_ones():
    cosines = [looked_at(net(depth, "plain", "batch", width=256), n=400)["cosine"] for depth in (2, 20)]
    assert cosines == pytest.approx([1 / math.pi] * 2, abs=0.02)


def test_batchnorm_multiplies_the_gradient_by_its_factor_a_layer():
    factor = math.sqrt(math.pi / (math.pi - 1))
    # from depth 12 to 22, as the layers next to the loss pass less
    shallow, deep = (
        np.mean([looked_at(net(depth, "plain", "batch", width=128, seed=seed), n=400)["gradient"] for seed in range(2)])
        for depth in (12, 22)
    )
    assert (deep / shallow) ** (1 / 10) == pytest.approx(factor, rel=0.02)
    assert looked_at(net(22, width=128), n=400)["gradient"] == pytest.approx(1, abs=0.7)


def test_neighbours_are_counted():
    x, k = np.repeat(inputs(10), 2, axis=0) + 1e-4 * inputs(20, seed=1), np.arange(20)
    for labels, wrong in ((k // 2, 0), (k % 10, 100), (np.where(k < 10, k // 2, k % 10), 50)):
        assert measured.before_training(net(2), x, labels)["neighbours"] == wrong


def test_looking_leaves_the_network_as_it_was():
    model = net(4, "plain", "batch")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    looked_at(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].weight.dtype == torch.float32
    assert all(p.grad is None for p in model.parameters())


# ---------------------------------------------------------------- trainings


@needs_mnist
def test_the_schedule_and_momentum_are_hes():
    """One network, written out with torch's own optimizer."""
    got = measured.degradation(3, "residual", "batch", rates=[0.05], epochs=4, n_images=300, n_seeds=1)["error"][0, 0]
    x, y = (torch.from_numpy(np.array(each)) for each in measured.small_images(300))
    model, rng, seen = net(3, "residual", "batch"), np.random.default_rng(0), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    for _ in range(4):
        seen.append(100 * (model(x).argmax(1) != y).double().mean().item())
        for rows in rng.permutation(300).reshape(3, 100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        scheduler.step()
    seen.append(100 * (model(x).argmax(1) != y).double().mean().item())
    np.testing.assert_allclose(got, seen, atol=0.7)  # two images


@needs_mnist
def test_a_run_that_overflows_is_not_counted_as_right():
    error = measured.degradation(4, "plain", "none", rates=[0.01, 1e6], epochs=1, n_images=200, n_seeds=2)["error"]
    assert np.isfinite(error[0]).all()
    assert np.isfinite(error[1, :, 0]).all()
    assert np.isnan(error[1, :, 1]).all()


@needs_mnist
def test_small_images_are_means_of_four_pixels():
    from vgx.datasets import mnist

    x, y = measured.small_images(50)
    assert x.shape == (50, 196)
    assert (x.mean(), x.std()) == pytest.approx((0, 1), abs=1e-5)
    image = mnist().x[3].reshape(28, 28)
    means = (image[10:12, 14:16].mean(), image[8:10, 12:14].mean())
    small = x[3].reshape(14, 14)
    raw = mnist().x[:50].reshape(50, 14, 2, 14, 2).mean(axis=(2, 4))
    assert small[5, 7] - small[4, 6] == pytest.approx((means[0] - means[1]) / raw.std(), abs=1e-4)
    assert np.array_equal(y, mnist().y[:50])


# ---------------------------------------------------------------- the recording


@pytest.fixture(scope="module")
def recording():
    return RECORDINGS.load("degradation")


@needs_mnist
def test_a_small_part_of_the_recording_is_computed_again(recording):
    recorded = recording(depth=2, network="residual", norm="none")
    assert recorded["error"].shape == (3, 5, 13)
    again = measured.degradation(2, "residual", "none", rates=[0.1])
    np.testing.assert_allclose(again["error"][0, :, 0], recorded["error"][2, :, 0], atol=0.05)
    np.testing.assert_allclose(again["error"][0, :, -1], recorded["error"][2, :, -1], atol=0.3)
    for name in ("cosine", "neighbours", "gradient"):
        np.testing.assert_allclose(again[name], recorded[name], rtol=1e-4)


@needs_mnist
def test_what_is_seen_before_training_is_computed_again(recording):
    x, y = measured.small_images(5000)
    for network, norm in (("plain", "batch"), ("residual", "none")):
        recorded = recording(depth=56, network=network, norm=norm)
        again = measured.before_training(net(56, network, norm, seed=3), x[:1000], y[:1000])
        for name, value in again.items():
            assert recorded[name][3] == pytest.approx(value, rel=1e-4)


def test_the_best_rate_is_the_one_with_the_lowest_median(recording):
    for norm in NORMS:
        data = measured.degradation_against_depth(recording, 20, "plain", norm, "best")
        for n, network in enumerate(NETWORKS):
            for d, depth in enumerate(DEPTHS):
                runs = np.nan_to_num(recording(depth=depth, network=network, norm=norm)["error"][..., -1], nan=90)
                medians = dict(zip(measured.DEGRADATION_RATES, np.median(runs, axis=1), strict=True))
                at = n, NORMS.index(norm), d
                assert data["final"][at] == min(medians.values()) == medians[data["rates"][at]]
                same = runs[measured.DEGRADATION_RATES.index(data["rates"][at])]
                assert (data["low"][at], data["high"][at]) == (same.min(), same.max())
        assert data["error"][:, -1].max() == data["high"][0, NORMS.index(norm), 2]


def test_one_rate_for_all_and_overflows_that_count_as_guessing(recording):
    data = measured.degradation_against_depth(recording, 56, "plain", "none", "0.1")
    assert (data["rates"] == 0.1).all()
    over = np.isnan(recording(depth=56, network="plain", norm="none")["error"][2, :, -1])
    assert data["overflowed"] == over.sum() > 0
    assert (data["error"][over, -1] == 90).all()
    assert f"; {over.sum()} of 5 overflowed" in draw.degradation_reading(data, STATE | {"rate": "0.1"})


def test_what_was_found(recording):
    """The numbers of the lesson's prose."""

    def seen(depth, network, norm, rate="best"):
        return measured.degradation_against_depth(recording, depth, network, norm, rate)

    def ends(*state):
        error = seen(*state)["error"][:, -1]
        return [round(float(value), 1) for value in (np.median(error), error.min(), error.max())]

    assert ends(2, "plain", "none") == [1.4, 0.9, 2.3]
    assert ends(2, "plain", "batch") == [2.0, 1.8, 2.1]
    assert ends(56, "plain", "none") == [55.9, 45.7, 62.1]
    assert ends(56, "plain", "batch") == [80.7, 78.2, 86.1]
    assert ends(56, "residual", "none") == [2.4, 2.0, 3.1]
    assert ends(56, "residual", "batch") == [1.2, 1.1, 1.5]
    assert ends(56, "mirrored", "none") == [2.2, 2.1, 2.7]
    assert ends(56, "mirrored", "batch") == [2.4, 2.1, 2.5]
    assert [ends(depth, "plain", "none")[0] for depth in DEPTHS[1:4]] == [2.6, 19.6, 39.3]
    assert [ends(8, network, "batch")[0] for network in NETWORKS] == [1.7, 1.2, 0.9]
    assert (ends(20, "mirrored", "batch")[0], ends(2, "mirrored", "batch")[0]) == (1.0, 2.1)
    assert [seen(56, "residual", norm)["rates"][1, k, -1] for k, norm in enumerate(NORMS)] == [0.1, 0.1]
    # not an unlucky rate: plain networks of 56 layers lose by a wide margin at all three, to 2 layers at their worst
    worst = max(ends(2, "plain", norm, str(rate))[2] for norm in NORMS for rate in measured.DEGRADATION_RATES)
    assert worst == 11.1
    for norm, least in (("none", 45.7), ("batch", 77.3)):
        assert min(ends(56, "plain", norm, str(rate))[1] for rate in measured.DEGRADATION_RATES) == least
    # what mirrored networks gain, a rate of 0.1 destroys
    assert ends(56, "mirrored", "none", "0.1")[0] > 88
    assert ends(56, "mirrored", "batch", "0.1")[0] == 77.3


def test_what_was_seen_before_training(recording):
    def born(name, network, norm, depth=56):
        return recording(depth=depth, network=network, norm=norm)[name]

    assert born("cosine", "plain", "none").min() > 0.99
    assert np.median(born("cosine", "plain", "batch")) == pytest.approx(0.37, abs=0.01)
    for norm, neighbours in (("none", (85, 34, 24)), ("batch", (90, 54, 26))):
        seen = [np.median(born("neighbours", network, norm)) for network in NETWORKS]
        np.testing.assert_allclose(seen, neighbours, atol=0.6)
    # no vanishing anywhere: with BatchNorm it explodes, by its factor a layer
    assert np.median(born("gradient", "plain", "none")) == pytest.approx(0.71, abs=0.01)
    exploded = np.median(born("gradient", "plain", "batch"))
    assert exploded == pytest.approx(23_900, rel=0.01)
    assert exploded ** (1 / 54) == pytest.approx(math.sqrt(math.pi / (math.pi - 1)), rel=0.01)
    assert np.median(born("gradient", "residual", "batch")) == pytest.approx(11, abs=0.5)
    assert np.median(born("gradient", "mirrored", "batch")) == pytest.approx(1.5, abs=0.05)


# ---------------------------------------------------------------- the lab


def test_the_question_is_about_what_was_recorded():
    data = labs.degradation.data(**labs.degradation.predict.at)
    assert "until it gets 2 % of them wrong" in labs.degradation.predict.question
    assert round(float(np.median(data["shallow"][:, -1]))) == 2
    assert labs.degradation.truth() == pytest.approx(80.7, abs=0.1)


def made_up(deep, shallow):
    return {"error": np.array(deep)[:, None], "shallow": np.array(shallow)[:, None]}


@pytest.mark.parametrize(
    ("deep", "shallow", "word"),
    [
        ([80, 90, 4], [1, 2, 3], "degraded"),
        ([4, 6, 7], [1, 2, 3], "worse"),
        ([3, 5, 6], [1, 2, 3], "holds"),
        ([80, 90, 3], [1, 2, 3], "holds"),
        ([0, 0, 0], [1, 2, 3], "holds"),
    ],
)
def test_the_word(deep, shallow, word):
    assert drawn.degradation_word(made_up(deep, shallow)) == word


def test_every_state_is_drawn_inside_its_axes():
    for state in labs.degradation.states():
        figure = labs.degradation.figure(**state)
        assert len(figure.data) <= 8
        bounds = 10 ** np.array(figure.layout.yaxis.range)
        heights = np.concatenate([np.asarray(trace.y, float) for trace in figure.data])
        assert bounds[0] <= np.nanmin(heights) <= np.nanmax(heights) <= bounds[1]
        names = next(trace for trace in figure.data if trace.name == "networks")
        assert sorted(names.text[1:]) == sorted(NETWORKS)
        assert np.diff(np.sort(np.log10(names.y[1:]))).min() > np.log10(1.4)
        assert drawn.DEGRADATION_DEPTHS[names.x[0]] == state["depth"]  # the point


def test_the_reading_has_the_numbers_of_the_figure():
    lab = labs.degradation
    figure, text = lab.figure(**STATE), lab.reading(**STATE)
    deep = next(trace for trace in figure.data if trace.name == "deep")
    assert f"{deep.y[-1]:.0f} (" in text
    assert "56 layers, plain, no norm, rate" in text
    assert text.endswith("times the last one’s.")


def test_each_control_changes_the_figure():
    base = labs.degradation.figure(**STATE).to_json()
    for change in ({"depth": 20}, {"network": "residual"}, {"norm": "batch"}, {"rate": "0.1"}):
        assert labs.degradation.figure(**STATE | change).to_json() != base


@pytest.mark.parametrize("norm", NORMS)
def test_the_right_panel_is_of_the_chosen_normalization(norm):
    state = STATE | {"norm": norm, "network": "residual"}
    traces, final = {t.name: t for t in labs.degradation.figure(**state).data}, labs.degradation.data(**state)["final"]
    others, chosen = np.asarray(traces["other networks"].y, float), np.asarray(traces["residual"].y)
    expected = final[[0, 2], NORMS.index(norm)]
    np.testing.assert_allclose(others.reshape(2, -1)[:, :-1], expected, rtol=1e-4)
    np.testing.assert_allclose(chosen, final[1, NORMS.index(norm)], rtol=1e-4)
