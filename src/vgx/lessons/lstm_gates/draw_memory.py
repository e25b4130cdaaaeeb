"""The adding problem: what lesson 06 draws and says about it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vgx import figures
from vgx.verdict import Verdict

from .measure_memory import CELLS, EVERY, MAX_STEPS, NAIVE, SOLVED, runs_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

Data = Mapping[str, np.ndarray]
State = Mapping[str, Any]

CELL_NAMES = {
    "rnn": "RNN", "rnn_orthogonal": "RNN, orthogonal", "irnn": "IRNN", "lstm_forget_0": "LSTM, forget bias 0",
    "lstm_forget_1": "LSTM, forget bias 1", "lstm_chrono": "LSTM, chrono", "gru": "GRU",
}  # fmt: skip
ROWS = ("RNN", "orthog.", "IRNN", "LSTM, 0", "LSTM, 1", "chrono", "GRU")
COLOURS = {
    "stuck": figures.COLOURS[Verdict.VANISHING],
    "some": figures.INK,
    "solved": figures.COLOURS[Verdict.HEALTHY],
}
BEYOND = 1.03 * MAX_STEPS  # where a run stands that was not solved
LOWEST, HIGHEST = 3e-4, 3
TICKS = (0.001, 0.01, 0.1, 1)
STUCK_ABOVE = 0.9  # of the naive error; 1,000 sequences tell it to about 4 %


def memory_word(data: Data, controls: State) -> str:
    """Judge a cell's runs at a lag: "solved" if all are, "stuck" if their median error stays near 1/6, else "some"."""
    solved = np.isfinite(_chosen(data, controls))
    if solved.all():
        return "solved"
    ends = [run[-1] for run in runs_of(data)]
    return "some" if solved.any() or np.median(ends) < STUCK_ABOVE * NAIVE else "stuck"


def memory(data: Data, controls: State) -> "go.Figure":
    """Draw the error of a cell's runs by training step, and below when each cell's runs were solved."""
    runs, chosen = runs_of(data), list(CELLS).index(controls["cell"])
    colour, n_seeds = COLOURS[memory_word(data, controls)], len(runs)
    line = {"type": "scatter", "mode": "lines", "hovertemplate": "step %{x}: %{y:.3g}<extra></extra>"}
    padded = [np.append(np.clip(run, LOWEST, None), np.nan) for run in runs]
    steps = [np.append(np.arange(len(run)) * EVERY, np.nan) for run in runs]
    # in the middle by the step at which it was solved, else by its last error
    middle = sorted(range(n_seeds), key=lambda k: (data["solved"][chosen, k], runs[k][-1]))[n_seeds // 2]
    traces = [
        line | {"name": "runs", "x": np.concatenate(steps), "y": np.concatenate(padded),
                "line": {"color": colour, "width": 1}},
        line | {"name": "middle run", "x": steps[middle][:-1], "y": padded[middle][:-1],
                "line": {"color": colour, "width": 3.5}},
        _dots(data["solved"], chosen, colour),
        figures.labels((0.99 * BEYOND, 1.4 * NAIVE, "always answering 1: 1/6", "top left"),
                       (0.99 * BEYOND, SOLVED / 1.1, "solved: 0.01", "bottom left")),
        figures.labels((BEYOND, -0.95, "● solved    ▷ not solved", "middle left"), yaxis="y2"),
    ]  # fmt: skip
    ends = (0, 1.02 * BEYOND)
    title, rate = f"{CELL_NAMES[controls['cell']]}, {controls['lag']} steps", CELLS[controls["cell"]][1]
    return figures.figure(
        traces,
        title={"text": f"{title}<br><sub>Adam, rate {rate:g}; {n_seeds} runs, bold: the middle</sub>"},
        height=560,
        margin={"l": 76, "r": 16, "t": 64, "b": 52},
        xaxis={"title": {"text": "training steps"}, "range": ends, "anchor": "y2", "dtick": 1000},
        yaxis={"type": "log", "range": np.log10([LOWEST, HIGHEST]), "domain": [0.5, 1], "tickvals": TICKS,
               "ticktext": [f"{tick:g}" for tick in TICKS], "title": {"text": "mean squared error"}},
        yaxis2={"range": [len(CELLS) - 0.4, -1.4], "domain": [0, 0.42], "tickvals": list(range(len(CELLS))),
                "ticktext": ROWS, "title": {"text": ""}},
        shapes=[figures.reference_line(NAIVE, ends) | {"line": figures.THEORY}, figures.reference_line(SOLVED, ends)],
    )  # fmt: skip


def _dots(solved: np.ndarray, chosen: int, colour: str) -> dict[str, Any]:
    """Mark in a row a cell when each run was solved; at the right, open, those that were not."""
    rows, runs = np.indices(solved.shape)
    is_solved, is_chosen = np.isfinite(solved), rows == chosen
    within_row = 0.6 * (runs / (solved.shape[1] - 1) - 0.5)
    return {
        "type": "scatter", "mode": "markers", "name": "solved", "yaxis": "y2",
        "x": np.where(is_solved, solved, BEYOND).ravel(), "y": (rows + within_row).ravel(),
        "text": np.where(is_solved, "solved", "not solved").ravel().tolist(),
        "hovertemplate": "%{text}: %{x}<extra></extra>",
        "marker": {
            "symbol": np.where(is_solved, "circle", "triangle-right-open").ravel().tolist(), "size": 7,
            "color": np.where(is_chosen, colour, figures.MUTED).ravel().tolist(),
        },
    }  # fmt: skip


def memory_reading(data: Data, controls: State) -> str:
    """Say what `memory` shows."""
    solved, (_, rate) = _chosen(data, controls), CELLS[controls["cell"]]
    is_solved, ends = np.isfinite(solved), np.array([run[-1] for run in runs_of(data)])
    text = f"{is_solved.sum()} of {len(solved)} runs stay below {SOLVED:g} within {MAX_STEPS:,} training steps"
    if is_solved.any():
        text += f", from step {_range(solved[is_solved], ',.0f')}"
    if not is_solved.all():
        text += f"; {'the others' if is_solved.any() else 'they'} end at {_range(ends[~is_solved], '.3f')}"
    setting = f"{CELL_NAMES[controls['cell']]}, {controls['lag']} steps, Adam at rate {rate:g}"
    return f"{setting}: {text}. Always answering 1 has an error of {NAIVE:.3f}."


def _range(values: np.ndarray, form: str) -> str:
    """Write the smallest and the largest of some numbers, once if they read the same."""
    return " to ".join(dict.fromkeys(format(float(end), form) for end in (values.min(), values.max())))


def _chosen(data: Data, controls: State) -> np.ndarray:
    return data["solved"][list(CELLS).index(controls["cell"])]


def who_adds(data: Data, controls: State) -> str:
    """Answer the question of the lab: which of an orthogonal RNN and a GRU learns, in most of its runs."""
    orthogonal, gru = (
        np.isfinite(data["solved"][list(CELLS).index(cell)]).mean() > 0.5 for cell in ("rnn_orthogonal", "gru")
    )
    if orthogonal == gru:
        return "both" if gru else "neither"
    return "only the GRU" if gru else "only the orthogonal RNN"
