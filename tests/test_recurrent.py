"""Recurrent cells against torch, closed forms and bounds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgx.recurrent import (
    GRU,
    LSTM,
    RNN,
    bidirectional,
    bidirectional_backward,
    recurrent_matrix,
    stacked,
    stacked_backward,
)
from vgx.registry import UnknownNameError

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


MODULES = {"tanh": torch.nn.RNN, "relu": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}


def module_of(name, cells, n_inputs, width):
    """Torch's own module with the parameters of these cells, one for each (layer, direction)."""
    layers, directions = max(layer for layer, _ in cells) + 1, max(direction for _, direction in cells) + 1
    options = {"nonlinearity": name} if name in RNNS else {}
    module = MODULES[name](n_inputs, width, layers, bidirectional=directions == 2, dtype=torch.float64, **options)
    with torch.no_grad():
        for place, cell in cells.items():
            for parameter, value in zip(torch_parameters(module, *place), (*values(cell), 0.0), strict=False):
                parameter[:] = torch.tensor(value).T if parameter.ndim == 2 else torch.tensor(value).flatten()
    return module


def torch_parameters(module, layer, direction):
    suffix = f"_l{layer}" + direction * "_reverse"
    return [getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", MODULES)
def test_cells_stacked_and_in_both_directions_are_torchs_module(name, layers, directions):
    rng = np.random.default_rng(layers)
    n_inputs, width, steps, batch = 2, 4, 9, 3
    fans = [n_inputs, directions * width][:layers]
    places = [(layer, direction) for layer in range(layers) for direction in range(directions)]
    cells = {place: drawn(name, rng=rng, n_inputs=fans[place[0]], width=width) for place in places}
    module = module_of(name, cells, n_inputs, width)
    x, each = rng.standard_normal((steps, batch, n_inputs)), rng.standard_normal((steps, batch, directions * width))
    initial = rng.standard_normal((1 + (name == "LSTM"), len(places), batch, width))
    states = {place: tuple(initial[:, row]) if name == "LSTM" else initial[0, row] for row, place in enumerate(places)}
    # torch
    x_ = torch.tensor(x, requires_grad=True)
    initial_ = [torch.tensor(of_a_kind, requires_grad=True) for of_a_kind in initial]
    outputs_, _ = module(x_, tuple(initial_) if name == "LSTM" else initial_[0])
    (outputs_ * torch.tensor(each)).sum().backward()
    # ours
    if directions == 1:
        outputs, traces = stacked([cells[place] for place in places], x, [states[place] for place in places])
        dx, grads = stacked_backward(traces, each=each)
    else:
        outputs, traces, grads, dx = x, [], [], each
        for layer in range(layers):
            pair = (layer, 0), (layer, 1)
            outputs, trace = bidirectional(*(cells[each] for each in pair), outputs, tuple(states[e] for e in pair))
            traces.append(trace)
        for trace in reversed(traces):
            dx, pair = bidirectional_backward(trace, dx)
            grads = [*pair, *grads]
    close(outputs, outputs_.detach().numpy())
    close(dx, x_.grad.numpy())
    for row, (place, grad) in enumerate(zip(places, grads, strict=True)):
        close(grad.states[0], initial_[0].grad[row].numpy())
        if name == "LSTM":
            close(grad.cells[0], initial_[1].grad[row].numpy())
        for got, want in zip(gradients(grad), torch_parameters(module, *place), strict=False):
            close(got, want.grad.numpy().T if want.ndim == 2 else want.grad.numpy()[None])


def test_a_stack_is_cut_at_the_same_steps():
    rng = np.random.default_rng(0)
    cells = [drawn("tanh", rng=rng), drawn("LSTM", rng=rng, n_inputs=4), drawn("GRU", rng=rng, n_inputs=4)]
    x, _, last, _ = problem("GRU", rng=rng, steps=8)
    _, traces = stacked(cells, x)
    dx, grads = stacked_backward(traces, last=last, truncation=3)
    assert not dx[:5].any()
    assert dx[5:].any(axis=(1, 2)).all()
    assert not any(grad.states[:6].any() for grad in grads)
    states = [(t.states[5], t.cells[5]) if hasattr(t, "cells") else t.states[5] for t in traces]
    alone, _ = stacked_backward(stacked(cells, x[5:], states)[1], last=last)
    close(dx[5:], alone)


# --- ensembles ---


def ensemble_of(name, rng):
    """Cells in an ensemble (3, 2), and a function that gives one of them."""
    along = np.array([0.5, 1.0, 2.0])[:, None]
    if name in RNNS:
        cell = RNN.sample(
            n_inputs=2, width=4, activation=name, recurrent="gaussian", radius=along, n_nets=2, bias_std=0.3, rng=rng
        )
    elif name == "LSTM":
        cell = LSTM.sample(n_inputs=2, width=4, forget_bias=along, n_nets=2, rng=rng)
    else:
        cell = GRU.sample(n_inputs=2, width=4, update_bias=along, n_nets=2, rng=rng)
    assert cell.ensemble == (3, 2)
    names = [
        field for field in ("input_weights", "recurrent_weights", "biases", "recurrent_biases") if hasattr(cell, field)
    ]

    def one(member):
        full = {
            field: np.broadcast_to(getattr(cell, field), (3, 2, *getattr(cell, field).shape[-2:])) for field in names
        }
        return replace(cell, **{field: value[member] for field, value in full.items()})

    return cell, one


@every
@pytest.mark.parametrize("of_x", [(), (2,), (3, 1), (3, 2), (5, 1, 1)])
def test_an_ensemble_is_its_members(name, of_x):
    rng = np.random.default_rng(0)
    cell, one = ensemble_of(name, rng)
    x, state, last, each = problem(name, rng=rng, steps=6, ensemble=of_x)
    trace = cell.forward(x, state if name == "LSTM" else state[0])
    grads = cell.backward(trace, last=last, each=each, truncation=4)
    whole = np.broadcast_shapes(of_x, (3, 2))
    of_each_member = {"inputs", "states", "cells"}
    missing = (1,) * (len(whole) - len(of_x))

    def own(array, place, first=0):
        """The part of this member in what has the axes of x."""
        with_all_axes = array.reshape(*array.shape[:first], *missing, *array.shape[first:])
        full = np.broadcast_to(with_all_axes, (*array.shape[:first], *whole, *array.shape[-2:]))
        return full[(slice(None),) * first + place]

    for place in np.ndindex(whole):
        alone = one(place[-2:])
        start = tuple(own(value, place) for value in state)
        trace_alone = alone.forward(own(x, place, 1), start if name == "LSTM" else start[0])
        close(trace.states[(slice(None), *place)], trace_alone.states)
        wanted = alone.backward(trace_alone, last=own(last, place), each=own(each, place, 1), truncation=4)
        for field, value in vars(grads).items():
            if value is not None:
                close(value[(slice(None), *place)] if field in of_each_member else value[place], getattr(wanted, field))


@every
def test_leading_axes_of_last_give_the_whole_jacobian(name):
    rng = np.random.default_rng(0)
    cell = drawn(name, rng=rng, width=4)
    x, _, _, each = problem(name, rng=rng, steps=5)
    trace = cell.forward(x)
    jacobian = cell.backward(trace, last=np.eye(4)[:, None, :])
    assert jacobian.states.shape == (6, 4, 3, 4)
    for unit in range(4):
        alone = cell.backward(trace, last=np.tile(np.eye(4)[unit], (3, 1)))
        close(jacobian.states[:, unit], alone.states)
        close(jacobian.input_weights[unit], alone.input_weights)
        close(jacobian.recurrent_weights[unit], alone.recurrent_weights)
    both = cell.backward(trace, each=np.stack([each, 2 * each], axis=1))
    close(both.inputs[:, 1], 2 * cell.backward(trace, each=each).inputs)


# --- closed forms and bounds ---


@settings(deadline=None, max_examples=100)
@given(
    radius=st.floats(0.3, 3),
    steps=st.integers(1, 300),
    width=st.integers(1, 64),
    kind=st.sampled_from(["orthogonal", "identity"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_linear_orthogonal_cells_gradient_is_a_power(radius, steps, width, kind, seed):
    rng = np.random.default_rng(seed)
    cell = RNN.sample(n_inputs=1, width=width, activation="identity", recurrent=kind, radius=radius, rng=rng)
    trace = cell.forward(rng.standard_normal((steps, 2, 1)))
    last = rng.standard_normal((2, width))
    grads = cell.backward(trace, last=last)
    ratios = np.linalg.norm(grads.states, axis=-1) / np.linalg.norm(last, axis=-1)
    lags = np.arange(steps, -1, -1)[:, None]
    np.testing.assert_allclose(ratios / radius**lags, 1, rtol=1e-12)


STEEPEST = {"tanh": 1, "relu": 1, "sigmoid": 1 / 4, "identity": 1}


def test_the_jacobian_is_within_the_bound_in_each_of_1000_cases():
    rng = np.random.default_rng(0)
    closest = 0.0
    for _ in range(1000):
        name, kind = rng.choice(list(STEEPEST)), rng.choice(["gaussian", "orthogonal", "identity"])
        width, steps = rng.integers(2, 17), rng.integers(1, 31)
        cell = RNN.sample(
            n_inputs=2,
            width=width,
            activation=str(name),
            recurrent=str(kind),
            radius=rng.uniform(0.1, 3),
            input_scale=rng.choice([0.3, 1, 3]),
            bias_std=rng.choice([0, 0.5]),
            rng=rng,
        )
        x = rng.integers(2) * rng.standard_normal((steps, 1, 2))
        trace = cell.forward(x, rng.standard_normal((1, width)))
        jacobians = cell.backward(trace, last=np.eye(width)[:, None, :]).states[:, :, 0]
        norms = np.linalg.norm(jacobians, 2, axis=(-2, -1))
        largest = np.linalg.norm(cell.recurrent_weights, 2)
        lags = np.arange(steps, -1, -1)
        rounding = 1 + (lags + 1) * width * np.finfo(float).eps
        shares = norms / (STEEPEST[name] * largest) ** lags
        assert (shares <= rounding).all()
        closest = max(closest, shares[0])
    assert closest > 0.999  # the bound is reached, so that it could have been missed


def test_an_lstm_without_input_and_with_open_gates_keeps_its_cell():
    width = 3
    biases = np.repeat([-800.0, 800.0, 0.0, 800.0], width)[None]
    cell = LSTM(np.zeros((1, 4 * width)), np.zeros((width, 4 * width)), biases)
    c0 = np.array([[0.5, -1.0, 2.0]])
    trace = cell.forward(np.zeros((50, 1, 1)), (np.zeros((1, width)), c0))
    np.testing.assert_array_equal(trace.cells, np.tile(c0, (51, 1, 1)))
    grads = cell.backward(trace, last=np.ones((1, width)))
    np.testing.assert_allclose(grads.cells[0], 1 - np.tanh(c0) ** 2)


def test_traces_hold_what_they_say():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3, 2))
    rnn, lstm, gru = (drawn(name, rng=rng) for name in ("sigmoid", "LSTM", "GRU"))
    trace = rnn.forward(x)
    close(trace.states[1:], 1 / (1 + np.exp(-trace.pre_activations)))
    assert not trace.states[0].any()
    trace = lstm.forward(x)
    close(trace.cells[1:], trace.forget_gates * trace.cells[:-1] + trace.input_gates * trace.candidates)
    close(trace.states[1:], trace.output_gates * np.tanh(trace.cells[1:]))
    i, f, g, o = np.split(x[0] @ lstm.input_weights + lstm.biases, 4, axis=-1)
    close(trace.input_gates[0], 1 / (1 + np.exp(-i)))
    close(trace.forget_gates[0], 1 / (1 + np.exp(-f)))
    close(trace.candidates[0], np.tanh(g))
    close(trace.output_gates[0], 1 / (1 + np.exp(-o)))
    trace = gru.forward(x)
    u = trace.update_gates
    close(trace.states[1:], (1 - u) * trace.candidates + u * trace.states[:-1])
    r, _, n = np.split(x[0] @ gru.input_weights + gru.biases, 3, axis=-1)
    r = 1 / (1 + np.exp(-r - gru.recurrent_biases[:, :4]))
    close(trace.reset_gates[0], r)
    close(trace.candidates[0], np.tanh(n + r * gru.recurrent_biases[:, 8:]))


@every
def test_a_pass_leaves_what_it_was_given_and_float32_stays(name):
    rng = np.random.default_rng(0)
    cell = drawn(name, rng=rng)
    x, state, last, each = problem(name, rng=rng, steps=5)
    before = [array.copy() for array in (x, *state, last, each, *values(cell))]
    trace = cell.forward(x, state if name == "LSTM" else state[0])
    first, again = (cell.backward(trace, last=last, each=each) for _ in range(2))
    for array, old in zip((x, *state, last, each, *values(cell)), before, strict=True):
        np.testing.assert_array_equal(array, old)
    for field, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, field))
    parameters = {
        field: value.astype(np.float32) for field, value in vars(cell).items() if isinstance(value, np.ndarray)
    }
    single = replace(cell, **parameters)
    trace_single = single.forward(x)
    grads = single.backward(trace_single, last=last)
    arrays = [value for part in (trace_single, grads) for value in vars(part).values() if isinstance(value, np.ndarray)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    np.testing.assert_allclose(trace_single.states, cell.forward(x).states, atol=1e-4)


@every
def test_overflow_is_a_result(name):
    cell = drawn(name, rng=np.random.default_rng(0))
    x = np.zeros((3, 1, 2))
    x[1] = np.nan
    trace = cell.forward(x)
    grads = cell.backward(trace, last=np.ones((1, 4)))
    assert np.isfinite(trace.states[1]).all()
    assert np.isnan(trace.states[2:]).any()
    assert np.isnan(grads.input_weights).any()
    x[1] = np.inf
    cell.backward(cell.forward(x), last=np.ones((1, 4)))
    x[1] = 1e308
    cell.backward(cell.forward(x), last=np.ones((1, 4)))


def test_an_exploding_cell_says_inf():
    cell = RNN.sample(n_inputs=1, width=4, activation="identity", radius=3.0, rng=np.random.default_rng(0))
    assert not np.isfinite(cell.forward(np.ones((1000, 1, 1))).states[-1]).any()
    grads = cell.backward(cell.forward(np.zeros((1000, 1, 1))), last=np.ones((1, 4)))
    assert not np.isfinite(grads.states[0]).any()
    assert np.isfinite(grads.states[-600:]).all()


# --- draws ---


@pytest.mark.parametrize("kind", ["gaussian", "orthogonal", "identity"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_recurrent_matrix_has_what_was_asked_for(kind, dtype):
    rtol = 1e3 * np.finfo(dtype).eps
    wanted = np.array([0.0, 0.5, 2.0])[:, None]
    options = {"n_nets": 4, "dtype": dtype}
    W = recurrent_matrix(kind, 7, radius=wanted, rng=np.random.default_rng(0), **options)
    assert W.shape == (3, 4, 7, 7)
    assert W.dtype == dtype
    np.testing.assert_allclose(abs(np.linalg.eigvals(W)).max(-1), np.tile(wanted, 4), rtol=rtol)
    W = recurrent_matrix(kind, 7, singular_value=wanted, rng=np.random.default_rng(0), **options)
    np.testing.assert_allclose(np.linalg.norm(W, 2, axis=(-2, -1)), np.tile(wanted, 4), rtol=rtol)
    if kind == "orthogonal":
        np.testing.assert_allclose(W[1] @ W[1].swapaxes(-1, -2), np.tile(0.25 * np.eye(7), (4, 1, 1)), atol=rtol)
    if kind == "identity":
        np.testing.assert_array_equal(W[2], np.tile(2 * np.eye(7), (4, 1, 1)))
    else:
        assert len(np.unique(W[1, :, 0, 0])) == 4  # each network has its own
    one = recurrent_matrix(kind, 7, radius=1.0, rng=np.random.default_rng(0))
    assert one.shape == (7, 7)


def test_a_gaussian_matrix_of_radius_1_stretches():
    W = recurrent_matrix("gaussian", 64, radius=1.0, n_nets=20, rng=np.random.default_rng(0))
    assert 1.5 < np.linalg.norm(W, 2, axis=(-2, -1)).mean() < 2.2  # σ_max / ρ tends to 2 for wide ones
    assert abs(W.mean() / W.std()) < 0.02


def test_an_rnn_has_the_scales_it_was_given_and_one_draw_serves_all():
    options = {"n_inputs": 50, "width": 400, "n_nets": 3}
    cell = RNN.sample(**options, input_scale=2.0, bias_std=0.3, radius=0.7, rng=np.random.default_rng(0))
    assert cell.input_weights.shape == (3, 50, 400)
    assert math.isclose(cell.input_weights.std(), 2 / math.sqrt(50), rel_tol=0.03)
    assert math.isclose(cell.biases.std(), 0.3, rel_tol=0.1)
    np.testing.assert_allclose(np.linalg.norm(cell.recurrent_weights, 2, axis=(-2, -1)), 0.7)
    other = RNN.sample(**options, input_scale=1.0, bias_std=0.6, radius=1.4, rng=np.random.default_rng(0))
    for mine, theirs, factor in zip(values(cell), values(other), (2, 1 / 2, 1 / 2), strict=True):
        np.testing.assert_allclose(mine, factor * theirs)


@pytest.mark.parametrize(("sample", "gates"), [(LSTM.sample, 4), (GRU.sample, 3)])
def test_gated_cells_are_drawn_as_torchs(sample, gates):
    cell = sample(n_inputs=30, width=100, n_nets=2, rng=np.random.default_rng(0))
    for weights, rows in ((cell.input_weights, 30), (cell.recurrent_weights, 100)):
        assert weights.shape == (2, rows, gates * 100)
        assert 0.0995 < abs(weights).max() <= 0.1
        assert math.isclose(weights.std(), 0.1 / math.sqrt(3), rel_tol=0.02)
        assert not np.array_equal(weights[0], weights[1])
    assert not cell.biases.any()


def test_biases_of_the_gates():
    rng = np.random.default_rng(0)
    b = LSTM.sample(n_inputs=1, width=3, forget_bias=1.5, rng=rng).biases
    np.testing.assert_array_equal(b, [[0, 0, 0, 1.5, 1.5, 1.5, 0, 0, 0, 0, 0, 0]])
    b = GRU.sample(n_inputs=1, width=2, update_bias=1.5, rng=rng).biases
    np.testing.assert_array_equal(b, [[0, 0, 1.5, 1.5, 0, 0]])
    b = LSTM.sample(n_inputs=1, width=100, chrono=100, n_nets=200, rng=rng).biases
    assert b.shape == (200, 1, 400)
    i, f, g, o = np.split(b, 4, axis=-1)
    np.testing.assert_array_equal(i, -f)
    assert not g.any()
    assert not o.any()
    u = np.exp(f)
    assert u.min() >= 1
    assert u.max() <= 99
    assert math.isclose(np.quantile(u, 0.25), 1 + 98 / 4, rel_tol=0.03)  # u itself is uniform
    assert math.isclose(np.median(u), 50, rel_tol=0.03)
    assert not np.array_equal(f[0], f[1])
    b = LSTM.sample(n_inputs=1, width=3, chrono=3, rng=rng).biases
    assert 0 <= b[0, 3:6].min() <= b[0, 3:6].max() <= math.log(2)


# --- what is refused ---

RNG = np.random.default_rng(0)
W44 = np.zeros((4, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: recurrent_matrix("gausian", 4, radius=1, rng=RNG),
            "unknown recurrent matrix 'gausian'; there are: gau",
        ),
        (lambda: recurrent_matrix("identity", -4, radius=1, rng=RNG), r"width must be a whole number >= 1, got -4"),
        (
            lambda: recurrent_matrix("identity", 4, radius=1, singular_value=2, rng=RNG),
            "exactly one of .*radius=1 and si",
        ),
        (lambda: recurrent_matrix("identity", 4, rng=RNG), "exactly one .* got radius=None and singular_value=None"),
        (lambda: recurrent_matrix("gaussian", 4, radius=-1, rng=RNG), "radius must hold finite numbers >= 0, got -1"),
        (lambda: recurrent_matrix("gaussian", 4, singular_value=np.inf, rng=RNG), "singular_value must hold finite"),
        (lambda: recurrent_matrix("gaussian", 4, radius=[1, 2], n_nets=3, rng=RNG), r"\(2,\) must broadcast .* \(3,\)"),
        (lambda: recurrent_matrix("gaussian", 4, radius=1, n_nets=0, rng=RNG), "n_nets must be a whole number >= 1"),
        (lambda: recurrent_matrix("gaussian", 4, radius=1, rng=7), "rng must be a numpy.random.Generator"),
        (
            lambda: recurrent_matrix("gaussian", 4, radius=1, rng=RNG, dtype=int),
            "dtype must be float64 or float32, got",
        ),
        (lambda: RNN.sample(n_inputs=2, width=4, activation="tahn", rng=RNG), "unknown activation 'tahn'; .* tanh"),
        (lambda: RNN.sample(n_inputs=2, width=4, recurrent="unit", rng=RNG), "unknown recurrent matrix 'unit'"),
        (lambda: RNN.sample(n_inputs=0, width=4, rng=RNG), "n_inputs must be a whole number >= 1, got 0"),
        (lambda: RNN.sample(n_inputs=2, width=2.5, rng=RNG), "width must be a whole number >= 1, got 2.5"),
        (lambda: RNN.sample(n_inputs=2, width=4, input_scale=-1, rng=RNG), "input_scale must hold finite numbers >= 0"),
        (lambda: RNN.sample(n_inputs=2, width=4, bias_std=np.nan, rng=RNG), "bias_std must hold finite numbers >= 0"),
        (lambda: RNN.sample(n_inputs=2, width=4, dtype="f2", rng=RNG), "dtype must be float64 or float32, got 'f2'"),
        (
            lambda: RNN.sample(n_inputs=2, width=4, bias_std=[1, 2], n_nets=3, rng=RNG),
            r"broadcast, got \(3,\), .* \(2,\)",
        ),
        (lambda: LSTM.sample(n_inputs=2, width=-1, rng=RNG), "width must be a whole number >= 1, got -1"),
        (lambda: LSTM.sample(n_inputs=2, width=4, chrono=2, rng=RNG), "chrono must be a whole number >= 3, got 2"),
        (
            lambda: LSTM.sample(n_inputs=2, width=4, chrono=9, forget_bias=1, rng=RNG),
            "chrono=9 .* leave out forget_bias",
        ),
        (lambda: LSTM.sample(n_inputs=2, width=4, forget_bias="1", rng=RNG), "forget_bias must hold finite numbers"),
        (
            lambda: LSTM.sample(n_inputs=2, width=4, forget_bias=[1, 2], n_nets=3, rng=RNG),
            "n_nets and forget_bias must b",
        ),
        (lambda: GRU.sample(n_inputs=2, width=4, update_bias=np.inf, rng=RNG), "update_bias must hold finite numbers"),
        (lambda: GRU.sample(n_inputs=2, width=4, rng=None), "rng must be a numpy.random.Generator"),
        (
            lambda: RNN("tanh", np.zeros((2, 4)), np.zeros((4, 5)), np.zeros((1, 4))),
            r"recurrent_weights .* got \(4, 5\)",
        ),
        (lambda: RNN("tanh", np.zeros((2, 5)), W44, np.zeros((1, 4))), r"input_weights .* width 4.* got \(2, 5\)"),
        (lambda: RNN("tanh", np.zeros((0, 4)), W44, np.zeros((1, 4))), r"input_weights .* got \(0, 4\)"),
        (lambda: RNN("tanh", np.zeros((2, 4)), W44, np.zeros(4)), r"biases .* \(..., 1, width\).* got \(4,\)"),
        (lambda: RNN("tanh", np.zeros((2, 4)), W44, np.zeros((2, 4))), r"biases must have the shape .* got \(2, 4\)"),
        (lambda: RNN("tanh", np.zeros((2, 4)), np.zeros(4), np.zeros((1, 4))), r"must have the shape .* got \(2, 4\)"),
        (
            lambda: RNN("tanh", np.zeros((2, 4)), np.array([["a"]]), np.zeros((1, 4))),
            "recurrent_weights must hold real",
        ),
        (
            lambda: RNN("tanh", np.zeros((2, 2, 4)), np.zeros((3, 4, 4)), np.zeros((1, 4))),
            r"must broadcast, got \(2,\)",
        ),
        (
            lambda: LSTM(np.zeros((2, 12)), np.zeros((4, 16)), np.zeros((1, 16))),
            r"\(..., n_inputs, 4 \* width\) .* \(2, 12",
        ),
        (
            lambda: GRU(np.zeros((2, 12)), np.zeros((4, 12)), np.zeros((1, 12)), np.zeros((1, 4))),
            r"recurrent_biases .*",
        ),
    ],
)
def test_what_a_cell_cannot_be_made_of(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@every
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 3, 7)), r"x has shape \(5, 3, 7\), the cell takes \(steps, ..., batch, 2\)"),
        (np.zeros((3, 2)), r"x has shape \(3, 2\)"),
        (np.zeros((0, 3, 2)), r"x has shape \(0, 3, 2\).* at least one step"),
        (np.zeros((5, 3, 2), complex), "x must hold real numbers, got complex128"),
        ("a text", "x must hold real numbers"),
    ],
)
def test_inputs_that_are_refused(name, given, message):
    with pytest.raises(ValueError, match=message):
        drawn(name, rng=np.random.default_rng(0)).forward(given)


@every
def test_states_traces_and_gradients_that_are_refused(name):
    cell = drawn(name, rng=np.random.default_rng(0))
    x, last = np.zeros((5, 3, 2)), np.zeros((3, 4))
    wrong = np.zeros((3, 5))
    with pytest.raises(ValueError, match=r"has shape \(3, 5\), it must broadcast to \(3, 4\)"):
        cell.forward(x, (wrong, wrong) if name == "LSTM" else wrong)
    with pytest.raises(ValueError, match=r"has shape \(6, 3, 4\), it must broadcast to \(3, 4\)"):
        cell.forward(x, (np.zeros((6, 3, 4)), last) if name == "LSTM" else np.zeros((6, 3, 4)))
    if name == "LSTM":
        with pytest.raises(ValueError, match=r"state must be a pair \(h_0, c_0\), got ndarray"):
            cell.forward(x, last)
        with pytest.raises(ValueError, match=r"c_0 has shape \(3, 5\)"):
            cell.forward(x, (last, wrong))
    trace = cell.forward(x)
    with pytest.raises(ValueError, match="at least one of last and each"):
        cell.backward(trace)
    for gradient, what, wanted in (
        ({"last": wrong}, "last", r"\(..., 3, 4\), got \(3, 5\)"),
        ({"last": np.zeros((2, 4))}, "last", r"\(..., 3, 4\), got \(2, 4\)"),
        ({"last": np.zeros(4)}, "last", r"\(..., 3, 4\), got \(4,\)"),
        ({"each": np.zeros((4, 3, 4))}, "each", r"\(5, ..., 3, 4\), got \(4, 3, 4\)"),
        ({"each": np.zeros((5, 3, 1))}, "each", r"\(5, ..., 3, 4\), got \(5, 3, 1\)"),
        ({"each": np.zeros((5, 4))}, "each", r"\(5, ..., 3, 4\), got \(5, 4\)"),
    ):
        with pytest.raises(ValueError, match=f"{what} must have the shape {wanted}"):
            cell.backward(trace, **gradient)
    with pytest.raises(ValueError, match=r"must broadcast, got \(\), \(2,\), \(7,\)"):
        cell.backward(trace, last=np.zeros((2, 3, 4)), each=np.zeros((5, 7, 3, 4)))
    with pytest.raises(ValueError, match="last must hold real numbers"):
        cell.backward(trace, last=np.full((3, 4), "a"))
    for truncation in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f"truncation must be a whole number >= 1, got {truncation}"):
            cell.backward(trace, last=last, truncation=truncation)
    twin = drawn(name, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="the trace must come from this cell's own forward"):
        twin.backward(trace, last=last)


def test_compositions_that_are_refused():
    rng = np.random.default_rng(0)
    cells = [drawn("tanh", rng=rng), drawn("tanh", rng=rng)]
    x = np.zeros((5, 3, 2))
    with pytest.raises(ValueError, match=r"x has shape \(5, 3, 4\), the cell takes \(steps, ..., batch, 2\)"):
        stacked(cells, x)
    with pytest.raises(ValueError, match="at least one cell and one state for each, got 0 and 0"):
        stacked([], x)
    with pytest.raises(ValueError, match="at least one cell and one state for each, got 2 and 1"):
        stacked(cells, x, [None])
    _, traces = bidirectional(*cells, x)
    with pytest.raises(ValueError, match=r"each must have the shape \(steps, ..., batch, 8\), got \(5, 3, 4\)"):
        bidirectional_backward(traces, np.zeros((5, 3, 4)))
    with pytest.raises(ValueError, match="the cells must be of one ensemble"):
        bidirectional(cells[0], drawn("tanh", rng=rng, n_nets=2), x)


def test_an_unknown_matrix_is_a_key_error_too():
    with pytest.raises(UnknownNameError):
        recurrent_matrix("orthogonl", 4, radius=1, rng=RNG)
