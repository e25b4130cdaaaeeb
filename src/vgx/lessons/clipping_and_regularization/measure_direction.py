"""By how much clipping turns a gradient: by value it does, by norm it doesn't."""

from functools import cache, lru_cache

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.clipping import clip_by_norm
from vgx.registry import unknown_name

N_GRADIENTS = 200
N_BY_NORM = 20
MOST_ENTRIES = 10_000
LIMITS = np.geomspace(0.01, 100, 33)
"""Limits along the figure's axis, in units of the gradient's mean magnitude."""

TAILS = {"gaussian": np.inf, "t_5_dof": 5.0, "t_3_dof": 3.0, "t_2_dof": 2.0, "t_1.5_dof": 1.5}
"""Degrees of freedom of Student's t: the fewer, the heavier the tail. From 2 down the variance is infinite."""


def direction(
    entries: int, tail: str, limit: float, *, n_gradients: int = N_GRADIENTS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Clip random gradients and measure the angle between what was and what is.

    Parameters
    ----------
    entries : int
        Entries of the gradient, independent draws, 2 to 10,000.
    tail : str
        Their distribution, one of `TAILS`.
    limit : float
        Above 0, as a multiple of the mean magnitude of the gradient's entries.
    n_gradients, seed : int
        Number of gradients, and their seed.

    Returns
    -------
    dict
        5th percentile, median and 95th percentile over the gradients, along `LIMITS` of shape (3, 33) and, with
        ``_here``, at ``limit``, (3,): ``angle``: in degrees, after clipping by value; ``share``: of the entries cut;
        ``length``: after clipping over before. ``norm_angle``: the greatest angle of 20 of them after clipping by norm
        to the same lengths. ``theory``: the angle for infinitely many entries, at `LIMITS`, and ``theory_here``.

    Raises
    ------
    ValueError
        If the tail is unknown or a number not allowed.
    """
    if tail not in TAILS:
        raise ValueError(unknown_name("tail", tail, TAILS))
    n = whole_number("entries", entries, least=2)
    if n > MOST_ENTRIES:
        raise ValueError(f"entries must be at most {MOST_ENTRIES}, got {n}")
    limit = real_number("limit", limit, above=0.0)
    g = _gradients(n, tail, n_gradients, seed)
    along = dict(_along(n, tail, n_gradients, seed))
    here = _by_value(_summed(n, tail, n_gradients, seed), limit)
    lengths = here.pop("length_of_each")[:N_BY_NORM] * np.linalg.norm(g[:N_BY_NORM], axis=1)
    by_norm = [clip_by_norm(each, length)[0] for each, length in zip(g, lengths, strict=False)]
    here["theory"] = predicted_angle(tail, limit)
    along["norm_angle"] = angle(g[:N_BY_NORM], np.array(by_norm)).max()
    return along | {f"{name}_here": value for name, value in here.items()}


@lru_cache(maxsize=1)
def _gradients(entries: int, tail: str, n_gradients: int, seed: int) -> np.ndarray:
    rng, dof = np.random.default_rng(seed), TAILS[tail]
    shape = (n_gradients, entries)
    g = rng.standard_normal(shape) if np.isinf(dof) else rng.standard_t(dof, shape)
    return g / np.mean(abs(g), axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _summed(entries: int, tail: str, n_gradients: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort the magnitudes and sum them, and their squares, from the smallest: with that a limit takes no pass more."""
    sizes = np.sort(abs(_gradients(entries, tail, n_gradients, seed)), axis=1)
    zero = np.zeros((n_gradients, 1))
    return sizes, *(np.hstack([zero, np.cumsum(each, axis=1)]) for each in (sizes, sizes**2))


@lru_cache(maxsize=1)
def _along(entries: int, tail: str, n_gradients: int, seed: int) -> dict[str, np.ndarray]:
    summed = _summed(entries, tail, n_gradients, seed)
    each = [_by_value(summed, limit) for limit in LIMITS]
    along = {name: np.stack([one[name] for one in each], axis=-1) for name in ("angle", "share", "length")}
    return along | {"theory": np.array([predicted_angle(tail, limit) for limit in LIMITS])}


def _by_value(summed: tuple[np.ndarray, np.ndarray, np.ndarray], c: float) -> dict[str, np.ndarray]:
    """Measure what `vgx.clip_by_value` does: ``sizes`` above c become c."""
    sizes, sums, squares = summed
    row, k = np.arange(len(sizes)), np.array([np.searchsorted(each, c, "right") for each in sizes])
    n_cut = sizes.shape[1] - k
    overlap = squares[row, k] + c * (sums[:, -1] - sums[row, k])
    before, after = np.sqrt(squares[:, -1]), np.sqrt(squares[row, k] + n_cut * c**2)
    turned = np.degrees(np.arccos(np.minimum(overlap / before / after, 1.0)))
    turned = np.where(n_cut, turned, 0.0)
    measured = {"angle": turned, "share": n_cut / sizes.shape[1], "length": after / before}
    spread = {name: np.quantile(values, [0.05, 0.5, 0.95]) for name, values in measured.items()}
    return spread | {"length_of_each": measured["length"]}


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle between vectors along the last axis, in degrees; small ones too, where arccos loses digits."""
    a, b = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (a, b))
    return np.degrees(2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))


@cache
def predicted_angle(tail: str, limit: float) -> float:
    """Return the angle by which clipping by value turns a gradient of infinitely many independent entries.

    By the law of large numbers cos θ = E[min(|g|, c) |g|] / √(E[g²] E[min(|g|, c)²]), where c is ``limit`` E|g|. With
    an infinite variance it is 0: single entries then have most of the length, and lose it.
    """
    from scipy import special, stats

    dof = TAILS[tail]
    if dof <= 2:
        return 90.0
    law = stats.norm if np.isinf(dof) else stats.t(dof)
    c = limit * 2 * _mean_above(law, dof, 0.0)
    share = special.gammainc(1.5, c**2 / 2) if np.isinf(dof) else special.betainc(1.5, dof / 2 - 1, c**2 / (dof + c**2))
    small = law.var() * share  # E[g²; |g| < c]
    overlap = small + c * 2 * _mean_above(law, dof, c)
    cosine = overlap / np.sqrt(law.var() * (small + c**2 * 2 * law.sf(c)))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def _mean_above(law: object, dof: float, c: float) -> float:
    """Return E[g; g > c], the integral of g p(g) from c on."""
    return law.pdf(c) * (1.0 if np.isinf(dof) else (dof + c**2) / (dof - 1))
