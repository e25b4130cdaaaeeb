"""Lesson 04: networks dead at birth, against the exact formula, torch autograd and the law of the draws."""

import re

import numpy as np
import pytest
import torch
from scipy import stats

from vgx.datasets import digits
from vgx.lessons.relu_and_dead_relu import labs, measure, measure_born_dead
from vgx.lessons.relu_and_dead_relu.record import RECORDINGS

INITIALIZATIONS = measure_born_dead.INITIALIZATIONS
SYMMETRIC = INITIALIZATIONS[:2]
WIDTHS = range(2, 9)
DEPTHS = np.arange(10, 51, 10)
N = measure_born_dead.N_NETS
X = digits().x[::18]


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("born-dead")


def test_a_small_part_of_the_recording_is_computed_again():
    part = {"width": [2], "initialization": INITIALIZATIONS}
    assert RECORDINGS.differences("born-dead", part, rtol=0, atol=1e-3) == []


# ---------------------------------------------------------------- one input: the exact formula


@pytest.mark.parametrize("initialization", SYMMETRIC)
def test_20000_networks_agree_with_the_exact_formula_at_every_width_and_depth(recorded, initialization):
    """All cells at once, of the one seed that is recorded; 35 cells and 14 tests of the size 1 in 1000 to fail."""
    n_cells = len(WIDTHS) * len(DEPTHS)
    chi_square, freedom = 0.0, 0
    for width in WIDTHS:
        one = recorded(width=width, initialization=initialization)["one"][DEPTHS - 1]
        exact = measure.exact_share(DEPTHS, width)
        alive = np.rint(N * (1 - one)).astype(int)
        for k in range(len(DEPTHS)):
            assert stats.binomtest(int(alive[k]), N, 1 - exact[k]).pvalue > 0.001 / n_cells, (width, DEPTHS[k])
        found, expected = (-np.diff([N, *each, 0]) for each in (alive, N * (1 - exact)))
        found, expected = _pooled(found, expected)
        chi_square += np.sum((found - expected) ** 2 / expected)
        freedom += len(found) - 1
    assert freedom >= 28
    assert 0.001 < stats.chi2.sf(chi_square, freedom) < 0.999


def _pooled(found, expected):
    """Join the cells in which fewer than five networks are expected with the last one that has more."""
    last = np.flatnonzero(expected >= 5)[-1]
    if expected[last + 1 :].sum() < 5:
        return (np.append(each[:last], each[last:].sum()) for each in (found, expected))
    return (np.append(each[: last + 1], each[last + 1 :].sum()) for each in (found, expected))


def test_the_layer_of_death_is_geometric_for_any_input_and_other_draws():
    """The formula says more than single shares: each layer that is reached kills with probability 2⁻ⁿ."""
    for digit, width in ((3, 2), (57, 4)):
        dies = measure.dies_in_layer(
            X[digit : digit + 1], width, "zero_biases", n_nets=5000, rng=np.random.default_rng(digit)
        )
        reached = np.array([np.sum(dies >= layer) for layer in range(1, 31)])
        died = np.array([np.sum(dies == layer) for layer in range(1, 31)])
        p, enough = 0.5**width, reached > 100
        z = (died - p * reached)[enough] / np.sqrt(p * (1 - p) * reached[enough])
        assert stats.chi2.sf(np.sum(z**2), enough.sum()) > 0.001


def test_the_formula_by_hand():
    assert measure.exact_share(1, 2) == 0.25
    assert measure.exact_share(2, 2) == 0.25 + 0.75 * 0.25
    np.testing.assert_allclose(measure.exact_share(np.array([10, 50]), 3), [0.7369, 0.9987], atol=1e-4)


# ---------------------------------------------------------------- networks really run


@pytest.mark.parametrize("initialization", INITIALIZATIONS)
def test_a_network_is_dead_when_torch_finds_no_gradient_at_any_input(initialization):
    verdicts = []
    for seed in range(40):
        dies = [
            measure.dies_in_layer(
                X[:k], 2, initialization, n_nets=1, deepest=8, rng=np.random.default_rng((seed, 7))
            )[0]
            for k in (1, 5)
        ]  # fmt: skip
        assert dies[0] <= dies[1]
        rng = np.random.default_rng((seed, 7))
        x = torch.tensor(X[:5], requires_grad=True)
        h = x
        for layer in range(1, 9):
            W, b = (torch.tensor(part[0]).double() for part in measure.draw_layer((1, h.shape[1], 2), initialization,
                                                                                   rng=rng))  # fmt: skip
            h = torch.relu(h @ W + b)
            (gradient,) = torch.autograd.grad(h.sum(), x, retain_graph=True)
            reached = (gradient != 0).any(dim=1).numpy()
            assert reached[0] == (layer < dies[0])
            assert reached.any() == (layer < dies[1])
            if not reached.any():
                break
        verdicts.append(dies[1] <= 8)
    assert any(verdicts)
    assert not all(verdicts)


def test_many_networks_at_once_are_one_at_a_time():
    rng = np.random.default_rng(5)
    together = measure.dies_in_layer(X, 2, "zero_biases", n_nets=3000, deepest=6, rng=rng)
    alone = [
        measure.dies_in_layer(X, 2, "zero_biases", n_nets=1, deepest=6, rng=np.random.default_rng((5, seed)))[0]
        for seed in range(1500)
    ]
    counts = np.array([np.bincount(each, minlength=8)[2:] for each in (together, alone)])
    assert stats.chi2_contingency(counts[:, counts.sum(axis=0) > 10]).pvalue > 0.001


# ---------------------------------------------------------------- all inputs, and the asymmetric draw


def test_the_formula_is_an_upper_bound_for_many_inputs(recorded):
    for width in WIDTHS:
        for initialization in SYMMETRIC:
            data = recorded(width=width, initialization=initialization)
            error = np.sqrt(data["exact"] * (1 - data["exact"]) / measure_born_dead.N_NETS_TOGETHER)
            assert (data["together"] <= data["exact"] + 4 * error + 1e-12).all()
    assert recorded(width=3, initialization="zero_biases")["together"][9] < 0.6 < measure.exact_share(10, 3)


def test_an_input_and_its_opposite_cannot_both_die_in_the_first_layer():
    both = np.concatenate([X[:1], -X[:1]])
    dies = measure.dies_in_layer(both, 2, "zero_biases", n_nets=4000, deepest=2, rng=np.random.default_rng(0))
    assert dies.min() == 2
    # half of the networks have one ray left, half both; each dies if two units are off for it
    assert np.mean(dies == 2) == pytest.approx(_two_rays(), abs=4 * np.sqrt(0.1 / 4000))


def _two_rays():
    """P(both rays die in layer 2), width 2: one ray on two units dies with 1/4, two rays on a unit each with 1/16."""
    return 0.5 * 0.25 + 0.5 * 0.25**2


@pytest.mark.parametrize("fan_in", [2, 64])
def test_the_asymmetric_draw_has_its_law(fan_in):
    W, b = measure.draw_layer((4000, fan_in, 3), "asymmetric", rng=np.random.default_rng(1))
    both = np.concatenate([W, b], axis=1)
    normal, beta = stats.norm(scale=0.6007 / np.sqrt(fan_in)), stats.beta(2, 1)
    share = 1 / (fan_in + 1)

    def law(t):
        return share * beta.cdf(t) + (1 - share) * normal.cdf(t)

    one_a_unit = both[np.arange(4000), np.random.default_rng(2).integers(fan_in + 1, size=4000), 0]
    for values in (one_a_unit, b[:, 0, 0]):
        assert stats.kstest(values, law).pvalue > 0.001
    assert both.sum(axis=1).mean() == pytest.approx(2 / 3, abs=0.03)  # exactly one number a unit is Beta's


def test_what_symmetric_draws_are():
    W, b = measure.draw_layer((4000, 8, 3), "random_biases", rng=np.random.default_rng(1))
    assert W.std() == pytest.approx(0.5, rel=0.02)
    assert b.std() == pytest.approx(1, rel=0.03)
    assert not measure.draw_layer((10, 8, 3), "zero_biases", rng=np.random.default_rng(1))[1].any()


def test_asymmetric_weights_die_less_often(recorded):
    for width in WIDTHS:
        data = recorded(width=width, initialization="asymmetric")
        assert (data["one"][4:] < data["exact"][4:]).all()
        assert data["one"][0] == pytest.approx(0.5**width, abs=0.02)  # the first layer's inputs have both signs


# ---------------------------------------------------------------- sentences, drawings, errors


def test_what_the_sentences_say():
    lab = labs.born_dead
    assert "3 units a layer, symmetric weights, biases 0: with 10 hidden layers 73.9 %" in lab.reading()
    assert "dead for one digit (exact: 73.7 %) and 56.4 % for 100 digits" in lab.reading()
    asymmetric = lab.reading(initialization="asymmetric")
    assert "23.8 % of 20,000 networks are dead for one digit (one input, symmetric weights: 73.7 %)" in asymmetric


def test_the_figure_shows_what_was_measured(recorded):
    data = recorded(width=4, initialization="asymmetric")
    figure = labs.born_dead.figure(width=4, initialization="asymmetric")
    lines = {trace.name: trace for trace in figure.data}
    np.testing.assert_array_equal(lines["100 digits"].y, data["together"])
    np.testing.assert_array_equal(lines["one digit"].y, data["one"][lines["one digit"].x - 1])
    np.testing.assert_array_equal(lines["exact, one input"].y, data["exact"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, "zero_biases"), "width must be a whole number >= 1, got 0"),
        ((3, "assymetric"), "unknown initialization 'assymetric'; there are: asymmetric"),
    ],
)
def test_networks_that_cannot_be_drawn(arguments, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        measure.born_dead(*arguments)
