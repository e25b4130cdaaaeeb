"""The labs of lesson 04."""

from vgx.lab import Choice, Lab, Slider

from . import draw, measure
from .measure_born_dead import BORN_DEAD_AXES
from .measure_dead_units import DEAD_UNIT_AXES
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
