"""The labs of lesson 00."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .record import RECORDINGS

AXES = measure.LOSS_CURVE_AXES

loss_curves = Lab(
    "loss-curves",
    controls={
        "depth": Slider(1, 20, default=20, stops=AXES["depth"], integer=True, label="hidden layers"),
        "scale": Slider(0.3, 10, default=1, stops=AXES["scale"], log=True, label="init scale", unit="×"),
        "activation": Choice(AXES["activation"]),
        "learning_rate": Slider(0.01, 10, default=0.1, stops=AXES["learning_rate"], log=True),
    },
    compute=RECORDINGS.load("loss-curves"),
    rerun=measure.loss_curves,
    vectorized=("scale", "learning_rate"),
    draw=draw.loss_curves,
    read=draw.loss_reading,
    predict=Predict(
        "A network with 20 hidden layers of sigmoid units is stuck: at learning rate 0.1 its loss stays at 2.30. What "
        "does it do at a rate a hundred times as large?",
        answer=draw.loss_word,
        at={"depth": 20, "activation": "sigmoid", "scale": 1.0, "learning_rate": 10.0},
        choices=measure.WORDS,
    ),
    alt="Line chart: the loss of five runs and their median over 256 steps, against the loss of guessing; log axis.",
)

parity_circuits = Lab(
    "parity-circuits",
    controls={
        "bits": Slider(2, 8, default=4, stops=7, integer=True, unit=" bits"),
        "circuit": Choice(("pairwise", "chain", "two_layers")),
        "gates": Choice(("and_or_not", "threshold")),
        "ones": Slider(0, 8, default=3, stops=9, integer=True, label="bits that are 1"),
    },
    compute=measure.parity_circuit,
    draw=draw.parity_circuit,
    read=draw.parity_reading,
    predict=Predict(
        "A circuit is to say whether the number of ones among 8 bits is odd. It may have one layer of AND gates, with "
        "as many inputs as you like, each bit plain or negated, and one OR gate behind them. How many AND gates does "
        "it need?",
        answer=draw.and_gates,
        at={"bits": 8, "circuit": "two_layers", "gates": "and_or_not", "ones": 3},
    ),
    alt="A circuit of gates, wires that carry a 1 in black; below, the number of gates against that of bits.",
)

learning_speeds = Lab(
    "learning-speeds",
    controls={
        "hidden": Slider(1, 4, default=2, stops=4, integer=True, label="hidden layers"),
        "draw": Slider(1, 20, default=1, stops=20, integer=True),
    },
    compute=RECORDINGS.load("learning-speeds"),
    rerun=measure.learning_speeds,
    vectorized="draw",
    draw=draw.learning_speeds,
    read=draw.speeds_reading,
    alt="Left, the spread of each layer's speed over 200 networks at the start. Right, lines: one of them, 500 epochs.",
)

accuracies = Lab(
    "accuracies",
    controls={
        "hidden": Slider(1, 4, default=1, stops=4, integer=True, label="hidden layers"),
        "against": Slider(1, 4, default=2, stops=4, integer=True, label="against"),
    },
    compute=tabulate(
        partial(measure.accuracies, RECORDINGS.load("accuracies")),
        {"hidden": measure.HIDDEN, "against": measure.HIDDEN},
        progress=False,
    ),
    draw=draw.accuracies,
    read=draw.accuracies_reading,
    predict=Predict(
        "Nielsen trained one network of each depth on MNIST: with three hidden layers it got 96.57 % right, with four "
        "96.53 %. Train 20 of each, from other random weights, and take all pairs of one with three and one with four. "
        "In how many percent of the pairs does the network with four do better?",
        answer=draw.wins_in_percent,
        at={"hidden": 3, "against": 4},
    ),
    alt="Left, percent right by epoch: median and range of two depths. Right, strokes: all ends; diamonds: Nielsen’s.",
)
