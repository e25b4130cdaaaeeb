"""One training loop for any torch model, and for several of one architecture side by side; it gives rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import real_number, whole_number
from vgx.probing import layers_of
from vgx.training import checks
from vgx.training.batches import Batches
from vgx.training.clips import Hook, clipping
from vgx.training.history import History, history
from vgx.training.losses import Loss
from vgx.training.measuring import Meter
from vgx.training.optimizers import OPTIMIZERS, Rates, Step
from vgx.training.stack import Stack

if TYPE_CHECKING:
    import torch
    import tqdm

__all__ = ["History", "train"]

BAR_AFTER_SECONDS = 2.0


def train(
    models: "torch.nn.Module | Sequence[torch.nn.Module]",
    x: "np.ndarray | torch.Tensor",
    y: "np.ndarray | torch.Tensor",
    *,
    epochs: int,
    learning_rate: float | Sequence[float],
    batch_size: int | None = None,
    optimizer: str = "sgd",
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    loss: str | Loss = "cross_entropy",
    schedule: Callable[[int], float] | None = None,
    clip: float | Hook | None = None,
    each_epoch: "Callable[[int, dict[str, torch.Tensor]], object] | None" = None,
    seeds: int | Sequence[int] = 0,
    test: tuple | None = None,
    loss_on: int | None = None,
    gradient_on: int = 1000,
    interruptible: bool = True,
    progress: bool = True,
) -> History:
    """Train a model, or several of one architecture side by side, and measure each epoch.

    The models are trained in place. A run whose loss is no longer finite ends with a row that says so; the other
    models of a list go on.

    Parameters
    ----------
    models : torch.nn.Module or sequence of them
        A sequence must have one architecture. Stacks of `Linear` and elementwise modules train fastest together.
        Models with dropout draw from one stream, seeded by the first seed.
    x : ndarray or tensor, shape (n, ...)
        Inputs, finite; floats are taken in the precision of the model.
    y : ndarray or tensor, shape (n, ...)
        Targets: classes 0, 1, ..., shape (n,), for the losses with a name.
    epochs : int
        Passes over the data; 0 measures the start only.
    learning_rate : float or one for each model
        Step size η >= 0.
    batch_size : int, optional
        Examples a step; without it all of them: one step an epoch. In each epoch a model sees the examples in the
        order ``rng.permutation(n)``, where ``rng = numpy.random.default_rng(seed)`` is made once.
    optimizer : str
        'sgd' or 'adam', as in `torch.optim`.
    momentum : float
        Of 'sgd': v ← momentum · v + g.
    weight_decay : float
        λ >= 0; adds λ w to the gradient of each weight, but of no bias (Nielsen's λ/n). The loss that is
        reported is without this penalty.
    loss : str or callable
        'cross_entropy' (of softmax) or 'sigmoid_cross_entropy' (one sigmoid a class, as in Nielsen's book), both
        on linear outputs; or a function of m outputs and targets that returns m losses.
    schedule : callable, optional
        Epoch (0, 1, ...) -> factor on the learning rate in that epoch.
    clip : float or callable, optional
        The greatest global norm of a model's gradient; or a hook that takes the gradients of a step as a dict
        from parameter names to tensors (for a list of models with a leading axis), and changes them in place or
        returns others.
    each_epoch : callable, optional
        Called with 0 and the state before the first step, then with e and the state after epoch e: a dict from the
        names of parameters and buffers to tensors (for a list of models with a leading axis), to be read only. They
        change with the next step: copy what you keep. Its result is not used.
    seeds : int or one for each model
        Seed of the order of the mini-batches; one number for a list counts up from its first model.
    test : tuple of x and y, optional
        Evaluated at each epoch.
    loss_on, gradient_on : int
        Measure the loss on only so many of the training examples (default: all), the gradients on so many.
    interruptible : bool
        Keep what there is when interrupted (Ctrl-C); without it KeyboardInterrupt passes through.
    progress : bool
        Show a bar on stderr when it takes longer than 2 s.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If an argument is not as above; the message says what was given and what is allowed.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> x = torch.linspace(-1, 1, 20).reshape(-1, 1)
    >>> history = train(model, x, (x[:, 0] > 0).long(), epochs=100, learning_rate=0.5, batch_size=5)
    >>> history.status, history.accuracy[-1].item()
    ('finished', 1.0)
    """
    from tqdm import tqdm

    stack, epochs = Stack(models), whole_number("epochs", epochs, least=0)
    rates = checks.each_models("learning_rate", learning_rate, stack.leading)
    seeds = checks.each_models_seed(seeds, stack.leading)
    make_step = checks.chosen("optimizer", optimizer, OPTIMIZERS)
    settings = {"momentum": real_number("momentum", momentum, least=0.0)}
    settings["weight_decay"] = real_number("weight_decay", weight_decay, least=0.0)
    clip = clipping(clip, stack)
    look_at = checks.hook("each_epoch", each_epoch)
    x, y = checks.examples(x, y, stack, loss)
    test = None if test is None else checks.examples(*checks.pair("test", test), stack, loss, what="test ")
    n_loss, n_gradient = (len(x) if n is None else whole_number("loss_on", n) for n in (loss_on, gradient_on))
    meter = Meter(
        stack,
        layers_of(stack.base),
        checks.loss_function(loss),
        (x[:n_loss], y[:n_loss]),
        (x[:n_gradient], y[:n_gradient]),
        test,
    )
    size = len(x) if batch_size is None else whole_number("batch_size", batch_size)
    batches = Batches(x, y, size=size, seeds=seeds, leading=stack.leading)

    entries, ended, interrupted = [], np.zeros(stack.leading, dtype=bool), False
    look = {"desc": "train", "unit": "step", "delay": BAR_AFTER_SECONDS, "leave": False, "disable": not progress}
    with _own_state(stack, seeds[0]), tqdm(total=epochs * batches.steps, **look) as bar:
        try:
            step = make_step(stack.memory, decayed=stack.decayed(meter.layers), **settings)
            entries.append(meter.entry())
            look_at(0, stack.state())
            for epoch in range(epochs):
                ended = ended | ~np.isfinite(entries[-1]["loss"])
                if ended.all():
                    break
                factor = real_number("the schedule's factor", schedule(epoch), least=0.0) if schedule else 1.0
                entries.append(_epoch(meter, batches, step, stack.spread(factor * rates), clip, bar))
                look_at(epoch + 1, stack.state())
        except KeyboardInterrupt:
            if not (interruptible and entries):
                raise
            interrupted = True
        finally:
            stack.write_back()
    return history(meter.layers, stack.leading, seeds, entries, epochs=None if interrupted else epochs)


def _epoch(
    meter: Meter,
    batches: Batches,
    step: Step,
    rates: Rates,
    clip: Callable | None,
    bar: "tqdm.tqdm",
) -> dict[str, np.ndarray]:
    """Make the steps of one epoch and measure."""
    import torch

    meter.stack.base.train()
    seen = []
    for number, (x, y) in enumerate(batches.epoch(), start=1):
        losses = meter.losses(x, y)
        seen.append(losses.detach())
        gradients = meter.gradients_of(losses, x.shape[len(meter.stack.leading)])
        if clip:
            gradients = clip(gradients)
        if number == batches.steps:
            before = [value.clone() for value in meter.stack.memory]
        step(gradients, rates)
        bar.update()
    entry = meter.entry(before)
    # a mini-batch may have overflowed although the loss measured afterwards is finite
    total = torch.cat([losses.view(*meter.stack.leading, -1) for losses in seen], dim=-1).sum(-1).cpu().numpy()
    return entry | {"loss": np.where(np.isfinite(total), entry["loss"], total)}


@contextmanager
def _own_state(stack: Stack, seed: int) -> Iterator[None]:
    """Seed torch for dropout; put its random state and the modules' mode back afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]), stack.evaluating():
        torch.default_generator.manual_seed(seed)
        yield
