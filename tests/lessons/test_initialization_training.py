"""Lesson 03: trainings, deep ensembles and whole Jacobians, against autograd, theory, torch and the recordings."""

import math
import re

import numpy as np
import pytest
import torch

from tests.lessons.prose import said
from tests.mnist import needs_mnist
from vgx import Network, activations, theory
from vgx.datasets import digits
from vgx.lessons.initialization import draw, draw_training, labs, measure, measure_training
from vgx.lessons.initialization.record import RECORDINGS
from vgx.network import gradient_norms
from vgx.training import train

LESSON = "03_initialization"
WIDTHS = (32, 64, 128, 256)


# ---------------------------------------------------------------- fifty layers, many draws


@pytest.fixture(scope="module")
def spread():
    return RECORDINGS.load("gradient-spread")


def test_a_small_part_of_the_recorded_spread_is_computed_again():
    part = {"activation": ["tanh", "gelu"], "width": [32]}
    assert RECORDINGS.differences("gradient-spread", part, rtol=1e-3, atol=1e-3) == []


def test_one_network_of_the_ensemble_equals_autograd():
    n, depth, gain = 8, 5, activations["tanh"].gain
    got = measure.gradient_spread("tanh", n, depth=depth, n_nets=1, seed=3)
    rng = np.random.default_rng((3, 0))
    x, readout = rng.standard_normal((2, 1, 1, n), dtype=np.float32)
    h, zs = torch.tensor(x[0] / (gain * np.sqrt(np.mean(x**2)))).double(), []
    for _ in range(depth):
        weight = torch.tensor(rng.standard_normal((1, n, n), dtype=np.float32)[0]).double() * gain / math.sqrt(n)
        rng.standard_normal((1, n), dtype=np.float32)  # the biases' draw
        z = h @ weight
        zs.append(z if zs else z.requires_grad_())
        h = torch.tanh(zs[-1])
    grads = torch.autograd.grad(h, zs, torch.tensor(readout[0]).double())
    expected = 2 * math.log(grads[0].norm() / grads[-1].norm())
    assert got["logs"][0] == pytest.approx(expected, abs=1e-4)
    assert got["rms"] == pytest.approx(math.exp(expected / 2), rel=1e-4)


def test_the_law_of_relu_and_identity_is_lesson_02s_to_second_order():
    from vgx.lessons.chain_rule_products.measure import log_ratio_moments

    for activation, v in (("relu", 5), ("identity", 2)):
        law = measure.log_normal_law(50, 256, activation)
        np.testing.assert_allclose(law, [-49 * v / 512, math.sqrt(49 * v / 256)], rtol=1e-9)
        np.testing.assert_allclose(law, log_ratio_moments(50, 256, activation), rtol=0.02)


def test_v_is_the_variance_of_a_layers_factor():
    rng, n = np.random.default_rng(0), 64
    for name in ("tanh", "sigmoid", "softplus"):
        slopes = activations[name].derivative(rng.normal(size=(100_000, n)))
        factors = np.mean((slopes * rng.normal(size=slopes.shape)) ** 2, axis=1)
        sd = measure.log_normal_law(2, n, name)[1]
        assert factors.std() / factors.mean() == pytest.approx(sd, rel=0.02)


def test_what_the_lesson_says_of_the_table(spread):
    assert said(LESSON, "Seven of ten agree within 15 %: the root mean square with theory, the median with the law")
    assert said(LESSON, "lies 32 % above the one and 22 % above the other (at 64 units a layer it is 80 %")
    narrow = spread(activation="softplus", width=64)
    assert narrow["rms"] / narrow["theory"] - 1 == pytest.approx(0.8, abs=0.05)
    for name in activations:
        r = spread(activation=name, width=256)
        rms, median = r["rms"] / r["theory"] - 1, r["median"] / math.exp(r["law"][0] / 2) - 1
        if name == "softplus":
            assert (round(100 * rms), round(100 * median)) == (32, 22)
        elif name in ("gelu", "silu"):
            assert rms > 5
            assert median < -0.99
        else:
            assert max(abs(rms), abs(median)) < 0.15, name


def test_softplus_comes_closer_to_theory_the_wider_it_is(spread):
    ratios = [spread(activation="softplus", width=width)["rms"] for width in WIDTHS]
    assert max(ratios[2:]) < min(ratios[:2])


def test_gelus_networks_die_or_explode(spread):
    assert said(LESSON, "of GELU's networks 59.5 % have a ratio below 0.01, 3.5 % above 100 and 37 % between")
    assert said(LESSON, "of SiLU's 53.5, 33 and 13.5 %. Neither mean nor median describes them.")
    for name, shares in (("gelu", [0.595, 0.035, 0.37]), ("silu", [0.535, 0.33, 0.135])):
        norms = np.exp(spread(activation=name, width=256)["logs"] / 2)
        assert norms.size == 200
        below, above = np.mean(norms < 0.01), np.mean(norms > 100)
        assert [below, above, 1 - below - above] == pytest.approx(shares)


def test_the_spread_follows_the_width(spread):
    assert said(LESSON, "tanh's networks spread up to a quarter more than it says")
    for name, room in (("relu", 0.1), ("identity", 0.1), ("tanh", 0.25)):
        for width in WIDTHS:
            r = spread(activation=name, width=width)
            assert r["logs"].std() == pytest.approx(r["law"][1], rel=room)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tahn", 32), "unknown activation 'tahn'"),
        (("tanh", 0), "width must be a whole number >= 1, got 0"),
    ],
)
def test_spreads_that_cannot_be_measured(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure.gradient_spread(*arguments)


# ---------------------------------------------------------------- what gains keep


@pytest.mark.parametrize(("name", "chi"), [("tanh", 1.18), ("sigmoid", 0.15), ("selu", 1.07), ("relu", 1.0)])
def test_chi_at_gain(name, chi):
    assert said(LESSON, "is 1.18 for tanh at its gain and 0.15 for the sigmoid at its own")
    assert round(float(theory.chi(activation=name, sigma_w=activations[name].gain, q=1.0)), 2) == chi


def test_what_pytorchs_default_does_to_relus():
    assert said(LESSON, "a ReLU layer multiplies the mean square by $\\tfrac16$")
    assert said(LESSON, "$\\overline{h^2} = \\tfrac1{5n} = 0.0016$ for 128 units")
    h = torch.randn(200, 512, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    layers, floors = [torch.nn.Linear(512, 512) for _ in range(8)], []
    with torch.no_grad():
        bare = floored = h
        squares = []
        for layer in layers:
            bare, floored = torch.relu(bare @ layer.weight.T), torch.relu(layer(floored))
            squares.append(bare.square().mean().item())
            floors.append(floored.square().mean().item())
    assert (squares[0] / squares[-1]) ** (1 / 7) == pytest.approx(6, rel=0.1)
    assert floors[-1] == pytest.approx(1 / (5 * 512), rel=0.15)


# ---------------------------------------------------------------- the Jacobian of a whole network


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_jacobian_is_autograds(activation):
    found = measure.jacobian_stretch(activation, "lecun_normal", 1.3, depth=4, width=6, n_nets=2, seed=1)
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.standard_normal((2, 1, 6)))
    weights = []
    for _ in range(4):
        weights.append(torch.tensor(rng.standard_normal((2, 6, 6))) * 1.3 / math.sqrt(6))
        rng.standard_normal((2, 6))
    for k in range(2):

        def network(h, k=k):
            for w in weights:
                h = getattr(torch, activation)(h @ w[k])
            return h

        expected = torch.linalg.svdvals(torch.autograd.functional.jacobian(network, x[k, 0]))
        np.testing.assert_allclose(found[k], expected.numpy(), atol=1e-10)


def test_isometry_needs_orthogonal_weights_and_no_relu():
    q = theory.fixed_point(activation="tanh", sigma_w=1.02)
    lost = {
        (activation, initializer): np.mean(measure.jacobian_stretch(activation, initializer, scale, q=start) < 0.001)
        for activation, scale, start in (("identity", 1, 1), ("tanh", 1.02, q), ("relu", 2**0.5, 1))
        for initializer in ("orthogonal", "lecun_normal")
    }
    assert {case for case, share in lost.items() if share == 0} == {("identity", "orthogonal"), ("tanh", "orthogonal")}
    assert min(share for share in lost.values() if share) > 0.5
    assert said(LESSON, "(With inputs of mean square 1 the first layers cost most of it: the median is 0.14")
    small, usual = (np.median(measure.jacobian_stretch("tanh", "orthogonal", 1.02, q=start)) for start in (q, 1.0))
    assert (round(float(q), 2), round(small, 1), round(usual, 2)) == (0.02, 1.0, 0.14)
    ten = np.median(measure.jacobian_stretch("tanh", "orthogonal", 1.02, q=1.0, depth=10))
    assert math.log(ten) / math.log(usual) > 0.5


def test_the_singular_values_of_fifty_gaussian_layers():
    assert said(LESSON, "for 256 units and $\\sigma_w = 1$ the largest is about 10, and three quarters are below 0.001")
    stretch = measure.jacobian_stretch("identity", "lecun_normal", 1.0, depth=50, width=256, n_nets=3)
    assert 7 < stretch[:, 0].min() < stretch[:, 0].max() < 13
    assert np.mean(stretch < 0.001) == pytest.approx(0.75, abs=0.02)


def test_orthogonal_weights_remove_less_of_tanhs_spread_at_its_gain():
    assert said(LESSON, "With tanh a fifth of it is left (at its gain nearly two thirds)")
    assert said(LESSON, "most of it with tanh near $\\sigma_w = 1$ (a third at its gain)")
    x, readout = np.random.default_rng(1).normal(size=(2, 200, 1, 32))
    for sigma_w, left in ((1.0, 0.2), (activations["tanh"].gain, 0.63)):
        sds = []
        for initializer in ("lecun_normal", "orthogonal"):
            net = Network.sample(depth=50, width=32, rng=np.random.default_rng(0), activation="tanh",
                                 initializer=initializer, scale=sigma_w, n_nets=200)  # fmt: skip
            norms = gradient_norms(net, x, readout, [50])[50]
            sds.append(np.log(norms[:, 0] / norms[:, -1]).std())
        assert sds[1] / sds[0] == pytest.approx(left, abs=0.03)


# ---------------------------------------------------------------- equal units stay equal


@pytest.mark.parametrize(("name", "scale", "different"), [("zeros", 1, 1), ("constant", 0.1, 1), ("he_uniform", 1, 32)])
def test_equal_units_stay_equal(name, scale, different):
    model = measure.small_network(name, scale=scale)
    before = model[2].weight.detach().clone()
    assert model[0].weight.abs().max().item() == pytest.approx({"zeros": 0, "constant": 0.1}.get(name, 0.306), rel=0.01)
    train(model, digits().x, digits().y, epochs=2, learning_rate=0.1, batch_size=50, progress=False)
    assert len(np.unique(model[0].weight.detach().numpy().round(4), axis=0)) == different
    assert torch.equal(before, model[2].weight) == (name == "zeros")
    if name == "zeros":
        assert not model[0].weight.any()
        assert model[2].bias.any()


# ---------------------------------------------------------------- does it train


@pytest.mark.parametrize("name", measure_training.WEIGHTS)
def test_a_deep_network_is_drawn_as_its_name_says(name):
    net = measure.deep_relu_network(4, name, width=200)
    layers = net[::2]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [
        (784, 200), (200, 200), (200, 200), (200, 10)
    ]  # fmt: skip
    variance = {"xavier": 2 / 400, "he": 2 / 200, "orthogonal": 2 / 200, "pytorch_default": 1 / 600}[name]
    assert layers[1].weight.var().item() == pytest.approx(variance, rel=0.05)
    assert layers[1].bias.abs().max().item() == (pytest.approx(1 / math.sqrt(200), rel=0.05) if "py" in name else 0)
    again, other = (measure.deep_relu_network(4, name, width=200, seed=seed)[0].weight for seed in (0, 1))
    assert torch.equal(again, layers[0].weight)
    assert not torch.equal(other, layers[0].weight)


@needs_mnist
def test_the_first_epoch_of_a_recorded_training_is_computed_again():
    recorded = RECORDINGS.load("does-it-train")(depth=10, optimizer="sgd", rate=1.0)
    again = measure.does_it_train(10, "sgd", 1.0, epochs=1)
    assert recorded["loss"].shape == (4, 5, 11)
    np.testing.assert_allclose(again["loss"][..., 0], recorded["loss"][..., 0], rtol=1e-4)
    # deep ReLU networks magnify the last digit: single runs part within the epoch, their median does not
    for name, room in (("loss", 0.15), ("test_accuracy", 0.1)):
        after = [np.median(data[name][..., 1], axis=1) for data in (again, recorded)]
        np.testing.assert_allclose(*after, rtol=room)


def test_what_the_lesson_says_of_the_trainings():
    recorded = RECORDINGS.load("does-it-train")

    def seen(depth, optimizer, rate=1.0):
        data = recorded(depth=depth, optimizer=optimizer, rate=rate)
        right = np.round(100 * np.median(data["test_accuracy"][..., -1], axis=1))
        return data, draw_training.training_verdicts(data), dict(zip(measure_training.WEIGHTS, right, strict=True))

    assert said(LESSON, "within 5 % of $\\ln 10 = 2.30$, what guessing costs. Green *learns*: 80 % of the test images")
    assert (0.95 * math.log(10), 0.8) == (draw_training.STUCK_ABOVE, draw_training.LEARNS_FROM)
    assert said(LESSON, "three of the four learn and hardly differ in test accuracy. PyTorch's default does not move.")
    _, words, right = seen(10, "sgd")
    assert words == {"xavier": "learns", "he": "learns", "orthogonal": "learns", "pytorch_default": "stuck"}
    assert max(right.values()) - right["xavier"] < 3
    assert said(LESSON, "stuck for five epochs and gets 47 % of the test images right after ten, He's 89 %.")
    data, _, right = seen(22, "sgd")
    stuck = np.median(data["loss"][0], axis=0) > draw_training.STUCK_ABOVE
    assert stuck.tolist() == [True] * 6 + [False] * 5
    assert (right["xavier"], right["he"]) == (47, 89)
    assert said(LESSON, "it has hardly begun after ten (two of its five seeds have), while He's gets 87 %.")
    data, words, right = seen(30, "sgd")
    assert np.sum(data["loss"][0, :, -1] < draw_training.STUCK_ABOVE) == 2
    assert (words["xavier"], words["he"], right["he"]) == ("stuck", "learns", 87)
    assert said(LESSON, "more slowly than He's (82 % against 91 %). PyTorch's default stalls under both, but")
    _, by_adam, right = seen(30, "adam")
    assert (right["xavier"], right["he"]) == (82, 91)
    assert {words["pytorch_default"], by_adam["pytorch_default"]} == {"stuck"}
    assert said(LESSON, "at 10 layers Adam trains it (90 %).")
    assert seen(10, "adam")[2]["pytorch_default"] == 90
    assert said(LESSON, "overflows <overflow>`, and three of the rest end at 22 to 30 %, hardly better than Xavier's.")
    data, words, right = seen(30, "sgd", 3.0)
    assert (words["he"], words["xavier"], right["xavier"]) == ("slow", "slow", 25)
    assert said(LESSON, "at 3× He's get 91 % with 10 layers, 80 % with 22, 26 % with 30")
    ranked = [draw_training.ranked(recorded(depth=depth, optimizer="sgd", rate=3.0)) for depth in (10, 22, 30)]
    assert [round(100 * np.median(each["test_accuracy"][1, :, -1])) for each in ranked] == [91, 80, 26]
    assert np.isnan(data["loss"][1, :, -1]).sum() == 1
    assert np.sort(np.round(100 * data["test_accuracy"][1, :, -1]))[:4].tolist() == [22, 26, 30, 76]


def test_the_opening_state_does_not_answer_the_question():
    lab = labs.does_it_train
    assert lab.truth() == "only He"
    assert lab.defaults != lab.predict.at
    assert draw.who_learns(lab.data(), lab.defaults) != "only He"


def test_the_axes_of_the_trainings_stay():
    layouts = [labs.does_it_train.figure(**state).layout for state in ({}, {"depth": 30, "rate": 3.0})]
    assert {(tuple(each.xaxis.range), tuple(each.yaxis.range), tuple(each.yaxis2.range)) for each in layouts} == {
        ((0, 10.2), (0, 2.6), (0, 1))
    }


def made_up(final_loss, final_accuracy):
    """Trainings of two seeds that end so."""
    loss = np.full((4, 2, 3), 2.3, np.float32)
    accuracy = np.full((4, 2, 3), 0.1, np.float32)
    loss[..., -1], accuracy[..., -1] = np.array(final_loss)[:, None], np.array(final_accuracy)[:, None]
    return {"loss": loss, "test_accuracy": accuracy}


def test_the_words_for_a_training():
    data = made_up([2.29, 0.3, 1.9, np.nan], [0.1, 0.9, 0.3, 0.1])
    words = ["stuck", "learns", "slow", "overflow"]
    assert list(draw_training.training_verdicts(data).values()) == words
    state = {"depth": 30, "optimizer": "adam", "rate": 3.0}
    assert draw.training_reading(data, state) == (
        "30 layers of ReLU, Adam at rate 0.003, after 2 epochs: Xavier stuck; He learns (90 % right, 90 to 90 %); "
        "orthogonal slow (30 % right, 30 to 30 %); PyTorch overflow."
    )
    assert draw.who_learns(data, state) == "only He"
    assert draw.who_learns(made_up([1, 1, 1, 1], [0.9] * 4), state) == "both"
    assert draw.who_learns(made_up([2.3] * 4, [0.1] * 4), state) == "neither"
    assert draw.who_learns(made_up([1, 2.3, 1, 1], [0.9] * 4), state) == "only Xavier"


def test_one_overflow_of_many_is_the_worst_and_not_the_median():
    data = made_up([0.3] * 4, [0.9] * 4)
    data = {name: np.repeat(values, [1, 2], axis=1) for name, values in data.items()}  # three seeds
    data["loss"][1, 0, 1:] = data["test_accuracy"][1, 0, 1:] = np.nan
    data["loss"][2, :2, 1:] = np.nan
    state = {"depth": 30, "optimizer": "sgd", "rate": 3.0}
    assert list(draw_training.training_verdicts(data).values()) == ["learns", "learns", "overflow", "learns"]
    assert "He learns (90 % right, 90 to 90 %; 1 of 3 overflowed); orthogonal overflow;" in draw.training_reading(
        data, state
    )
    traces = {trace.name: trace.y for trace in draw.does_it_train(data, state).data if trace.yaxis == "y"}
    assert traces["He"].tolist() == pytest.approx([2.3, 2.3, 0.3])
    there, back, lifted = np.split(traces["lowest to highest"].reshape(4, 7), [3, 6], axis=1)
    assert there[1, -1] > 2.6  # the worst seed of He's
    assert back[1].tolist() == pytest.approx([0.3, 2.3, 2.3])
    assert np.isnan(lifted).all()


def test_every_line_is_named_with_a_sample_of_its_dashes_and_guessing_at_the_axis():
    figure = labs.does_it_train.figure()
    assert figure.layout.yaxis.ticktext[figure.layout.yaxis.tickvals.index(draw_training.GUESSING)] == "guess"
    assert len(set(draw_training.SAMPLES.values())) == len(set(draw_training.DASHES.values())) == 4
    for notes in (trace for trace in figure.data if trace.mode == "text"):
        samples = {name: text.partition(" ")[0] for name, text in zip(draw_training.NAMES, notes.text, strict=True)}
        assert samples == draw_training.SAMPLES


@pytest.mark.parametrize("ends", [[0, 0, 0, 0], [1, 1, 1, 1], [0.5, 0.5, 0.52, 0.1], [0.02, 0.98, 0.5, 0.5]])
def test_labels_keep_apart_and_inside(ends):
    placed = draw_training._apart(dict(zip("abcd", ends, strict=True)), 0, 1)
    heights = sorted(placed.values())
    assert min(np.diff(heights)) > 0.11
    assert heights[0] >= 0.01
    assert heights[-1] <= 0.99


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((10, "sdg", 1.0), "unknown optimizer 'sdg'; there are: sgd"),
        ((1, "sgd", 1.0), "depth must be a whole number >= 2, got 1"),
    ],
)
def test_trainings_that_cannot_be_run(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure.does_it_train(*arguments)


def test_an_unknown_initializer_is_named():
    with pytest.raises(ValueError, match="unknown initializer 'xaver'; there are: xavier"):
        measure.deep_relu_network(3, "xaver")
