import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vgx.datasets import adding_problem, digits, handwritten


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    data = digits(standardize=False)
    np.testing.assert_array_equal(data.x, x, strict=True)
    np.testing.assert_array_equal(data.y, y, strict=True)
    assert data.x.shape == (1797, 64)
    assert (data.x.min(), data.x.max()) == (0, 16)
    assert set(data.y.tolist()) == set(range(10))


def test_standardized_pixels_have_mean_0_and_variance_1_and_constant_ones_are_0():
    raw, data = digits(standardize=False), digits()
    is_constant = raw.x.std(axis=0) == 0
    assert is_constant.sum() == 3
    assert not data.x[:, is_constant].any()
    np.testing.assert_allclose(data.x.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.x[:, ~is_constant].var(axis=0), 1, rtol=1e-12)
    np.testing.assert_array_equal(data.y, raw.y)


@pytest.mark.parametrize("standardize", [True, False])
def test_the_shared_arrays_cannot_be_spoiled(standardize):
    data = digits(standardize=standardize)
    assert data is digits(standardize=standardize)
    with pytest.raises(ValueError, match="read-only"):
        data.x[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        data.y[0] = 0


def test_scikit_learn_is_not_even_imported_for_it_takes_80_mb():
    code = "import sys, vgx.datasets; vgx.datasets.digits(); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_scikit_learn_or_its_file_the_error_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(handwritten, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="scikit-learn, which is not installed: pip install scikit-learn"):
        digits.__wrapped__()
    elsewhere = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(handwritten, "find_spec", lambda name: elsewhere)
    with pytest.raises(FileNotFoundError, match=r"this scikit-learn has no digits at .*digits\.csv\.gz"):
        digits.__wrapped__()


@pytest.mark.parametrize("steps", [2, 7, 50])
def test_the_adding_problem_marks_one_number_in_each_half_and_asks_for_their_sum(steps):
    task = adding_problem(2_000, steps, rng=np.random.default_rng(0))
    assert (task.x.shape, task.y.shape) == ((steps, 2_000, 2), (2_000, 1))
    numbers, markers = task.x[:, :, 0], task.x[:, :, 1]
    assert 0 <= numbers.min() < numbers.max() < 1
    assert set(np.unique(markers)) <= {0, 1}
    first, second = markers[: steps // 2], markers[steps // 2 :]
    assert (first.sum(axis=0) == 1).all()
    assert (second.sum(axis=0) == 1).all()
    for half, marked in ((first, first.argmax(axis=0)), (second, second.argmax(axis=0))):  # uniform within the half
        counts, expected = np.bincount(marked, minlength=len(half)), 2_000 / len(half)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
    np.testing.assert_array_equal(task.y[:, 0], (numbers * markers).sum(axis=0))


def test_who_always_answers_1_to_the_adding_problem_errs_by_a_sixth():
    y = adding_problem(200_000, 4, rng=np.random.default_rng(1)).y
    # the sum's density is a triangle on [0, 2]: E[(S - 1)^2] = 2 times the integral of u^2 (1 - u) over [0, 1] = 1/6,
    # E[(S - 1)^4] = 2 (1/5 - 1/6) = 1/15
    assert abs(np.mean((y - 1) ** 2) - 1 / 6) < 4 * np.sqrt((1 / 15 - 1 / 36) / len(y))


def test_the_adding_problem_is_drawn_from_its_generator_alone_and_in_the_asked_precision():
    one, two = (adding_problem(5, 9, rng=np.random.default_rng(3), dtype=dtype) for dtype in (np.float32, np.float64))
    assert (one.x.dtype, one.y.dtype, two.x.dtype, two.y.dtype) == (np.float32, np.float32, np.float64, np.float64)
    np.testing.assert_allclose(one.x, two.x, rtol=1e-6)
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(adding_problem(5, 9, rng=rng).x, two.x)
    assert (adding_problem(5, 9, rng=rng).x != two.x).any()


def test_torch_takes_the_adding_problem_without_a_warning():
    import torch

    task = adding_problem(3, 4, rng=np.random.default_rng(0), dtype=np.float32)
    states, _ = torch.nn.RNN(2, 1)(torch.from_numpy(task.x))
    assert (states[-1] - torch.from_numpy(task.y)).shape == (3, 1)  # (3, 3) if y were flat


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be a whole number >= 1, got 0"),
        ({"steps": 1}, "steps must be a whole number >= 2, got 1"),
        ({"rng": 0}, "rng must be a numpy.random.Generator"),
    ],
)
def test_an_adding_problem_that_cannot_be_says_why(arguments, message):
    with pytest.raises(ValueError, match=message):
        adding_problem(**{"n": 3, "steps": 4, "rng": np.random.default_rng(0)} | arguments)
