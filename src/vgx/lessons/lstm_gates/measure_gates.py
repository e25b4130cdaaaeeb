"""What gates do for the gradient before the first step: its decay by lag, the direct path, and the rest."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.recurrent import GRU, LSTM, RNN, GRUTrace, LSTMTrace
from vgx.registry import unknown_name

WIDTH = 64
N_NETS = 20
UNITS = 8
CELLS = ("LSTM", "GRU", "RNN")
BIASES = ("one_value", "chrono", "half_chrono")


def gates(
    cell: str, biases: str, forget_bias: float, steps: int, *, n_nets: int = N_NETS, seed: int = 0
) -> dict[str, np.ndarray]:
    """Follow a gradient back through time in cells at birth, and the part of it that goes by the keeping gates alone.

    Cells are `WIDTH` wide and see `WIDTH` inputs N(0, 1) a step; weights are torch's default, uniform within ±1/√width,
    biases 0 but for those below. Each network has its own weights, inputs and readout v, and C = v · h_T. Followed is
    ∂C/∂c_t of an LSTM and ∂C/∂h_t of a GRU or RNN, for t from T back to 0.

    Parameters
    ----------
    cell : {"LSTM", "GRU", "RNN"}
    biases : {"one_value", "chrono", "half_chrono"}
        Of the gate that keeps, an LSTM's f or a GRU's u (torch's z: h = (1 - u) n + u h_prev): the same for all units,
        or log U[1, T - 1] with the opposite as the input gate's bias, or without that. A GRU's input gate is 1 - u, so
        there the last two are one. An RNN has no gate and no such bias.
    forget_bias : float
        For ``one_value``.
    steps : int
        T, at least 3.
    n_nets, seed : int
        How many networks are drawn, and from which seed.

    Returns
    -------
    dict
        By lag T - t = 0, 1, ..., T: ``gradient``, shape (3, T + 1): the gradient's norm over that at lag 0; 5th
        percentile, median and 95th percentile over the networks. ``direct``, (T + 1,): the median norm of the part
        that only meets keeping gates, Π f or Π u times the gradient at lag 0; ``through``, (T + 1,): that of the rest,
        which passes at least once from h to a gate or candidate. ``gates``, shape (8, T): the keeping gates of a
        network's first units at t = 1, ..., T. For an RNN these three are empty. ``decay``, shape (3,): the factor a
        step, the T-th root of ``gradient`` at lag T; ``size``: the median root mean square of the memory at T.

    Raises
    ------
    ValueError
        If a name is unknown or a number not allowed.

    References
    ----------
    Gers et al. (2000), Learning to forget. Jozefowicz et al. (2015), An empirical exploration of recurrent network
    architectures (forget bias 1). Tallec and Ollivier (2018), Can recurrent neural networks warp time? (chrono)
    """
    for name, value, names in (("cell", cell, CELLS), ("biases", biases, BIASES)):
        if value not in names:
            raise ValueError(unknown_name(name, value, names))
    forget_bias = real_number("forget_bias", forget_bias)
    used = forget_bias if cell != "RNN" and biases == "one_value" else None
    return dict(_gates(cell, "one_value" if cell == "RNN" else biases, used,
                       whole_number("steps", steps, least=3), whole_number("n_nets", n_nets), seed))  # fmt: skip


@lru_cache(maxsize=64)
def _gates(
    cell: str, biases: str, forget_bias: float | None, steps: int, n_nets: int, seed: int
) -> dict[str, np.ndarray]:
    """Measure one state; kept, as an RNN's is asked for with every bias."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((steps, n_nets, 1, WIDTH))
    readout = rng.standard_normal((n_nets, 1, WIDTH))
    drawn = cell_at_birth(cell, biases, forget_bias, steps, n_nets=n_nets, rng=rng)
    trace = drawn.forward(x)
    grads = drawn.backward(trace, last=readout)
    is_lstm = cell == "LSTM"
    memory, total = (trace.cells, grads.cells) if is_lstm else (trace.states, grads.states)
    total = total[::-1, :, 0]  # by lag
    norm = np.hypot.reduce(total, axis=-1)  # squares would underflow below 1e-154
    lines = np.quantile(norm / norm[0], [0.05, 0.5, 0.95], axis=1)
    data = {
        "gradient": lines,
        "decay": np.quantile((norm[-1] / norm[0]) ** (1 / steps), [0.05, 0.5, 0.95]),
        "size": np.median(np.sqrt(np.mean(memory[-1] ** 2, axis=(-2, -1)))),
    }
    if cell == "RNN":
        return data | {"direct": np.empty(0), "through": np.empty(0), "gates": np.empty((0, 0))}
    keep = (trace.forget_gates if is_lstm else trace.update_gates)[:, :, 0]
    direct = total[0] * np.cumprod(np.concatenate([np.ones_like(keep[:1]), keep[::-1]]), axis=0)
    parts = {"direct": direct, "through": total - direct}
    return (
        data
        | {name: np.median(np.hypot.reduce(part, axis=-1) / norm[0], axis=1) for name, part in parts.items()}
        | {"gates": keep[:, 0, :UNITS].T}
    )


def cell_at_birth(
    cell: str,
    biases: str,
    forget_bias: float | None,
    steps: int,
    *,
    n_nets: int | None = None,
    rng: np.random.Generator,
) -> RNN | LSTM | GRU:
    """Draw cells with torch's default weights and the biases of `gates`; without ``n_nets`` a single one."""
    sizes = {"n_inputs": WIDTH, "width": WIDTH, "n_nets": n_nets, "rng": rng}
    nets = () if n_nets is None else (n_nets,)
    if cell == "RNN":
        U, W = rng.uniform(-1, 1, (2, *nets, WIDTH, WIDTH)) / np.sqrt(WIDTH)
        return RNN("tanh", U, W, np.zeros((1, WIDTH)))
    if cell == "LSTM":
        if biases == "one_value":
            return LSTM.sample(forget_bias=forget_bias, **sizes)
        drawn = LSTM.sample(chrono=steps, **sizes)
        closing = np.repeat([biases == "chrono", True, True, True], WIDTH)  # gates in the order i, f, g, o
        return replace(drawn, biases=np.where(closing, drawn.biases, 0.0))
    if biases == "one_value":
        return GRU.sample(update_bias=forget_bias, **sizes)
    drawn = GRU.sample(**sizes)
    b = np.zeros((*nets, 1, 3 * WIDTH))  # gates in the order r, u, n
    b[..., WIDTH : 2 * WIDTH] = np.log(rng.uniform(1, steps - 1, (*nets, 1, WIDTH)))
    return replace(drawn, biases=b)


def decay_per_step(
    cell: str, biases: str, forget_bias: float, steps: int, *, n_nets: int = N_NETS, seed: int = 0
) -> np.ndarray:
    """Return `gates`' decay, the factor a step over the whole length: 5th percentile, median and 95th percentile."""
    return gates(cell, biases, forget_bias, steps, n_nets=n_nets, seed=seed)["decay"]


def lstm_jacobian(trace: LSTMTrace, t: int) -> np.ndarray:
    """Write out one LSTM's step, the Jacobian of (c_t, h_t) with respect to (c_{t-1}, h_{t-1}), states as columns.

    Parameters
    ----------
    trace : LSTMTrace
        Of one cell and one sequence: states of shape (steps + 1, 1, width).
    t : int
        From 1 to the number of steps.

    Returns
    -------
    ndarray, shape (2 * width, 2 * width)
        ``[[F, A], [D F, D A + O]]``: F = diag(f) is the direct path, A = ∂c_t/∂h_{t-1} leads through input gate,
        forget gate and candidate, D = ∂h_t/∂c_t, and O through the output gate.
    """
    each = (trace.input_gates, trace.forget_gates, trace.candidates, trace.output_gates)
    i, f, g, o = (gate[t - 1].T for gate in each)  # columns: they scale rows of a Jacobian
    before, squashed = trace.cells[t - 1].T, np.tanh(trace.cells[t].T)
    to_i, to_f, to_g, to_o = np.split(trace.cell.recurrent_weights.T, 4)
    F, D = np.diag(f[:, 0]), o * (1 - squashed**2)
    A = g * i * (1 - i) * to_i + before * f * (1 - f) * to_f + i * (1 - g**2) * to_g
    return np.block([[F, A], [D * F, D * A + squashed * o * (1 - o) * to_o]])


def gru_jacobian(trace: GRUTrace, t: int) -> np.ndarray:
    """Write out one GRU's step, the Jacobian of h_t with respect to h_{t-1}, states as columns.

    Parameters
    ----------
    trace : GRUTrace
        Of one cell and one sequence.
    t : int
        From 1 to the number of steps.

    Returns
    -------
    ndarray, shape (width, width)
        diag(u), the direct path, and what leads through update gate, candidate and reset gate.
    """
    r, u, n = (gate[t - 1].T for gate in (trace.reset_gates, trace.update_gates, trace.candidates))
    to_r, to_u, to_n = np.split(trace.cell.recurrent_weights.T, 3)
    before, inside_r = trace.states[t - 1].T, trace.memories[t - 1].T
    by_candidate = r * to_n + inside_r * r * (1 - r) * to_r
    return np.diag(u[:, 0]) + (before - n) * u * (1 - u) * to_u + (1 - u) * (1 - n**2) * by_candidate
