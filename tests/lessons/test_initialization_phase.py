"""Lesson 03's phase diagram: each cell against torch, the maps against theory, the figure against its data."""

import math

import numpy as np
import pytest
import torch

from vgx import activations, figures, theory
from vgx.lessons.initialization import draw_phase, labs, measure, measure_phase
from vgx.lessons.initialization.measure_phase import DEPTHS, SIGMA_W
from vgx.verdict import Verdict

every = pytest.mark.parametrize("activation", activations)
phase = measure.phase_diagram


def test_a_cell_is_what_torch_finds():
    """The same weights, the chain rule by autograd: σ_w = 1.782, 20 layers, three networks."""
    net, x, readout = measure_phase._draw(3, 0)
    ratios = []
    for which in range(3):
        h, z = torch.tensor(x[which], dtype=torch.float64), []
        for weight, bias in zip(net.unit_weights[:20], net.unit_biases, strict=False):
            weight, bias = torch.tensor(weight[which]).double(), torch.tensor(bias[which]).double()
            z.append((1.782 * h @ weight / math.sqrt(measure_phase.WIDTH) + 0.3 * bias).requires_grad_())
            z[-1].retain_grad()
            h = torch.tanh(z[-1])
        (h * torch.tensor(readout[which])).sum().backward()
        ratios.append((z[0].grad.norm() / z[-1].grad.norm()).item())
    data = phase(1.782, 0.3, "tanh", n_nets=3)
    cell = data["map"][SIGMA_W.tolist().index(1.782), DEPTHS.tolist().index(20)]
    assert cell == pytest.approx(np.median(ratios), rel=1e-3)
    assert data["median"][DEPTHS.tolist().index(20)] == cell
    assert data["high"][DEPTHS.tolist().index(20)] == pytest.approx(np.quantile(ratios, 0.95), rel=1e-3)


@every
def test_the_maps_follow_theory(activation):
    """The median of 16 networks of width 128 lies within a power of ten of theory's root mean square, tanh apart."""
    for sigma_b in labs.phase_diagram.axes["sigma_b"]:
        measured = np.log10(phase(1.0, sigma_b, activation)["map"])
        predicted = np.log10([
            measure_phase.predicted_ratios(s**2 + sigma_b**2, activation=activation, sigma_w=s, sigma_b=sigma_b)
            for s in SIGMA_W
        ])  # fmt: skip
        deviation = (measured - predicted)[np.isfinite(measured)]
        # large weights leave few units of tanh unsaturated: the mean lives from rare networks, the median falls behind
        lowest = -2.5 if activation == "tanh" else -1
        assert lowest < deviation.min()
        assert deviation.max() < 1
        assert np.median(np.abs(deviation)) < 0.3


@every
def test_the_border_lies_at_the_critical_line_where_that_is_stable(activation):
    for sigma_b in labs.phase_diagram.axes["sigma_b"]:
        data = phase(1.0, sigma_b, activation)
        deepest = data["map"][:, -1]
        first_above = SIGMA_W[np.flatnonzero(~(deepest <= 1))[0]]
        assert (~(deepest[first_above <= SIGMA_W] <= 1)).all()  # one border
        if data["stable"] and sigma_b:
            assert data["critical"] / 1.14 < first_above < data["critical"] * 1.14
        elif activation in ("gelu", "silu"):  # a signal from inputs of size 1 leaves for inf elsewhere
            assert 1.4 < first_above < 1.6
            assert (data["critical"] == pytest.approx(2)) == (sigma_b == 0)
        elif activation == "softplus":
            assert np.isnan(data["critical"])
            assert 1.414 < first_above < 1.6
        else:  # at q = 0 the ratio still falls, as a power of the depth
            assert data["critical"] / 1.13 < first_above < data["critical"] * 1.4


def test_a_row_between_those_of_the_map():
    on, off, next_ = (phase(sigma_w, 0.0, "relu", n_nets=4)["median"] for sigma_w in (1.587, 1.68, 1.782))
    assert (on < off).all()
    assert (off < next_).all()
    # the same draw: ReLU's ratio is a power of σ_w
    np.testing.assert_allclose(off, on * (1.68 / 1.587) ** (DEPTHS - 1), rtol=1e-3)


def test_what_theory_says_of_a_row():
    data = phase(1.0, 0.0, "relu")
    np.testing.assert_allclose(data["theory"], 2.0 ** (-(DEPTHS - 1) / 2), rtol=1e-9)
    assert data["depth_scale"] == pytest.approx(1 / math.log(2))
    assert data["critical"] == pytest.approx(math.sqrt(2))
    data = phase(1.0, 0.2236, "tanh")
    profile = theory.gradient_profile(1 + 0.05, depth=20, activation="tanh", sigma_w=1.0, sigma_b=0.2236)
    assert data["theory"][DEPTHS.tolist().index(20)] == pytest.approx(profile[0], rel=1e-4)


def test_a_seed_gives_the_same_and_another_not():
    first, again, other = (phase(1.0, 0.1, "tanh", n_nets=2, seed=seed)["median"] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


def test_wrong_arguments_raise():
    with pytest.raises(ValueError, match="unknown activation 'tahn'"):
        phase(1.0, 0.0, "tahn")
    with pytest.raises(ValueError, match="sigma_w must be a finite number >= 0, got -1"):
        phase(-1, 0.0, "tanh")
    with pytest.raises(ValueError, match="sigma_b must be a finite number >= 0, got nan"):
        phase(1.0, math.nan, "tanh")
    with pytest.raises(ValueError, match="n_nets must be a whole number >= 1"):
        phase(1.0, 0.0, "tanh", n_nets=0)


# ---------------------------------------------------------------- the figure


def figure(**state):
    lab = labs.phase_diagram
    return lab.draw(lab.data(**state), lab.state(**state))


def trace(drawn, name):
    return next(each for each in drawn.data if each.name == name)


def notes(drawn):
    """The texts in the figure that are to be seen, and their places."""
    texts = [each for each in drawn.data if each.type == "scatter" and each.mode == "text" and not np.isnan(each.x[0])]
    return {each.text[0]: (each.x[0], each.y[0]) for each in texts}


def test_powers_of_ten_with_overflow_and_dead():
    powers = draw_phase.powers_of_ten(np.array([1, 1e-3, 1e-40, 1e40, np.inf, np.nan, 0]))
    assert powers.tolist() == [0, -3, -15, 15, 17, 17, -17]


def test_each_colour_is_its_verdicts():
    stops, colours = zip(*trace(figure(), "first layer's gradient over the last one's").colorscale, strict=True)
    assert list(stops) == sorted(stops)
    assert (stops[0], stops[-1]) == (0, 1)

    def colour(power):
        place = (power + 17) / 34
        return colours[min(range(len(stops)), key=lambda k: abs(stops[k] - place))]

    for power, verdict in [(-15.3, "vanishing"), (0, "healthy"), (15.3, "exploding"), (17, "overflow"), (-17, "dead")]:
        assert colour(power) == figures.COLOURS[Verdict(verdict)]


def test_the_map_the_line_and_the_row():
    drawn = figure(activation="relu", sigma_b=0.0, sigma_w=2.0)
    heat = trace(drawn, "first layer's gradient over the last one's")
    rows, columns = heat.z.shape
    assert (len(heat.y), len(heat.x)) == (rows + 1, columns + 1)
    assert rows * columns <= 1200
    assert np.diff(heat.y) == pytest.approx(1 / 6)  # even steps: Plotly then draws fast
    np.testing.assert_allclose(2 ** ((heat.y[1:] + heat.y[:-1]) / 2), SIGMA_W, rtol=1e-3)
    assert trace(drawn, "critical line").y == pytest.approx([0.5, 0.5])
    frame = trace(drawn, "the row below").y
    assert (min(frame), max(frame)) == pytest.approx((1 - 1 / 12, 1 + 1 / 12))
    assert np.isnan(trace(figure(activation="softplus"), "critical line").y).all()


def test_axes_and_traces_are_the_same_in_all_states():
    some = [{}, {"activation": "relu", "sigma_w": 11.314}, {"activation": "softplus", "sigma_b": 0.0, "sigma_w": 0.5}]
    drawn = [figure(**state) for state in some]
    for axis in ("xaxis", "yaxis", "yaxis2"):
        ranges = [each.layout[axis].range for each in drawn]
        assert all(np.array_equal(ranges[0], other) for other in ranges)
    assert len({tuple(each.name for each in one.data) for one in drawn}) == 1
    assert all(len(one.layout.title.text.split("<sub>")[1]) < 50 for one in drawn)


def test_overflow_is_named_where_it_is():
    for activation in ("tanh", "relu"):
        drawn = figure(activation=activation)
        heat = trace(drawn, "first layer's gradient over the last one's")
        assert (heat.z == draw_phase.BEYOND).any() == (activation == "relu")
        assert ("■ inf" in drawn.layout.title.text) == (activation == "relu")


def test_the_rows_label_keeps_out_of_the_lines_way():
    for sigma_w, ending in [(0.794, "σ_w = 0.794: <b>vanishing</b>, 10⁻⁷"), (4.0, "σ_w = 4: <b>exploding</b>, 10⁹")]:
        label = notes(figure(activation="tanh", sigma_w=sigma_w))[ending]
        assert (label[1] > 1) == (sigma_w < 1)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (
            {"activation": "tanh", "sigma_b": 0.2236, "sigma_w": 1.0},
            "tanh, σ_b = 0.224, σ_w = 1: at 50 layers the first layer’s gradient is 10⁻³ of the last one’s: vanishing. "
            "Theory, deep down: it falls tenfold every 17 layers; critical σ_w = 1.33.",
        ),
        (
            {"activation": "relu", "sigma_b": 0.0, "sigma_w": 11.314},
            "relu, σ_b = 0, σ_w = 11.3: at 50 layers the numbers overflow. "
            "Theory, deep down: it grows tenfold every 1.1 layers; critical σ_w = 1.41.",
        ),
        (
            {"activation": "gelu", "sigma_b": 0.2236, "sigma_w": 1.0},
            "gelu, σ_b = 0.224, σ_w = 1: at 50 layers the first layer’s gradient is 10⁻¹³ of the last one’s: "
            "vanishing. Theory, deep down: it falls tenfold every 3.7 layers; critical σ_w = 1.52 (unstable).",
        ),
        (
            {"activation": "tanh", "sigma_b": 0.0, "sigma_w": 1.0},
            "tanh, σ_b = 0, σ_w = 1: at 50 layers the first layer’s gradient is 0.12 of the last one’s: healthy. "
            "Theory, deep down: it neither falls nor grows exponentially; critical σ_w = 1.",
        ),
    ],
)
def test_reading(state, sentence):
    lab = labs.phase_diagram
    assert lab.read(lab.data(**state), lab.state(**state)) == sentence


def test_reading_of_a_dead_network():
    lab = labs.phase_diagram
    data = lab.data(activation="relu", sigma_b=0.0, sigma_w=0.5) | {"median": np.zeros(len(DEPTHS))}
    state = lab.state(activation="relu", sigma_b=0.0, sigma_w=0.5)
    assert "no gradient arrives at the first layer: dead" in lab.read(data, state)
    assert "σ_w = 0.5: <b>dead</b>" in notes(lab.draw(data, state))


def test_the_lab_fits_its_budget():
    lab = labs.phase_diagram
    assert sum(1 for _ in lab.states()) <= 1500
    assert list(lab.axes["sigma_w"]) == SIGMA_W.tolist()
