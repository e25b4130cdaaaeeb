"""One neuron, one example: the factors of its gradient, and where gradient descent takes it."""

from functools import lru_cache

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_array, real_number, whole_number

LAST = 1000
"""Steps of gradient descent that are followed."""


def neuron_gradient(
    x: float | np.ndarray, w: float | np.ndarray, b: float, t: float, *, activation: str = "relu"
) -> dict[str, np.ndarray]:
    """Differentiate L = ½(y - t)² of y = φ(z), z = w·x + b, factor by factor.

    Parameters
    ----------
    x, w : float or ndarray, shape (n,)
        The inputs, and one weight for each.
    b, t : float
        Bias and target.
    activation : str
        Name of φ.

    Returns
    -------
    dict
        ``z``, ``y``, ``L``: the way forward. ``dL_dy`` = y - t and ``dy_dz`` = φ′(z): two factors of the way back; the
        third, ∂z/∂w, is x. ``dL_dw``: their product, of x's shape. ``dL_db``: the product without x.

    Raises
    ------
    ValueError
        If the activation is unknown, an argument not finite, or x and w differ in shape.

    Examples
    --------
    >>> two_weights = neuron_gradient([-2.0, 3.0], [2.0, 2.0], 0.0, 1.0)
    >>> two_weights["z"], two_weights["dL_dw"]
    (np.float64(2.0), array([-2.,  3.]))
    """
    phi, x, w = activations[activation], real_array("x", x), real_array("w", w)
    if x.shape != w.shape or x.ndim > 1:
        raise ValueError(f"x and w must be two numbers or two lists of one length, got shapes {x.shape} and {w.shape}")
    b, t = real_number("b", b), real_number("t", t)
    z = np.sum(w * x) + b
    y, dy_dz = phi.f(z), phi.derivative(z)
    dL_dy = y - t
    return {
        "z": z, "y": y, "L": (y - t) ** 2 / 2,
        "dL_dy": dL_dy, "dy_dz": dy_dz, "dL_dw": dL_dy * dy_dz * x, "dL_db": dL_dy * dy_dz,
    }  # fmt: skip


def one_neuron(
    x: float, t: float, w: float, b: float, rate: float, step: int, activation: str
) -> dict[str, np.ndarray]:
    """Train one neuron on one example, and look at the gradient after some of the steps.

    A step is w ← w - η ∂L/∂w, b ← b - η ∂L/∂b. Where z > 0 it multiplies z - t by 1 - η(x² + 1).

    Parameters
    ----------
    x, t : float
        Input and target.
    w, b : float
        Weight and bias before the first step.
    rate : float
        η, the learning rate, >= 0.
    step : int
        After how many steps the factors are looked at, at most 1000.
    activation : str
        Name of φ.

    Returns
    -------
    dict
        What `neuron_gradient` returns, after ``step`` steps, and ``x``, ``w``, ``b`` there; ``path``, shape (1001,): z
        after 0, 1, ..., 1000 steps.

    Raises
    ------
    ValueError
        If the activation is unknown, a number not finite or too small, or the step above 1000.
    """
    step, rate = whole_number("step", step, least=0), real_number("rate", rate, least=0)
    if step > LAST:
        raise ValueError(f"step must be at most {LAST}, got {step}")
    x, t, w, b = (real_number(name, value) for name, value in {"x": x, "t": t, "w": w, "b": b}.items())
    weights, biases, path = _descent(x, t, w, b, rate, activation)
    w, b = weights[step], biases[step]
    return neuron_gradient(x, w, b, t, activation=activation) | {"x": x, "w": w, "b": b, "path": path}


@lru_cache(maxsize=256)  # all states of the lab: a trajectory serves every step
def _descent(x: float, t: float, w: float, b: float, rate: float, activation: str) -> tuple[np.ndarray, ...]:
    """Return w, b and z after 0, 1, ..., `LAST` steps."""
    phi, rows = activations[activation], np.empty((3, LAST + 1))
    with np.errstate(all="ignore"):
        for row in rows.T:
            row[:] = w, b, w * x + b
            dL_dz = (phi.f(row[2]) - t) * phi.derivative(row[2])
            w, b = w - rate * (dL_dz * x), b - rate * dL_dz
    return tuple(rows)
