"""The chain with one neuron a layer: what lesson 02 measures of it."""

import numpy as np

from vgx.activation import activations
from vgx.arguments import real_array, real_number, whole_number
from vgx.registry import unknown_name

AWAKE = 0.1
"""Where `scalar_chain` holds every z if told to: every φ is steep there, ReLU (flat at 0) included."""


def scalar_chain(
    depth: int, scale: float, activation: str, draw: int, awake: bool = False, *, seed: int = 0
) -> dict[str, np.ndarray]:
    """Gradient of a chain with one neuron a layer, ``z_l = w_l a_{l-1} + b_l``, term by term from the output back.

    Weights are ``scale`` times N(0, 1), biases and the input a_0 N(0, 1). A draw is the same chain at any scale, and
    the first neurons of a longer one.

    Parameters
    ----------
    depth : int
        Number of neurons L.
    scale : float
        Standard deviation of the weights.
    activation : str
        Name of φ.
    draw : int
        Which chain, from 1.
    awake : bool
        Choose the biases so that each z_l is 0.1 instead: no neuron is saturated, whatever the weights.

    Returns
    -------
    dict
        Arrays of shape (depth,), neuron 1 first. ``terms``: w_{l+1} φ′(z_l), and φ′(z_L) for the last neuron.
        ``products``: ∂C/∂b_l / ∂C/∂a_L, the product of the terms from neuron l to the last. ``z``, ``weights``.
    """
    depth, draw = whole_number("depth", depth), whole_number("draw", draw)
    w, b, a_0 = _draw_chains(np.random.default_rng((seed, draw)), depth, real_number("scale", scale, least=0))
    terms, z = _chain_terms(w, b, a_0, activation, awake=awake)
    return {"terms": terms, "products": np.cumprod(terms[::-1])[::-1], "z": z, "weights": w}


def chain_ratios(
    n_draws: int = 10_000, *, scale: float = 1.0, seed: int = 0, n_layers: int = 4, inputs: str = "normal"
) -> np.ndarray:
    """Draw sigmoid chains and measure |∂C/∂b_3| / |∂C/∂b_1|: how much faster the third neuron learns than the first.

    It is 1 / |w_2 w_3 σ′(z_1) σ′(z_2)|, and so at least 16 / |w_2 w_3|, whatever follows neuron 3.

    Parameters
    ----------
    n_draws : int
    scale : float
        Standard deviation of the weights; biases are N(0, 1).
    n_layers : int
        Length of the chain, at least 3.
    inputs : {"normal", "uniform"}
        The input a_0: N(0, 1), or uniform in [0, 1] like a pixel.

    Returns
    -------
    ndarray, shape (n_draws,)

    References
    ----------
    Nielsen (2015), Neural networks and deep learning, chapter 5.
    """
    if inputs not in ("normal", "uniform"):
        raise ValueError(unknown_name("inputs", inputs, ("normal", "uniform")))
    rng, n_layers = np.random.default_rng(seed), whole_number("n_layers", n_layers, least=3)
    scale, n_draws = real_number("scale", scale, least=0), whole_number("n_draws", n_draws)
    w, b, a_0 = _draw_chains(rng, n_layers, scale, n_draws)
    if inputs == "uniform":
        a_0 = rng.uniform(size=n_draws)
    terms, _ = _chain_terms(w, b, a_0, "sigmoid")
    with np.errstate(divide="ignore"):
        return 1 / np.abs(terms[0] * terms[1])


def _draw_chains(rng: np.random.Generator, depth: int, scale: float, *n: int) -> tuple[np.ndarray, ...]:
    """Draw w and b, shape (depth, *n), and a_0, neuron by neuron."""
    a_0 = rng.standard_normal(n)
    w, b = np.moveaxis(rng.standard_normal((depth, 2, *n)), 1, 0)
    return scale * w, b, a_0


def _chain_terms(
    w: np.ndarray, b: np.ndarray, a: np.ndarray, activation: str, *, awake: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Run chains forward and return the terms and z, both shaped as w: (depth, ...)."""
    φ, z = activations[activation], np.empty_like(w)
    for j in range(len(w)):
        z[j] = AWAKE if awake else w[j] * a + b[j]
        a = φ.f(z[j])
    terms = φ.derivative(z)
    terms[:-1] *= w[1:]
    return terms, z


def unsaturated_window(w: float | np.ndarray) -> np.ndarray:
    """Width of the range of inputs a for which |w σ′(w a + b)| >= 1, that is, a sigmoid neuron lets gradients grow.

    It is the same for every bias b, 0 for |w| <= 4, and never wider than 0.45, at |w| = 6.9.

    Parameters
    ----------
    w : float or ndarray
        The neuron's weight.

    References
    ----------
    Nielsen (2015), Neural networks and deep learning, chapter 5, exercise on the vanishing gradient.
    """
    size = np.maximum(np.abs(real_array("w", w)), 4.0)
    return 2 / size * np.log(size * (1 + np.sqrt(1 - 4 / size)) / 2 - 1)
