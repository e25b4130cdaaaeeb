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
SMALLEST = 1e-300
"""Drawn for zero on a logarithmic axis, so that a line is seen to leave it."""

DARK = _DARK | {band(light): band(dark) for light, dark in _DARK.items()}
"""What the colours of the light page become on the dark one; those of vanishing, healthy and exploding stay."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@cache
def template() -> dict[str, Any]:
    """Return the template of every figure: transparent, a light grid, no chart junk."""
    axis = {
        "gridcolor": GRID, "zeroline": False, "linecolor": MUTED, "ticks": "", "showline": True,
        "automargin": True, "title": {"standoff": 8},
        "ticklabeloverflow": "allow",  # else Plotly measures every label at every move
    }  # fmt: skip
    return {
        "layout": {
            "font": {"family": FONT, "size": 14, "color": INK},
            "title": {"font": {"size": 16}, "x": 0, "xref": "paper", "xanchor": "left", "y": 0.95},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "legend": {"visible": False},  # else Plotly prepares it for each trace
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


def between(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, **trace: Any) -> dict[str, Any]:
    """Return a band as one closed outline: half the work of two lines and what lies between them.

    Parameters
    ----------
    x, low, high : array of shape (n_points,)
        Where one of them is not finite there is no band. Zeros are drawn as very small, for logarithmic axes.
    colour : str
        That of the band's line.
    **trace
        More of the trace: ``xaxis``, ``yaxis``, ``name``.
    """
    drawn = np.isfinite(low) & np.isfinite(high)
    x, low, high = (np.asarray(part)[drawn] for part in (x, np.where(np.equal(low, 0), SMALLEST, low), high))
    return {
        "type": "scatter", "mode": "none", "x": np.append(x, x[::-1]), "y": np.append(high, low[::-1]),
        "fill": "toself", "fillcolor": band(colour), "hoverinfo": "skip", **trace,
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


def percent(share: float) -> str:
    """Write a share for prose, in whole per cent; 0 and 100 are kept for none and all.

    Examples
    --------
    >>> percent(0.001), percent(0.247), percent(1)
    ('< 1 %', '25 %', '100 %')
    """
    if 0 < share < 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 < share < 1 else f"{100 * share:.0f} %"


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
    hover = "layer %{x}: %{y:.2e}<extra></extra>"
    grows = profile["median"][0] > 1
    alike, away = (10**-0.3, "bottom left") if grows else (10**0.3, "top left")  # away from the line
    traces = [
        between(layers, profile["low"], profile["high"], colour, name="5 to 95 %",
                fillpattern={"shape": "/" if verdict == Verdict.OVERFLOW else ""}),
        line | {"name": "median", "y": profile["median"], "line": {"color": colour, "width": 4},
                "hovertemplate": hover},
        line | {"name": "theory", "y": profile["theory"], "line": THEORY, "hovertemplate": "theory, " + hover},
        labels((deepest, alike, "ratio 1: all layers learn alike", away),
               _end_label(profile["median"], f"{networks}: <b>{verdict}</b>", deepest)) | {
            "textfont": {"size": [12, 14], "color": [MUTED, INK]}},
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
    )


LIMIT = 15
"""A gradient profile shows fifteen powers of ten to either side of 1, always: movement then means something."""


def _end_label(median: np.ndarray, text: str, deepest: int) -> tuple[float, float, str, str]:
    """Label the line at its left end, away from ratio 1; in the corner, with the number, if it ends outside."""
    with np.errstate(all="ignore"):
        height = np.log10(median[0])
    if np.isnan(height) or abs(height) < LIMIT - 3:
        shift, place = (0.5, "top right") if height >= 0 else (-0.5, "bottom right")
        return 1, 10.0 ** (np.nan_to_num(height) + shift), text, place
    above = height > 0
    place = "bottom left" if above else "top left"
    edge = 10.0 ** (LIMIT - 0.1 if above else 0.1 - LIMIT)
    return deepest, edge, f"{text}, {power_of_ten(median[0])} at layer 1", place
