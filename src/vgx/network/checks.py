"""Checks of what a network is made of and given."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np

from vgx.arguments import real_array, whole_number


def entry(given: object, kind: type, registry: object) -> object:
    """Return an entry of a registry, given itself or by its name."""
    return given if isinstance(given, kind) else registry[given]


def widths(depth: int | None, width: int | Sequence[int]) -> list[int]:
    """Return one width a layer, given so or as one number for all."""
    if isinstance(width, Iterable):
        one_a_layer = [whole_number("width", each) for each in width]
        if not one_a_layer or depth not in (None, len(one_a_layer)):
            raise ValueError(f"width must hold one number a layer, got {len(one_a_layer)} for depth {depth}")
        return one_a_layer
    return [whole_number("width", width)] * whole_number("depth", depth)


def ensemble(draws: tuple[int, ...], scale: np.ndarray, bias_std: np.ndarray) -> tuple[int, ...]:
    """Return the shape of the ensemble that draws make together with their scales."""
    try:
        return np.broadcast_shapes(draws, scale.shape, bias_std.shape)
    except ValueError:
        raise ValueError(
            f"scale {scale.shape} and bias_std {bias_std.shape} must broadcast with the ensemble of networks {draws}"
        ) from None


def checked_inputs(x: np.ndarray, n_inputs: int, dtype: np.dtype) -> np.ndarray:
    """Return a batch of inputs in the network's type."""
    x = real_array("x", x)
    if x.ndim < 2 or x.shape[-1] != n_inputs:
        got = f"has {x.shape[-1]} columns" if x.ndim >= 2 else f"has shape {x.shape}"
        raise ValueError(f"x {got}, the network takes (..., batch, {n_inputs})")
    return x.astype(dtype, copy=False)


def joint_ensemble(networks: tuple[int, ...], x: np.ndarray, grad_output: np.ndarray) -> tuple[int, ...]:
    """Return the shape of an ensemble of networks together with the leading axes of what they are given."""
    try:
        return np.broadcast_shapes(networks, np.shape(x)[:-2], np.shape(grad_output)[:-2])
    except ValueError:
        raise ValueError(
            f"the leading axes of x {np.shape(x)} and of grad_output {np.shape(grad_output)} must broadcast with the "
            f"ensemble of networks {networks}"
        ) from None


def checked_grad_output(grad_output: np.ndarray, dtype: np.dtype | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient with respect to last activations of this shape, in their type and broadcast with them."""
    grad_output = np.asarray(grad_output, dtype=dtype)
    if grad_output.ndim >= 2 and grad_output.shape[-2:] == shape[-2:]:
        with suppress(ValueError):
            return np.broadcast_to(grad_output, np.broadcast_shapes(grad_output.shape, shape))
    raise ValueError(f"grad_output has shape {grad_output.shape}, the last activations have {shape}")
