"""The labs of lesson 05."""

from vgx.lab import Choice, Lab, Predict, Slider

from . import draw, measure
from .measure_shattering import BIASES, DEPTHS, VARIANTS, WEIGHTS
from .record import RECORDINGS

shattered_gradients = Lab(
    "shattered-gradients",
    controls={
        "depth": Slider(1, 50, default=24, stops=DEPTHS, integer=True, unit=" layers"),
        "variant": Choice(tuple(VARIANTS)),
        "weights": Choice(tuple(WEIGHTS)),
        "bias": Slider(0, 3, default=0, stops=BIASES, label="bias size"),
    },
    compute=RECORDINGS.load("shattered-gradients"),
    rerun=measure.shattering,
    vectorized="depth",
    draw=draw.shattering,
    read=draw.shattering_reading,
    predict=Predict(
        "A plain network has 24 layers of ReLUs. Two inputs differ by a quarter of their size; the gradients of the "
        "output with respect to them point in similar directions (correlation about 0.4). Now BatchNorm is put into "
        "every layer. How similar are the two gradients then?",
        answer=draw.more_or_less_alike,
        at={"depth": 24, "variant": "plain_batchnorm", "weights": "he", "bias": 0.0},
        choices=("more than before", "as before", "less, but still similar", "unrelated"),
    ),
    alt="Lines: a gradient along a line of inputs, above brown and white noise; below, its correlation by distance.",
)

paths = Lab(
    "paths",
    controls={
        "depth": Slider(1, 50, default=50, stops=(5, 10, 20, 35, 50), integer=True, unit=" blocks"),
        "branch": Slider(0.05, 3, default=1, stops=(0.1, 0.3, 0.5, 1, 2), log=True, label="branch strength β"),
        "activation": Choice(("relu", "identity", "tanh")),
    },
    compute=measure.paths,
    draw=draw.paths,
    read=draw.paths_reading,
    predict=Predict(
        "A residual network has 50 blocks, each with a skip and a branch of the same strength. A path from the loss "
        "to the input takes, at every block, the skip or the branch. Through how many branches does the average bit "
        "of the squared gradient come?",
        answer=draw.mean_length,
        at={"depth": 50, "branch": 1.0, "activation": "relu"},
    ),
    alt="Lines by path length: above, its share of the squared gradient against theory; below, what cross terms add.",
)
