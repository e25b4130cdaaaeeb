"""The labs of lesson 08."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .measure_cliff import RULES, STARTS
from .measure_clipped_training import LIMITS, RATES
from .measure_direction import TAILS
from .measure_weight_decay import DECAY_AXES, KINDS
from .measure_weight_decay_shown import SHOWN, WEIGHT_DECAY_AXES
from .measure_where import WHERE_AXES
from .record import RECORDINGS

cliff = Lab(
    "cliff",
    controls={
        "start": Choice(tuple(STARTS)),
        "rate": Slider(0.03, 1, default=0.3, stops=(0.03, 0.1, 0.3, 1), log=True, label="learning rate"),
        "rule": Choice(tuple(RULES), label="clipping"),
        "limit": Slider(0.1, 3, default=1, stops=(0.1, 0.3, 1, 3), log=True),
    },
    compute=measure.cliff,
    draw=draw.cliff,
    read=draw.cliff_reading,
    predict=Predict(
        "A recurrent unit with two parameters, w and b, is run 50 times. Its loss lies between 0 and 0.5, and has a "
        "cliff. Gradient descent starts on the edge at w = 6, with a learning rate of 0.1 and without clipping. How "
        "far does its first step throw (w, b)?",
        answer=draw.cliff_answer,
        at={"start": "on_the_edge", "rate": 0.1, "rule": "no_clipping"},
        power_of_ten=True,
    ),
    vectorized=("rate",),
    alt="A landscape with a cliff, drawn in relief, and the way of gradient descent over it; below, its loss by step.",
)

direction = Lab(
    "direction",
    controls={
        "entries": Slider(2, 10_000, default=10_000, stops=(2, 10, 100, 1000, 10_000), log=True, integer=True),
        "tail": Choice(tuple(TAILS)),
        "limit": Slider(0.01, 100, default=1, stops=(0.01, 0.1, 0.5, 1, 2, 5, 10, 100), log=True),
    },
    compute=measure.direction,
    draw=draw.direction,
    read=draw.direction_reading,
    predict=Predict(
        "A gradient has 10,000 entries, drawn from a Gaussian. Every entry larger than half their mean size is cut to "
        "that. By how many degrees does the gradient turn?",
        answer=draw.degrees_turned,
        at={"entries": 10_000, "tail": "gaussian", "limit": 0.5},
    ),
    alt="Line charts by limit: above, the angle by which a gradient turns; below, the share cut and the length left.",
)

clipped_training = Lab(
    "clipped-training",
    controls={
        "rate": Slider(0.01, 0.3, default=0.1, stops=RATES, log=True, label="learning rate"),
        "limit": Choice(tuple(LIMITS)),
    },
    compute=RECORDINGS.load("clipped-training"),
    rerun=measure.clipped_training,
    vectorized="limit",
    draw=draw.clipped_training,
    read=draw.clipped_training_reading,
    predict=Predict(
        "Ten RNNs are trained to add two numbers out of 20. At a learning rate of 0.01 all of them learn it, and their "
        "gradients have a length of 1 on average. At a rate of 0.1 all of them overflow. Now every longer gradient is "
        "cut to length 1. Where does the middle run end, against always answering 1, the mean?",
        answer=draw.against_answering_1,
        at={"rate": 0.1, "limit": "1"},
        choices=("they overflow", "no better than that", "better, but not solved", "solved"),
    ),
    alt="Two line charts by training step, on log axes: the loss; the gradient’s norm, its limit and percentiles.",
)

weight_decay = Lab(
    "weight-decay",
    controls={
        "depth": Slider(3, 20, default=20, stops=DECAY_AXES["depth"], integer=True, unit=" layers"),
        "scale": Slider(0.5, 3, default=2, stops=DECAY_AXES["scale"], log=True, label="init scale", unit="×"),
        "activation": Choice(DECAY_AXES["activation"]),
        "kind": Choice(KINDS, label="decay"),
        "epoch": Slider(0, 30, default=30, stops=SHOWN, integer=True),
    },
    compute=tabulate(
        partial(measure.decay_by_strength, RECORDINGS.load("weight-decay")), WEIGHT_DECAY_AXES, progress=False
    ),
    draw=draw.weight_decay,
    read=draw.weight_decay_reading,
    predict=Predict(
        "10 layers of ReLU are drawn with twice the right weights: the first hidden layer’s gradient is 320 times "
        "the last one’s. L2 is to hold them. Which is the least of these strengths λ at which most runs get through "
        "their first epoch, 32 steps at rate 0.1? (10⁻¹ halves a weight in 69 steps.)",
        answer=draw.least_that_survives,
        at={"depth": 10, "scale": 2.0, "activation": "relu", "kind": "L2", "epoch": 1},
        choices=("10⁻³", "10⁻²", "10⁻¹", "none of them"),
    ),
    alt="Two line charts by strength of the decay: the first layer’s gradient above, the digits that are right below.",
)

where_to_clip = Lab(
    "where-to-clip",
    controls={
        "place": Choice(WHERE_AXES["place"], label="clipped"),
        "limit": Slider(0.1, 10, default=1, stops=WHERE_AXES["limit"], log=True),
    },
    compute=tabulate(
        partial(measure.beside_the_right_place, RECORDINGS.load("where-to-clip")), WHERE_AXES, progress=False
    ),
    draw=draw.where_to_clip,
    read=draw.where_reading,
    alt="Lines by training step, on log axes: above, the lengths of step and gradient, and the limit; below, the loss.",
)
