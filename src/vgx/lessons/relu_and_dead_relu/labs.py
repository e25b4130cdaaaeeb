"""The labs of lesson 04."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .measure_born_dead import BORN_DEAD_AXES
from .measure_dead_by_rate import DEAD_BY_RATE_AXES, EPOCHS
from .measure_dead_units import DEAD_UNIT_AXES
from .measure_depthwise import DEPTHWISE_AXES, RATES
from .record import RECORDINGS

one_neuron = Lab(
    "one-neuron",
    controls={
        "x": Slider(-1, 2, default=-1, stops=2),
        "t": Slider(-1, 1, default=1, stops=2, label="target t"),
        "w": Slider(-2, 1, default=1, stops=(-2, -0.5, 1)),
        "b": Slider(-1, 2, default=0, stops=(-1, 0, 2)),
        "rate": Slider(0.1, 0.8, default=0.3, stops=(0.1, 0.3, 0.8), log=True, label="learning rate"),
        "step": Slider(0, 1000, default=0, stops=(0, 1, 2, 10, 100, 1000), integer=True),
        "activation": Choice(("relu", "leaky_relu")),
    },
    compute=measure.one_neuron,
    draw=draw.one_neuron,
    read=draw.neuron_reading,
    predict=Predict(
        "A ReLU with x = −1, w = −2, b = 2 answers 4 and should answer 1. Gradient descent at a learning rate of 0.8: "
        "what does it answer after a hundred steps?",
        answer=draw.neuron_answer,
        at={"w": -2, "b": 2, "rate": 0.8, "step": 100, "activation": "relu"},
        choices=draw.ANSWERS,
    ),
    alt="A chain from w to L with the factors of the gradient; below it a line chart of z by step of gradient descent.",
)

dead_units = Lab(
    "dead-units",
    controls={
        "depth": Slider(5, 30, default=30, stops=DEAD_UNIT_AXES["depth"], integer=True, unit=" layers"),
        "scale": Slider(0.25, 4, default=1, stops=DEAD_UNIT_AXES["scale"], log=True, label="init scale", unit="×"),
        "bias": Slider(-1, 1, default=0, stops=DEAD_UNIT_AXES["bias"]),
        "activation": Choice(DEAD_UNIT_AXES["activation"]),
    },
    compute=RECORDINGS.load("dead-units"),
    draw=draw.dead_units,
    read=draw.dead_units_reading,
    rerun=measure.dead_units,
    vectorized=("depth",),
    alt="A line chart by layer: the share of pairs of a unit and a digit that are off, and the share of units dead.",
)

born_dead = Lab(
    "born-dead",
    controls={
        "width": Slider(2, 8, default=3, stops=BORN_DEAD_AXES["width"], integer=True, unit=" units a layer"),
        "initialization": Choice(BORN_DEAD_AXES["initialization"]),
    },
    compute=RECORDINGS.load("born-dead"),
    draw=draw.born_dead,
    read=draw.born_dead_reading,
    rerun=measure.born_dead,
    alt="A line chart of the share of dead networks by depth: for one digit, for 100 together, and the exact formula.",
)

learning_rate_kills = Lab(
    "learning-rate-kills",
    controls={
        "epoch": Slider(0, 30, default=30, stops=EPOCHS, integer=True, label="after", unit=" epochs"),
        "optimizer": Choice(DEAD_BY_RATE_AXES["optimizer"], default="adam"),
        "activation": Choice(DEAD_BY_RATE_AXES["activation"]),
    },
    compute=tabulate(
        partial(measure.dead_by_rate, RECORDINGS.load("learning-rate-kills")), DEAD_BY_RATE_AXES, progress=False
    ),
    draw=draw.learning_rate_kills,
    read=draw.learning_rate_reading,
    alt="Two line charts, one above the other: the share of dead units and the training loss, by learning rate.",
)

depthwise_vs_standard = Lab(
    "depthwise-vs-standard",
    controls={
        "kernel": Slider(1, 3, default=1, stops=DEPTHWISE_AXES["kernel"], integer=True, label="kernel (side)"),
        "norm": Choice(DEPTHWISE_AXES["norm"]),
        "learning_rate": Slider(0.02, 0.5, default=0.1, stops=RATES, log=True),
    },
    compute=RECORDINGS.load("depthwise-vs-standard"),
    draw=draw.depthwise_vs_standard,
    read=draw.depthwise_reading,
    rerun=measure.depthwise_vs_standard,
    alt="Dots, one a run: the share of dead channels by kind of layer, at birth and trained; below, test accuracies.",
)
