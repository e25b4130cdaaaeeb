import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vgx.activation import Activation, activations
from vgx.network import Network, depth_sweep, gradient_norms, norm_per_input, parts
from vgx.network.depth_sweep import Workspace
from vgx.network.in_place import value_and_derivative
from vgx.registry import UnknownNameError

TORCH = {
    "identity": lambda z: 1 * z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "elu": torch.nn.functional.elu,
    "selu": torch.selu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),  # torch's own is linear from z = 20 on
}
NORMS = {
    None: lambda z, eps: z,
    "batch": lambda z, eps: torch.nn.functional.batch_norm(z, None, None, training=True, eps=eps),
    "layer": lambda z, eps: torch.nn.functional.layer_norm(z, z.shape[-1:], eps=eps),
    "rms": lambda z, eps: torch.nn.functional.rms_norm(z, z.shape[-1:], eps=eps),
}
SKIPS = [(0.0, 1.0), (1.0, 0.3), (0.5, 0.8)]


def sampled(seed=0, **changes):
    rng = np.random.default_rng(seed)
    arguments = dict(depth=5, width=12, n_inputs=7, activation="tanh", initializer="he_normal", bias_std=0.1)
    return Network.sample(**(arguments | changes), rng=rng)


def inputs(net, *leading, batch=6, seed=1):
    """x and grad_output."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((*leading, batch, net.n_inputs)),
        rng.standard_normal((*leading, batch, net.widths[-1])),
    )


def autograd(net, x, grad_output):
    """The oracle: inputs, pre_activations, activations, weights, biases and their gradients."""
    x, *parameters = (torch.tensor(array, requires_grad=True) for array in (x, *net.weights, *net.biases))
    weights, biases = parameters[: net.depth], parameters[net.depth :]
    zs, hs = [], [x]
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        a = hs[-1] @ W + b
        zs.append(net.skip * zs[-1] + net.branch * a if layer else a)
        hs.append(TORCH[net.activation.name](NORMS[net.norm and net.norm.name](zs[-1], net.norm_eps)))
    everything = [[x], zs, hs[1:], weights, biases]
    C = (hs[-1] * torch.tensor(grad_output)).sum()
    return (
        [[g.numpy() for g in torch.autograd.grad(C, each, retain_graph=True)] for each in everything],
        zs,
        hs,
    )


def all_of(gradients):
    return [
        (gradients.inputs,),
        gradients.pre_activations,
        gradients.activations,
        gradients.weights,
        gradients.biases,
    ]


def relative_error(got, expected):
    assert got.shape == expected.shape
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


# --- against independent oracles ---


def test_every_activation_has_an_oracle():
    assert set(TORCH) == set(activations)


@pytest.mark.parametrize("depth", [1, 2, 17, 50])
@pytest.mark.parametrize(("skip", "branch"), SKIPS)
@pytest.mark.parametrize("name", activations)
def test_backward_agrees_with_autograd(name, skip, branch, depth):
    initializer = "he_normal" if "lu" in name else "xavier_normal"
    net = sampled(depth=depth, activation=name, initializer=initializer, skip=skip, branch=branch)
    x, grad_output = inputs(net)
    trace = net.forward(x)
    expected, zs, hs = autograd(net, x, grad_output)
    for got, tensor in zip(trace.pre_activations + trace.activations, zs + hs[1:], strict=True):
        assert relative_error(got, tensor.detach().numpy()) <= 1e-10
    for got, want in zip(all_of(net.backward(trace, grad_output)), expected, strict=True):
        for each, other in zip(got, want, strict=True):
            assert relative_error(each, other) <= 1e-10


@settings(deadline=None, max_examples=15)
@given(
    norm=st.sampled_from(["batch", "layer", "rms"]),
    depth=st.integers(1, 10),
    width=st.integers(2, 9),
    batch=st.integers(2, 7),
    scale=st.sampled_from([0.3, 1.0, 30.0]),  # (a dead signal is rounding, on either side of ReLU's kink)
    eps=st.sampled_from([1e-2, 1e-5]),
    seed=st.integers(0, 2**32 - 1),
)
@pytest.mark.parametrize(("skip", "branch"), SKIPS)
@pytest.mark.parametrize("name", ["identity", "tanh", "relu", "gelu"])
def test_backward_through_a_normalization_agrees_with_autograd(
    name, skip, branch, norm, depth, width, batch, scale, eps, seed
):
    net = sampled(
        seed, depth=depth, width=width, activation=name, scale=scale, skip=skip, branch=branch, norm=norm, norm_eps=eps
    )
    x, grad_output = inputs(net, batch=batch, seed=seed)
    trace = net.forward(x)
    expected, zs, hs = autograd(net, x, grad_output)
    for got, tensor in zip(trace.pre_activations + trace.activations, zs + hs[1:], strict=True):
        np.testing.assert_allclose(got, tensor.detach().numpy(), rtol=1e-10, atol=1e-10)
    for got, want in zip(all_of(net.backward(trace, grad_output)), expected, strict=True):
        for each, other in zip(got, want, strict=True):
            assert np.linalg.norm(each - other) <= 1e-10 * max(1, np.linalg.norm(other))


def test_backward_agrees_with_finite_differences():
    net = sampled(depth=3, width=[4, 5, 2], n_inputs=3)
    x, grad_output = inputs(net, batch=2)
    grads = net.backward(net.forward(x), grad_output)

    def cost(net, x):
        return (net.forward(x).activations[-1] * grad_output).sum()

    step = 1e-6
    for layer, (unit, grad) in enumerate(zip(net.unit_weights, grads.weights, strict=True)):
        sd = net.initializer.std(*unit.shape)
        for index in np.ndindex(unit.shape):
            moved = [np.array(each) for each in net.unit_weights]
            costs = []
            for sign in (1, -1):
                moved[layer][index] = unit[index] + sign * step / sd
                costs.append(cost(replace(net, unit_weights=moved), x))
            assert grad[index] == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-6, abs=1e-9)
    for index in np.ndindex(x.shape):
        nudge = np.zeros_like(x)
        nudge[index] = step
        slope = (cost(net, x + nudge) - cost(net, x - nudge)) / (2 * step)
        assert grads.inputs[index] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_a_chain_of_one_unit_a_layer_is_a_product_of_terms():
    net = sampled(depth=4, width=1, n_inputs=1, activation="sigmoid", initializer="normal", bias_std=1.0)
    trace = net.forward([[0.7]])
    grads = net.backward(trace, [[1.0]])
    slopes = [activations["sigmoid"].derivative(z).item() for z in trace.pre_activations]
    w = [weight.item() for weight in net.weights]
    product = slopes[0] * w[1] * slopes[1] * w[2] * slopes[2] * w[3] * slopes[3]
    assert grads.biases[0].item() == pytest.approx(product, rel=1e-12, abs=0)


def test_float32_is_close_to_float64():
    net = sampled(depth=10, activation="tanh")
    single = replace(
        net,
        unit_weights=[unit.astype(np.float32) for unit in net.unit_weights],
        unit_biases=[unit.astype(np.float32) for unit in net.unit_biases],
    )
    x, grad_output = inputs(net)
    exact, close = (each.backward(each.forward(x), grad_output) for each in (net, single))
    for ours, theirs in zip(all_of(close), all_of(exact), strict=True):
        for got, want in zip(ours, theirs, strict=True):
            assert got.dtype == np.float32
            assert relative_error(got, want) < 1e-5


# --- ensembles ---


@pytest.mark.parametrize(("skip", "branch"), SKIPS)
def test_an_ensemble_equals_the_loop_over_its_networks(skip, branch):
    scales = np.array([[0.5], [1.0], [1.7]])
    ensemble = sampled(n_nets=4, scale=scales, bias_std=0.3, skip=skip, branch=branch)
    x, grad_output = inputs(ensemble)
    together = all_of(ensemble.backward(ensemble.forward(x), grad_output))
    assert together[3][0].shape == (3, 4, 7, 12)
    assert together[4][0].shape == (3, 4, 12)
    for i, j in np.ndindex(3, 4):
        one = replace(
            ensemble,
            unit_weights=[unit[j] for unit in ensemble.unit_weights],
            unit_biases=[unit[j] for unit in ensemble.unit_biases],
            scale=scales[i, 0],
        )
        alone = all_of(one.backward(one.forward(x), grad_output))
        for ours, theirs in zip(together, alone, strict=True):
            for got, want in zip(ours, theirs, strict=True):
                assert relative_error(np.broadcast_to(got, (3, 4, *got.shape[-want.ndim :]))[i, j], want) < 1e-12


@settings(deadline=None, max_examples=40)
@given(
    depth=st.integers(1, 4),
    width=st.integers(1, 5),
    n_inputs=st.integers(1, 5),
    batch=st.integers(1, 4),
    n_nets=st.none() | st.integers(1, 3),
    n_scales=st.none() | st.integers(1, 3),
    skip=st.sampled_from([0.0, 1.0]),
)
def test_shapes(depth, width, n_inputs, batch, n_nets, n_scales, skip):
    scale = 1.0 if n_scales is None else np.ones((n_scales, 1) if n_nets else n_scales)
    net = sampled(depth=depth, width=width, n_inputs=n_inputs, n_nets=n_nets, scale=scale, skip=skip)
    ensemble = tuple(n for n in (n_scales, n_nets) if n is not None)
    x, grad_output = inputs(net, batch=batch)
    trace = net.forward(x)
    grads = net.backward(trace, grad_output)
    assert grads.inputs.shape == (*ensemble, batch, n_inputs)
    for layer in range(depth):
        fan_in = width if layer else n_inputs
        assert net.weights[layer].shape == grads.weights[layer].shape == (*ensemble, fan_in, width)
        assert grads.biases[layer].shape == (*ensemble, width)
        assert trace.pre_activations[layer].shape == grads.pre_activations[layer].shape
        assert trace.activations[layer].shape == grads.activations[layer].shape == (*ensemble, batch, width)


def test_leading_axes_of_inputs_and_of_grad_output_are_ensembles_too():
    net = sampled()
    x, grad_output = inputs(net, 3)
    grads = net.backward(net.forward(x), grad_output)
    one = net.backward(net.forward(x[1]), grad_output[1])
    np.testing.assert_allclose(grads.weights[0][1], one.weights[0], rtol=1e-12)
    many_costs = net.backward(net.forward(x[1]), grad_output)
    np.testing.assert_allclose(many_costs.inputs[1], one.inputs, rtol=1e-12)


def test_a_network_can_have_one_width_a_layer():
    net = sampled(depth=None, width=[30, 20, 10], n_inputs=8)
    assert net.depth == 3
    assert [w.shape for w in net.weights] == [(8, 30), (30, 20), (20, 10)]
    assert sampled(depth=None, width=(30, 20), n_inputs=None).n_inputs == 30


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
@pytest.mark.parametrize("skip", [0.0, 1.0])
def test_an_ensemble_of_normalized_networks_equals_the_loop_over_them(norm, skip):
    scales = np.array([0.1, 2.0])
    ensemble = sampled(scale=scales, norm=norm, norm_eps=1e-2, skip=skip, branch=0.5)
    x, grad_output = inputs(ensemble)
    together = all_of(ensemble.backward(ensemble.forward(x), grad_output))
    for i, scale in enumerate(scales):
        one = ensemble.rescaled(scale)
        for ours, theirs in zip(together, all_of(one.backward(one.forward(x), grad_output)), strict=True):
            for got, want in zip(ours, theirs, strict=True):
                assert relative_error(got[i], want) < 1e-12


# --- normalizations ---


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_a_plain_network_with_normalization_is_blind_to_the_weights_scale(norm):
    net = sampled(scale=[1.0, 7.0], bias_std=0.0, norm=norm, norm_eps=0.0)
    x, grad_output = inputs(net)
    trace = net.forward(x)
    np.testing.assert_allclose(trace.activations[-1][1], trace.activations[-1][0], rtol=1e-10)
    grads = net.backward(trace, grad_output)
    for W, dW in zip(net.weights, grads.weights, strict=True):
        np.testing.assert_allclose((W * dW).sum(axis=(-2, -1)), 0, atol=1e-10)
        np.testing.assert_allclose(dW[1], dW[0] / 7, rtol=1e-8, atol=1e-12)


def test_batch_normalization_couples_the_inputs_of_a_batch_and_forgets_the_biases():
    net = sampled(norm="batch", bias_std=1.0)
    x, grad_output = inputs(net)
    grad_output[1:] = 0
    grads = net.backward(net.forward(x), grad_output)
    assert (np.abs(grads.inputs).max(axis=-1) > 1e-3).all()
    assert all(np.abs(bias).max() < 1e-12 for bias in grads.biases)
    of_a_row = sampled(norm="layer", bias_std=1.0)
    assert not of_a_row.backward(of_a_row.forward(x), grad_output).inputs[1:].any()


@pytest.mark.parametrize(("norm", "factor"), [("batch", np.pi / (np.pi - 1)), ("layer", 1.0), ("rms", 1.0)])
def test_the_squared_gradient_of_relu_grows_by_the_factor_of_its_normalization(norm, factor):
    """By pi / (pi - 1) a layer with batch normalization (Yang 2019), not at all with the others."""
    net = sampled(depth=20, width=128, n_inputs=128, n_nets=24, activation="relu", norm=norm, dtype=np.float32)
    squares = gradient_norms(net.rescaled(3.0), *inputs(net, batch=128), [20])[20] ** 2
    early, late = squares[:, [2, 18]].mean(axis=0)
    assert (early / late) ** (1 / 16) == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_the_stream_of_normalized_branches_grows_by_the_same_each_block(norm):
    net = sampled(depth=40, width=200, n_inputs=200, n_nets=3, activation="relu", skip=1.0, norm=norm, bias_std=0.0)
    trace = net.forward(inputs(net, batch=100)[0])
    mean_square = np.array([(z**2).mean() for z in trace.pre_activations])
    np.testing.assert_allclose(mean_square - mean_square[0], np.arange(40), rtol=0.15, atol=1e-12)


@pytest.mark.parametrize("most_bytes", [1, 10**9])
@pytest.mark.parametrize("skip", [0.0, 1.0])
@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_gradient_norms_of_normalized_networks_are_those_of_backward(monkeypatch, norm, skip, most_bytes):
    monkeypatch.setattr(parts, "MOST_BYTES", most_bytes)
    net = sampled(n_nets=2, scale=[[0.5], [1.0], [2.0]], norm=norm, skip=skip)
    x, grad_output = inputs(net)
    norms = gradient_norms(net, x, grad_output, [2, 5])
    for depth in (2, 5):
        one = net.truncated(depth)
        grads = one.backward(one.forward(x), grad_output).pre_activations
        want = np.stack([norm_per_input(grad) for grad in grads], axis=-1)
        np.testing.assert_allclose(norms[depth], want, rtol=1e-10, strict=True)


def test_without_a_normalization_nothing_is_normalized_or_kept():
    net = sampled()
    trace = net.forward(inputs(net)[0])
    assert all(u is z for u, z in zip(trace.normalized, trace.pre_activations, strict=True))
    assert trace.norm_caches == (None,) * 5


def test_normalized_overflow_passes_through_in_silence():
    net = sampled(depth=3, activation="relu", scale=[1.0, 1e200], norm="rms")
    x, grad_output = inputs(net)
    grads = net.backward(net.forward(x), grad_output)
    assert np.isfinite(grads.inputs[0]).all()
    assert np.isnan(grads.inputs[1]).any()


def test_what_a_normalization_cannot_do_is_said():
    net = sampled(norm="batch")
    x, grad_output = inputs(net)
    with pytest.raises(ValueError, match="more than one value a channel, got x of shape \\(1, 12\\)"):
        net.forward(x[:1])
    with pytest.raises(ValueError, match="depth_sweep has no way back through a normalization, got norm='batch'"):
        next(depth_sweep(net, x, grad_output, [2]))
    with pytest.raises(UnknownNameError, match="unknown normalization 'batchnorm'; there are: batch, layer, rms"):
        sampled(norm="batchnorm")


# --- draws ---


def test_the_draw_depends_on_the_seed_only():
    deep, shallow = sampled(depth=5), sampled(depth=2, scale=[1.0, 2.0], bias_std=0.0)
    for layer in range(2):
        np.testing.assert_array_equal(deep.unit_weights[layer], shallow.unit_weights[layer])
        np.testing.assert_array_equal(deep.unit_biases[layer], shallow.unit_biases[layer])


def test_rescaling_shares_the_draw():
    net = sampled(scale=2.0)
    other = net.rescaled([1.0, 3.0])
    assert all(a is b for a, b in zip(net.unit_weights, other.unit_weights, strict=True))
    np.testing.assert_allclose(other.weights[2][1], 1.5 * net.weights[2], rtol=1e-14)


def test_variances_are_as_asked():
    net = sampled(depth=2, width=200, n_inputs=300, n_nets=5, scale=1.5, bias_std=0.5)
    assert net.weights[0].var() == pytest.approx(1.5**2 * 2 / 300, rel=0.02)
    assert net.weights[1].var() == pytest.approx(1.5**2 * 2 / 200, rel=0.02)
    assert net.biases[0].std() == pytest.approx(0.5, rel=0.1)
    assert not sampled(bias_std=0.0).biases[0].any()


def test_a_truncated_network_is_the_first_layers():
    net = sampled(depth=4)
    x, _ = inputs(net)
    np.testing.assert_array_equal(
        net.truncated(3).forward(x).activations[-1], net.forward(x).activations[2], strict=True
    )


def test_an_activation_of_your_own():
    cube = Activation("cube", "z^3", lambda z: z**3, lambda z: 3 * z**2)
    net = sampled(activation=cube, depth=1)
    x, grad_output = inputs(net)
    trace = net.forward(x)
    want = 3 * trace.pre_activations[0] ** 2 * grad_output
    np.testing.assert_allclose(net.backward(trace, grad_output).pre_activations[0], want, rtol=1e-14)


# --- the sweep over depths ---


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"width": [12, 4, 9, 3, 12]},
        {"n_nets": 3, "scale": [[0.1], [2.0]]},
        {"n_nets": 3, "bias_std": [[0.0], [2.0]]},
        {"skip": 1.0, "branch": 0.3},
        {"skip": 0.5, "branch": 0.8, "n_nets": 3, "scale": [[0.1], [2.0]]},
    ],
)
@pytest.mark.parametrize("name", ["sigmoid", "relu"])
def test_the_sweep_equals_separate_networks(name, changes):
    net = sampled(activation=name, **changes)
    x, grad_output = inputs(net)
    depths = [5, 1] if "width" in changes else [3, 1, 5]
    seen = []
    for layer, reached, gradients, exponents in depth_sweep(net, x, grad_output, depths):
        for depth, gradient in zip(reached, np.ldexp(gradients, exponents), strict=True):
            seen.append((depth, layer))
            one = net.truncated(depth)
            want = one.backward(one.forward(x), grad_output).pre_activations[layer]
            assert relative_error(gradient, want) < 1e-12
    assert sorted(seen) == sorted((depth, layer) for depth in depths for layer in range(depth))


def test_two_sweeps_at_the_same_time_do_not_disturb_each_other():
    net = sampled()
    x, grad_output = inputs(net)
    alone = [gradients.copy() for _, _, gradients, _ in depth_sweep(net, x, grad_output, [3, 5])]
    both = zip(depth_sweep(net, x, grad_output, [3, 5]), depth_sweep(net, -x, grad_output, [3, 5]), strict=True)
    for want, ((_, _, got, _), _) in zip(alone, both, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("most_bytes", [1, 2000, 10**9])
@pytest.mark.parametrize(
    ("n_nets", "scale", "bias_std", "leading_x", "leading_grad"),
    [
        (None, 1.0, 0.0, (), ()),
        (1, [[0.7], [1.3]], 0.2, (), ()),
        (3, [[0.7], [1.0], [1.3], [1.6]], [0.0, 0.1, 0.2], (), ()),
        (3, [0.7, 1.0, 1.3], 0.0, (), (2, 1)),
        (None, [0.7, 1.3], [[0.0], [0.3]], (2,), ()),
        (3, 1.0, 0.0, (2, 1), (2, 3)),
    ],
)
def test_gradient_norms_of_an_ensemble_are_those_of_its_networks(
    monkeypatch, most_bytes, n_nets, scale, bias_std, leading_x, leading_grad
):
    monkeypatch.setattr(parts, "MOST_BYTES", most_bytes)
    net = sampled(n_nets=n_nets, scale=scale, bias_std=bias_std)
    x, grad_output = inputs(net, *leading_x)[0], inputs(net, *leading_grad)[1]
    norms = gradient_norms(net, x, grad_output, [2, 5])
    for depth in (2, 5):
        one = net.truncated(depth)
        grads = one.backward(one.forward(x), grad_output).pre_activations
        want = np.stack([norm_per_input(grad) for grad in grads], axis=-1)
        np.testing.assert_allclose(norms[depth], want, rtol=1e-12, strict=True)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "silu", "gelu"])
def test_the_sweep_in_float32_agrees_with_autograd(name):
    net = sampled(depth=30, width=64, n_inputs=64, activation=name, scale=1.2, bias_std=0.1, dtype=np.float32)
    x, grad_output = inputs(net, batch=32)
    double = replace(
        net,
        unit_weights=[unit.astype(float) for unit in net.unit_weights],
        unit_biases=[unit.astype(float) for unit in net.unit_biases],
    )
    grads = autograd(double, x.astype(np.float32).astype(float), grad_output)[0][1]
    want = [norm_per_input(grad) for grad in grads]
    np.testing.assert_allclose(gradient_norms(net, x, grad_output, [30])[30], want, rtol=3e-5)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300])
def test_the_size_of_grad_output_does_not_matter(size):
    net = sampled(dtype=np.float32)
    x, grad_output = inputs(net)
    norms, scaled = (gradient_norms(net, x, each, [5])[5] for each in (grad_output, size * grad_output))
    np.testing.assert_allclose(scaled / size, norms, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_grad_output_that_is_not_finite_shows(bad):
    net = sampled()
    x, grad_output = inputs(net)
    grad_output[0, 0] = bad
    assert not np.isfinite(gradient_norms(net, x, grad_output, [5])[5]).any()


def test_gradient_norms_are_the_norms_of_backward():
    net = sampled(depth=20, scale=[0.7, 1.3])
    x, grad_output = inputs(net)
    norms = gradient_norms(net, x, grad_output, [20, 7])
    assert {depth: each.shape for depth, each in norms.items()} == {7: (2, 7), 20: (2, 20)}
    for depth, each in norms.items():
        one = net.truncated(depth)
        grads = one.backward(one.forward(x), grad_output).pre_activations
        want = np.stack([norm_per_input(grad) for grad in grads], axis=-1)
        np.testing.assert_allclose(each, want, rtol=1e-12)


def test_the_norm_is_the_root_mean_square_over_the_batch_of_the_length_of_a_row():
    rng = np.random.default_rng(0)
    gradient = rng.standard_normal((3, 5, 8))
    lengths = np.linalg.norm(gradient, axis=-1)
    np.testing.assert_allclose(norm_per_input(gradient), np.sqrt((lengths**2).mean(axis=-1)), rtol=1e-14)
    tiny = np.full((4, 256), 1e-30, dtype=np.float32)  # whose squares are 0 in float32
    assert norm_per_input(tiny) == pytest.approx(16e-30, rel=1e-6, abs=0)


def test_the_sweep_in_float32_follows_a_gradient_far_below_its_range():
    net = sampled(depth=50, width=64, n_inputs=64, activation="sigmoid", scale=0.3, dtype=np.float32)
    double = replace(
        net,
        unit_weights=[unit.astype(float) for unit in net.unit_weights],
        unit_biases=[unit.astype(float) for unit in net.unit_biases],
    )
    x, grad_output = inputs(net)
    single, exact = (gradient_norms(each, x, grad_output, [50])[50] for each in (net, double))
    assert exact[0] < 1e-45  # float32 ends here
    np.testing.assert_allclose(single, exact, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", activations)
def test_phi_in_place_is_phi(name, dtype):
    activation = activations[name]
    z = np.concatenate([np.linspace(-30, 30, 1201), [-np.inf, np.inf, np.nan, -100, 100, -1e30, 1e30]]).astype(dtype)
    h, slope, spare = (np.empty_like(z) for _ in range(3))
    before = z.copy()
    with np.errstate(all="ignore"):
        value_and_derivative(activation, z, h, slope, spare)
    np.testing.assert_array_equal(z, before)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(h, activation.f(z), rtol=8 * eps, atol=2 * eps)
    np.testing.assert_allclose(slope, activation.derivative(z), rtol=32 * eps, atol=2 * eps)


def test_a_changed_derivative_is_the_one_that_the_sweep_uses():
    wrong = replace(activations["tanh"], derivative=np.zeros_like)
    net = sampled(activation=wrong)
    assert not gradient_norms(net, *inputs(net), [5])[5].any()


def test_only_a_small_workspace_is_kept():
    workspace = Workspace()
    first = workspace.rows(2, 3, np.float32)
    assert np.shares_memory(first, workspace.rows(3, 2, np.float32))
    assert workspace.rows(2, 3, np.float64).dtype == np.float64
    large = workspace.rows(3, Workspace.KEPT // 16, np.float64)
    assert large.shape == (3, Workspace.KEPT // 16)
    assert not np.shares_memory(large, workspace.rows(2, 3, np.float64))


def test_the_sweep_leaves_the_callers_warnings_alone():
    net = sampled()
    sweep = depth_sweep(net, *inputs(net), [2])
    next(sweep)
    with pytest.warns(RuntimeWarning, match="divide"):
        np.divide(1.0, np.zeros(2))
    sweep.close()


# --- overflow is a result ---


@pytest.mark.parametrize("skip", [0.0, 1.0])
def test_overflow_passes_through_in_silence(skip):
    net = sampled(depth=60, activation="relu", scale=[1.0, 1e9], bias_std=0.0, skip=skip, branch=0.1)
    x, grad_output = inputs(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = net.forward(x)
        grads = net.backward(trace, grad_output)
        norms = gradient_norms(net, x, grad_output, [3, 60])
    assert np.isfinite(grads.weights[0][0]).all()
    assert not np.isfinite(trace.activations[-1][1]).any()
    assert not np.isfinite(grads.inputs[1]).all()
    assert np.isfinite(norms[60][0]).all()
    assert not np.isfinite(norms[60][1, 0])
    assert np.isfinite(norms[3]).all()


def test_a_gradient_may_overflow_where_the_signal_does_not():
    net = sampled(depth=3, activation="identity", scale=1e9)
    x, grad_output = inputs(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grads = net.backward(net.forward(x), 1e300 * grad_output)
    assert not np.isfinite(grads.inputs).any()


def test_without_a_skip_an_overflow_of_the_stream_does_not_leak_into_the_next_layer():
    net = sampled(depth=3, activation="tanh", scale=[1e308], bias_std=0.0)
    trace = net.forward(np.full((2, 7), 1e10))
    assert np.isinf(trace.pre_activations[0]).all()
    assert np.isfinite(trace.activations[-1]).all()


def test_numbers_below_the_range_count_as_zero():
    net = sampled(depth=1, activation="identity", dtype=np.float32, bias_std=0.0)
    assert not net.forward(np.full((2, 7), 1e-39)).pre_activations[0].any()
    assert net.forward(np.full((2, 7), 1e-33)).pre_activations[0].all()


def test_scale_zero_is_dead():
    net = sampled(scale=0.0, bias_std=0.0)
    x, grad_output = inputs(net)
    assert not gradient_norms(net, x, grad_output, [5])[5][:-1].any()


def test_a_layer_of_dead_units_stops_the_gradient():
    net = sampled(depth=3, activation="relu", bias_std=1e6)
    biases = [np.full(12, sign) for sign in (0.0, -1.0, 1.0)]
    net = replace(net, unit_biases=biases)
    norms = gradient_norms(net, *inputs(net), [3])[3]
    assert norms[2] > 0
    assert not norms[:2].any()


# --- what is not allowed ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 0}, "depth must be a whole number >= 1, got 0"),
        ({"depth": -3}, "depth must be a whole number >= 1, got -3"),
        ({"depth": 2.5}, "depth must be a whole number >= 1, got 2.5"),
        ({"depth": None}, "depth must be a whole number >= 1, got None"),
        ({"width": 0}, "width must be a whole number >= 1, got 0"),
        ({"width": []}, "width must hold one number a layer, got 0 for depth 5"),
        ({"width": [3, 4]}, "width must hold one number a layer, got 2 for depth 5"),
        ({"n_inputs": 0}, "n_inputs must be a whole number >= 1, got 0"),
        ({"n_nets": 0}, "n_nets must be a whole number >= 1, got 0"),
        ({"scale": np.nan}, "scale must hold finite numbers >= 0, got nan"),
        ({"scale": np.inf}, "scale must hold finite numbers >= 0, got inf"),
        ({"scale": [1.0, -1.0]}, "scale must hold finite numbers >= 0"),
        ({"bias_std": -0.1}, "bias_std must hold finite numbers >= 0, got -0.1"),
        ({"skip": np.nan}, "skip must be a finite number, got nan"),
        ({"branch": "1"}, "branch must be a finite number, got '1'"),
        ({"skip": 1.0, "width": [4, 4, 4, 4, 5]}, "equally wide, got widths"),
        ({"dtype": np.int32}, "dtype"),
        ({"norm_eps": -1.0}, "norm_eps must be a finite number >= 0, got -1.0"),
        ({"norm_eps": np.inf}, "norm_eps must be a finite number >= 0, got inf"),
        ({"n_nets": 3, "scale": [1.0, 2.0]}, r"scale \(2,\) and bias_std \(\) must broadcast .* \(3,\)"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        sampled(**changes)


def test_unknown_names_say_what_there_is():
    with pytest.raises(UnknownNameError, match="unknown activation 'tahn'; there are: tanh"):
        sampled(activation="tahn")
    with pytest.raises(UnknownNameError, match="unknown initializer 'he'; there are: "):
        sampled(initializer="he")


def test_a_seed_is_no_rng():
    with pytest.raises(ValueError, match="rng must be a"):
        Network.sample(depth=1, width=1, activation="tanh", initializer="normal", rng=0)


def test_wrong_inputs_say_what_the_network_takes():
    net = sampled()
    with pytest.raises(ValueError, match=r"x has 64 columns, the network takes \(..., batch, 7\)"):
        net.forward(np.zeros((3, 64)))
    with pytest.raises(ValueError, match=r"x has shape \(7,\), the network takes \(..., batch, 7\)"):
        net.forward(np.zeros(7))
    with pytest.raises(ValueError, match="x must hold finite numbers"):
        net.forward(np.full((3, 7), np.nan))


def test_wrong_backward_arguments():
    net = sampled()
    x, grad_output = inputs(net)
    trace = net.forward(x)
    message = r"grad_output has shape \(6, 11\), the last activations have \(6, 12\)"
    with pytest.raises(ValueError, match=message):
        net.backward(trace, grad_output[:, 1:])
    with pytest.raises(ValueError, match=r"grad_output has shape \(\)"):
        net.backward(trace, 1.0)
    wide = net.rescaled([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"grad_output has shape \(2, 6, 12\)"):
        wide.backward(wide.forward(x), np.stack([grad_output] * 2))
    with pytest.raises(ValueError, match=r"grad_output has shape \(6, 11\)"):
        next(depth_sweep(net, x, grad_output[:, 1:], [2]))
    with pytest.raises(ValueError, match=r"grad_output \(2, 6, 12\) must broadcast .* networks \(3,\)"):
        gradient_norms(wide, x, np.stack([grad_output] * 2), [2])
    with pytest.raises(ValueError, match=r"grad_output has shape \(6, 11\), the last activations have \(3, 6, 12\)"):
        gradient_norms(wide, x, grad_output[:, 1:], [2])
    with pytest.raises(ValueError, match="this network's own forward"):
        net.rescaled(2.0).backward(trace, grad_output)


@pytest.mark.parametrize("depth", [0, 6, 1.5, True])
def test_a_depth_beyond_the_network(depth):
    net = sampled()
    x, grad_output = inputs(net)
    with pytest.raises(ValueError, match="depth must be"):
        gradient_norms(net, x, grad_output, [2, depth])
    with pytest.raises(ValueError, match="depth must be"):
        net.truncated(depth)
