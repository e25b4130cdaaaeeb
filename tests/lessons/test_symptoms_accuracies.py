import numpy as np
import pytest

from tests.mnist import needs_mnist
from vgx import figures, theory
from vgx.datasets import digits, mnist
from vgx.lessons.symptoms import draw, draw_accuracies, labs, measure, measure_accuracies, measure_probe
from vgx.lessons.symptoms.record import RECORDINGS
from vgx.network import Network


@pytest.fixture(scope="module")
def recorded():
    return RECORDINGS.load("accuracies")


# The four networks


def drawn(hidden, n_seeds, width=12):
    rngs = [np.random.default_rng((seed, hidden)) for seed in range(n_seeds)]
    return measure_accuracies._draw([width, *[30] * hidden, 10], rngs)


@pytest.mark.parametrize("hidden", [1, 3])
def test_a_step_is_torchs_of_nielsens_cost(hidden):
    import torch

    weights, biases = drawn(hidden, n_seeds=2)
    rng, before = np.random.default_rng(0), [torch.tensor(array, dtype=torch.float64) for array in [*weights, *biases]]
    parameters = [array.requires_grad_() for array in before]
    for _ in range(5):
        x, labels = rng.random((2, 10, 12), dtype=np.float32), rng.integers(0, 10, (2, 10))
        y = np.eye(10, dtype=np.float32)[labels]
        measure_accuracies._step(weights, biases, x, y)

        h = torch.tensor(x, dtype=torch.float64)
        for layer in range(hidden + 1):
            z = h @ parameters[layer] + parameters[hidden + 1 + layer]
            h = torch.sigmoid(z)
        cost = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(y).double(), reduction="sum") / 10
        squares = sum((w**2).sum() for w in parameters[: hidden + 1])
        gradients = torch.autograd.grad(cost + 5.0 / 50_000 / 2 * squares, parameters)
        parameters = [(p - 0.1 * g).detach().requires_grad_() for p, g in zip(parameters, gradients, strict=True)]
    for found, expected in zip([*weights, *biases], parameters, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected.detach().numpy(), atol=2e-6)
    moved = max(abs(p - b).max().item() for p, b in zip(parameters, before, strict=True))
    assert moved > 1e-2


def test_the_decay_is_felt_by_weights_and_not_by_biases(monkeypatch):
    monkeypatch.setattr(measure_accuracies, "DECAY", 5e4)  # 1 - rate λ / n = 0.9
    weights, biases = drawn(hidden=1, n_seeds=1)
    first, bias = weights[0].copy(), biases[0].copy()
    measure_accuracies._step(weights, biases, np.zeros((1, 10, 12), np.float32), np.zeros((1, 10, 10), np.float32))
    np.testing.assert_allclose(weights[0], 0.9 * first, rtol=1e-6)  # inputs 0: no gradient
    assert abs(biases[0] - bias).max() < 0.1 * abs(bias).max()


def test_weights_begin_with_variance_1_over_n_in_and_biases_with_1():
    weights, biases = drawn(hidden=2, n_seeds=200, width=784)
    for w in weights:
        assert w.std() * np.sqrt(w.shape[1]) == pytest.approx(1, abs=0.01)
    for b in biases:
        assert b.shape[1] == 1
        assert b.std() == pytest.approx(1, abs=0.03)


def test_an_epoch_shows_every_image_once_and_each_in_a_new_order():
    rngs = [np.random.default_rng(seed) for seed in range(2)]
    epochs = [np.stack(list(measure_accuracies._batches(rngs))) for _ in range(2)]
    for epoch in epochs:
        assert epoch.shape == (5000, 2, 10)
        for network in range(2):
            assert np.array_equal(np.sort(epoch[:, network].ravel()), np.arange(50_000))
    orders = [epoch[:, network].ravel().tobytes() for epoch in epochs for network in range(2)]
    assert len(set(orders)) == 4


@needs_mnist
@pytest.mark.parametrize(("hidden", "atol"), [(1, 0.3), (4, 3.0)])  # on another machine rounding differs
def test_a_part_of_the_recording_computed_again(recorded, hidden, atol):
    found = measure.accuracy_by_epoch(hidden, epochs=1, n_seeds=1)
    for name in ("validation", "test"):
        assert found[name].shape == (1, 2)
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], recorded(hidden=hidden)[name][:1, :2], atol=atol)


@needs_mnist
def test_accuracies_are_those_of_the_held_out_and_of_the_test_images(monkeypatch):
    monkeypatch.setattr(measure_accuracies, "_step", lambda *args: None)
    found = measure.accuracy_by_epoch(2, epochs=1, n_seeds=2)
    train, test = mnist(), mnist("test")
    weights, biases = drawn(2, 2, width=784)
    for name, x, y in (("validation", train.x[-10_000:], train.y[-10_000:]), ("test", test.x, test.y)):
        for k in range(2):
            h = x
            for w, b in zip(weights, biases, strict=True):
                h = 1 / (1 + np.exp(-(h @ w[k] + b[k])))
            right = np.count_nonzero(h.argmax(axis=1) == y) / 100
            np.testing.assert_allclose(found[name][k], [right, right], atol=0.011)


def test_the_recording_has_twenty_runs_of_thirty_epochs_a_depth(recorded):
    assert recorded.axes == {"hidden": (1, 2, 3, 4)}
    assert recorded.provenance["fixed"] == {"epochs": 30, "n_seeds": 20}
    for hidden in measure.HIDDEN:
        for accuracy in recorded(hidden=hidden).values():
            assert accuracy.shape == (20, 31)
            assert len({run.tobytes() for run in accuracy}) == 20
            assert (accuracy[:, 0] < 25).all()  # before the first step: by chance


def test_what_is_robust_in_the_four_accuracies_and_what_is_noise(recorded):
    validation = {hidden: recorded(hidden=hidden)["validation"].astype(float) for hidden in measure.HIDDEN}
    ends = {hidden: accuracy[:, -1] for hidden, accuracy in validation.items()}
    for hidden, published in measure.PUBLISHED.items():
        assert ends[hidden].min() < published < ends[hidden].max()

    def gain_in_standard_errors(fewer, more):
        error = np.sqrt((ends[fewer].var(ddof=1) + ends[more].var(ddof=1)) / 20)
        return (ends[more].mean() - ends[fewer].mean()) / error

    begun = [np.median(validation[hidden][:, 1]) for hidden in measure.HIDDEN]
    assert begun == sorted(begun, reverse=True)
    assert validation[4][:, 1].max() < 40 < 75 < validation[3][:, 1].min()  # no run of the one as slow as the other's
    assert gain_in_standard_errors(1, 2) > 4
    assert abs(gain_in_standard_errors(1, 3)) < 1
    wins = draw.wins_in_percent(labs.accuracies.data(hidden=3, against=4), {})
    assert 10 < wins < 50
    assert abs(np.median(ends[3]) - np.median(ends[4])) < ends[4].std(ddof=1)


# The lab


def test_the_lab_compares_the_recorded_runs(recorded):
    data = labs.accuracies.data(hidden=3, against=4)
    assert np.array_equal(data["first"], recorded(hidden=3)["validation"])
    assert np.array_equal(data["second"], recorded(hidden=4)["validation"])
    final = [recorded(hidden=hidden)["validation"][:, -1] for hidden in measure.HIDDEN]
    assert np.array_equal(data["final"], final)


def test_the_reading_counts_pairs_of_runs():
    data = {"first": np.array([[10.0, 50, 96], [10, 60, 97]]), "second": np.array([[10.0, 20, 97], [10, 30, 98]])}
    said = draw.accuracies_reading(data, {"hidden": 3, "against": 4})
    assert said.startswith("3 against 4 hidden layers: after 30 epochs the medians are 96.50 and 97.50 % right ")
    assert "(Nielsen: 96.57 and 96.53)" in said
    assert "4 is better than 3 in 88 % of all pairs of runs" in said  # three of four, and half of a tie
    assert said.endswith("After the first epoch: 55.0 and 25.0 %.")
    alone = draw.accuracies_reading(data | {"second": data["first"]}, {"hidden": 3, "against": 3})
    assert alone.startswith("3 hidden layers: after 30 epochs 96.00 to 97.00 % right, median 96.50 (Nielsen: 96.57); ")


def test_the_figure_shows_the_range_of_the_runs_and_the_ends_of_all_depths(recorded):
    state = {"hidden": 1, "against": 4}
    data = labs.accuracies.data(**state)
    found = draw.accuracies(data, state).data
    for trace, hidden in zip(found[:2], (1, 4), strict=True):
        wrong = 100 - recorded(hidden=hidden)["validation"]
        np.testing.assert_allclose(trace["y"], [*wrong.max(axis=0), *wrong.min(axis=0)[::-1]])
    strokes = next(trace for trace in found if trace["name"] == "ends")
    x, y = (np.asarray(strokes[axis]).reshape(4, 20, 5) for axis in "xy")
    for k, hidden in enumerate((1, 2, 3, 4)):
        np.testing.assert_allclose(y[k, :, :4].mean(axis=1), recorded(hidden=hidden)["validation"][:, -1])
        assert (abs(x[k, :, :4] - hidden) < 0.5).all()
        assert np.isnan(x[k, :, 4]).all()
    marks = next(trace for trace in found if trace["name"] == "median, and Nielsen")
    assert list(marks["y"][4:]) == [96.48, 96.90, 96.57, 96.53]
    assert list(marks["y"][:4]) == [np.median(recorded(hidden=hidden)["validation"][:, -1]) for hidden in (1, 2, 3, 4)]
    first, *others, last = marks["marker"]["color"][:4]
    assert (first, *others, last) == (draw_accuracies.COLOURS[0], figures.INK, figures.INK, draw_accuracies.COLOURS[1])


def test_every_end_lies_within_the_figure():
    data = labs.accuracies.data()
    low, high = draw.accuracies(data, labs.accuracies.defaults).layout.yaxis2.range
    assert low < data["final"].min()
    assert data["final"].max() < high


def test_one_depth_against_itself_is_drawn_once():
    state = {"hidden": 2, "against": 2}
    found = draw.accuracies(labs.accuracies.data(**state), state).data
    assert len(found[1]["y"]) == 0
    assert np.isnan(found[3]["y"]).all()
    assert list(found[-1]["text"]) == ["2 hidden layers", "\N{NO-BREAK SPACE}"]


# The linear probe


@pytest.fixture(scope="module")
def probe():
    return measure.probe_by_layer("digits")


def test_the_probe_is_scikit_learns(probe):
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score
    from sklearn.neighbors import KNeighborsClassifier

    data = digits(standardize=False)
    x, y = data.x / 16, data.y
    net = Network.sample(
        depth=4, width=30, n_inputs=64, activation="sigmoid", initializer="lecun_normal", bias_std=1.0,
        rng=np.random.default_rng(3),
    )  # fmt: skip
    trace = net.forward(x)
    places = [x, trace.pre_activations[0], *trace.activations]
    for k, h in enumerate(places):
        classes = LinearRegression().fit(h[:1297], np.eye(10)[y[:1297]]).predict(h[1297:]).argmax(axis=1)
        assert probe["accuracy"][3, k] == pytest.approx(100 * np.mean(classes == y[1297:]))
        pixels = LinearRegression().fit(h[:1297], x[:1297]).predict(h[1297:])
        missed = np.sum((pixels - x[1297:]) ** 2) / np.sum((x[1297:] - x[:1297].mean(axis=0)) ** 2)
        assert probe["recovered"][3, k] == pytest.approx(100 * (1 - missed), abs=1e-3)
        assert r2_score(x[1297:], pixels, multioutput="variance_weighted") == pytest.approx(1 - missed, abs=0.02)
        nearest = KNeighborsClassifier(1).fit(h[:1297], y[:1297]).score(h[1297:], y[1297:])
        assert probe["neighbour"][3, k] == pytest.approx(100 * nearest)
        assert probe["contrast"][3, k] == pytest.approx(h[:1297].std(axis=0).mean())


def test_the_contrast_falls_by_the_factor_that_theory_gives_the_gradient(probe):
    q = theory.fixed_point(activation="sigmoid", sigma_w=1.0, sigma_b=1.0)
    chi = theory.chi(activation="sigmoid", sigma_w=1.0, q=q)
    falls = np.median(probe["contrast"][:, 3:] / probe["contrast"][:, 2:-1], axis=0)
    np.testing.assert_allclose(falls, np.sqrt(chi), rtol=0.06)


def test_the_recorded_probe_computed_again():
    assert RECORDINGS.differences("probe", {"data": ["digits"], "width": [30]}, rtol=1e-3, atol=0.41) == []


@needs_mnist
def test_a_part_of_the_recorded_probe_of_mnist_computed_again():
    recorded = RECORDINGS.load("probe")(data="mnist", width=30)
    x, y, seen = measure_probe._images("mnist")
    net = Network.sample(
        depth=4, width=30, n_inputs=784, activation="sigmoid", initializer="lecun_normal", bias_std=1.0,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    found = measure_probe._probed(net.forward(x).activations[3], x, y, seen)
    names = {"accuracy": 0.1, "recovered": 0.05, "neighbour": 0.2, "contrast": 1e-6}
    for value, (name, atol) in zip(found, names.items(), strict=True):
        assert recorded[name][0, 5] == pytest.approx(value, abs=atol)


def test_unknown_data_say_which_there_are():
    with pytest.raises(ValueError, match="unknown data 'cifar'; there are: digits, mnist"):
        measure.probe_by_layer("cifar")


def test_places_are_as_many_as_what_is_measured(probe):
    assert {name: values.shape for name, values in probe.items()} == dict.fromkeys(
        ("accuracy", "recovered", "neighbour", "contrast"), (10, len(measure_probe.PLACES))
    )
