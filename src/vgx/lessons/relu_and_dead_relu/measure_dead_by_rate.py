"""The recorded trainings of `learning_rate_kills`, cut across: one moment, all learning rates."""

import numpy as np

from vgx.grid import Grid

from .measure_learning_rate import LEARNING_RATE_AXES, LEARNING_RATES

EPOCHS = (0, 1, 2, 3, 5, 10, 20, 30)
DEAD_BY_RATE_AXES = {"epoch": EPOCHS} | {name: LEARNING_RATE_AXES[name] for name in ("optimizer", "activation")}


def dead_by_rate(recording: Grid, epoch: int, optimizer: str, activation: str) -> dict[str, np.ndarray]:
    """Return what `learning_rate_kills` measured after an epoch at every recorded learning rate.

    Parameters
    ----------
    recording : Grid
        Of `learning_rate_kills`.
    epoch : int
        One of `EPOCHS`.
    optimizer, activation : str

    Returns
    -------
    dict
        ``dead``, ``negative``, ``loss``: float32, shape (rates, n_seeds); NaN where the run had diverged.
        ``test_accuracy``: the same, but after the last epoch, whatever ``epoch`` is.
    """
    runs = [recording(learning_rate=rate, optimizer=optimizer, activation=activation) for rate in LEARNING_RATES]
    found = {name: np.array([run[name][:, epoch] for run in runs]) for name in ("dead", "negative", "loss")}
    return found | {"test_accuracy": np.array([run["test_accuracy"] for run in runs])}
