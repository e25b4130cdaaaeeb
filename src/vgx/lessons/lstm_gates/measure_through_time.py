"""A recurrent network before training: how much of the last state's gradient is left at each earlier state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_number, whole_number
from vgx.recurrent import RNN

WIDTH = 64
LONGEST = 200
N_NETS = 16
N_SEQUENCES = 4
GAMMA = {"sigmoid": 0.25}
"""γ, the largest |φ′|, where it is not 1."""


def gradient_through_time(
    steps: int | Sequence[int],
    radius: float,
    activation: str,
    recurrent: str,
    input_scale: float,
    *,
    n_nets: int = N_NETS,
    seed: int = 0,
) -> dict[str, np.ndarray | list]:
    """Gradient with respect to h_0, ..., h_T of random readouts of h_T, in networks h_t = φ(x_t U + h_{t-1} W).

    Networks are `WIDTH` wide, without biases, in float32. Each reads 4 sequences of Gaussian inputs from a Gaussian
    h_0, and each sequence has a readout of its own. Fewer steps are the beginning of the same sequences.

    Parameters
    ----------
    steps : int or sequence of int
        T, from 2 to 200.
    radius : float
        ρ, the spectral radius of each W, >= 0.
    activation : str
        A name in the registry, of slope at most 1: φ.
    recurrent : {"gaussian", "orthogonal", "identity"}
        How W is drawn, before it is scaled to ρ.
    input_scale : float
        Standard deviation of x_t U, >= 0; 0: no input, h_0 alone runs through the network.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        ``gradient``: root mean square over the readouts of ‖∂C/∂h_t‖ over that at t = T, of shape (3, T + 1), t = 0
        first; 5th percentile, median and 95th percentile over the networks. ``singular_value``: σ_max of W, the
        greatest of all networks. ``bound``: γ σ_max, the most by which a step can lengthen a gradient. ``held``: the
        number of steps, up to T, after which all states of most networks are still finite. For several T, lists.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.
    """
    lengths = [whole_number("steps", each, least=2) for each in (steps if np.ndim(steps) else [steps])]
    if max(lengths) > LONGEST:
        raise ValueError(f"steps must be at most {LONGEST}, got {max(lengths)}")
    radius, input_scale = real_number("radius", radius, least=0), real_number("input_scale", input_scale, least=0)
    unit, x, start, readout = networks_and_sequences(
        recurrent, steps=LONGEST, width=WIDTH, n_nets=whole_number("n_nets", n_nets), dtype=np.float32, seed=seed
    )
    cell = replace(unit, activation=activations[activation], input_weights=input_scale * unit.input_weights,
                   recurrent_weights=radius * unit.recurrent_weights)  # fmt: skip
    trace = cell.forward(x[: max(lengths)], start)
    finite = np.isfinite(trace.states[1:]).all(axis=(-2, -1)).sum(axis=0)  # steps, of each network
    largest = float(np.linalg.norm(cell.recurrent_weights.astype(np.float64), 2, axis=(-2, -1)).max())
    results = []
    for T in lengths:
        begun = replace(trace, inputs=trace.inputs[:T], states=trace.states[: T + 1],
                        pre_activations=trace.pre_activations[:T])  # fmt: skip
        norms = root_mean_square_norms(cell.backward(begun, last=readout).states)
        with np.errstate(all="ignore"):
            spread = np.quantile(norms / norms[-1], [0.05, 0.5, 0.95], axis=-1)
        results.append(
            {
                "gradient": spread,
                "singular_value": np.float64(largest),
                "held": np.minimum(np.median(finite), T),
                "bound": np.float64(GAMMA.get(activation, 1.0) * largest),
            }
        )
    return {name: [each[name] for each in results] for name in results[0]} if np.ndim(steps) else results[0]


def factor_a_step(data: Mapping[str, np.ndarray]) -> float:
    """Return the median's factor a step, over all steps back at which it is a number other than 0; NaN if at none."""
    median = data["gradient"][1, ::-1]
    lag = np.flatnonzero(np.isfinite(median) & (median > 0)).max(initial=0)
    return float(median[lag] ** (1 / lag)) if lag else np.nan


@lru_cache(maxsize=4)
def networks_and_sequences(
    recurrent: str, *, steps: int, width: int, n_nets: int, dtype: type, seed: int
) -> tuple[RNN, np.ndarray, np.ndarray, np.ndarray]:
    """Draw networks of radius 1, their inputs, first states and readouts: every ρ and T shares them."""
    rng = np.random.default_rng(seed)
    cell = RNN.sample(n_inputs=width, width=width, recurrent=recurrent, n_nets=n_nets, dtype=dtype, rng=rng)
    start, readout = rng.standard_normal((2, n_nets, N_SEQUENCES, width), dtype=dtype)
    x = rng.standard_normal((steps, n_nets, N_SEQUENCES, width), dtype=dtype)
    return cell, x, start, readout


def root_mean_square_norms(states: np.ndarray) -> np.ndarray:
    """Root mean square over the sequences of each gradient's length, (T + 1, n_nets), float32 without overflow."""
    with np.errstate(all="ignore"):
        return np.sqrt(np.mean(np.sum(states.astype(np.float64) ** 2, axis=-1), axis=-1))
