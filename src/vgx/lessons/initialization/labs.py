"""The labs of lesson 03."""

from vgx.lab import Choice, Lab, Predict, Slider

from . import draw, measure
from .measure_phase import SIGMA_W
from .measure_training import DEPTHS, OPTIMIZERS, RATES
from .measure_weights import DISTRIBUTIONS
from .record import RECORDINGS

weight_distributions = Lab(
    "weight-distributions",
    controls={
        "distribution": Choice(tuple(DISTRIBUTIONS)),
        "fan_in": Slider(64, 784, default=256, stops=(64, 128, 256, 784), integer=True, unit=" inputs"),
        "scale": Slider(0.1, 10, default=1, stops=(0.1, 0.3, 1, 3, 10), log=True, unit="×"),
        "draw": Slider(1, 3, default=1, stops=3, integer=True),
    },
    compute=measure.weight_distributions,
    draw=draw.weight_distributions,
    read=draw.weights_reading,
    alt="The weights of one layer: above, their histogram with its density; below, the singular values.",
)

signal_propagation = Lab(
    "signal-propagation",
    controls={
        "depth": Slider(2, 50, default=50, stops=(10, 50), integer=True, unit=" layers"),
        "scale": Slider(
            0.1, 10, default=1, stops=(0.1, 0.5, 0.8, 1, 1.25, 2, 10), log=True, label="init scale", unit="×"
        ),
        "activation": Choice(("sigmoid", "tanh", "relu", "gelu"), default="tanh"),
        "initializer": Choice(("xavier_normal", "he_normal", "orthogonal", "normal")),
        "precision": Choice(("float32", "float16")),
    },
    compute=measure.signal_propagation,
    draw=draw.signal_propagation,
    read=draw.signal_reading,
    vectorized=("depth",),
    alt="By layer: a heat map of the activations, a line with the mean square before them, and three shares.",
)  # fmt: skip

phase_diagram = Lab(
    "phase-diagram",
    controls={
        "sigma_w": Slider(0.5, 11.314, default=1, stops=SIGMA_W.tolist(), log=True, label="σ_w"),
        "sigma_b": Slider(0, 0.5, default=0.2236, stops=(0, 0.2236, 0.5), label="σ_b"),
        "activation": Choice(("sigmoid", "tanh", "relu", "gelu", "softplus"), default="tanh"),
    },
    compute=measure.phase_diagram,
    draw=draw.phase_diagram,
    read=draw.phase_reading,
    alt="A map of depth and σ_w, coloured by the gradient ratio, with the critical line; below it one row as a line.",
)

does_it_train = Lab(
    "does-it-train",
    controls={
        "depth": Slider(10, 30, default=10, stops=DEPTHS, integer=True, unit=" layers"),
        "optimizer": Choice(tuple(OPTIMIZERS)),
        "rate": Slider(0.3, 3, default=1, stops=RATES, log=True, label="learning rate", unit="×"),
    },
    compute=RECORDINGS.load("does-it-train"),
    draw=draw.does_it_train,
    read=draw.training_reading,
    rerun=measure.does_it_train,
    predict=Predict(
        "Two networks with 30 layers of ReLUs learn to read digits, step by step with plain gradient descent. Their "
        "weights are drawn after Xavier in one, after He in the other, √2 wider. Which of them learns?",
        answer=draw.who_learns,
        at={"depth": 30, "optimizer": "sgd", "rate": 1.0},
        choices=("both", "only Xavier", "only He", "neither"),
    ),
    alt="Two line charts, one above the other: training loss and test accuracy by epoch, for four initializers.",
)
