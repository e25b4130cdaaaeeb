"""Probing against autograd and plain arithmetic; and a model is afterwards as it was."""

import numpy as np
import pytest
import torch
from torch import nn

import vgx
from vgx.activation import activations
from vgx.probing import layers_of
from vgx.verdict import Verdict

MODULES = {
    "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
    "selu": nn.SELU, "gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def hooks(model: nn.Module) -> int:
    on_modules = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
    return on_modules + sum(len(p._post_accumulate_grad_hooks or ()) for p in model.parameters())


def step(model, x, rate=0.1):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    model(x).square().sum().backward()
    optimizer.step()


def by_layer(p) -> dict[str, dict]:
    return {row.pop("layer"): row for row in p.rows()}


def test_the_rows_of_a_step_are_what_arithmetic_says():
    model, x = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)), torch.randn(10, 4)
    weights = [model[k].weight.detach().clone() for k in (0, 2)]
    hidden = torch.tanh(model[0](x))
    expected = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    with vgx.probe(model) as p:
        step(model, x)
    for k, (name, row) in enumerate(by_layer(p).items()):
        assert name == ("0", "2")[k]
        assert row["gradient_norm"] == pytest.approx(expected[2 * k].norm().item(), rel=1e-5)
        assert row["bias_gradient_norm"] == pytest.approx(expected[2 * k + 1].norm().item(), rel=1e-5)
        assert row["update_ratio"] == pytest.approx((0.1 * expected[2 * k].norm() / weights[k].norm()).item(), rel=1e-4)
    assert by_layer(p)["0"]["activation"] == pytest.approx(hidden.square().mean().sqrt().item(), rel=1e-5)
    assert p.verdict() is Verdict.HEALTHY


@pytest.mark.parametrize("name", MODULES)
def test_saturated_and_dead_follow_the_derivative(name):
    model, x = nn.Sequential(nn.Linear(4, 50), MODULES[name]()).double(), 8 * torch.randn(3, 4, dtype=torch.float64)
    z = model[0](x).detach().numpy()
    slope = activations[name].derivative(z)
    with vgx.probe(model) as p:
        model(x)
    (row,) = p.rows()
    assert row["saturated"] == np.mean(np.abs(slope) < 0.01)
    assert row["dead"] == np.mean((slope == 0).all(axis=0))
    assert row["activation"] == pytest.approx(np.sqrt(np.mean(activations[name].f(z) ** 2)))
    assert name != "relu" or 0 < row["dead"] < row["saturated"]


def test_channels_are_the_units_of_a_convolution():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 6 * 6, 3))
    with torch.no_grad():
        model[0].bias[:] = torch.tensor([-100.0, 0.0, 0.0, 100.0])
    with vgx.probe(model) as p:
        step(model, torch.randn(5, 1, 8, 8))
    rows = by_layer(p)
    assert rows["0"]["dead"] == 0.25
    assert 0.25 < rows["0"]["saturated"] < 0.75
    assert np.isnan(rows["3"]["saturated"])
    assert rows["3"]["dead"] == 0


def test_an_activation_belongs_to_the_layer_right_before_it():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2), nn.Softmax(-1))
    with vgx.probe(model) as p:
        model(torch.randn(20, 4))
    rows = by_layer(p)
    assert {name: bool(np.isfinite(row["saturated"])) for name, row in rows.items()} == {
        "0": False,
        "1": True,
        "4": False,
    }
    assert rows["4"]["dead"] == 0  # (softmax sums to 1: the sum of its slopes is 0)


def test_other_modules_give_what_they_can():
    model = nn.LSTM(3, 5, batch_first=True)
    with vgx.probe(model) as p:
        model(torch.randn(2, 7, 3))[0].sum().backward()
    (row,) = p.rows()
    weights = [p.grad for name, p in model.named_parameters() if name.startswith("weight")]
    assert row["layer"] == "LSTM"
    assert row["gradient_norm"] == pytest.approx(torch.cat([w.flatten() for w in weights]).norm().item(), rel=1e-5)
    assert row["activation"] > 0
    assert np.isnan([row["saturated"], row["update_ratio"]]).all()


def test_what_was_not_seen_is_nan_and_no_verdict():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with vgx.probe(model) as p:
        model(torch.randn(2, 4))
    for row in p.rows():
        assert np.isnan([row["gradient_norm"], row["update_ratio"]]).all()
    with pytest.raises(ValueError, match=r"no gradient was seen: call loss\.backward\(\) inside"):
        p.verdict()


def test_a_frozen_layer_has_no_gradient_and_does_not_disturb_the_verdict():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    with vgx.probe(model) as p:
        step(model, torch.randn(2, 4))
    rows = by_layer(p)
    assert np.isnan(rows["0"]["gradient_norm"])
    assert rows["0"]["update_ratio"] == 0
    assert p.verdict() is Verdict.HEALTHY


def deep(activation, scale: float, depth: int = 40) -> nn.Sequential:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(20, 20, bias=False), activation())]
    for layer in layers[::2]:
        nn.init.normal_(layer.weight, std=scale / 20**0.5)
    return nn.Sequential(*layers, nn.Linear(20, 3))


@pytest.mark.parametrize(
    ("activation", "scale", "verdict"),
    [(nn.Sigmoid, 1.0, "vanishing"), (nn.Tanh, 4.0, "exploding"), (nn.Identity, 1e9, "overflow")],
)
def test_a_verdict_is_that_of_the_gradient_norms(activation, scale, verdict):
    model = deep(activation, scale)
    with vgx.probe(model) as p:
        model(torch.randn(10, 20)).square().sum().backward()
    assert p.verdict() == verdict


def test_tiny_gradients_do_not_underflow_in_their_squares():
    model = nn.Linear(3, 1)
    with vgx.probe(model) as p:
        (1e-30 * model(torch.ones(1, 3))).sum().backward()
    assert p.rows()[0]["gradient_norm"] == pytest.approx(1e-30 * 3**0.5)


def test_a_dead_network_makes_a_step_of_zero():
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
        model[2].bias.zero_()
    with vgx.probe(model) as p:
        step(model, torch.randn(6, 4))
    row = by_layer(p)["0"]
    assert (row["dead"], row["update_ratio"], row["gradient_norm"]) == (1.0, 0.0, 0.0)
    assert p.verdict() is Verdict.DEAD


def test_no_hook_stays():
    model, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), torch.randn(2, 4)
    with vgx.probe(model) as outer:
        inside = hooks(model)
        with pytest.raises(RuntimeError), vgx.probe(model):
            model(torch.randn(2, 5))
        assert hooks(model) == inside > 0
        with vgx.probe(model) as inner:
            step(model, x)
    assert hooks(model) == 0
    assert inner.rows() == outer.rows()
    before = outer.rows()
    step(model, x)
    assert outer.rows() == before


def test_a_probe_changes_nothing():
    def trained(watched: bool) -> torch.Tensor:
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(8, 2))
        x = torch.randn(6, 4)
        if watched:
            with vgx.probe(model):
                step(model, x)
        else:
            step(model, x)
        return model[0].weight

    assert torch.equal(trained(True), trained(False))


def test_it_works_without_gradients_too():
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    with torch.inference_mode(), vgx.probe(model) as p:
        model(torch.randn(2, 4))
    assert 0 <= p.rows()[0]["saturated"] <= 1


@pytest.mark.parametrize(
    ("model", "message"),
    [(nn.Tanh(), r"a model must have parameters, there are none in Tanh"), (3, r"must be a torch\.nn\.Module, got 3")],
)
def test_what_cannot_be_probed_is_said(model, message):
    with pytest.raises(ValueError, match=message), vgx.probe(model):
        pass


def test_a_shared_parameter_belongs_to_its_first_module():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [(layer.name, layer.weights, layer.biases) for layer in layers_of(model)] == [
        ("0", ("0.weight",), ("0.bias",)),
        ("1", (), ("1.bias",)),
    ]


def test_only_the_first_activation_on_the_same_shape_belongs_to_a_layer():
    model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Tanh()), torch.randn(5, 4)
    with vgx.probe(model) as p:
        model(x)
    assert p.rows()[0]["activation"] == pytest.approx(model[:2](x).square().mean().sqrt().item(), rel=1e-5)
    reshaped = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Flatten(), nn.ReLU())
    with vgx.probe(reshaped) as p:
        reshaped(torch.randn(5, 1, 6))
    assert np.isnan(p.rows()[0]["saturated"])


def test_the_verdict_is_on_matrices_where_there_are_any():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
    with torch.no_grad():
        model[1].weight *= 1e-6  # so tiny is the gradient of the scale before it
    with vgx.probe(model) as p:
        model(torch.randn(10, 4)).sum(dim=1)[:5].sum().backward()
    assert p.verdict() is Verdict.HEALTHY
    scale_only = nn.LayerNorm(4)
    with vgx.probe(scale_only) as p:
        scale_only(torch.randn(2, 4)).square().sum().backward()
    assert p.verdict() is Verdict.HEALTHY
