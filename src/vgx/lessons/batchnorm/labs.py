"""The labs of lesson 07."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .measure_batchnorm_explodes import WAYS
from .measure_init_forgiven import NORMALIZATIONS
from .measure_recentring import NORMS
from .measure_train_and_eval import TRAIN_AND_EVAL_AXES
from .measure_why_it_helps_shown import WHY_SHOWN_AXES
from .record import RECORDINGS

init_forgiven = Lab(
    "init-forgiven",
    controls={
        "depth": Slider(2, 50, default=50, stops=(10, 25, 50), integer=True, unit=" layers"),
        "scale": Slider(1e-3, 1e3, default=1, stops=(0.001, 0.003, 0.01, 0.1, 1, 10, 100, 1000), log=True,
                        label="init scale", unit="×"),
        "activation": Choice(("relu", "tanh", "sigmoid", "gelu")),
        "norm": Choice(tuple(NORMALIZATIONS), label="normalization"),
    },
    compute=measure.init_forgiven,
    draw=draw.init_forgiven,
    read=draw.init_reading,
    vectorized=("depth", "scale"),
    predict=Predict(
        "BatchNorm divides what each unit computes by its standard deviation over the batch: a factor in the weights "
        "should cancel. A network of 50 ReLU layers with BatchNorm (ε = 10⁻⁵, PyTorch's default) is drawn with weights "
        "1000 times too small. Ten to which power times the last layer's gradient is the first one's?",
        answer=draw.exponent_at_layer_1,
        at={"depth": 50, "scale": 0.001, "activation": "relu", "norm": "batch"},
        power_of_ten=True,
    ),
    alt="Two line charts by layer: above, the size of the activations, below, the gradient, both on log axes.",
)  # fmt: skip

batchnorm_explodes = Lab(
    "batchnorm-explodes",
    controls={
        "depth": Slider(2, 50, default=50, stops=(10, 25, 50), integer=True, unit=" layers"),
        "batch": Slider(2, 64, default=64, stops=(2, 3, 4, 8, 16, 64), integer=True, log=True, label="batch size"),
        "activation": Choice(("relu", "identity", "tanh", "gelu", "sigmoid")),
        "way": Choice(tuple(WAYS), label="skips"),
    },
    compute=measure.batchnorm_explodes,
    draw=draw.batchnorm_explodes,
    read=draw.explosion_reading,
    predict=Predict(
        "50 layers of ReLU, He weights, BatchNorm before every ReLU: over batches of 64 inputs the first layer's "
        "gradient is 14,000 times the last one's, about ten to the power 4. Which power is it over batches of 4?",
        answer=draw.exponent_of_explosion,
        at={"depth": 50, "batch": 4, "activation": "relu", "way": "plain"},
        power_of_ten=True,
    ),
    alt="Above, lines by layer: the gradient and theory, on a log axis. Below, bars: values of a unit after BatchNorm.",
)

train_and_eval = Lab(
    "train-and-eval",
    controls={
        "batch": Slider(1, 256, default=16, stops=TRAIN_AND_EVAL_AXES["batch"], integer=True, log=True,
                        label="batch size"),
        "momentum": Slider(0.01, 1, default=0.1, stops=TRAIN_AND_EVAL_AXES["momentum"], log=True),
        "weights": Choice(TRAIN_AND_EVAL_AXES["weights"], default="learning"),
    },
    compute=measure.train_and_eval,
    draw=draw.train_and_eval,
    read=draw.train_and_eval_reading,
    alt="Two line charts by step, one above the other: mean and variance of a unit, of each batch and running.",
)  # fmt: skip

recentring = Lab(
    "recentring",
    controls={
        "scale": Slider(0.03, 3, default=1, stops=(0.03, 0.1, 0.3, 1, 3), log=True, label="init scale",
                        unit="×"),
        "offset": Slider(-8, 8, default=0, stops=(-8, -4, 0, 4, 8), label="offset of z"),
        "norm": Choice(NORMS, label="z is then"),
        "gain": Slider(1, 8, default=1, stops=(1, 2, 4, 8), log=True, label="gain γ"),
    },
    compute=measure.recentring,
    draw=draw.recentring,
    read=draw.recentring_reading,
    predict=Predict(
        "Digits with grey levels 0 to 16 meet a layer of sigmoids with weights of variance 1/fan_in: 56 % of its "
        "values are saturated. Only the mean of each unit is subtracted. What share is still saturated, in per cent?",
        answer=draw.still_saturated,
        at={"scale": 1, "offset": 0, "norm": "centre_only", "gain": 1},
    ),
    alt="Two charts: the density of pre-activations before and after; below, each unit's mean slope before and after.",
)  # fmt: skip

why_it_helps = Lab(
    "why-it-helps",
    controls={
        "network": Choice(WHY_SHOWN_AXES["network"], default="noise"),
        "activation": Choice(WHY_SHOWN_AXES["activation"]),
        "measure": Choice(WHY_SHOWN_AXES["measure"]),
        "rate": Choice(WHY_SHOWN_AXES["rate"], default="0.2", label="learning rate"),
    },
    compute=tabulate(partial(measure.why_shown, RECORDINGS.load("why-it-helps")), WHY_SHOWN_AXES, progress=False),
    draw=draw.why_it_helps,
    read=draw.why_reading,
    predict=Predict(
        "A network of ReLUs trains at learning rates up to 0.4, with BatchNorm up to 3.2. Now BatchNorm's work is "
        "undone: after it, each unit is shifted and stretched at random, anew at each step, so that the layers' inputs "
        "move more from step to step than without BatchNorm. At which rates does it train?",
        answer=draw.up_to_which_rate,
        at={"network": "noise", "activation": "relu", "measure": "input_shift", "rate": "0.2"},
        choices=("smaller ones only", "up to 0.4 again", "something between", "up to 3.2, as before"),
    ),
    alt="Two line charts: above, a measure by step for three networks; below, percent wrong by learning rate.",
)
