"""Recurrent cells against torch, finite differences, closed forms and bounds."""

import numpy as np
import torch

from vgx.recurrent import RNN


def test_a_tanh_rnn_is_torchs():
    rng = np.random.default_rng(0)
    cell = RNN.sample(n_inputs=2, width=5, radius=1.2, bias_std=0.3, rng=rng)
    x, h0, each = (rng.standard_normal(shape) for shape in ((7, 3, 2), (3, 5), (7, 3, 5)))
    module = torch.nn.RNN(2, 5, dtype=torch.float64)
    with torch.no_grad():
        module.weight_ih_l0[:], module.weight_hh_l0[:] = map(
            torch.tensor, (cell.input_weights.T, cell.recurrent_weights.T)
        )
        module.bias_ih_l0[:], module.bias_hh_l0[:] = torch.tensor(cell.biases[0]), 0
    x_, h_ = torch.tensor(x, requires_grad=True), torch.tensor(h0[None], requires_grad=True)
    output, _ = module(x_, h_)
    (output * torch.tensor(each)).sum().backward()
    trace = cell.forward(x, h0)
    grads = cell.backward(trace, each=each)
    np.testing.assert_allclose(trace.states[1:], output.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(grads.inputs, x_.grad.numpy(), atol=1e-10)
    np.testing.assert_allclose(grads.states[0], h_.grad.numpy()[0], atol=1e-10)
    np.testing.assert_allclose(grads.recurrent_weights, module.weight_hh_l0.grad.numpy().T, atol=1e-10)
    np.testing.assert_allclose(grads.input_weights, module.weight_ih_l0.grad.numpy().T, atol=1e-10)
    np.testing.assert_allclose(grads.biases, module.bias_ih_l0.grad.numpy()[None], atol=1e-10)
