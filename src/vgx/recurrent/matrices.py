"""Recurrent matrices: what is multiplied at every step, of a given spectral radius or largest singular value."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vgx.arguments import generator, real_array, whole_number
from vgx.initializer import initializers
from vgx.recurrent.checks import float_type
from vgx.registry import Registry


@dataclass(frozen=True)
class RecurrentMatrix:
    """A way to draw square matrices.

    Parameters
    ----------
    name : str
        Its name in ``recurrent_matrices``.
    draw : callable
        (shape, rng) to float64 matrices, shape (..., width, width).
    is_orthogonal : bool
        Whether every eigenvalue and every singular value of a draw has modulus 1.
    """

    name: str
    draw: Callable[[tuple[int, ...], np.random.Generator], np.ndarray]
    is_orthogonal: bool


recurrent_matrices: Registry[RecurrentMatrix] = Registry(
    "recurrent matrix",
    [
        RecurrentMatrix("gaussian", lambda shape, rng: rng.standard_normal(shape), is_orthogonal=False),
        RecurrentMatrix(
            "orthogonal", lambda shape, rng: initializers["orthogonal"].sample(shape, rng=rng), is_orthogonal=True
        ),
        RecurrentMatrix("identity", lambda shape, rng: np.broadcast_to(np.eye(shape[-1]), shape), is_orthogonal=True),
    ],
)


def recurrent_matrix(
    kind: str,
    width: int,
    *,
    radius: float | np.ndarray | None = None,
    singular_value: float | np.ndarray | None = None,
    n_nets: int | None = None,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Draw a recurrent matrix W, or one for each of `n_nets` networks, and scale each to what it shall have.

    Parameters
    ----------
    kind : {"gaussian", "orthogonal", "identity"}
        Independent normal entries, a Haar-distributed orthogonal matrix, or the identity, before scaling.
    width : int
    radius : float or ndarray
        Spectral radius ρ, the largest modulus of an eigenvalue. An array adds leading axes, as `scale` does in
        `vgx.Network`: with ``n_nets=16`` one of shape (13, 1) gives (13, 16, width, width).
    singular_value : float or ndarray
        Largest singular value σ_max, instead of `radius`.
    n_nets : int, optional
        Number of independent draws, a leading axis. None: one, no leading axis.
    rng : numpy.random.Generator
    dtype : numpy.float64 or numpy.float32
        It is drawn and scaled in float64 whatever this is, so that float32 is the same draw, rounded.

    Returns
    -------
    ndarray, shape (..., width, width)

    Raises
    ------
    ValueError
        If an argument is not what it must be, or not exactly one of `radius` and `singular_value` is given.

    Examples
    --------
    >>> W = recurrent_matrix("gaussian", 64, radius=0.9, rng=np.random.default_rng(0))
    >>> float(abs(np.linalg.eigvals(W)).max().round(12)), float(np.linalg.norm(W, 2).round(2))
    (0.9, 1.77)
    """
    width = whole_number("width", width)
    nets = () if n_nets is None else (whole_number("n_nets", n_nets),)
    matrix, dtype = recurrent_matrices[kind], float_type(dtype)
    if (radius is None) == (singular_value is None):
        raise ValueError(
            f"exactly one of radius and singular_value must be given, got radius={radius!r} "
            f"and singular_value={singular_value!r}"
        )
    W = matrix.draw((*nets, width, width), generator(rng))
    if radius is not None:
        wanted = real_array("radius", radius, least=0)
        present = 1.0 if matrix.is_orthogonal else np.abs(np.linalg.eigvals(W)).max(-1)
    else:
        wanted = real_array("singular_value", singular_value, least=0)
        present = 1.0 if matrix.is_orthogonal else np.linalg.norm(W, 2, axis=(-2, -1))
    try:
        return ((wanted / present)[..., None, None] * W).astype(dtype)
    except ValueError:
        raise ValueError(
            f"a radius or singular value of shape {wanted.shape} must broadcast with the ensemble of networks {nets}"
        ) from None
