"""Ensembles cut into parts: a sweep over a part finds its arrays in the processor's cache."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, prod

import numpy as np

from vgx.network.stack import Network

MOST_BYTES = 500_000  # of one layer's activations in a part; a larger network is a part of its own


def in_parts(
    net: Network, x: np.ndarray, grad_output: np.ndarray, ensemble: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, Network, np.ndarray, np.ndarray]]:
    """Cut an ensemble into parts whose two axes are the draw, and what shares a draw: there products are tall.

    Parameters
    ----------
    net : Network
    x, grad_output : ndarray, shape (..., batch, n_inputs) and (..., batch, width)
    ensemble : tuple of int
        Shape to which the leading axes of the three broadcast.

    Yields
    ------
    members : ndarray of int, shape (draws, sharing)
        Which of the ensemble's networks are in the part, counted along its axes.
    net, x, grad_output
        Those of the part.
    """
    draws = net.unit_weights[0].shape[:-2]
    draw_of_member = np.broadcast_to(np.arange(prod(draws)).reshape(draws), ensemble)
    members = np.argsort(draw_of_member, axis=None, kind="stable").reshape(prod(draws), -1)
    scale, bias_std = (np.broadcast_to(each, ensemble).ravel() for each in (net.scale, net.bias_std))

    def chosen(array: np.ndarray, part: np.ndarray) -> np.ndarray:
        if array.ndim <= 2:
            return array
        return np.broadcast_to(array, (*ensemble, *array.shape[-2:])).reshape(-1, *array.shape[-2:])[part]

    at_once = max(1, MOST_BYTES // (max(1, x.shape[-2]) * max(net.widths) * net.dtype.itemsize))
    sharing = members.shape[1]
    n_cuts, n_draws = max(1, ceil(sharing / at_once)), max(1, at_once // max(1, sharing))
    for first in range(0, len(members), n_draws):
        rows = slice(first, first + n_draws)
        weights, biases = (
            [unit.reshape(len(members), 1, *unit.shape[len(draws) :])[rows] for unit in units]
            for units in (net.unit_weights, net.unit_biases)
        )
        for part in np.array_split(members[rows], n_cuts, axis=1):
            yield (
                part,
                replace(net, unit_weights=weights, unit_biases=biases, scale=scale[part], bias_std=bias_std[part]),
                chosen(x, part),
                chosen(grad_output, part),
            )
