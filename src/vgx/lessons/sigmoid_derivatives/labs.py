"""The labs of lesson 01."""

from vgx.activation import activations
from vgx.lab import Choice, Lab, Predict, Slider

from . import draw, measure

activation_and_derivative = Lab(
    "activation-and-derivative",
    controls={
        "activation": Choice(tuple(activations), default="tanh"),
        "position": Slider(-6, 6, default=1, stops=49, label="position z"),
    },
    compute=measure.activation_and_derivative,
    draw=draw.activation_and_derivative,
    read=draw.activation_reading,
    predict=Predict(
        "How steep is the sigmoid at its steepest point? Commit to a number.",
        answer=draw.greatest_slope,
        at={"activation": "sigmoid", "position": 0.0},
    ),
    alt="Two line charts, one above the other: an activation with its tangent at z, and its slope at every z.",
)

saturation = Lab(
    "saturation",
    controls={
        "activation": Choice(("sigmoid", "tanh", "relu", "gelu", "softplus")),
        "inputs": Choice(measure.INPUTS),
        "std": Slider(
            0.1, 20, default=1, stops=(0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20), log=True,
            label="weight scale σ_w",
        ),
        "mean": Slider(-6, 6, default=0, stops=7, label="bias"),
    },
    compute=measure.saturation,
    draw=draw.saturation,
    read=draw.saturation_reading,
    alt="Above, the density of the pre-activations under the activation; below, a histogram of the slopes there.",
)  # fmt: skip

derivative_product = Lab(
    "derivative-product",
    controls={
        "depth": Slider(1, 50, default=30, stops=(1, 2, 3, 5, 7, 10, 15, 20, 30, 50), integer=True, unit=" layers"),
        "activation": Choice(("sigmoid", "tanh", "relu", "leaky_relu", "gelu")),
        "scale": Slider(
            0.1, 20, default=1, stops=(0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20), log=True,
            label="spread of z",
        ),
    },
    compute=measure.derivative_product,
    draw=draw.derivative_product,
    read=draw.product_reading,
    alt="Line chart: the product of the slopes along paths through a network, on a logarithmic axis, by their number.",
)  # fmt: skip
