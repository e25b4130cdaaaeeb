import numpy as np
import pytest

from vgx.verdict import (
    EXPLODING_ABOVE,
    VANISHING_BELOW,
    Verdict,
    powers_of_ten_per_ten_layers,
    verdict_of_norms,
    verdict_of_ratio,
)


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (0.0, "dead"),
        (5e-324, "vanishing"),
        (np.nextafter(VANISHING_BELOW, 0), "vanishing"),
        (VANISHING_BELOW, "healthy"),
        (1.0, "healthy"),
        (EXPLODING_ABOVE, "healthy"),
        (np.nextafter(EXPLODING_ABOVE, np.inf), "exploding"),
        (1e300, "exploding"),
        (np.inf, "overflow"),
        (np.nan, "overflow"),
    ],
)
def test_the_words_and_their_borders(ratio, word):
    assert verdict_of_ratio(ratio) == word
    assert isinstance(verdict_of_ratio(ratio), Verdict)
    assert verdict_of_ratio([[ratio]]).tolist() == [[word]]


def test_the_borders_are_a_hundredth_and_a_hundred():
    assert (VANISHING_BELOW, EXPLODING_ABOVE) == (1e-2, 1e2)


def test_arrays_keep_their_shape():
    words = verdict_of_ratio(np.array([[1e-3, 1.0, 1e3], [0.0, np.nan, 1e-2]]))
    assert words.tolist() == [["vanishing", "healthy", "exploding"], ["dead", "overflow", "healthy"]]
    assert (words == Verdict.HEALTHY).sum() == 2


@pytest.mark.parametrize(
    ("norms", "word"),
    [
        ([3.0], "healthy"),
        ([1e-5, 1.0, 1e-3], "healthy"),
        ([1e-5, 1e-4, 1.0], "vanishing"),
        ([50.0, 1.0, 0.1], "exploding"),
        ([1e-200, 1.0, 1e200], "vanishing"),
        ([1e200, 1.0, 1e-200], "exploding"),
        ([0.0, 0.0, 1.0], "dead"),
        ([0.0, 0.0, 0.0], "dead"),
        ([0.0, 0.0, np.inf], "overflow"),
        ([1.0, np.nan, 1.0], "overflow"),
        ([np.inf, 1.0, 1.0], "overflow"),
    ],
)
def test_profiles(norms, word):
    assert verdict_of_norms(norms) is Verdict(word)
    assert verdict_of_norms([norms, norms]).tolist() == [word, word]


def test_how_fast():
    layers = np.arange(21)
    profiles = np.stack([10.0**layers, np.ones(21), 10.0 ** (-0.2 * layers)])
    np.testing.assert_allclose(powers_of_ten_per_ten_layers(profiles), [-10.0, 0.0, 2.0], atol=1e-12)
    assert powers_of_ten_per_ten_layers([0.0, 1.0]) == -np.inf
    assert np.isnan(powers_of_ten_per_ten_layers([1.0, np.inf]))
    assert np.isnan(powers_of_ten_per_ten_layers([0.0, 0.0]))


def test_what_is_not_allowed():
    with pytest.raises(ValueError, match="a ratio of norms must be >= 0, got -2"):
        verdict_of_ratio([1.0, -2.0])
    with pytest.raises(ValueError, match="a norm must be >= 0, got -1"):
        verdict_of_norms([1.0, -1.0])
    for norms in ([], 1.0):
        with pytest.raises(ValueError, match=r"depth >= 1, got \("):
            verdict_of_norms(norms)
    with pytest.raises(ValueError, match=r"depth >= 2, got \(1,\)"):
        powers_of_ten_per_ten_layers([1.0])
