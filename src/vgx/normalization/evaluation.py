"""Batch normalization by given statistics, and the running statistics that it takes."""

import numpy as np

from vgx.arguments import real_number
from vgx.normalization.cache import BATCH, Cache, checked, checked_gradient, standard_deviation


def batch_eval(
    x: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    *,
    gain: float | np.ndarray = 1.0,
    shift: float | np.ndarray = 0.0,
    eps: float = 1e-5,
) -> tuple[np.ndarray, Cache]:
    """Normalize by given statistics: batch normalization in evaluation mode, where inputs do not see each other.

    Parameters
    ----------
    x : ndarray, shape (..., batch, width)
    mean, var : ndarray, shape (..., width)
        μ and σ², as of `running_statistics`.
    gain, shift, eps
        As in `Normalization.forward`.

    Returns
    -------
    y : ndarray, shape (..., batch, width)
    cache : Cache
        For `batch_eval_backward`.

    Raises
    ------
    ValueError
        If a shape or eps is not what it must be, or a variance is negative.

    Examples
    --------
    >>> y, cache = batch_eval([[5.0, 1.0]], mean=[3.0, 1.0], var=[4.0, 9.0])
    >>> y.round(3)
    array([[1., 0.]])
    """
    x, mean, var, gain, shift = checked(x, mean=mean, var=var, gain=gain, shift=shift)
    eps = real_number("eps", eps, least=0)
    with np.errstate(all="ignore"):
        std = standard_deviation(var, eps)
        x_hat = (x - mean) / std
        return gain * x_hat + shift, Cache(x_hat, std, gain)


def batch_eval_backward(dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the chain rule through `batch_eval`, whose statistics do not depend on x.

    Parameters
    ----------
    dy, cache
        As in `Normalization.backward`.

    Returns
    -------
    dx, dgain, dshift
        As in `Normalization.backward`.

    Raises
    ------
    ValueError
        If dy has another shape than y.
    """
    x_hat, std, gain = cache
    dy = checked_gradient(dy, cache)
    with np.errstate(all="ignore"):
        return gain * dy / std, (dy * x_hat).sum(BATCH), dy.sum(BATCH)


def running_statistics(
    x: np.ndarray, mean: float | np.ndarray = 0.0, var: float | np.ndarray = 1.0, *, momentum: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
    """Move running statistics towards those of a training batch, in torch's convention.

    ``(1 - momentum) * old + momentum * of the batch``, with the unbiased variance, though the batch itself is
    normalized by the biased one.

    Parameters
    ----------
    x : ndarray, shape (..., batch, width)
    mean, var : float or ndarray, shape (..., width)
        The statistics before; torch starts from 0 and 1.
    momentum : float
        Share of the batch, from 0 to 1.

    Returns
    -------
    mean, var : ndarray, shape (..., width)

    Raises
    ------
    ValueError
        If a shape or the momentum is not what it must be, or the batch is of one.

    References
    ----------
    Ioffe and Szegedy (2015), algorithm 2.

    Examples
    --------
    >>> running_statistics([[0.0], [4.0]])
    (array([0.2]), array([1.7]))
    """
    x, mean, var = checked(x, mean=mean, var=var)
    momentum = real_number("momentum", momentum, least=0)
    if momentum > 1:
        raise ValueError(f"momentum must be a number from 0 to 1, got {momentum:g}")
    if x.shape[BATCH] < 2:
        raise ValueError(f"a variance over the batch needs more than one value a channel, got x of shape {x.shape}")
    with np.errstate(all="ignore"):
        mean = (1 - momentum) * mean + momentum * x.mean(BATCH, keepdims=True)
        var = (1 - momentum) * var + momentum * x.var(BATCH, ddof=1, keepdims=True)
        return mean[..., 0, :], var[..., 0, :]
