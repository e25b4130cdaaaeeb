"""What an activation costs: seconds forward and backward, against ReLU's and against the layer's matrix products."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from vgx.activation import activations
from vgx.arguments import whole_number
from vgx.registry import unknown_name

TIMED = ("relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "gelu", "silu", "softplus")
LIBRARIES = ("numpy", "torch")
PRODUCT = "matrix product"

Steps = dict[tuple[str, str], Callable[[], object]]


def activation_cost(
    library: str = "numpy",
    names: Sequence[str] = TIMED,
    *,
    batch: int = 128,
    width: int = 256,
    repeats: int = 50,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Time each activation of a layer, and the layer's matrix products, in float32 on one thread.

    Forward is φ(z), and z = x @ W for the product. Backward is the gradient with respect to z from that with respect
    to the output, and for the product two products, the gradients with respect to W and x. In numpy these are this
    book's `activations`; in torch its own functions, whose backward pass goes through autograd.

    All are timed in turn, once a round, and of each the shortest time counts: whatever else the machine does only adds.

    Parameters
    ----------
    library : {"numpy", "torch"}
        Torch takes a quarter of a gigabyte: a notebook calls it in a process of its own.
    names : sequence of str
        Activations.
    batch, width, repeats, seed : int
        Inputs at once, units of the layer and of the one before, rounds, and the seed of z ~ N(0, 1).

    Returns
    -------
    dict
        Name, and 'matrix product' -> {'forward': seconds, 'backward': seconds}.

    Raises
    ------
    ValueError
        If a name is unknown or a number too small.
    """
    if library not in LIBRARIES:
        raise ValueError(unknown_name("library", library, LIBRARIES))
    rng = np.random.default_rng(seed)
    names = [activations[name].name for name in names]
    batch, width = whole_number("batch", batch), whole_number("width", width)
    arrays = (
        rng.standard_normal((batch, width), np.float32),
        rng.standard_normal((width, width), np.float32),
        rng.standard_normal((batch, width), np.float32),
    )
    repeats = whole_number("repeats", repeats)
    if library == "torch":
        best = _torch_seconds(names, arrays, repeats)
    else:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):
            best = _shortest(_numpy_steps(names, *arrays), repeats)
    return {name: {way: best[name, way] for way in ("forward", "backward")} for name in (*names, PRODUCT)}


def _numpy_steps(names: Sequence[str], z: np.ndarray, weights: np.ndarray, grad: np.ndarray) -> Steps:
    steps: Steps = {}
    for phi in map(activations.__getitem__, names):
        steps[phi.name, "forward"] = lambda phi=phi: phi.f(z)
        steps[phi.name, "backward"] = lambda phi=phi: grad * phi.derivative(z)
    steps[PRODUCT, "forward"] = lambda: z @ weights
    steps[PRODUCT, "backward"] = lambda: (z.T @ grad, grad @ weights.T)
    return steps


def _torch_seconds(names: Sequence[str], arrays: tuple[np.ndarray, ...], repeats: int) -> dict[tuple[str, str], float]:
    import torch
    from torch.nn import functional

    z, weights, grad = map(torch.from_numpy, arrays)
    tracked, tracked_weights = z.clone().requires_grad_(), weights.clone().requires_grad_()
    steps: Steps = {}
    for name in names:
        function = (lambda z: z * 1) if name == "identity" else getattr(functional, name)
        steps[name, "forward"] = lambda function=function: function(z)
        y = function(tracked)
        steps[name, "backward"] = lambda y=y: torch.autograd.grad(y, tracked, grad, retain_graph=True)
    product = tracked @ tracked_weights
    steps[PRODUCT, "forward"] = lambda: z @ weights
    steps[PRODUCT, "backward"] = lambda: torch.autograd.grad(
        product, (tracked, tracked_weights), grad, retain_graph=True
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _shortest(steps, repeats)
    finally:
        torch.set_num_threads(threads)


def _shortest(steps: Steps, repeats: int) -> dict[tuple[str, str], float]:
    """Run all steps in turn, again and again; return each one's shortest time in seconds."""
    best = dict.fromkeys(steps, np.inf)
    for step in steps.values():
        step()  # what is only done once, such as importing, is not timed
    for _ in range(repeats):
        for key, step in steps.items():
            start = perf_counter()
            step()
            best[key] = min(best[key], perf_counter() - start)
    return best
