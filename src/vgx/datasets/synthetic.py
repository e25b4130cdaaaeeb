"""Tasks that are drawn rather than collected."""

from dataclasses import dataclass

import numpy as np

from vgx.arguments import generator, whole_number


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of one length, and a number that belongs to each.

    Parameters
    ----------
    x : ndarray, shape (steps, n, n_inputs)
        Time comes first, as in `vgx.recurrent`: ``x[t]`` is what all sequences show at one step.
    y : ndarray, shape (n, 1)
        The targets, in the shape of a network's output, from which they are subtracted.
    """

    x: np.ndarray
    y: np.ndarray


def adding_problem(n: int, steps: int, *, rng: np.random.Generator, dtype: type = np.float64) -> Sequences:
    """Draw the adding problem: two of many numbers are marked, and their sum is asked for.

    At each step a sequence shows a number, uniform between 0 and 1, and a marker. The marker is 1 at two steps, one
    drawn from the first half of the sequence, one from the second, and 0 elsewhere. So the first of the two must be
    kept for at least half of the steps, counted to the end. Who always answers 1 has a mean squared error of
    1/6: the variance of the sum of two such numbers, 1/12 each.

    Parameters
    ----------
    n : int
        Sequences.
    steps : int
        Their length T, at least 2; with an odd one the second half is the longer.
    rng : numpy.random.Generator
        Source of the randomness.
    dtype : type
        Of the numbers.

    Returns
    -------
    Sequences
        ``x`` of shape (steps, n, 2), the number and its marker, and ``y`` of shape (n, 1).

    Raises
    ------
    ValueError
        If a number is not allowed or ``rng`` is no generator.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long short-term memory, experiment 4. There the lengths vary, the numbers lie
    between -1 and 1, and both markers come in the first half; one marker in each half is the later habit.

    Examples
    --------
    >>> task = adding_problem(1000, 50, rng=np.random.default_rng(0))
    >>> task.x.shape, task.y.shape
    ((50, 1000, 2), (1000, 1))
    >>> bool(np.all((task.x[:, :, 0] * task.x[:, :, 1]).sum(axis=0) == task.y[:, 0]))
    True
    """
    n, steps, rng = whole_number("n", n), whole_number("steps", steps, least=2), generator(rng)
    x = np.zeros((steps, n, 2), dtype)
    x[:, :, 0] = rng.random((steps, n))
    halves = rng.integers([[0], [steps // 2]], [[steps // 2], [steps]], (2, n))
    x[halves, np.arange(n), 1] = 1
    return Sequences(x, x[halves, np.arange(n), 0].sum(axis=0)[:, None])
