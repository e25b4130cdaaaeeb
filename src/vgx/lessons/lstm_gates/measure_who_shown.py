"""The recorded answers of `who_did_it`, cut across: one sequence, one mark, all networks."""

import numpy as np

from vgx.grid import Grid

from .measure_who import LAGS, LENGTH, SEQUENCES, WHO_AXES

WHO_SHOWN_AXES = {
    "cell": WHO_AXES["cell"],
    "step": WHO_AXES["step"],
    "lag": (0, 1, 4, 8, 16, 19),  # of those recorded
    "sequence": tuple(SEQUENCES),
}


def who_shown(recording: Grid, cell: str, step: int, lag: int, sequence: str) -> dict[str, np.ndarray]:
    """Return what the networks answer to a sequence, what moves the answers, and how many are right.

    Parameters
    ----------
    recording : Grid
        Of `who_did_it`.
    cell : {"rnn", "lstm"}
    step : int
        Of training.
    lag : int
        How many steps before the end the marked digit stands.
    sequence : {"pi", "e", "sqrt2"}

    Returns
    -------
    dict
        ``digits``: the sequence, int of shape (20,). ``mark``: place of the marked digit, from 0. ``answers``: shape
        (seeds,). ``share``: each digit's share of the sum of the gradient's norms, (seeds, 20). ``changed``: share of
        the 9 other digits in its place that change the answer, (seeds, 20). ``accuracy``: of random sequences by the
        place of the mark, (cells, seeds, 20).
    """
    runs = {
        kind: [recording(step=step, cell=kind, seed=seed) for seed in WHO_AXES["seed"]] for kind in WHO_AXES["cell"]
    }
    at = tuple(SEQUENCES).index(sequence), LAGS.index(lag)
    norms = 10.0 ** np.array([run["gradient"][at] for run in runs[cell]], float)
    return {
        "digits": np.array([int(digit) for digit in SEQUENCES[sequence]]),
        "mark": np.array(LENGTH - 1 - lag),
        "answers": np.array([run["answer"][at] for run in runs[cell]]),
        "share": norms / norms.sum(axis=1, keepdims=True),
        "changed": np.array([run["changed"][at] for run in runs[cell]]) / 9,
        "accuracy": np.array([[run["accuracy"] for run in runs[kind]] for kind in runs]),
    }
