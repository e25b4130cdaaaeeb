"""Lesson 04: dead channels, against single weights, torch, hand-made networks and the recording."""

import math
import re

import numpy as np
import pytest
import torch

from tests.mnist import needs_mnist
from vgx.lessons.relu_and_dead_relu import draw_depthwise as draw
from vgx.lessons.relu_and_dead_relu import labs, measure_channels, measure_depthwise
from vgx.lessons.relu_and_dead_relu.record import RECORDINGS

NETWORKS = [
    (block, kernel, norm) for block in measure_depthwise.BLOCKS for kernel in (1, 3) for norm in ("none", "batch")
]


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("depthwise-vs-standard")


# ---------------------------------------------------------------- one layer, at birth


def born(kernel, layer, inputs="pixels", n_draws=60, seed=0):
    rng = np.random.default_rng(seed)
    return measure_channels.born_dead_channels(kernel, layer, inputs, n_draws=n_draws, n_images=200, rng=rng)


@needs_mnist
def test_a_single_weight_on_pixels_is_born_dead_if_it_is_negative():
    shares = born(1, "depthwise", n_draws=200)
    assert shares.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(200 * 16))
    rng = np.random.default_rng(0)
    weights = [measure_channels.convolution(16, 16, 1, depthwise=True, bias=True, rng=rng).weight for _ in range(200)]
    np.testing.assert_allclose(shares, [(weight < 0).float().mean().item() for weight in weights])


@needs_mnist
def test_nine_weights_or_sixteen_die_as_rarely_as_signs_agree():
    assert born(1, "depthwise", "standardized").max() == 0
    nine = born(3, "depthwise", n_draws=200).mean()
    assert 0 < nine < 0.01
    assert nine >= 2**-9 - 4 * math.sqrt(2**-9 / 3200)  # nine negative weights suffice
    assert born(1, "standard").mean() < 0.002
    assert born(3, "standard").max() == 0


@needs_mnist
def test_what_single_layers_do_not_take():
    for given, says in (((1, "pointwise"), "unknown layer 'pointwise'; there are:"), ((2, "depthwise"), "must be odd"),
                        ((1, "depthwise", "raw"), "unknown inputs 'raw'")):  # fmt: skip
        with pytest.raises(ValueError, match=re.escape(says)):
            born(*given)


# ---------------------------------------------------------------- the networks


@pytest.mark.parametrize(("block", "kernel", "norm"), NETWORKS)
def test_a_network_is_built_as_its_name_says(block, kernel, norm):
    net = measure_depthwise.small_convnet(block, kernel, norm, seed=0)
    convs = [module for module in net.modules() if isinstance(module, torch.nn.Conv2d)]
    kinds = [(conv.in_channels, conv.out_channels, conv.kernel_size[0], conv.groups) for conv in convs]
    own = {
        "standard": [(16, 16, kernel, 1)],
        "depthwise": [(16, 16, kernel, 16), (16, 16, 1, 1)],
        "bottleneck": [(8, 48, 1, 1), (48, 48, kernel, 48), (48, 8, 1, 1)],
    }[block]
    assert kinds == [(1, 8 if block == "bottleneck" else 16, 3, 1), *own, *own]
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules()) == (
        len(convs) if norm == "batch" else 0
    )
    assert net(torch.rand(2, 1, 14, 14)).shape == (2, 10)
    rectifiers = [type(module).__name__ for module in net.modules() if "ReLU" in type(module).__name__]
    assert (
        rectifiers
        == ["ReLU"] + {"standard": ["ReLU"], "depthwise": ["ReLU"] * 2, "bottleneck": ["ReLU6"] * 2}[block] * 2
    )
    for conv in convs:
        fan_in = conv.weight[0].numel()
        assert (conv.bias is None) == (norm == "batch")
        assert conv.weight.std().item() == pytest.approx(
            math.sqrt(2 / fan_in), rel=4 / math.sqrt(2 * conv.weight.numel())
        )


def test_the_bottleneck_adds_its_input():
    net = measure_depthwise.small_convnet("bottleneck", 3, "none", seed=0)
    with torch.no_grad():
        net.block0.projection[0].weight.zero_()
        h = torch.rand(2, 8, 7, 7)
        assert torch.equal(net.block0(h), h)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("block", measure_depthwise.BLOCKS)
def test_dead_is_without_gradient(block, norm):
    """Autograd as the oracle: at a dead channel no position of any image has a gradient, at a living one one has."""
    net = measure_depthwise.small_convnet(block, 1, norm, seed=3).eval()
    x, kinds, seen = torch.rand(20, 1, 14, 14), {kind for own, kind in measure_depthwise.ROLES if own == block}, {}
    for path, module in net.named_modules():
        if (kind := path.rpartition(".")[2]) in kinds:
            last = module[-2]  # before the rectifier
            with torch.no_grad():
                last.bias[:2] = torch.tensor([-100.0, 100.0])  # off, and on: for ReLU6 without slope, too

            def keep(_module, _given, z, kind=kind):
                if z.requires_grad:  # not while the dead are counted
                    z.retain_grad()
                    seen.setdefault(kind, []).append(z)

            last.register_forward_hook(keep)
    dead = measure_depthwise.dead_channels(net, x)
    net(x).square().sum().backward()
    assert set(dead) == set(seen) == kinds
    for kind, (found, _) in dead.items():
        moved = torch.cat([z.grad.abs().amax(dim=(0, 2, 3)) for z in seen[kind]]).numpy() > 0
        assert (found[0], found[1]) == (True, block == "bottleneck")
        assert not (moved & found).any()
        assert moved.any()  # not all that live: further on a dead channel hides some


def test_inherited_death_is_told_from_own():
    net = measure_depthwise.small_convnet("depthwise", 3, "none", seed=0)
    with torch.no_grad():
        net.stem[0].weight[4] = -1.0  # pixels are >= 0
        net.block1.depthwise[0].weight[7] = -1.0
    dead, input_is_0 = measure_depthwise.dead_channels(net, torch.rand(9, 1, 14, 14))["depthwise"]
    assert (dead[4], input_is_0[4]) == (True, True)
    assert (dead[16 + 7], input_is_0[16 + 7]) == (True, False)


def test_looking_leaves_no_hooks_even_if_it_fails():
    net = measure_depthwise.small_convnet("depthwise", 3, "none", seed=0)
    with pytest.raises(RuntimeError):
        measure_depthwise.dead_channels(net, torch.rand(9, 2, 14, 14))
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("given", "says"), [(("wide", 3, "none"), "unknown block 'wide'"), (("standard", 3, "layer"), "unknown norm")]
)
def test_networks_that_there_are_not(given, says):
    with pytest.raises(ValueError, match=says):
        measure_depthwise.small_convnet(*given, seed=0)


# ---------------------------------------------------------------- the recording


@needs_mnist
def test_a_small_part_is_computed_again(recorded):
    again = measure_depthwise.depthwise_vs_standard(1, "none", 0.1, epochs=1, n_seeds=2)
    then = recorded(kernel=1, norm="none", learning_rate=0.1)
    for name in ("birth", "inherited"):
        np.testing.assert_array_equal(again[name], then[name][:, :2])


def test_shares_are_of_whole_channels(recorded):
    n_channels = np.array([[32], [32], [32], [96], [96]])
    for state in recorded.states():
        data = recorded(**state)
        assert data["after"].shape == (5, 10)
        for name in ("birth", "after", "inherited", "revived"):
            counts = n_channels * data[name]
            np.testing.assert_allclose(counts, counts.round(), atol=1e-4)
        over = ~np.isfinite(data["loss"])
        np.testing.assert_array_equal(np.isnan(data["test_accuracy"]), over)
        blocks = [measure_depthwise.BLOCKS.index(block) for block, _ in measure_depthwise.ROLES]
        np.testing.assert_array_equal(np.isnan(data["after"]), over[blocks])
        assert np.isfinite(data["birth"]).all()
        assert (data["inherited"] <= data["birth"]).all()


def test_birth_does_not_depend_on_the_rate_and_batch_norm_bears_none_dead(recorded):
    for kernel in (1, 3):
        births = [recorded(kernel=kernel, norm="none", learning_rate=rate)["birth"] for rate in measure_depthwise.RATES]
        assert all((birth == births[0]).all() for birth in births)
        assert not recorded(kernel=kernel, norm="batch", learning_rate=0.1)["birth"].any()


def mean(kernel, norm, rate, name="after"):
    data = RECORDINGS.load("depthwise-vs-standard")(kernel=kernel, norm=norm, learning_rate=rate)
    return [float(np.nanmean(row)) for row in data[name]]


def test_where_the_sources_effect_appears_and_where_not():
    standard, depthwise = mean(1, "none", 0.1, "birth")[:2]
    assert (round(standard, 2), round(depthwise, 2)) == (0.03, 0.56)
    assert mean(3, "none", 0.1, "birth")[:3] == [0, 0, 0]
    assert max(mean(3, "batch", 0.25)) < 0.01
    assert max(mean(3, "none", 0.02)[:3]) < 0.01


def percent(kernel, norm, rate, name="after"):
    return [round(100 * share) for share in mean(kernel, norm, rate, name)]


def test_what_the_lesson_says_of_the_states():
    assert percent(1, "none", 0.1)[:2] == [4, 63]
    assert [percent(3, "none", rate)[:2] for rate in (0.25, 0.5)] == [[17, 8], [40, 45]]
    uneven = RECORDINGS.load("depthwise-vs-standard")(kernel=3, norm="none", learning_rate=0.5)["after"][0]
    assert (round(100 * uneven.min()), uneven.max()) == (6, 1)
    assert [[percent(1, "none", rate)[row] for row in (1, 4)] for rate in (0.25, 0.5)] == [[71, 86], [80, 98]]
    assert percent(1, "none", 0.1, "test_accuracy") == [28, 19, 31]
    assert [[percent(1, "batch", rate)[row] for row in (0, 1, 4)] for rate in (0.1, 0.5)] == [[0, 2, 0], [1, 9, 3]]


def test_standard_convolutions_die_too_at_a_rate_that_is_too_large():
    assert mean(3, "none", 0.1)[0] == 0
    np.testing.assert_allclose(mean(3, "none", 0.5)[:2], [0.397, 0.453], atol=0.001)
    quarter = RECORDINGS.load("depthwise-vs-standard")(kernel=3, norm="none", learning_rate=0.25)["after"]
    assert quarter[0].mean() > quarter[1].mean()
    assert quarter[0].std() > quarter[0].mean()


def test_the_linear_bottlenecks_depthwise_layer_dies_as_mobilenets_does():
    birth = mean(1, "none", 0.1, "birth")
    assert (round(birth[1], 2), round(birth[4], 2)) == (0.56, 0.48)
    for rate in (0.25, 0.5):
        after = mean(1, "none", rate)
        assert after[4] > after[1]


# ---------------------------------------------------------------- the lab


def test_every_control_moves_the_figure():
    readings = []
    for state in (lab := labs.depthwise_vs_standard).compute.states():
        data = lab.compute(**state)
        figure = draw.depthwise_vs_standard(data, state)
        assert len(figure.data) == 6
        assert {trace.yaxis for trace in figure.data} == {None, "y2"}
        readings.append(draw.depthwise_reading(data, state))
    assert len(set(readings)) == len(readings) == 16
    assert not any("nan" in reading for reading in readings)


def test_what_the_reading_says():
    state = {"kernel": 1, "norm": "none", "learning_rate": 0.25}
    assert draw.depthwise_reading(labs.depthwise_vs_standard.compute(**state), state) == (
        "Channels dead at birth → trained, means of 10 runs, 1 × 1, no BatchNorm, rate 0.25: standard: 3 % → 4 % "
        "(34 % right); MobileNet: depthwise 56 % → 71 %, pointwise 6 % → 42 % (18 % right); MobileNetV2: expansion "
        "2 % → 30 %, depthwise 48 % → 86 % (20 % right, 2 of 10 runs overflow)."
    )
