"""The labs of lesson 02."""

from vgx.lab import Choice, Lab, Predict, Slider

from . import draw, measure

gradient_by_layer = Lab(
    "gradient-by-layer",
    controls={
        "depth": Slider(2, 50, default=20, stops=(2, 3, 5, 8, 12, 20, 30, 40, 50), integer=True, unit=" layers"),
        "scale": Slider(0.1, 10, default=1, stops=13, log=True, label="init scale", unit="×"),
        "activation": Choice(("sigmoid", "tanh", "relu", "gelu"), default="tanh"),
        "initializer": Choice(("xavier_normal", "he_normal", "normal")),
    },
    compute=measure.gradient_norm_by_layer,
    draw=draw.gradient_norm_by_layer,
    read=draw.gradient_reading,
    vectorized=("depth", "scale"),
    predict=Predict(
        "A network has 20 layers of sigmoid units, with weights drawn the usual way (Xavier). By what factor is the "
        "gradient of the first layer smaller than that of the last? Commit to a power of ten.",
        answer=draw.exponent_at_first_layer,
        at={"depth": 20, "activation": "sigmoid", "initializer": "xavier_normal", "scale": 1.0},
        power_of_ten=True,
    ),
    alt="Line chart: the gradient norm of each layer as a ratio to the last layer's, on a logarithmic axis.",
)
