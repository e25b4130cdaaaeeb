"""Batch against running statistics: what lesson 07 draws of them and says about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures

from .measure_train_and_eval import JUMP, STEPS, half_way

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

SHOWN = np.arange(2, STEPS, 3)
"""The steps that are drawn: every third."""
MEANS = (-2.0, 3.0)
VARIANCES = (-2, 1)  # powers of ten
PANELS = (("mean", ""), ("var", "2"))


def train_and_eval(data: Data, controls: State) -> "go.Figure":
    """Draw mean and variance of one unit by step: of each batch, the running one, and of all digits."""
    steps, traces = SHOWN + 1, []
    for moment, axis in PANELS:
        line = {"type": "scatter", "mode": "lines", "x": steps, "yaxis": f"y{axis}"}
        batch, running, true = (data[f"{kind}_{moment}"][SHOWN] for kind in ("batch", "running", "true"))
        hover = f"{moment} %{{y:.3g}} at step %{{x}}<extra></extra>"
        traces += [
            line | {"name": f"batch {moment}", "mode": "markers", "y": np.where(batch > 0, batch, np.nan)
                    if moment == "var" else batch, "hovertemplate": "batch: " + hover,
                    "marker": {"size": 5, "color": figures.MUTED, "opacity": 1, "line": {"width": 0}}},
            line | {"name": f"true {moment}", "y": true, "line": figures.THEORY, "hoverinfo": "skip"},
            line | {"name": f"running {moment}", "y": running, "line": {"color": figures.SECOND, "width": 3},
                    "hovertemplate": "running: " + hover},
        ]  # fmt: skip
    refused = controls["batch"] == 1
    traces.append(figures.labels((3, 10.0 ** (VARIANCES[1] - 0.06), "every batch: variance 0" if refused else "",
                                  "bottom right"), yaxis="y2"))  # fmt: skip
    return figures.figure(
        traces,
        title={"text": "One unit’s statistics, step by step<br><sub>dots: each batch; line: running; dashed: all "
                       "digits</sub>"},
        height=540,
        margin={"l": 64, "r": 16, "t": 76, "b": 52},
        xaxis={"type": "linear", "range": [0, STEPS + 2], "anchor": "y2", "tickvals": [0, 50, 100, 150, 200, 250, 300],
               "title": {"text": "steps of training"}},
        yaxis={"type": "linear", "range": MEANS, "domain": [0.53, 1], "tickvals": [-2, -1, 0, 1, 2, 3],
               "title": {"text": "mean of z"}},
        yaxis2=figures.powers_of_ten_axis(*VARIANCES, step=1) | {"domain": [0, 0.47],
                                                                 "title": {"text": "variance of z"}},
    )  # fmt: skip


def train_and_eval_reading(data: Data, controls: State) -> str:
    """Say what `train_and_eval` shows: noise, lag, or what both do to a network."""
    batch, momentum = controls["batch"], controls["momentum"]
    if batch == 1:
        return (
            "Batch of 1: its mean is the value itself and its variance is 0, so every output would be β, whatever the "
            "digit. torch refuses to train: “Expected more than 1 value per channel when training”."
        )
    start = f"Batches of {batch}, momentum {momentum:g}: "
    gap = f"In training a digit’s x̂ differs by {data['gap']:.2g} (root mean square) from its x̂ in evaluation."
    if controls["weights"] == "learning":
        by_batch, by_running = (figures.percent(each) for each in data["accuracy"])
        what = f"after {STEPS} steps the network is right about {by_batch} of the digits by batch statistics, "
        return f"{start}{what}{by_running} by running ones. {gap}"
    if controls["weights"] == "fixed":
        of_batch, running = data["scatter"]
        left = (1 - momentum) ** STEPS
        start_left = f" and still holds {figures.percent(left)} of its start" if left > 0.005 else ""
        return (
            f"{start}the batch mean is off by {of_batch:.2g} standard deviations (theory: "
            f"{data['expected'][0]:.2g}), the running mean by {running:.2g} (theory, once settled: "
            f"{data['expected'][1]:.2g}){start_left}. {gap}"
        )
    return f"{start}{_way_after_the_jump(momentum)} {gap}"


def _way_after_the_jump(momentum: float) -> str:
    if momentum == 1:
        return f"the running statistics are the last batch’s: the jump after step {JUMP} is followed at once."
    left = figures.percent((1 - momentum) ** (STEPS - JUMP))
    return (
        f"after the jump behind step {JUMP} a running statistic needs {half_way(momentum):.0f} steps for half "
        f"of the way; at the end {left} is still to go."
    )
