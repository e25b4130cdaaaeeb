"""Recurrent cells against torch, finite differences, closed forms and bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgx.recurrent import GRU, LSTM, RNN

RNNS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda z: z}
CELLS = [*RNNS, "LSTM", "GRU"]
every = pytest.mark.parametrize("name", CELLS)


def drawn(name, *, rng, n_inputs=2, width=4, **options):
    """A cell with biases of all kinds."""
    if name in RNNS:
        options = {"activation": name, "recurrent": "gaussian", "bias_std": 0.4, **options}
        return RNN.sample(n_inputs=n_inputs, width=width, rng=rng, **options)
    if name == "LSTM":
        cell = LSTM.sample(n_inputs=n_inputs, width=width, rng=rng, **options)
        return LSTM(cell.input_weights, 2 * cell.recurrent_weights, 0.5 * rng.standard_normal(cell.biases.shape))
    cell = GRU.sample(n_inputs=n_inputs, width=width, rng=rng, **options)
    biases = 0.5 * rng.standard_normal((2, *cell.biases.shape))
    return GRU(cell.input_weights, 2 * cell.recurrent_weights, *biases)


def step(name, x, state, parameters):
    """One step, as its formula stands in torch's manual; state and what is returned are (h,) or (h, c)."""
    if name in RNNS:
        U, W, b = parameters
        return (RNNS[name](x @ U + state[0] @ W + b),)
    if name == "LSTM":
        U, W, b = parameters
        i, f, g, o = (x @ U + state[0] @ W + b).chunk(4, dim=-1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
    U, W, b, b_recurrent = parameters
    from_x, from_h = (x @ U + b).chunk(3, dim=-1), (state[0] @ W + b_recurrent).chunk(3, dim=-1)
    r, z = (from_x[0] + from_h[0]).sigmoid(), (from_x[1] + from_h[1]).sigmoid()
    return ((1 - z) * (from_x[2] + r * from_h[2]).tanh() + z * state[0],)


def unrolled(name, cell, x, state, *, last=None, each=None, truncation=None):
    """The oracle: torch's autograd through a loop over the steps; states, parameters and inputs with their grad."""
    x = torch.tensor(x, requires_grad=True)
    parameters = [torch.tensor(value, requires_grad=True) for value in values(cell)]
    states = [tuple(torch.tensor(each, requires_grad=True) for each in state)]
    for t in range(len(x)):
        before = states[-1]
        if truncation and t and (len(x) - t) % truncation == 0:
            before = tuple(each.detach() for each in before)
        states.append(step(name, x[t], before, parameters))
        for each_state in states[-1]:
            each_state.retain_grad()
    cost = 0.0 if last is None else (states[-1][0] * torch.tensor(last)).sum()
    if each is not None:
        cost = cost + sum((h * torch.tensor(grad)).sum() for (h, *_), grad in zip(states[1:], each, strict=True))
    cost.backward()
    return x, parameters, [torch.stack(of_a_kind) for of_a_kind in zip(*states, strict=True)], states


def values(cell):
    """Its parameters, in the order of `step`."""
    names = ("input_weights", "recurrent_weights", "biases", "recurrent_biases")
    return [getattr(cell, name) for name in names if hasattr(cell, name)]


def gradients(grads):
    names = ("input_weights", "recurrent_weights", "biases", "recurrent_biases")
    return [getattr(grads, name) for name in names if getattr(grads, name) is not None]


def grad(tensor):
    """Its gradient, 0 where C does not depend on it."""
    return np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)


def problem(name, *, rng, steps, batch=3, width=4, n_inputs=2, ensemble=()):
    """x, initial state, last, each."""
    x = rng.standard_normal((steps, *ensemble, batch, n_inputs))
    state, (last, *each) = (
        rng.standard_normal((2, *ensemble, batch, width)),
        rng.standard_normal((steps + 1, *ensemble, batch, width)),
    )
    return x, tuple(state[: 1 + (name == "LSTM")]), last, np.array(each)


# --- against torch ---


@every
@settings(deadline=None, max_examples=25)
@given(
    steps=st.integers(1, 9),
    batch=st.integers(1, 3),
    width=st.integers(1, 5),
    n_inputs=st.integers(1, 3),
    truncation=st.none() | st.integers(1, 10),
    which=st.sampled_from(["last", "each", "both"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_passes_agree_with_autograd(name, steps, batch, width, n_inputs, truncation, which, seed):
    rng = np.random.default_rng(seed)
    cell = drawn(name, rng=rng, n_inputs=n_inputs, width=width)
    x, state, last, each = problem(name, rng=rng, steps=steps, batch=batch, width=width, n_inputs=n_inputs)
    asked = {"last": None if which == "each" else last, "each": None if which == "last" else each}
    trace = cell.forward(x, state if name == "LSTM" else state[0])
    grads = cell.backward(trace, **asked, truncation=truncation)
    inputs, parameters, kinds, states = unrolled(name, cell, x, state, **asked, truncation=truncation)
    close(trace.states, kinds[0].detach().numpy())
    close(grads.inputs, grad(inputs))
    close(grads.states, [grad(h) for h, *_ in states])
    for got, want in zip(gradients(grads), parameters, strict=True):
        close(got, grad(want))
    if name == "LSTM":
        close(trace.cells, kinds[1].detach().numpy())
        close(grads.cells, [grad(c) for _, c in states])
