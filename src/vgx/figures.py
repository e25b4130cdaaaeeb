"""The look of the book: palette, template, and the plots that several lessons share. Never computes."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx.verdict import Verdict

if TYPE_CHECKING:
    import plotly.graph_objects as go

# After Okabe and Ito, safe for colour-blind eyes. A colour means the same thing in the whole book.
INK = "#222222"
MUTED = "#6b6b6b"
GRID = "#e6e6e6"
COLOURS = {
    Verdict.VANISHING: "#0072B2",
    Verdict.HEALTHY: "#009E73",
    Verdict.EXPLODING: "#D55E00",
    Verdict.OVERFLOW: "#000000",
    Verdict.DEAD: "#000000",
}
THEORY = {"color": "#7a7a7a", "dash": "dash", "width": 2}
SECOND = "#CC79A7"
BAND_OPACITY = 0.2
ACTIVATIONS = {  # a family, a hue: saturating, kinked, smooth
    "identity": "#767676", "sigmoid": "#6A3D9A", "tanh": "#882255",
    "relu": "#9A7200", "leaky_relu": "#B08A1E", "elu": "#808000", "selu": "#6B6B00",
    "gelu": "#3E8799", "silu": "#2F6F7E", "softplus": "#587482",
}  # fmt: skip
"""One colour for each activation. No colour says vanishing, healthy or exploding here: those three have their own."""


def band(colour: str) -> str:
    """Return the colour of the band around a line."""
    rgb = ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return f"rgba({rgb},{BAND_OPACITY})"


_DARK = {
    INK: "#e4e4e4", MUTED: "#a8a8a8", GRID: "#3a3a3a", THEORY["color"]: "#9a9a9a", "#000000": "#ffffff",
    ACTIVATIONS["identity"]: "#a6a6a6", ACTIVATIONS["sigmoid"]: "#b79be6", ACTIVATIONS["tanh"]: "#e08fb3",
    ACTIVATIONS["relu"]: "#d0a52e", ACTIVATIONS["leaky_relu"]: "#e0bd5c", ACTIVATIONS["elu"]: "#b9b93e",
    ACTIVATIONS["selu"]: "#a3a32f", ACTIVATIONS["gelu"]: "#69b3c5", ACTIVATIONS["silu"]: "#58a3b4",
    ACTIVATIONS["softplus"]: "#8ba9b8",
}  # fmt: skip
DARK = _DARK | {band(light): band(dark) for light, dark in _DARK.items()}
"""What the colours of the light page become on the dark one; those of vanishing, healthy and exploding stay."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@cache
def template() -> dict[str, Any]:
    """Return the template of every figure: transparent, a light grid, no chart junk."""
    axis = {
        "gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "ticks": "outside", "tickcolor": MUTED,
        "showline": True, "automargin": True, "title": {"standoff": 8},
        "ticklabeloverflow": "allow",  # else Plotly measures every label at every move
    }  # fmt: skip
    return {
        "layout": {
            "font": {"family": FONT, "size": 14, "color": INK},
            "title": {"font": {"size": 16}, "x": 0, "xref": "paper", "xanchor": "left", "y": 0.95},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "hoverlabel": {"font": {"family": FONT}},
            "margin": {"l": 64, "r": 16, "t": 64, "b": 56},
            "height": 420,
            "xaxis": axis,
            "yaxis": axis,
            "annotationdefaults": {"showarrow": False},
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": INK},
        }
    }


def figure(traces: list[Mapping[str, Any]], **layout: Any) -> "go.Figure":
    """Make a figure of plain traces in the book's template."""
    import plotly.graph_objects as go

    return go.Figure({"data": traces, "layout": {"template": template(), "uirevision": "stay", **layout}})


def reference_line(height: float, ends: tuple[float, float], yref: str = "y") -> dict[str, Any]:
    """Return the thin line across a figure that says where healthy is; ``ends`` are those of its x axis.

    In numbers of the axis, as Plotly draws a shape that is tied to the paper under the grid.
    """
    return {
        "type": "line", "xref": "x", "x0": ends[0], "x1": ends[1], "yref": yref, "y0": height, "y1": height,
        "layer": "between", "line": {"color": MUTED, "width": 1.5},
    }  # fmt: skip


def labels(*notes: tuple[float, float, str, str], size: int = 13, **trace: Any) -> dict[str, Any]:
    """Return a trace that writes texts into a figure: cheaper than annotations, which Plotly lays out twice a move.

    Parameters
    ----------
    *notes : tuple
        x, y, the text, and where it stands as seen from there, such as 'bottom left'.
    size : int
        Of the font, in pixels.
    **trace
        More of the trace: ``xaxis``, ``yaxis``, ``name``, ``cliponaxis``. If not clipped, keep a hundredth of the axis
        from its ends: a point beyond them is not drawn at all, and a page stores points to a thousandth.
    """
    x, y, text, position = (list(column) for column in zip(*notes, strict=True))
    return {
        "type": "scatter", "mode": "text", "name": "labels", "x": x, "y": y, "text": text,
        "textposition": position[0] if len(set(position)) == 1 else position,
        "textfont": {"size": size}, "hoverinfo": "skip", **trace,
    }  # fmt: skip


def power_of_ten(value: float) -> str:
    """Write a number that is not negative for prose, as the nearest power of ten.

    From a hundredth to a hundred, and at zero, the number itself is written, to two digits.

    Raises
    ------
    ValueError
        If the number is negative.

    Examples
    --------
    >>> power_of_ten(2.5e-17), power_of_ten(0.25)
    ('10⁻¹⁷', '0.25')
    """
    if value < 0:
        raise ValueError(f"a power of ten is not negative, got {value!r}")
    if np.isnan(value):
        return "not a number"
    if np.isinf(value):
        return "infinite"
    if value == 0 or 0.01 <= value <= 100:
        return f"{float(f'{value:.2g}'):g}"
    return _ten_to(round(float(np.log10(value))))


def _ten_to(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def powers_of_ten_axis(lowest: int, highest: int, step: int) -> dict[str, Any]:
    """Return a logarithmic axis of fixed range with a tick at every ``step`` powers of ten, counted from 1.

    The labels are plain text: Plotly's own superscripts are laid out anew at every move, which takes a millisecond.
    """
    exponents = [exponent for exponent in range(lowest, highest + 1) if exponent % step == 0]
    return {
        "type": "log",
        "range": [lowest, highest],
        "tickvals": [10.0**exponent for exponent in exponents],
        "ticktext": ["1" if exponent == 0 else _ten_to(exponent) for exponent in exponents],
    }


def gradient_profile(
    profile: Mapping[str, np.ndarray],
    verdict: Verdict,
    *,
    title: str,
    subtitle: str,
    networks: str,
    deepest: int,
) -> "go.Figure":
    """Draw gradient norms by layer: median, band and theory, each as a ratio to the last layer's.

    Parameters
    ----------
    profile : mapping
        ``median``, ``low``, ``high``, ``theory``: arrays of shape (depth,), layer 1 first.
    verdict : Verdict
        Gives the colour.
    title, subtitle : str
        What the figure is, and of what.
    networks : str
        Label of the measured line, such as '16 networks'.
    deepest : int
        The right end of the axis of layers: the same in all states, so that a slope always means the same.
    """
    layers = np.arange(1, len(profile["median"]) + 1)
    colour = COLOURS[verdict]
    line = {"type": "scatter", "mode": "lines", "x": layers}
    edge = line | {"line": {"width": 0}, "hoverinfo": "skip"}
    hover = "layer %{x}: %{y:.2e}<extra></extra>"
    traces = [
        edge | {"name": "5th percentile", "y": profile["low"]},
        edge | {"name": "95th percentile", "y": profile["high"], "fill": "tonexty",
                "fillcolor": band(colour), "fillpattern": {"shape": "/" if verdict == Verdict.OVERFLOW else ""}},
        line | {"name": "median", "y": profile["median"], "line": {"color": colour, "width": 4},
                "hovertemplate": hover},
        line | {"name": "theory", "y": profile["theory"], "line": THEORY, "hovertemplate": "theory, " + hover},
    ]  # fmt: skip
    return figure(
        traces,
        title={"text": f"{title}<br><sub>{subtitle}</sub>"},
        xaxis={"title": {"text": "layer (input left, output right)"}, "range": [0, deepest + 1]},
        yaxis={
            "title": {"text": "gradient norm, ratio to the last layer"},
            **powers_of_ten_axis(-LIMIT, LIMIT, step=5),
        },
        shapes=[reference_line(1, (0, deepest + 1))],
        annotations=[
            {"xref": "paper", "x": 1, "xanchor": "right", "y": 0,
             "yanchor": "top" if profile["median"][0] > 1 else "bottom",  # away from the line
             "text": "ratio 1: all layers learn alike", "font": {"color": MUTED, "size": 12}},
            _end_label(profile["median"], f"{networks}: <b>{verdict}</b>"),
        ],
    )  # fmt: skip


LIMIT = 15
"""A gradient profile shows fifteen powers of ten to either side of 1, always: movement then means something."""


def _end_label(median: np.ndarray, text: str) -> dict[str, Any]:
    """Label the line at its left end, away from ratio 1; in the corner, with the number, if it ends outside."""
    with np.errstate(all="ignore"):
        height = np.log10(median[0])
    if np.isnan(height) or abs(height) < LIMIT - 3:
        above = height >= 0
        place = {"xref": "x", "x": 1, "xanchor": "left", "y": round(float(np.nan_to_num(height)), 2)}
        return place | {"yanchor": "bottom" if above else "top", "yshift": 6 if above else -6, "text": text}
    above = height > 0
    place = {"xref": "paper", "x": 1, "xanchor": "right", "y": LIMIT if above else -LIMIT}
    text = f"{text}, {power_of_ten(median[0])} at layer 1"
    return place | {"yanchor": "top" if above else "bottom", "yshift": 0, "text": text}
