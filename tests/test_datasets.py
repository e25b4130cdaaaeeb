import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vgx.datasets import digits, handwritten


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
