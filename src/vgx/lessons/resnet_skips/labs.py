"""The labs of lesson 05."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .measure_branch import WAYS
from .measure_degradation import DEGRADATION_DEPTHS, DEGRADATION_RATES, NETWORKS, NORMS
from .measure_shattering import BIASES, DEPTHS, VARIANTS, WEIGHTS
from .record import RECORDINGS

gradient_highway = Lab(
    "gradient-highway",
    controls={
        "depth": Slider(2, 50, default=20, stops=(5, 20, 50), integer=True, unit=" layers"),
        "scale": Slider(0.1, 10, default=1, stops=(0.25, 0.5, 1, 2, 4), log=True, label="init scale", unit="×"),
        "activation": Choice(("relu", "tanh", "sigmoid", "gelu"), default="sigmoid"),
        "branch": Slider(0.01, 1, default=1, stops=(0.1, 0.3, 1), log=True, label="branch strength β", unit="×"),
    },
    compute=measure.gradient_highway,
    draw=draw.gradient_highway,
    read=draw.highway_reading,
    vectorized=("depth", "scale"),
    predict=Predict(
        "50 layers of ReLU with He weights: the first layer's gradient is about as long as the last one's. Now a skip "
        "is put around every layer but the first. Ten to which power times the last layer's gradient is the first "
        "one's? (A tenth would be −1, a hundred 2.)",
        answer=draw.exponent_with_skips,
        at={"depth": 50, "activation": "relu", "scale": 1.0, "branch": 1.0},
        power_of_ten=True,
    ),
    alt="Two line charts by layer, plain and residual network: the gradient above, the signal below, on log axes.",
)

branch_scale = Lab(
    "branch-scale",
    controls={
        "way": Choice(tuple(WAYS)),
        "blocks": Slider(2, 50, default=50, stops=(10, 25, 50), integer=True, label="blocks L", unit=" blocks"),
        "activation": Choice(("relu", "identity", "tanh", "gelu")),
    },
    compute=measure.branch_scale,
    draw=draw.branch_scale,
    read=draw.branch_reading,
    vectorized=("blocks",),
    alt="Two line charts by block: the variance of the stream above, the squared gradient below, on log axes.",
)

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

degradation = Lab(
    "degradation",
    controls={
        "depth": Slider(8, 56, default=56, stops=DEGRADATION_DEPTHS[1:], integer=True, unit=" layers"),
        "network": Choice(NETWORKS),
        "norm": Choice(NORMS, label="normalization"),
        "rate": Choice(("best", *map(str, DEGRADATION_RATES)), label="learning rate"),
    },
    compute=tabulate(
        partial(measure.degradation_against_depth, RECORDINGS.load("degradation")),
        {
            "depth": DEGRADATION_DEPTHS[1:],
            "network": NETWORKS,
            "norm": NORMS,
            "rate": ("best", *map(str, DEGRADATION_RATES)),
        },
        progress=False,
    ),
    draw=draw.degradation,
    read=draw.degradation_reading,
    predict=Predict(
        "A network with 2 layers and 32 ReLUs between them, normalized by BatchNorm, is trained on 5,000 digits until "
        "it gets 2 % of them wrong. Another is as wide, has 56 layers with BatchNorm in each, and is trained as long, "
        "at the best of three learning rates. How many percent of the images it is trained on does it get wrong?",
        answer=draw.percent_wrong,
        at={"depth": 56, "network": "plain", "norm": "batch", "rate": "best"},
    ),
    alt="Left, lines: percent of training images wrong by epoch, deep and shallow. Right: at the end, by depth.",
)
