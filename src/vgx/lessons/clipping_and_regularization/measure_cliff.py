"""A loss with a cliff: one recurrent unit, run for fifty steps, and the way gradient descent takes over it."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_array, real_number
from vgx.clipping import clip_by_norm, clip_by_value
from vgx.recurrent import RNN
from vgx.registry import unknown_name

LENGTH = 50
"""Times that the unit is run."""

FIRST, TARGET = 0.5, 0.7
"""x₀, and what σ(x₅₀) should be."""

STEPS = 40
"""Of gradient descent."""

FAR = 1.0
"""A step longer than this throws (w, b): it leaves what lies around the cliff."""

RULES = {"no_clipping": lambda gradient, limit: (gradient, 0), "by_norm": clip_by_norm, "by_value": clip_by_value}
"""What is done to the gradient before a step."""

_sigmoid = activations["sigmoid"].f

STARTS = {
    "on_the_floor": (4.6, -2.0),
    "on_the_plateau": (5.2, -3.1),
    "on_the_edge": (6.0, FIRST - 6.0 * float(_sigmoid(FIRST))),
    "where_no_cliff_is": (3.8, -2.8),
}
"""Where gradient descent begins: (w, b)."""

LANDSCAPE = {"w": (3.6, 6.7), "b": (-1.5, -3.7)}
"""What is shown of the loss, from left to right and from the front to the back."""

RIDGE = 1 / float(activations["sigmoid"].derivative(FIRST))
"""The w, 4.26, from which on the unit is driven away from x₀ = w·σ(x₀) + b."""


def cliff_loss(w: float | np.ndarray, b: float | np.ndarray) -> dict[str, np.ndarray]:
    """Run one unit, x ← w·σ(x) + b, from x₀ = 0.5 for 50 steps, and differentiate its loss C = (σ(x₅₀) - 0.7)².

    The unit is an RNN of width 1 without inputs: its pre-activations are the x_t, its states σ(x_t).

    Parameters
    ----------
    w, b : float or ndarray
        Weight and bias; they broadcast.

    Returns
    -------
    dict
        Arrays of the shape that w and b broadcast to. ``loss``: C. ``dC_dw``, ``dC_db``: its gradient. ``output``:
        σ(x₅₀).

    Raises
    ------
    ValueError
        If w or b is not finite.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, figure 6.

    Examples
    --------
    >>> edge = cliff_loss(6.0, wall(6.0))
    >>> float(edge["loss"].round(3)), float(edge["dC_db"].round(-5))
    (0.006, -2600000.0)
    """
    w, b = np.broadcast_arrays(real_array("w", w), real_array("b", b))
    unit = RNN("sigmoid", np.zeros((1, 1)), w[..., None, None], b[..., None, None])
    trace = unit.forward(np.zeros((LENGTH, 1, 1)), np.full((1, 1), _sigmoid(FIRST)))
    output = trace.states[-1]
    grads = unit.backward(trace, last=2 * (output - TARGET))
    found = {
        "loss": (output - TARGET) ** 2,
        "dC_dw": grads.recurrent_weights,
        "dC_db": grads.biases,
        "output": output,
    }
    return {name: value[..., 0, 0] for name, value in found.items()}


def wall(w: float | np.ndarray) -> np.ndarray:
    """Return the b at which the unit stays where it starts: x₀ = w·σ(x₀) + b.

    Above `RIDGE` it stays there as a ball stays on a ridge: this is where the cliff stands.
    """
    return FIRST - np.asarray(w) * _sigmoid(FIRST)


def cliff(start: str, rate: float | Sequence[float], limit: float, rule: str) -> dict[str, np.ndarray]:
    """Follow 40 steps of gradient descent on `cliff_loss`.

    Parameters
    ----------
    start : str
        One of `STARTS`.
    rate : float or sequence of float
        Learning rate, >= 0; several at once give one way each, along the first axis.
    limit : float
        Of the gradient's norm, or of each of its two entries, > 0.
    rule : str
        One of `RULES`.

    Returns
    -------
    dict
        ``w``, ``b``, ``loss`` and ``norm``, the gradient's before clipping, shape (..., 41): after 0, 1, ..., 40 steps.
        ``length`` of each step, and ``clipped``, whether its gradient was: shape (..., 40).

    Raises
    ------
    ValueError
        If the start or the rule is unknown, a rate below 0 or the limit not above 0.
    """
    for kind, name, known in [("start", start, STARTS), ("rule", rule, RULES)]:
        if name not in known:
            raise ValueError(unknown_name(kind, name, known))
    rate, limit = real_array("rate", rate, least=0)[..., None], real_number("limit", limit, above=0)
    at, places, steps = np.broadcast_to(STARTS[start], (*rate.shape[:-1], 2)), [], []
    for _ in range(STEPS + 1):
        found = cliff_loss(at[..., 0], at[..., 1])
        gradient = np.stack([found["dC_dw"], found["dC_db"]], axis=-1)
        kept = np.apply_along_axis(lambda each: RULES[rule](each, limit)[0], -1, gradient)
        places.append([at[..., 0], at[..., 1], found["loss"], np.linalg.norm(gradient, axis=-1)])
        steps.append([np.linalg.norm(rate * kept, axis=-1), (kept != gradient).any(axis=-1)])
        at = at - rate * kept
    w, b, loss, norm = (np.stack(each, axis=-1) for each in zip(*places, strict=True))
    length, clipped = (np.stack(each, axis=-1) for each in zip(*steps[:-1], strict=True))
    return {"w": w, "b": b, "loss": loss, "norm": norm, "length": length, "clipped": clipped}


@cache
def landscape() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the loss over a grid: w, shape (311,), b, shape (36,), falling, and C, shape (36, 311)."""
    w, b = np.linspace(*LANDSCAPE["w"], 311), np.linspace(*LANDSCAPE["b"], 36)
    return w, b, cliff_loss(w, b[:, None])["loss"]
