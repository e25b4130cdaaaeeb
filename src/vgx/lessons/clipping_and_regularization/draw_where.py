"""Where in a training step to clip: what lesson 08 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_where import N_SEEDS, N_STEPS

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

POWERS = (-6, 4)  # of ten: room for a limit of 0.1 over 2¹⁶; what explodes leaves the figure
LOSS_POWERS = (-2, 4)
FAR = 10
"""A step this many times too long or too short is judged to be so."""

NAMES = {
    "right_place": "after unscaling, before the step",
    "no_clipping": "nowhere",
    "before_backward": "before backward",
    "before_unscaling": "before unscaling",
    "each_parameter": "each parameter by itself",
    "after_the_step": "after the step",
}


def where_to_clip(data: Data, controls: State) -> "go.Figure":
    """Draw by step the length of the step, of the gradient and the limit; below, the loss."""
    steps, limit, colour = np.arange(1, N_STEPS + 1), controls["limit"], figures.COLOURS[where_verdict(data, controls)]
    line = {"type": "scatter", "mode": "lines", "x": steps}
    traces, captions = [], _captions(data, controls)
    for name, axis in (("step", "y"), ("loss", "y2")):
        low, median, high = np.quantile(data[name], [0, 0.5, 1], axis=0)
        traces += [
            figures.between(steps, low, high, colour, name=f"{name}, all {N_SEEDS}", yaxis=axis),
            line | {"name": f"{name}, median", "y": median, "yaxis": axis, "line": {"color": colour, "width": 4},
                    "hovertemplate": f"{name} %{{x}}: %{{y:.3g}}<extra></extra>"},
        ]  # fmt: skip
    thin = {"color": figures.INK, "width": 1.5}
    traces += [
        line | {"name": "gradient, median", "y": np.median(data["gradient"], axis=0), "line": thin,
                "hovertemplate": "gradient %{x}: %{y:.3g}<extra></extra>"},
        line | {"name": "loss, right place", "y": np.median(data["right_loss"], axis=0), "yaxis": "y2", "line": thin,
                "hovertemplate": "clipped at the right place, %{x}: %{y:.3g}<extra></extra>"},
        figures.labels((N_STEPS / 2, 10**-2.5, captions[0], "middle center")),
        figures.labels((N_STEPS / 2, 10**-1.6, captions[1], "middle center"), yaxis="y2"),
    ]  # fmt: skip
    ends = (0, N_STEPS + 1)
    return figures.figure(
        traces,
        title={"text": f"Clipped {NAMES[controls['place']]}"
                       f"<br><sub>{N_SEEDS} runs; dashed: limit; thin: gradient, right place</sub>"},
        height=580,
        margin={"l": 72, "r": 16, "t": 76, "b": 52},
        xaxis={"title": {"text": "step"}, "range": list(ends), "anchor": "y2", "tickvals": [1, 10, 20, 30]},
        yaxis=figures.powers_of_ten_axis(*POWERS, step=2) | {"domain": [0.5, 1], "title": {"text": "step over rate"}},
        yaxis2=figures.powers_of_ten_axis(*LOSS_POWERS, step=2) | {"domain": [0, 0.42], "title": {"text": "loss"}},
        shapes=[figures.reference_line(limit, ends) | {"line": figures.THEORY}],
    )  # fmt: skip


def where_verdict(data: Data, controls: State) -> Verdict:
    """Judge the steps: far longer than limit and gradient allow, far shorter, or neither; the median of the worst."""
    ratio = data["step"] / np.minimum(data["gradient"], controls["limit"])
    if np.median(ratio.max(axis=1)) > FAR:
        return Verdict.EXPLODING
    return Verdict.VANISHING if np.median(ratio.min(axis=1)) < 1 / FAR else Verdict.HEALTHY


def _captions(data: Data, controls: State) -> tuple[str, str]:
    longest = np.median(data["step"].max(axis=1)) / controls["limit"]
    end, right = (np.median(data[name][:, -1]) for name in ("loss", "right_loss"))
    return (
        f"longest: <b>{_number(longest)} ×</b> limit, {_turned(data)}",
        f"at the end: <b>{_number(end)}</b> (right place: {_number(right)})",
    )


def where_reading(data: Data, controls: State) -> str:
    """Say what `where_to_clip` shows."""
    gradient, longest = np.median(data["gradient"]), np.median(data["step"].max(axis=1))
    start, end, right = (np.median(data[name][:, k]) for name, k in (("loss", 0), ("loss", -1), ("right_loss", -1)))
    return (
        f"Clipped {NAMES[controls['place']]}, limit {controls['limit']:g}: the gradient's median norm is "
        f"{_number(gradient)}, the longest step over the rate {_number(longest)}: "
        f"{_number(longest / controls['limit'])} times the limit, {_turned(data)} (medians of "
        f"{N_SEEDS} runs). In {N_STEPS} steps the loss goes from {_number(start)} to {_number(end)}; clipped at the "
        f"right place, to {_number(right)}."
    )


def _turned(data: Data) -> str:
    degrees = np.median(data["angle"].max(axis=1))
    return "not turned" if degrees < 0.5 else f"turned up to {degrees:.0f}°"


def _number(value: float) -> str:
    if 0.01 <= value < 1000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} · {figures.power_of_ten(10.0 ** int(exponent))}"
