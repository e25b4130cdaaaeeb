"""Every band that a lab draws has a low and a high edge, and a line that runs between them."""

import numpy as np
import pytest

from vgx import figures
from vgx.book import all_labs

STATES = 8  # looked at, of each lab, spread over all
WITHOUT_LINE = {"20 Gaussian matrices, 5–95 %"}  # beside the line of another matrix


def numbers(values):
    return np.array(values, dtype=float)


def bands(figure):
    """Yield each band's name, x, low and high, and the lines in its panel."""
    for trace in figure.data:
        if trace.type != "scatter" or trace.fill != "toself":
            continue
        lines = [line for line in figure.data if line.type == "scatter" and line.yaxis == trace.yaxis]
        x, y = numbers(trace.x), numbers(trace.y)
        gaps = np.flatnonzero(np.isnan(x))  # between several bands of one trace
        for part_x, part_y in zip(np.split(x, gaps), np.split(y, gaps), strict=True):
            part_x, part_y = part_x[~np.isnan(part_x)], part_y[~np.isnan(part_x)]
            half = len(part_x) // 2
            there, back = part_x[:half], part_x[half:][::-1]
            if half > 2 and np.array_equal(there, back):  # else bars, in one path
                edges = np.sort([part_y[:half], part_y[half:][::-1]], axis=0)
                yield trace.name, there, *edges, lines


def runs_between(line, x, low, high):
    at = dict(zip(line.x, numbers(line.y), strict=False))
    if not set(x) <= set(at):
        return False
    y = np.array([at[place] for place in x])
    low, high, y = (np.where(edge == 0, figures.SMALLEST, edge) for edge in (low, high, y))  # as bands draw zeros
    is_above, is_below = y >= low * (1 - 1e-6), y <= high * (1 + 1e-6)  # recordings have fewer digits
    return (is_above & is_below).all() and ((low < y) & (y < high)).any()


@pytest.mark.parametrize("lab", list(all_labs()), ids=lambda lab: lab.name)
def test_a_band_has_two_edges_and_a_line_runs_between_them(lab):
    every = list(lab.states())
    chosen = [lab.defaults, *(every[k] for k in np.linspace(0, len(every) - 1, STATES).astype(int))]
    seen = {}
    for state in chosen:
        for name, x, low, high, lines in bands(lab.figure(**state)):
            found = any(runs_between(line, x, low, high) for line in lines)
            found = found or (name in WITHOUT_LINE and (high > 1.1 * low).any())
            seen[name] = seen.get(name, False) or found
    assert all(seen.values()), seen
