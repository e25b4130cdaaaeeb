"""Networks of ReLUs that are dead at birth: in some hidden layer every unit is off."""

import numpy as np

from vgx.arguments import whole_number
from vgx.datasets import digits
from vgx.initializer import initializers
from vgx.registry import unknown_name

DEEPEST = 50
N_NETS = 20_000
N_NETS_TOGETHER = 2_000
EVERY = 18  # of the 1797 digits: 100 of them
RAI_SIGMA_W = 0.6007
"""The weights' standard deviation times √fan_in in the asymmetric initialization, as Lu et al. choose it for ReLU."""

INITIALIZATIONS = ("zero_biases", "random_biases", "asymmetric")
BORN_DEAD_AXES = {"width": (2, 3, 4, 5, 6, 7, 8), "initialization": INITIALIZATIONS}


def born_dead(
    width: int,
    initialization: str,
    *,
    n_nets: int = N_NETS,
    n_nets_together: int = N_NETS_TOGETHER,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Draw networks of ReLUs and count by depth those that are dead before the first step.

    A network is dead for an input once every unit of some hidden layer is off for it: then no gradient of that input
    reaches this layer or any before. It is dead for many inputs if it is dead for each of them.

    Parameters
    ----------
    width : int
        Units of each hidden layer, n.
    initialization : {"zero_biases", "random_biases", "asymmetric"}
        As in `draw_layer`.
    n_nets, n_nets_together, seed : int
        Networks drawn for one digit, and for 100 digits together, and from which seed.

    Returns
    -------
    dict
        Shares of networks with 1 to 50 hidden layers, each of shape (50,): ``one``: dead for one digit;
        ``together``: dead for each of 100 digits; ``exact``: `exact_share` for one input and symmetric weights.

    Raises
    ------
    ValueError
        If the initialization is unknown or a number not allowed.
    """
    _check(initialization)
    x, depths = digits().x[::EVERY], np.arange(1, DEEPEST + 1)
    own = (seed, whole_number("width", width), INITIALIZATIONS.index(initialization))  # each state its own draws
    one = dies_in_layer(x[:1], width, initialization, n_nets=n_nets, rng=np.random.default_rng((*own, 0)))
    together = dies_in_layer(x, width, initialization, n_nets=n_nets_together, rng=np.random.default_rng((*own, 1)))
    return {
        "one": np.mean(one[:, None] <= depths, axis=0),
        "together": np.mean(together[:, None] <= depths, axis=0),
        "exact": exact_share(depths, width),
    }


def exact_share(depth: int | np.ndarray, width: int) -> np.ndarray:
    """Return 1 − (1 − 2⁻ⁿ)ᴸ: the probability of being dead for one input, with L hidden layers of n units."""
    return 1 - (1 - 0.5**width) ** np.asarray(depth)


def dies_in_layer(
    x: np.ndarray,
    width: int,
    initialization: str,
    *,
    n_nets: int,
    deepest: int = DEEPEST,
    rng: np.random.Generator,
) -> np.ndarray:
    """Find the hidden layer with which each network is dead for all of the inputs, ``deepest`` + 1 if it lives.

    Networks that are dead are dropped: what a layer more would do to them changes nothing.

    Parameters
    ----------
    x : ndarray, shape (batch, n_inputs)
    width, initialization
        As in `born_dead`.
    n_nets : int
        How many networks are drawn.
    deepest : int
        Number of hidden layers.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n_nets,)
    """
    width, n_nets = whole_number("width", width), whole_number("n_nets", n_nets)
    h = np.broadcast_to(x.astype(np.float32), (n_nets, *x.shape))
    dies, net, alive = np.full(n_nets, deepest + 1), np.arange(n_nets), np.ones((n_nets, len(x)), bool)
    for layer in range(1, deepest + 1):
        W, b = draw_layer((len(net), h.shape[-1], width), initialization, rng=rng)
        h = np.maximum(h @ W + b, 0)
        alive &= (h > 0).any(axis=-1)
        lives = alive.any(axis=-1)
        dies[net[~lives]] = layer
        if not lives.any():
            break
        h, alive, net = h[lives], alive[lives], net[lives]
    return dies


def draw_layer(
    shape: tuple[int, int, int], initialization: str, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw weights (n_nets, fan_in, fan_out) and biases (n_nets, 1, fan_out) of one layer, in float32.

    ``zero_biases``: He's normal weights. ``random_biases``: the same and biases from N(0, 1). ``asymmetric``: weights
    and biases from N(0, 0.6007²/fan_in), and then in each unit one of its fan_in + 1 numbers, picked at random, is
    drawn again from Beta(2, 1), which is positive.

    Raises
    ------
    ValueError
        If the initialization is unknown.

    References
    ----------
    Lu, Shin, Su and Karniadakis (2020), Dying ReLU and initialization: theory and numerical examples.
    """
    _check(initialization)
    n_nets, fan_in, fan_out = shape
    if initialization == "asymmetric":
        both = rng.standard_normal((n_nets, fan_in + 1, fan_out), dtype=np.float32)
        both *= RAI_SIGMA_W / np.sqrt(fan_in)
        picked = rng.integers(fan_in + 1, size=(n_nets, 1, fan_out))
        beta = np.sqrt(rng.random(picked.shape, dtype=np.float32))  # P(beta < t) = t²: Beta(2, 1)
        np.put_along_axis(both, picked, beta, axis=1)
        return both[:, :-1], both[:, -1:]
    weights = initializers["he_normal"].sample(shape, rng=rng, dtype=np.float32)
    if initialization == "zero_biases":
        return weights, np.zeros((1, 1, fan_out), np.float32)
    return weights, rng.standard_normal((n_nets, 1, fan_out), dtype=np.float32)


def _check(initialization: str) -> None:
    if initialization not in INITIALIZATIONS:
        raise ValueError(unknown_name("initialization", initialization, INITIALIZATIONS))
