"""Which of many recurrent networks explode, and from which spectral radius on: eigenvalues, bound and input."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_array, real_number, whole_number

from .measure_through_time import networks_and_sequences, root_mean_square_norms

RESAMPLES = 200


def first_over_last(
    activation: str,
    *,
    radius: float | None = None,
    singular_value: float | None = None,
    input_scale: float = 0.0,
    recurrent: str = "gaussian",
    steps: int = 100,
    width: int = 64,
    n_nets: int = 100,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Measure in each of many networks h_t = φ(x_t U + h_{t-1} W) how much gradient arrives at h_0.

    Networks have no biases, in float64. Each reads 4 sequences of Gaussian inputs from a Gaussian h_0, and each
    sequence has a random readout of its own. Whatever the radius, W is the same draw.

    Parameters
    ----------
    activation : str
        A name in the registry: φ.
    radius, singular_value : float
        ρ, the spectral radius, or σ_max, the largest singular value, of every W; exactly one of them.
    input_scale : float
        Standard deviation of x_t U; 0: no input.
    recurrent : {"gaussian", "orthogonal", "identity"}
        How W is drawn.
    steps, width, n_nets, seed : int
        T, units, number of networks, and the seed.

    Returns
    -------
    dict
        For each network, shape (n_nets,): ``ratio``: root mean square over the sequences of ‖∂C/∂h_0‖ over that of
        ‖∂C/∂h_T‖; ``radius`` and ``singular_value`` of its W; ``sigma_w``: the standard deviation of the entries of W
        times √width.

    Raises
    ------
    ValueError
        If a name is unknown, a number not allowed, or not exactly one of the two sizes is given.
    """
    if (radius is None) == (singular_value is None):
        raise ValueError(
            f"exactly one of radius and singular_value must be given, got radius={radius!r}, "
            f"singular_value={singular_value!r}"
        )
    sizes = {name: whole_number(name, n) for name, n in (("steps", steps), ("width", width), ("n_nets", n_nets))}
    unit, x, start, readout = networks_and_sequences(recurrent, **sizes, dtype=np.float64, seed=seed)
    largest = np.linalg.norm(unit.recurrent_weights, 2, axis=(-2, -1))
    if radius is None:
        scale = real_number("singular_value", singular_value, least=0) / largest
    else:
        scale = np.full(n_nets, real_number("radius", radius, least=0))
    cell = replace(unit, activation=activations[activation],
                   input_weights=real_number("input_scale", input_scale, least=0) * unit.input_weights,
                   recurrent_weights=scale[:, None, None] * unit.recurrent_weights)  # fmt: skip
    states = cell.backward(cell.forward(x, start), last=readout).states
    first, last = root_mean_square_norms(states[[0, -1]])
    return {
        "ratio": first / last,
        "radius": scale,
        "singular_value": scale * largest,
        "sigma_w": np.std(cell.recurrent_weights, axis=(-2, -1)) * np.sqrt(width),
    }


def critical_radius(
    radii: Sequence[float], activation: str, input_scale: float, *, steps: int = 200, seed: int = 0, **options: int
) -> dict[str, np.ndarray]:
    """Find the spectral radius above which the gradient grows: of the typical network, and in the mean square.

    Parameters
    ----------
    radii : sequence of float
        ρ, ascending, between which the crossing is interpolated.
    activation, input_scale, steps, seed
        As in `first_over_last`.
    **options
        Others of its arguments: ``width``, ``n_nets``.

    Returns
    -------
    dict
        ``typical``, shape (3,): the ρ at which a network's gradient neither grows nor shrinks over all steps: 5th
        percentile, median and 95th percentile over the networks. ``mean_square``, shape (3,): the same for the mean of
        the squared ratio over all networks, with 5th and 95th percentile by drawing the networks again, with
        replacement (few networks make most of that mean). inf where it stays below. ``log_factor``, shape (n_radii,
        n_nets): ln of a network's factor a step.
        ``sigma_w``: mean over the networks of σ_w at ρ = 1.
    """
    radii = real_array("radii", radii, least=0)
    found = [
        first_over_last(activation, radius=float(r), input_scale=input_scale, steps=steps, seed=seed, **options)
        for r in radii
    ]
    logs = np.log(np.stack([each["ratio"] for each in found]))
    draws = np.random.default_rng(seed).integers(logs.shape[1], size=(RESAMPLES, logs.shape[1]))
    with_replacement = np.exp(2 * logs)[:, draws].mean(axis=-1)  # (n_radii, RESAMPLES)
    low, high = np.quantile([_crossing(radii, np.log(curve)) for curve in with_replacement.T], [0.05, 0.95],
                            method="nearest")  # fmt: skip
    return {
        "typical": np.quantile([_crossing(radii, curve) for curve in logs.T], [0.05, 0.5, 0.95], method="nearest"),
        "mean_square": np.array([low, _crossing(radii, np.log(np.exp(2 * logs).mean(axis=1))), high]),
        "log_factor": logs / steps,
        "sigma_w": np.mean(found[0]["sigma_w"] / found[0]["radius"]),
    }


def _crossing(x: np.ndarray, y: np.ndarray) -> float:
    """Return where y first rises to 0; inf if it does not, -inf if it starts there."""
    above = np.flatnonzero(y >= 0)
    if not above.size:
        return np.inf
    i = above[0]
    return float(x[i] - y[i] * (x[i] - x[i - 1]) / (y[i] - y[i - 1])) if i else -np.inf
