"""What was recorded of `why_it_helps`, cut across: one measure and one learning rate, all networks."""

import numpy as np

from vgx.grid import Grid

from .measure_why_it_helps import ACTIVATIONS, NETWORKS, RATES

MEASURES = {
    "input_shift": "shift",
    "gradient_shift": "gradient_shift",
    "loss_spread": "spread",
    "gradient_change": "gradient_change",
}
"""What the lab calls them, and what `why_it_helps` does."""

GUESSING = 90.0
"""Percent wrong of a network that guesses one of ten digits; what a run that overflowed counts."""

TRAINS = 10.0
"""A run trains if fewer per cent than this are wrong in its last 50 steps."""

WHY_SHOWN_AXES = {
    "network": NETWORKS,
    "activation": ACTIVATIONS,
    "measure": tuple(MEASURES),
    "rate": ("best", "0.0125", "0.05", "0.2", "0.8", "3.2", "12.8"),
}


def why_shown(recording: Grid, network: str, activation: str, measure: str, rate: str) -> dict[str, np.ndarray]:
    """Take from a recording of `why_it_helps` what the lab compares.

    Parameters
    ----------
    recording : Grid
    network, activation
        The networks that are looked at.
    measure : {"input_shift", "gradient_shift", "loss_spread", "gradient_change"}
    rate : str
        One of the recorded rates, for all networks, or "best": for each network the rate at which the median error at
        the end is lowest.

    Returns
    -------
    dict
        In the order of `NETWORKS`: ``values``: the measure, (networks, seeds, looks); ``typical``: its median over the
        looks of each run, NaN if it overflowed, (networks, seeds). ``rates``: the rates used, (networks,). ``error``:
        percent wrong in the last 50 steps at all rates, (networks, rates, seeds). ``largest``: the largest rate that
        trains, NaN if none does, (networks, seeds). And ``quiet``: the chosen network's error without the noise at the
        rate used, (seeds,).
    """
    runs = [recording(network=name, activation=activation) for name in NETWORKS]
    error = np.nan_to_num([run["error"] for run in runs], nan=GUESSING)
    at = np.median(error, axis=-1).argmin(axis=-1) if rate == "best" else np.full(len(runs), RATES.index(float(rate)))
    values = np.array([run[MEASURES[measure]][k] for run, k in zip(runs, at, strict=True)], float)
    ended = np.array([np.isnan(run["error"][k]) for run, k in zip(runs, at, strict=True)])
    known = np.where(np.isfinite(values), values, np.nan)
    typical = np.where(ended, np.nan, np.nanmedian(np.where(ended[..., None], 0, known), axis=-1))
    trained = np.where(error < TRAINS, np.array(RATES)[:, None], 0).max(axis=1)
    return {
        "values": values,
        "typical": typical,
        "rates": np.array(RATES)[at],
        "error": error,
        "largest": np.where(trained > 0, trained, np.nan),
        "quiet": runs[NETWORKS.index(network)]["quiet"][at[NETWORKS.index(network)]],
    }
