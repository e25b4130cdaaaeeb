"""Where in a training step to clip: the right place and the usual wrong ones, in PyTorch."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number
from vgx.registry import unknown_name

from .measure_direction import angle

if TYPE_CHECKING:
    import torch

N_SEEDS = 5
N_STEPS = 30
N_TIMES = 20
N_UNITS = 32
BATCH = 256
RATE = 0.1
SPECTRAL_RADIUS = 1.5
LOSS_SCALE = 2.0**16  # with which PyTorch's GradScaler starts

PLACES = (
    "right_place", "no_clipping", "before_backward", "before_unscaling", "each_parameter", "after_the_step",
)  # fmt: skip
"""Right: after unscaling, before the step, all parameters together."""

LIMITS = (0.1, 0.3, 1.0, 3.0, 10.0)
WHERE_AXES = {"place": PLACES, "limit": LIMITS}


def where_to_clip(place: str, limit: float, *, n_steps: int = N_STEPS, n_seeds: int = N_SEEDS) -> dict[str, np.ndarray]:
    """Train a recurrent network with its gradient clipped at a place of the step, and look at what the steps are.

    It reads 20 numbers and has to answer with the first: tanh, 32 units, W_h orthogonal times 1.5, batches of 256 fresh
    sequences, squared error, plain gradient descent with rate 0.1, double precision. The loss is multiplied by 2¹⁶
    and the gradients divided by it again, as `torch.amp.GradScaler` does it for half precision.

    Parameters
    ----------
    place : str
        One of `PLACES`.
    limit : float
        Greatest norm, above 0, as given to `torch.nn.utils.clip_grad_norm_`.
    n_steps, n_seeds : int
        Steps of each training, and how many trainings.

    Returns
    -------
    dict
        Of shape (n_seeds, n_steps), float32: ``loss`` before each step, ``gradient``: norm of the gradient, unscaled
        and not clipped, ``step``: length of the change of the parameters over the rate, ``angle``: between the two
        vectors, in degrees.

    Raises
    ------
    ValueError
        If the place is unknown or the limit not allowed.
    """
    if place not in PLACES:
        raise ValueError(unknown_name("place", place, PLACES))
    limit = real_number("limit", limit, above=0.0)
    runs = [_trained(place, limit, n_steps, seed) for seed in range(n_seeds)]
    return {name: np.array([run[name] for run in runs], dtype=np.float32) for name in runs[0]}


def beside_the_right_place(
    recorded: Callable[..., dict[str, np.ndarray]], place: str, limit: float
) -> dict[str, np.ndarray]:
    """Return what was recorded for a place, with ``right_loss``: the loss when clipped at the right one."""
    return {**recorded(place=place, limit=limit), "right_loss": recorded(place="right_place", limit=limit)["loss"]}


def _trained(place: str, limit: float, n_steps: int, seed: int) -> dict[str, list[float]]:
    import torch

    def clip(parameters: list[torch.nn.Parameter] | torch.nn.Parameter) -> None:
        torch.nn.utils.clip_grad_norm_(parameters, limit)

    rng = torch.Generator().manual_seed(seed)
    model, parameters = _network(rng)
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    scaler = torch.amp.GradScaler("cpu", init_scale=LOSS_SCALE)
    rows: dict[str, list[float]] = {"loss": [], "gradient": [], "step": [], "angle": []}
    for _ in range(n_steps):
        x = torch.randn(BATCH, N_TIMES, 1, generator=rng, dtype=torch.float64)
        before = _flat(parameters)
        optimizer.zero_grad()
        if place == "before_backward":
            clip(parameters)
        loss = torch.nn.functional.mse_loss(model(x), x[:, 0])
        scaler.scale(loss).backward()
        gradient = _flat([each.grad for each in parameters]) / scaler.get_scale()
        if place == "before_unscaling":
            clip(parameters)
        scaler.unscale_(optimizer)
        if place == "right_place":
            clip(parameters)
        if place == "each_parameter":
            for each in parameters:
                clip(each)
        scaler.step(optimizer)
        if place == "after_the_step":
            clip(parameters)
        scaler.update()
        step = (before - _flat(parameters)) / RATE
        seen = loss.item(), np.linalg.norm(gradient), np.linalg.norm(step), angle(gradient, step)
        for name, value in zip(rows, seen, strict=True):
            rows[name].append(value)
    return rows


def _network(rng: "torch.Generator") -> "tuple[Callable, list[torch.nn.Parameter]]":
    import torch

    with torch.random.fork_rng():
        rnn, out = torch.nn.RNN(1, N_UNITS, batch_first=True).double(), torch.nn.Linear(N_UNITS, 1).double()
    parameters = [*rnn.parameters(), *out.parameters()]
    for each in parameters:
        torch.nn.init.uniform_(each, -(N_UNITS**-0.5), N_UNITS**-0.5, generator=rng)  # as PyTorch draws them
    torch.nn.init.orthogonal_(rnn.weight_hh_l0, SPECTRAL_RADIUS, generator=rng)
    return lambda x: out(rnn(x)[0][:, -1]), parameters


def _flat(tensors: "list[torch.Tensor]") -> np.ndarray:
    return np.concatenate([each.detach().numpy().ravel() for each in tensors])
