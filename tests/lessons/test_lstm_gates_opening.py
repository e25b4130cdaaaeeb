"""How a cell opens its memory while it learns, and from how near it can."""

import numpy as np
import pytest

from vgx.datasets import Sequences
from vgx.lessons.lstm_gates import measure
from vgx.lessons.lstm_gates.measure_memory import error_of
from vgx.lessons.lstm_gates.record import RECORDINGS


def test_it_is_the_recorded_run():
    recorded = measure.runs_of(RECORDINGS.load("memory")(cell="gru", lag=50))[0]
    found = measure.opening("gru", 50, at=(0, 50))
    np.testing.assert_allclose(found["error"], recorded[:2], rtol=0.02)


def test_the_gru_opens_its_memory_before_its_error_falls():
    found = measure.opening("gru", 100, at=(0, 50, 100))
    assert found["error"][1:].min() > 0.15
    assert found["factor"][0] < 0.7
    assert found["factor"][1] > 0.85
    assert found["factor"][2] > 0.95


def test_the_lstm_does_not_on_the_first_half_of_its_plateau():
    found = measure.opening("lstm_forget_1", 100, at=(0, 100, 300))
    assert found["error"][1:].min() > 0.15
    assert found["factor"] == pytest.approx([0.84, 0.83, 0.83], abs=0.03)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_lag_of_100_is_learnt_by_gradients_that_reach_10_steps_back(seed):
    found = measure.opening("gru", 100, at=(100, 500), reach=10, seed=seed)
    assert found["error"][0] > 0.15
    assert found["error"][1] < 0.02


def test_no_step_beyond_the_reach_is_told():
    import torch

    network = measure.adding_network("gru", 20, seed=0)
    x = torch.rand(20, 4, 2, requires_grad=True)
    error_of(network, Sequences(x, np.ones((4, 1), np.float32)), 3).backward()
    told = x.grad.abs().sum(dim=(1, 2)) > 0
    assert told.tolist() == [False] * 17 + [True] * 3


@pytest.mark.parametrize(
    "wrong", [{"cell": "lstn_chrono"}, {"lag": 1}, {"reach": 0}, {"at": (-1,)}, {"at": (0.5,)}], ids=str
)
def test_what_is_not_allowed_is_said(wrong):
    value, given = next(iter(wrong.values())), {"cell": "gru", "lag": 10, "at": (0,)}
    shown = value[0] if isinstance(value, tuple) else value
    with pytest.raises(ValueError, match=str(shown)):
        measure.opening(**given | wrong)
