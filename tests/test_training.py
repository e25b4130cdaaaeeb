"""Training against loops written by hand, and what must not be lost when it goes wrong."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vgx.training import train

WIDTHS = (6, 5, 4, 3)


def network(seed: int, *, activation=nn.Sigmoid, widths=WIDTHS, dtype=torch.float64) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        linear = nn.Linear(fan_in, fan_out, dtype=dtype)
        with torch.no_grad():
            for p in linear.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) / fan_in**0.5)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def examples(n: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, WIDTHS[0])), rng.integers(0, WIDTHS[-1], n)


def parameters(model: nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()


def by_hand(
    model, x, y, *, epochs, batch_size, optimizer, seed, loss=F.cross_entropy, clip=None, factor=lambda epoch: 1
):
    """The loop that a notebook would write; returns the loss over all examples at each epoch."""
    x, y = torch.tensor(x), torch.tensor(y)
    rng, rate, losses = np.random.default_rng(seed), optimizer.param_groups[0]["lr"], [loss(model(x), y).item()]
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(epoch)
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        losses.append(loss(model(x), y).item())
    return losses


def groups(model, weight_decay):
    weights = [p for name, p in model.named_parameters() if name.endswith("weight")]
    biases = [p for name, p in model.named_parameters() if name.endswith("bias")]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0.0}]


OPTIMIZERS = {
    "sgd": (lambda model: torch.optim.SGD(groups(model, 0.0), lr=0.5), {"optimizer": "sgd"}),
    "momentum, decay": (
        lambda model: torch.optim.SGD(groups(model, 0.01), lr=0.5, momentum=0.9),
        {"momentum": 0.9, "weight_decay": 0.01},
    ),
    "adam, decay": (
        lambda model: torch.optim.Adam(groups(model, 0.01), lr=0.5),
        {"optimizer": "adam", "weight_decay": 0.01},
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [8, 50], ids=["mini-batches", "full batch"])
@pytest.mark.parametrize("n_models", [1, 3])
def test_it_does_what_a_loop_by_hand_does(name, batch_size, n_models):
    make, settings = OPTIMIZERS[name]
    x, y = examples()
    ours, theirs = [network(k) for k in range(n_models)], [network(k) for k in range(n_models)]
    history = train(
        ours[0] if n_models == 1 else ours, x, y,
        epochs=4, learning_rate=0.5, batch_size=batch_size, seeds=7, **settings,
    )  # fmt: skip
    losses = [
        by_hand(model, x, y, epochs=4, batch_size=batch_size, optimizer=make(model), seed=7 + k)
        for k, model in enumerate(theirs)
    ]
    np.testing.assert_allclose(history.loss.reshape(n_models, -1), losses, rtol=1e-9)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(parameters(our), parameters(their), rtol=1e-9, atol=1e-12)


def test_schedule_and_clip_by_norm_do_what_torch_does():
    x, y = examples()
    ours, theirs = [network(k) for k in range(3)], [network(k) for k in range(3)]
    settings = {"epochs": 3, "batch_size": 8}
    history = train(ours, x, y, learning_rate=2.0, clip=0.05, schedule=lambda epoch: 0.5**epoch, seeds=7, **settings)
    for k, their in enumerate(theirs):
        optimizer = torch.optim.SGD(their.parameters(), lr=2.0)
        losses = by_hand(
            their, x, y, optimizer=optimizer, seed=7 + k, clip=0.05, factor=lambda epoch: 0.5**epoch, **settings
        )
        np.testing.assert_allclose(history.loss[k], losses, rtol=1e-4)  # torch adds 1e-6 to the norm


def test_a_hook_may_change_the_gradients_in_place_or_return_others():
    x, y = examples()

    def signs(gradients):
        return {name: gradient.sign() for name, gradient in gradients.items()}

    def signs_in_place(gradients):
        for gradient in gradients.values():
            gradient.sign_()

    histories = [train(network(0), x, y, epochs=2, learning_rate=0.01, clip=hook) for hook in (signs, signs_in_place)]
    np.testing.assert_array_equal(histories[0].loss, histories[1].loss)
    model, before = network(0), parameters(network(0))
    train(model, x, y, epochs=1, learning_rate=0.01, clip=signs)
    np.testing.assert_allclose(np.abs(parameters(model) - before), 0.01)


def test_sigmoid_cross_entropy_is_that_of_nielsens_book():
    x, y = examples()
    one_hot = F.one_hot(torch.tensor(y), WIDTHS[-1]).double()
    ours, theirs = network(0), network(0)

    def by_definition(outputs, targets):
        a, t = torch.sigmoid(outputs), targets if targets.ndim == 2 else one_hot[: len(targets)]
        return -(t * a.log() + (1 - t) * (1 - a).log()).sum(-1)

    history = train(ours, x, y, epochs=5, learning_rate=0.3, loss="sigmoid_cross_entropy")
    again = train(theirs, x, one_hot, epochs=5, learning_rate=0.3, loss=by_definition)
    np.testing.assert_allclose(history.loss, again.loss, rtol=1e-9)
    np.testing.assert_allclose(parameters(ours), parameters(theirs), rtol=1e-8)
    assert again.accuracy is None
    assert history.accuracy is not None


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 6, dtype=torch.float64), nn.Linear(6, 3, bias=False, dtype=torch.float64)
        self.branch = nn.Sequential(nn.Linear(6, 6, dtype=torch.float64), nn.BatchNorm1d(6, dtype=torch.float64))

    def forward(self, x):
        x = self.first(x)
        return self.last(x + torch.relu(self.branch(x)))


def convolution() -> nn.Module:
    layers = nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)
    return nn.Sequential(*layers).double()


def partly_frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.ReLU(), nn.Sequential(nn.Linear(4, 3))).double()
    model[0].requires_grad_(False)
    return model


def shared() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 6), nn.GELU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    model[2].weight = model[0].weight
    return model


MODELS = {
    "plain": lambda: network(0),
    "one layer": lambda: nn.Linear(6, 3).double(),
    "no layer is known": Residual,
    "convolution": convolution,
    "frozen": partly_frozen,
    "shared": shared,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("rates", [[0.1, 0.1, 0.1], [0.1, 0.02, 0.0]], ids=["one rate", "a rate each"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_models_side_by_side_are_trained_as_each_alone(make, rates, optimizer):
    x, y = examples()

    def models():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return [make() for _ in rates]

    settings = {"epochs": 3, "batch_size": 16, "optimizer": optimizer, "weight_decay": 0.01, "test": (x[:9], y[:9])}
    together = models()
    history = train(together, x, y, learning_rate=rates, seeds=[5, 5, 9], **settings)
    for k, (model, rate, seed) in enumerate(zip(models(), rates, [5, 5, 9], strict=True)):
        alone = train(model, x, y, learning_rate=rate, seeds=seed, **settings)
        for name in ("loss", "accuracy", "test_loss", "test_accuracy", "gradient_norm", "update_ratio"):
            np.testing.assert_allclose(getattr(history, name)[k], getattr(alone, name), rtol=1e-6, err_msg=name)
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(together[k].state_dict()[name], tensor, rtol=1e-6, atol=1e-9)


def test_what_is_measured_at_each_epoch():
    x, y = examples()
    model, x_test, y_test = network(0), *examples(2500, seed=1)
    history = train(model, x, y, epochs=2, learning_rate=0.3, batch_size=9, test=(x_test, y_test), gradient_on=20)
    outputs, outputs_test = model(torch.tensor(x)), model(torch.tensor(x_test))
    assert history.layers == ("0", "2", "4")
    assert history.loss[-1] == pytest.approx(F.cross_entropy(outputs, torch.tensor(y)).item())
    assert history.accuracy[-1] == (outputs.argmax(1).numpy() == y).mean()
    assert history.test_loss[-1] == pytest.approx(F.cross_entropy(outputs_test, torch.tensor(y_test)).item())
    assert history.test_accuracy[-1] == pytest.approx((outputs_test.argmax(1).numpy() == y_test).mean())
    gradients = torch.autograd.grad(F.cross_entropy(outputs[:20], torch.tensor(y[:20])), list(model.parameters()))
    np.testing.assert_allclose(history.gradient_norm[-1], [g.norm().item() for g in gradients[::2]])
    np.testing.assert_allclose(history.bias_gradient_norm[-1], [g.norm().item() for g in gradients[1::2]])
    assert history.gradient_norm.shape == (3, 3)


def test_the_update_ratio_is_that_of_the_last_step():
    x, y = examples()
    model = network(0)
    history = train(model, x, y, epochs=3, learning_rate=0.3)
    before = network(0)
    train(before, x, y, epochs=2, learning_rate=0.3)
    moved = [(model[k].weight - before[k].weight).norm() / before[k].weight.norm() for k in (0, 2, 4)]
    np.testing.assert_allclose(history.update_ratio[-1], [ratio.item() for ratio in moved])
    assert history.update_ratio.shape == (3, 3)


def test_a_diverging_model_ends_with_a_row_and_does_not_disturb_the_others():
    x, y = examples()
    models = [network(k, activation=nn.Identity) for k in range(3)]
    history = train(models, x, y, epochs=30, learning_rate=[0.1, 1e200, 0.1], weight_decay=0.1)
    calm = [train(network(k, activation=nn.Identity), x, y, epochs=30, learning_rate=0.1, weight_decay=0.1, seeds=k)
            for k in (0, 2)]  # fmt: skip
    assert history.status.tolist() == ["finished", "diverged", "finished"]
    np.testing.assert_allclose(history.loss[[0, 2]], [alone.loss for alone in calm])
    last = history.last_epoch[1]
    assert 0 < last < 30
    assert np.isfinite(history.loss[1, :last]).all()
    assert np.isnan(history.loss[1, last + 1 :]).all()
    rows = [row for row in history.rows() if row["model"] == 1]
    assert len(rows) == 3 * (last + 1)
    assert not np.isfinite(rows[-1]["loss"])
    assert [row["status"] for row in rows[::3]] == ["running"] * last + ["diverged"]
    assert np.isfinite(parameters(models[0])).all()


def test_one_model_that_diverges_ends_the_training():
    x, y = examples()
    seen, model = [], network(0, activation=nn.Identity)
    history = train(model, x, y, epochs=20, learning_rate=1e200, schedule=lambda epoch: seen.append(epoch) or 1.0)
    assert (history.status, history.last_epoch) == ("diverged", len(seen))
    assert history.loss.shape == (21,)
    assert history.gradient_norm.shape == (21, 3)
    assert history.update_ratio.shape == (20, 3)
    assert len(seen) < 20


def test_a_loss_that_was_infinite_only_in_one_mini_batch_ends_the_run_and_is_kept():
    x, y = examples(32)
    calls = []

    def loss(outputs, targets):
        calls.append(len(outputs))
        factor = np.inf if len(calls) == 7 else 1.0  # the 3rd of the 8 steps of the first epoch
        return F.cross_entropy(outputs, targets, reduction="none").detach() * factor + 0 * outputs.sum(-1)

    history = train(network(0), x, y, epochs=3, learning_rate=0.1, batch_size=4, loss=loss)
    assert (history.status, history.last_epoch) == ("diverged", 1)
    assert history.loss[1] == np.inf


def test_not_finite_at_the_start():
    model = network(0)
    with torch.no_grad():
        model[0].weight.fill_(np.nan)
    history = train(model, *examples(), epochs=3, learning_rate=0.1)
    assert (history.status, history.last_epoch, len(history.rows())) == ("diverged", 0, 3)


@pytest.mark.parametrize("n_models", [1, 2])
def test_interrupted_it_keeps_the_epochs_that_were_whole(n_models):
    x, y = examples(40)
    steps = []

    def interrupt(gradients):
        steps.append(1)
        if len(steps) == 14:  # in the third epoch of five steps
            raise KeyboardInterrupt

    models = [network(k) for k in range(n_models)]
    settings = {"learning_rate": 0.3, "batch_size": 8, "seeds": 0}
    one_or_all = models[0] if n_models == 1 else models
    history = train(one_or_all, x, y, epochs=9, clip=interrupt, **settings)
    whole = train([network(k) for k in range(n_models)], x, y, epochs=2, **settings)
    assert history.loss.shape[-1] == 3
    assert np.atleast_1d(history.status).tolist() == ["interrupted"] * n_models
    np.testing.assert_allclose(history.loss.reshape(n_models, -1), whole.loss, rtol=1e-9)
    assert history.rows()[-1]["status"] == "interrupted"
    assert not np.array_equal(parameters(models[0]), parameters(network(0)))


def test_an_interruption_passes_through_where_it_should():
    def interrupt(gradients):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(network(0), *examples(), epochs=1, learning_rate=0.1, clip=interrupt, interruptible=False)


def test_the_same_seed_gives_the_same_rows_and_another_one_others():
    x, y = examples()

    def rows(seed):
        model = network(0)
        model.append(nn.Dropout(0.5))
        history = train(model, x, y, epochs=3, learning_rate=0.5, batch_size=8, optimizer="adam", seeds=seed)
        return [{**row, "seed": 0, "update_ratio": row["update_ratio"] or 0} for row in history.rows()]

    assert rows(3) == rows(3) != rows(4)


@pytest.mark.parametrize("n_models", [1, 2])
def test_it_leaves_everything_else_as_it_was(n_models):
    x, y = examples()
    for array in (x, y):
        array.setflags(write=False)
    models = [network(k) for k in range(n_models)]
    for model in models:
        model[1].eval()
    torch.manual_seed(3)
    state, random_state = [x.copy(), y.copy()], torch.random.get_rng_state()
    train(models[0] if n_models == 1 else models, x, y, epochs=2, learning_rate=0.5, batch_size=8)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    for array, before in zip((x, y), state, strict=True):
        np.testing.assert_array_equal(array, before)
    for model in models:
        assert [module.training for module in model] == [True, False, True, True, True]
        assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_measuring_leaves_running_statistics_alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    train(model, *examples(), epochs=0, learning_rate=0.1)
    assert model[0].num_batches_tracked == 0
    assert (model[0].running_mean == 0).all()
    train(model, *examples(), epochs=2, batch_size=25, learning_rate=0.1)
    assert model[0].num_batches_tracked == 4


def test_examples_are_taken_in_the_models_precision():
    x, y = examples()
    model = network(0, dtype=torch.float32)
    history = train(model, x, y.astype(np.uint8), epochs=1, learning_rate=0.1)
    assert history.status == "finished"
    assert model[0].weight.dtype == torch.float32


def test_whole_numbers_stay_whole_for_an_embedding():
    y = examples()[1]
    models = [nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 3)).double() for _ in range(2)]
    history = train(models, y, y, epochs=60, learning_rate=1.0)
    assert (history.accuracy[:, -1] == 1).all()


def test_a_bar_only_where_it_takes_long(capsys):
    train(network(0), *examples(), epochs=1, learning_rate=0.1)
    assert capsys.readouterr().err == ""


X, Y = examples()
WRONG = {
    "optimizer": ({"optimizer": "sdg"}, r"unknown optimizer 'sdg'; there are: sgd, adam"),
    "loss": ({"loss": "crossentropy"}, r"unknown loss 'crossentropy'; there are: cross_entropy, sigmoid_cross_entropy"),
    "rate": ({"learning_rate": -0.1}, r"learning_rate must hold finite numbers >= 0, got -0\.1"),
    "rates": ({"learning_rate": [0.1, 0.2]}, r"learning_rate must be one number for one model, got \[0\.1, 0\.2\]"),
    "seeds": ({"seeds": [1, 2]}, r"seeds must be one number, or one for each of 1 models, got 2"),
    "epochs": ({"epochs": -1}, r"epochs must be a whole number >= 0, got -1"),
    "batch size": ({"batch_size": 0}, r"batch_size must be a whole number >= 1, got 0"),
    "momentum of adam": ({"optimizer": "adam", "momentum": 0.9}, r"momentum is for 'sgd'"),
    "decay": ({"weight_decay": -1.0}, r"weight_decay must be a finite number >= 0, got -1\.0"),
    "clip": ({"clip": 0}, r"clip must be a finite number > 0, got 0"),
    "hook": ({"clip": lambda g: {}}, r"clip must return gradients of the shapes \{'0\.weight': \(5, 6\)"),
    "each epoch": ({"each_epoch": 3}, r"each_epoch must be callable, got 3"),
    "schedule": ({"schedule": lambda epoch: -1.0}, r"the schedule's factor must be a finite number >= 0, got -1\.0"),
    "lengths": ({"y": Y[:-1]}, r"x and y must hold the same number .* got shapes \(50, 6\) and \(49,\)"),
    "nothing": ({"x": X[:0], "y": Y[:0]}, r"same number of examples, at least 1"),
    "width": ({"x": X[:, :5]}, r"the model does not take x of shape \(50, 5\): "),
    "NaN": ({"x": np.where(np.arange(6) == 3, np.nan, X)}, r"x must be finite, got nan at \(0, 3\)"),
    "text": ({"x": np.full((50, 6), "a")}, r"x must be an array of numbers"),
    "classes": ({"y": Y + 1}, r"for 'cross_entropy' y must be classes 0 to 2, of shape \(n,\), got torch\.int64 .* 3"),
    "float classes": ({"y": Y.astype(float)}, r"y must be classes 0 to 2"),
    "test": ({"test": X}, r"test must be a pair \(x, y\), got ndarray"),
    "test width": ({"test": (X[:, :5], Y)}, r"the model does not take test x of shape \(50, 5\)"),
    "mean loss": ({"loss": F.cross_entropy}, r"the loss must return one number an example"),
    "foreign loss": ({"loss": lambda o, t: o @ t}, r"the loss does not take outputs of shape \(2, 3\) and targets"),
    "no model": ({"models": []}, r"models must hold at least one model, got none"),
    "no module": ({"models": [3]}, r"models must be torch modules, got 3 as number 0"),
    "empty model": ({"models": nn.Tanh()}, r"the model has no parameters to train"),
    "one twice": ({"models": [network(0)] * 2}, r"models must be distinct objects"),
    "two architectures": (
        {"models": [network(0), network(1, activation=nn.Tanh)]},
        r"models must have one architecture; number 1 is .*Tanh",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said(name):
    changes, message = WRONG[name]
    given = {"models": network(0), "x": X, "y": Y, "epochs": 1, "learning_rate": 0.1} | changes
    with pytest.raises(ValueError, match=r"(?s)" + message):
        train(given.pop("models"), given.pop("x"), given.pop("y"), **given)


@pytest.mark.parametrize("n_models", [1, 3])
def test_each_epoch_sees_the_models_as_they_are_then(n_models):
    def run(epochs, **more):
        models = [network(k, activation=nn.Tanh) for k in range(n_models)]
        given = {"epochs": epochs, "learning_rate": 0.05, "batch_size": 8, "optimizer": "adam"} | more
        history = train(models[0] if n_models == 1 else models, *examples(), **given)
        return history, [{name: p.detach() for name, p in model.named_parameters()} for model in models]

    seen = {}

    def keep(epoch, state):
        assert not any(tensor.requires_grad for tensor in state.values())
        seen[epoch] = {name: tensor.clone() for name, tensor in state.items()}

    watched, _ = run(3, each_epoch=keep)
    assert list(seen) == [0, 1, 2, 3]
    for epoch, state in seen.items():
        for k, model in enumerate(run(epoch)[1]):
            for name, expected in model.items():
                assert torch.equal(state[name][k] if n_models > 1 else state[name], expected)
    np.testing.assert_array_equal(watched.loss, run(3)[0].loss)


def test_each_epoch_sees_buffers_too_and_none_after_the_last_model_ended():
    seen = []
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    train(model, *examples(), epochs=2, batch_size=25, learning_rate=0.1,
          each_epoch=lambda epoch, state: seen.append((epoch, state["0.num_batches_tracked"].item())))  # fmt: skip
    assert seen == [(0, 0), (1, 2), (2, 4)]
    seen.clear()
    history = train(network(0, activation=nn.Identity), *examples(), epochs=9, learning_rate=1e300,
                    each_epoch=lambda epoch, _: seen.append(epoch))  # fmt: skip
    assert (history.status, seen[-1]) == ("diverged", history.last_epoch)
    assert history.last_epoch < 9


def test_a_run_that_has_ended_does_not_come_back():
    x, y = examples(8)
    calls = []

    def loss(outputs, targets):
        calls.append(len(outputs))
        factor = torch.ones(len(outputs))
        if len(calls) == 7:  # the 4th of the 8 steps of the first epoch
            factor[: len(outputs) // 2] = np.inf  # the first of the two models
        return (F.cross_entropy(outputs, targets, reduction="none") * factor).detach() + 0 * outputs.sum(-1)

    history = train([network(0), network(1)], x, y, epochs=9, learning_rate=0.1, batch_size=1, loss=loss)
    assert history.status.tolist() == ["diverged", "finished"]
    last = history.last_epoch[0]
    assert last < 9
    assert np.isnan(history.loss[0, last + 1 :]).all()
    assert np.isfinite(history.loss[1]).all()


def test_the_gradient_is_measured_as_in_a_step():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).double()
    x, y = examples()
    expected = torch.autograd.grad(F.cross_entropy(model(torch.tensor(x)), torch.tensor(y)), list(model.parameters()))
    history = train(model, x, y, epochs=0, learning_rate=0.1)
    np.testing.assert_allclose(history.gradient_norm[0], [expected[0].norm().item(), expected[2].norm().item()])


@pytest.mark.parametrize(
    "first", [nn.Linear(6, 3), nn.Sequential(nn.Unflatten(1, (6, 1)), nn.Flatten(), nn.Linear(6, 3))]
)
def test_each_model_of_a_list_has_its_own_dropout(first):
    models = [nn.Sequential(first, nn.Dropout(0.5)).double()]
    models.append(copy.deepcopy(models[0]))
    train(models, *examples(), epochs=1, learning_rate=0.1, seeds=[0, 0])
    assert not np.array_equal(*(parameters(model) for model in models))


def test_inputs_may_have_more_axes():
    x, y = np.random.default_rng(0).standard_normal((20, 4, 6)), examples(20)[1]

    def loss(outputs, targets):
        return F.cross_entropy(outputs.mean(1), targets, reduction="none")

    together = train([network(0), network(1)], x, y, epochs=2, learning_rate=0.5, loss=loss)
    alone = train(network(1), x, y, epochs=2, learning_rate=0.5, loss=loss)
    np.testing.assert_allclose(together.loss[1], alone.loss)


def test_hooks_on_a_model_are_called():
    model, seen = network(0), []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    train(model, *examples(), epochs=1, learning_rate=0.1)
    assert seen


def test_a_limit_that_is_not_reached_changes_nothing():
    x, y = examples()
    clipped, free = (train(network(0), x, y, epochs=3, learning_rate=0.1, clip=clip) for clip in (1e6, None))
    np.testing.assert_array_equal(clipped.loss, free.loss)
