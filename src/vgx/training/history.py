"""What a training leaves behind: arrays by epoch and layer, and the same as rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgx.probing import Layer

BY_EPOCH = ("loss", "accuracy", "test_loss", "test_accuracy")
BY_LAYER = ("gradient_norm", "bias_gradient_norm", "update_ratio")


@dataclass(frozen=True)
class History:
    """A training, epoch by epoch; ``...`` is nothing for one model and the number of models for a list of them.

    Entry 0 is measured before the first step, entry e after epoch e. After the end of a diverged run its
    entries are NaN, which is overflow; those of an interrupted one are cut at the last whole epoch.

    Parameters
    ----------
    layers : tuple of str
        The modules with parameters of their own.
    seeds : int or ndarray of int, shape (...)
        What the mini-batches' order was drawn from.
    loss, accuracy : ndarray, shape (..., epochs + 1)
        Mean over the training examples; the accuracy is None for targets that are no classes.
    test_loss, test_accuracy : ndarray, shape (..., epochs + 1), or None
        The same for the test examples.
    gradient_norm, bias_gradient_norm : ndarray, shape (..., epochs + 1, layers)
        Norm of the mean gradient over a fixed batch, of a layer's weights and of its biases; NaN where it has none.
    update_ratio : ndarray, shape (..., epochs, layers)
        ‖Δw‖ / ‖w‖ of a layer's weights in the last step of each epoch.
    status : str or ndarray of str, shape (...)
        'finished', 'diverged' (a loss was not finite: the last one kept is inf or NaN) or 'interrupted'.
    last_epoch : int or ndarray of int, shape (...)
        Where the run ended.
    """

    layers: tuple[str, ...]
    seeds: int | np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray | None
    test_loss: np.ndarray | None
    test_accuracy: np.ndarray | None
    gradient_norm: np.ndarray
    bias_gradient_norm: np.ndarray
    update_ratio: np.ndarray
    status: str | np.ndarray
    last_epoch: int | np.ndarray

    def rows(self) -> list[dict]:
        """Return one row for each model, epoch and layer, up to the end of each run.

        Returns
        -------
        list of dict
            ``model``, ``seed``, ``epoch``, ``layer``, the measurements by the names of the attributes (None where
            there is none), and ``status``: 'running' before the last epoch of the run.
        """
        axis, rows = np.ndim(self.status), []
        for model, (seed, status, last) in enumerate(
            zip(*(np.atleast_1d(each).tolist() for each in (self.seeds, self.status, self.last_epoch)), strict=True)
        ):
            own = {n: None if (a := getattr(self, n)) is None else a[model] if axis else a for n in BY_EPOCH + BY_LAYER}
            for epoch in range(last + 1):
                by_epoch = {n: None if own[n] is None else own[n][epoch].item() for n in BY_EPOCH}
                for k, layer in enumerate(self.layers):
                    rows.append(
                        {"model": model, "seed": seed, "epoch": epoch, "layer": layer}
                        | by_epoch
                        | {n: own[n][epoch, k].item() for n in BY_LAYER[:2]}
                        | {"update_ratio": own["update_ratio"][epoch - 1, k].item() if epoch else None}
                        | {"status": status if epoch == last else "running"}
                    )
        return rows


def history(
    layers: Sequence[Layer], leading: tuple[int, ...], seeds: Sequence[int], entries: list[dict], *, epochs: int | None
) -> History:
    """Put the epochs' entries together; ``epochs`` is None for a training that was interrupted."""
    axis = len(leading)
    is_finite = np.isfinite(np.stack([entry["loss"] for entry in entries], axis=axis))
    is_finite = np.logical_and.accumulate(is_finite, axis=axis)
    last_epoch = np.minimum(is_finite.sum(axis=axis), len(entries) - 1)
    missing = 0 if epochs is None else epochs + 1 - len(entries)  # after all models diverged

    def series(name: str) -> np.ndarray | None:
        if name not in entries[0]:
            return None
        array = np.stack([entry[name] for entry in entries], axis=axis).astype(float)
        array[np.arange(len(entries)) > last_epoch[..., None]] = np.nan
        after = np.full((*leading, missing, *array.shape[axis + 1 :]), np.nan)
        return np.concatenate([array, after], axis=axis)

    update_ratio = series("update_ratio")
    runs = {
        "seeds": np.array(seeds),
        "status": np.where(is_finite[..., -1], "interrupted" if epochs is None else "finished", "diverged"),
        "last_epoch": last_epoch,
    }
    return History(
        layers=tuple(layer.name for layer in layers),
        **{name: series(name) for name in (*BY_EPOCH, *BY_LAYER) if name != "update_ratio"},
        update_ratio=update_ratio[(slice(None),) * axis + (slice(1, None),)],
        **(runs if leading else {name: array.item() for name, array in runs.items()}),
    )
