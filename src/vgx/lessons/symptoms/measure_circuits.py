"""Circuits that compute parity, whether an odd number of bits is 1: what lesson 00 measures of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgx.arguments import whole_number
from vgx.registry import unknown_name

INPUT, NOT, AND, OR, THRESHOLD = range(5)
MOST_BITS = 10


@dataclass(frozen=True)
class Gate:
    """A gate: 1 if the weighted sum of its sources reaches its threshold, else 0. AND, OR and NOT are such sums, too.

    Parameters
    ----------
    kind : int
        `NOT`, `AND`, `OR` or `THRESHOLD`; an `INPUT` has no sources.
    sources : sequence of int
        Places of the gates that it listens to, all earlier in the circuit.
    weights : sequence of int
        One a source.
    threshold : int
    row : float
        Where a drawing puts it: the first bit is in row 0, the second in row 1.
    """

    kind: int
    sources: Sequence[int] = ()
    weights: Sequence[int] = ()
    threshold: int = 0
    row: float = 0.0


Circuit = list[Gate]


def parity_circuit(bits: int, circuit: str, gates: str, ones: int) -> dict[str, np.ndarray]:
    """Build a circuit for the parity of some bits, and let it compute.

    Gates have any number of inputs, and every gate counts, NOT included.

    Parameters
    ----------
    bits : int
        Number n of inputs, 1 to 10.
    circuit : {"pairwise", "chain", "two_layers"}
        How it is built: XOR by pairs, pairs of pairs and so on; XOR of one more bit at a time; or in two layers, from
        all inputs at once.
    gates : {"and_or_not", "threshold"}
        What it is built of. A threshold gate is a neuron with a step for its activation function.
    ones : int
        The first so many bits are 1, the others 0; all of them, if there are fewer.

    Returns
    -------
    dict
        ``kinds``, ``layers`` (of gates, NOT included, up to this one), ``rows`` and ``values`` (is it 1?): one entry a
        gate, inputs first, the output last. ``wires``: shape (n_wires, 2), places of source and gate. ``layer_count``:
        gates on the longest way through, without NOT.

    Raises
    ------
    ValueError
        If a number or a name is none of the above.

    Examples
    --------
    >>> wall = parity_circuit(8, "two_layers", "and_or_not", ones=3)
    >>> int((wall["kinds"] == AND).sum()), bool(wall["values"][-1])
    (128, True)
    """
    made = build(bits, circuit, gates)
    pattern = np.arange(bits) < whole_number("ones", ones, least=0)
    places = range(len(made))
    return {
        "kinds": np.array([gate.kind for gate in made]),
        "layers": np.array(_layers(made, [1] * len(made))),
        "rows": np.array([gate.row for gate in made], dtype=float),
        "values": evaluate(made, pattern[None])[:, 0],
        "wires": np.array([(source, gate) for gate in places for source in made[gate].sources]).reshape(-1, 2),
        "layer_count": np.array(_layers(made, [gate.kind != NOT for gate in made])[-1]),
    }


def build(bits: int, circuit: str, gates: str) -> Circuit:
    """Return the gates of a parity circuit, sources before the gates that listen to them: see `parity_circuit`."""
    bits = whole_number("bits", bits)
    if bits > MOST_BITS:
        raise ValueError(f"bits must be at most {MOST_BITS}, got {bits}")
    ways = {"pairwise": _pairwise, "chain": _chain, "two_layers": _two_layers}
    for name, value, known in [("circuit", circuit, ways), ("gates", gates, GATES)]:
        if value not in known:
            raise ValueError(unknown_name(name, value, known))
    made = [Gate(INPUT, row=row) for row in range(bits)]
    ways[circuit](made, gates)
    return made


def gate_count(bits: int | np.ndarray, circuit: str, gates: str) -> int | np.ndarray:
    """Return how many gates `parity_circuit` takes for two bits or more.

    Parameters
    ----------
    bits : int or ndarray of int
    circuit, gates : str
        As in `parity_circuit`.

    References
    ----------
    Håstad (1986), Almost optimal lower bounds for small depth circuits.
    """
    if circuit != "two_layers":
        return GATES[gates] * (bits - 1)
    return 2 ** (bits - 1) + 1 + bits if gates == "and_or_not" else bits + 1


def evaluate(made: Circuit, inputs: np.ndarray) -> np.ndarray:
    """Compute every gate of a circuit for several inputs at once.

    Parameters
    ----------
    made : list of Gate
    inputs : ndarray of bool, shape (n_inputs, bits)

    Returns
    -------
    ndarray of bool, shape (n_gates, n_inputs)
    """
    values = np.zeros((len(made), len(inputs)), dtype=bool)
    values[: inputs.shape[1]] = inputs.T
    for place, gate in enumerate(made):
        if gate.kind != INPUT:
            values[place] = np.array(gate.weights) @ values[list(gate.sources)].astype(int) >= gate.threshold
    return values


# ------------------------------------------------------------------------------------------------ the three ways


def _pairwise(made: Circuit, gates: str) -> None:
    level = list(range(len(made)))
    while len(level) > 1:
        level = [_xor(made, pair, gates) if len(pair) == 2 else pair[0] for pair in _pairs(level)]


def _pairs(places: Sequence[int]) -> list[Sequence[int]]:
    return [places[start : start + 2] for start in range(0, len(places), 2)]


def _chain(made: Circuit, gates: str) -> None:
    so_far = 0
    for bit in range(1, len(made)):
        so_far = _xor(made, (so_far, bit), gates)


def _two_layers(made: Circuit, gates: str) -> None:
    bits = len(made)
    middle = (bits - 1) / 2
    if gates == "threshold":  # at least 1, at least 2, ...: the last ones that hold are told apart by their sign
        for k in range(1, bits + 1):
            made.append(Gate(THRESHOLD, range(bits), [1] * bits, k, row=k - 1))
        made.append(Gate(THRESHOLD, range(bits, 2 * bits), [(-1) ** k for k in range(bits)], 1, row=middle))
        return
    made += [_not(bit, row=bit + 0.5) for bit in range(bits)]
    odd = [pattern for pattern in range(2**bits) if pattern.bit_count() % 2]
    for number, pattern in enumerate(odd):  # one AND for each input with an odd number of ones: it knows that one only
        literals = [bit if pattern >> bit & 1 else bits + bit for bit in range(bits)]
        made.append(_and(literals, row=bits * (number + 0.5) / len(odd) - 0.5))
    made.append(_or(range(2 * bits, len(made)), row=middle))


def _xor(made: Circuit, pair: Sequence[int], gates: str) -> int:
    """Add gates that compare two others, and return the place of the result."""
    row, start = sum(made[source].row for source in pair) / 2, len(made)
    if gates == "threshold":  # both; then one or the other, less both
        made.append(Gate(THRESHOLD, pair, (1, 1), 2, row=row))
        made.append(Gate(THRESHOLD, (*pair, start), (1, 1, -2), 1, row=row))
    else:  # one or the other, and not both
        made += [_or(pair, row=row - 0.3), _and(pair, row=row + 0.3), _not(start + 1, row=row + 0.3)]
        made.append(_and((start, start + 2), row=row))
    return len(made) - 1


GATES = {"and_or_not": 4, "threshold": 2}
"""What circuits are built of, and how many gates an XOR of two takes."""


def _not(source: int, *, row: float) -> Gate:
    return Gate(NOT, (source,), (-1,), 0, row)


def _and(sources: Sequence[int], *, row: float) -> Gate:
    return Gate(AND, sources, [1] * len(sources), len(sources), row)


def _or(sources: Sequence[int], *, row: float) -> Gate:
    return Gate(OR, sources, [1] * len(sources), 1, row)


def _layers(made: Circuit, cost: Sequence[int]) -> list[int]:
    """Return the cost of the longest way to each gate."""
    layers: list[int] = []
    for gate, own in zip(made, cost, strict=True):
        layers.append(int(own) + max(layers[source] for source in gate.sources) if gate.sources else 0)
    return layers
