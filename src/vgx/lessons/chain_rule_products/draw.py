"""What lesson 02 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict, powers_of_ten_per_ten_layers, verdict_of_norms

from .draw_bars import bars_reading, neuron_bars
from .draw_chain import chain_reading, scalar_chain
from .draw_spread import spread, spread_reading
from .measure import DEEPEST, N_NETS

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "bars_reading", "chain_reading", "exponent_at_first_layer", "gradient_norm_by_layer", "gradient_reading",
    "neuron_bars", "scalar_chain", "spread", "spread_reading",
]  # fmt: skip

NAMES = {"xavier_normal": "Xavier", "he_normal": "He", "normal": "N(0, 1)"}


def gradient_norm_by_layer(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> "go.Figure":
    """Draw the emblem of the book: how large the gradient still is, layer by layer."""
    return figures.gradient_profile(
        data,
        verdict_of_norms(data["median"]),
        title="Gradient norm by layer",
        subtitle=f"{N_NETS} networks: median, 5–95 %; dashed: theory",
        networks=f"{controls['depth']} layers",
        deepest=DEEPEST,
    )


def gradient_reading(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> str:
    """Say what `gradient_norm_by_layer` shows."""
    verdict = verdict_of_norms(data["median"])
    network = (
        f"{controls['depth']} layers of {controls['activation']}, "
        f"{NAMES.get(controls['initializer'], controls['initializer'])} weights times {controls['scale']:.3g}"
    )
    if verdict is Verdict.OVERFLOW:
        return f"{network}: overflow. Signals or gradients have left the range of float32."
    first = data["median"][0]
    if verdict is Verdict.DEAD:
        return (
            f"{network}: dead. The signal itself sinks below 10⁻³⁵, the end of float32 here, and no gradient is left."
        )
    slope, theory = (powers_of_ten_per_ten_layers(data[name]) for name in ("median", "theory"))
    predicted = f"; theory: {_signed(theory)}" if np.isfinite(theory) else ""
    return (
        f"{network}: the first layer's gradient is {figures.power_of_ten(first)} times the last one's: {verdict} "
        f"({_signed(slope)} powers of ten per ten layers{predicted})."
    )


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def exponent_at_first_layer(data: Mapping[str, np.ndarray], controls: Mapping[str, Any]) -> float:
    """Return the power of ten that the first layer's gradient has kept."""
    with np.errstate(divide="ignore"):
        return float(np.log10(data["median"][0]))
