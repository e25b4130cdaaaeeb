"""Who did it: a network names the marked digit of a sequence, and its gradient says which digits move the answer."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vgx.arguments import whole_number
from vgx.recurrent import LSTM, RNN
from vgx.registry import unknown_name

if TYPE_CHECKING:
    import torch

LENGTH, WIDTH, DIGITS = 20, 48, 10
BATCH, LEARNING_RATE, LONGEST_GRADIENT = 64, 0.003, 1.0
MODULES = {"rnn": "RNN", "lstm": "LSTM"}
"""The cells, and the modules of torch that train them."""

SEQUENCES = {"pi": "31415926535897932384", "e": "27182818284590452353", "sqrt2": "14142135623730950488"}
LAGS = (0, 1, 2, 4, 8, 12, 16, 19)
STEPS = (0, 200, 400, 1000, 2000, 4000)
WHO_AXES = {"step": STEPS, "cell": tuple(MODULES), "seed": tuple(range(5))}
TEST_SEED = 2**20  # of the sequences that test: none is that of a training


def who_did_it(step: int | Sequence[int], cell: str, seed: int, *, n_test: int = 100) -> dict[str, np.ndarray]:
    """Train a network to name the marked digit, and ask after some steps what its answers depend on.

    Parameters
    ----------
    step : int or sequence of int
        Steps of training, rising.
    cell : {"rnn", "lstm"}
    seed : int
        Of the weights and of the training sequences: see `readers`.
    n_test : int
        Random sequences for each of the 20 places that the mark can have.

    Returns
    -------
    dict
        For the three `SEQUENCES`, with the mark as many steps before the end as `LAGS` says. ``gradient``: log10 of the
        norm of the gradient at each of the twenty digits (see `effects`), float16 of shape (3, 8, 20); ``changed``: how
        many of the 9 other digits in a digit's place change the answer, uint8 of that shape; ``answer``: uint8, (3, 8).
        For the random sequences, by the place of the mark, float32 of shape (20,): ``accuracy``: share of answers
        that are right; ``mark_share``: the marked digit's share of the sum of the gradient's norms, mean; ``found``:
        share of sequences in which no digit's gradient is larger than the marked one's.
        For several steps, with these as leading axis.

    Raises
    ------
    ValueError
        If an argument is not as above.
    """
    shown = np.array([[int(digit) for digit in text] for text in SEQUENCES.values()]).T  # (time, sequences)
    shown, marks = np.repeat(shown, len(LAGS), axis=1), np.tile(LENGTH - 1 - np.array(LAGS), len(SEQUENCES))
    tests = random_digits(n_test * LENGTH, rng=np.random.default_rng(TEST_SEED))
    places = np.repeat(np.arange(LENGTH), n_test)
    found: dict[str, list] = {}
    for reader in readers(cell, np.atleast_1d(step).tolist(), seed=seed):
        answers, gradients = effects(*reader, encoded(shown, marks))
        by_sequence = {
            "gradient": np.log10(gradients).T.astype(np.float16),
            "changed": answers_changed(*reader, shown, marks).T.astype(np.uint8),
            "answer": answers.astype(np.uint8),
        }
        right, norms = effects(*reader, encoded(tests, places))
        of_mark = norms[places, np.arange(len(places))]
        by_place = {
            "accuracy": right == tests[places, np.arange(len(places))],
            "mark_share": of_mark / norms.sum(axis=0),
            "found": of_mark >= norms.max(axis=0),
        }
        measured = {
            name: each.reshape(len(SEQUENCES), len(LAGS), *each.shape[1:]) for name, each in by_sequence.items()
        }
        measured |= {name: each.reshape(LENGTH, n_test).mean(axis=1) for name, each in by_place.items()}
        for name, each in measured.items():
            found.setdefault(name, []).append(each.astype(np.float32) if name in by_place else each)
    return {name: np.stack(each) if np.ndim(step) else each[0] for name, each in found.items()}


def readers(cell: str, steps: Sequence[int], *, seed: int) -> Iterator[tuple[RNN | LSTM, np.ndarray, np.ndarray]]:
    """Train a network on random sequences with torch, and give it out as NumPy after each of these steps.

    A torch cell of 48 units, its weights and biases as torch draws them, and a linear output for each digit from the
    last state. Cross-entropy of 64 new sequences a step, the mark anywhere; Adam at a rate of 0.003, the gradient
    clipped to a global norm of 1.

    Parameters
    ----------
    cell : {"rnn", "lstm"}
    steps : sequence of int
        Rising.
    seed : int

    Yields
    ------
    cell : RNN or LSTM
        In float32, as trained.
    weights, biases : ndarray, shapes (48, 10) and (10,)
        Of the outputs.
    """
    import torch

    if cell not in MODULES:
        raise ValueError(unknown_name("cell", cell, MODULES))
    steps = [whole_number("step", step, least=0) for step in steps]
    if steps != sorted(set(steps)):
        raise ValueError(f"steps must rise, got {steps}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(whole_number("seed", seed, least=0))
        net = getattr(torch.nn, MODULES[cell])(DIGITS + 1, WIDTH)
        outputs = torch.nn.Linear(WIDTH, DIGITS)
    parameters, rng = [*net.parameters(), *outputs.parameters()], np.random.default_rng(seed)
    adam = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for step in range(steps[-1] + 1):
        if step in steps:
            yield in_numpy(net), *(array.detach().numpy().copy() for array in (outputs.weight.T, outputs.bias))
        digits, marks = random_digits(BATCH, rng=rng), rng.integers(LENGTH, size=BATCH)
        x = torch.from_numpy(encoded(digits, marks))
        named = torch.from_numpy(digits[marks, np.arange(BATCH)])
        loss = torch.nn.functional.cross_entropy(outputs(net(x)[0][-1]), named)
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, LONGEST_GRADIENT)
        adam.step()


def in_numpy(net: "torch.nn.RNN | torch.nn.LSTM") -> RNN | LSTM:
    """Return the cell of vgx that computes what this one of torch does; torch's has two biases, which add."""
    w = {name: value.detach().numpy().copy() for name, value in net.named_parameters()}
    weights = {"input_weights": w["weight_ih_l0"].T, "recurrent_weights": w["weight_hh_l0"].T}
    weights["biases"] = (w["bias_ih_l0"] + w["bias_hh_l0"])[None]
    return RNN("tanh", **weights) if net.mode == "RNN_TANH" else LSTM(**weights)


def random_digits(n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Draw sequences of 20 digits: int of shape (20, n), time first."""
    return rng.integers(DIGITS, size=(LENGTH, n))


def encoded(digits: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Write sequences as inputs: ten that are 1 for their digit, and one that is 1 where the mark is.

    Parameters
    ----------
    digits : int array, shape (20, n)
    marks : int array, shape (n,)
        Places from 0.

    Returns
    -------
    ndarray, shape (20, n, 11), float32
    """
    x = np.zeros((*digits.shape, DIGITS + 1), np.float32)
    each = np.arange(digits.shape[1])
    x[np.arange(len(digits))[:, None], each, digits] = 1
    x[marks, each, DIGITS] = 1
    return x


def effects(cell: RNN | LSTM, weights: np.ndarray, biases: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers, and how much each digit of the past moves them: the norm of the gradient.

    Parameters
    ----------
    cell, weights, biases
        As `readers` gives them.
    x : ndarray, shape (20, n, 11)
        From `encoded`.

    Returns
    -------
    answers : int array, shape (n,)
        The digit with the largest output.
    norms : ndarray, shape (20, n)
        Norm of the gradient of this largest output with respect to the ten inputs of each digit.
    """
    trace = cell.forward(x)
    answers = np.argmax(trace.states[-1] @ weights + biases, axis=-1)
    gradients = cell.backward(trace, last=weights.T[answers]).inputs
    return answers, np.linalg.norm(gradients[..., :DIGITS], axis=-1)


def answers_changed(
    cell: RNN | LSTM, weights: np.ndarray, biases: np.ndarray, digits: np.ndarray, marks: np.ndarray
) -> np.ndarray:
    """Exchange one digit after the other and count the exchanges that change the answer: what no gradient says.

    Parameters
    ----------
    cell, weights, biases
        As `readers` gives them.
    digits, marks
        As `encoded` takes them.

    Returns
    -------
    int array, shape (20, n)
        Of the 9 other digits that can stand there: how many give another answer.
    """
    times, n = digits.shape
    other = (digits[:, None] + np.arange(1, DIGITS)[:, None]) % DIGITS  # (time, 9, n)
    variants = np.broadcast_to(digits[:, None, None], (times, times, DIGITS - 1, n)).copy()  # time, exchanged at, ...
    variants[np.arange(times), np.arange(times)] = other
    x = encoded(variants.reshape(times, -1), np.tile(marks, times * (DIGITS - 1)))
    answers = np.argmax(cell.forward(x).states[-1] @ weights + biases, axis=-1).reshape(times, DIGITS - 1, n)
    before = np.argmax(cell.forward(encoded(digits, marks)).states[-1] @ weights + biases, axis=-1)
    return (answers != before).sum(axis=1)
