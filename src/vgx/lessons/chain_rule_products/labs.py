"""The labs of lesson 02."""

from vgx.lab import Choice, Lab, Predict, Slider, Toggle

from . import draw, measure

gradient_by_layer = Lab(
    "gradient-by-layer",
    controls={
        "depth": Slider(2, 50, default=20, stops=(2, 3, 5, 8, 12, 20, 30, 50), integer=True, unit=" layers"),
        "scale": Slider(0.1, 10, default=1, stops=13, log=True, label="init scale", unit="×"),
        "activation": Choice(("sigmoid", "tanh", "relu", "gelu"), default="tanh"),
        "initializer": Choice(("xavier_normal", "he_normal", "normal")),
    },
    compute=measure.gradient_norm_by_layer,
    draw=draw.gradient_norm_by_layer,
    read=draw.gradient_reading,
    vectorized=("depth", "scale"),
    predict=Predict(
        "A network has 20 layers of sigmoid units, with weights drawn the usual way (Xavier). The first layer's "
        "gradient is ten to which power times the last one's? (A tenth would be −1, a hundredth −2.)",
        answer=draw.exponent_at_first_layer,
        at={"depth": 20, "activation": "sigmoid", "initializer": "xavier_normal", "scale": 1.0},
        power_of_ten=True,
    ),
    alt="Line chart: the gradient norm of each layer as a ratio to the last layer's, on a logarithmic axis.",
)

scalar_chain = Lab(
    "scalar-chain",
    controls={
        "depth": Slider(2, 8, default=5, stops=(2, 3, 4, 5, 8), integer=True, unit=" neurons"),
        "scale": Slider(0.3, 30, default=1, stops=(0.3, 1, 2, 4, 7, 12, 30), log=True, label="weights", unit="×"),
        "activation": Choice(("sigmoid", "tanh", "relu")),
        "draw": Slider(1, 5, default=3, stops=5, integer=True),
        "awake": Toggle(label="hold every z at 0.1"),
    },
    compute=measure.scalar_chain,
    draw=draw.scalar_chain,
    read=draw.chain_reading,
    alt="A chain of neurons; under each a bar with its term of the gradient, below a line with the terms' product.",
)

neuron_bars = Lab(
    "neuron-bars",
    controls={
        "hidden": Slider(1, 4, default=2, stops=4, integer=True, label="hidden layers"),
        "initializer": Choice(("nielsen", "xavier_normal", "he_normal", "normal")),
        "activation": Choice(("sigmoid", "tanh", "relu")),
        "draw": Slider(1, 5, default=1, stops=5, integer=True),
    },
    compute=measure.neuron_bars,
    draw=draw.neuron_bars,
    read=draw.bars_reading,
    alt="Bar charts, one for each hidden layer: the gradient of six neurons' biases, on a logarithmic axis.",
)

spread = Lab(
    "spread",
    controls={
        "depth": Slider(5, 50, default=20, stops=(5, 10, 20, 30, 40, 50), integer=True, unit=" layers"),
        "width": Slider(8, 64, default=16, stops=(8, 12, 16, 24, 32, 48, 64), integer=True, unit=" units"),
        "activation": Choice(("relu", "identity", "tanh")),
    },
    compute=measure.spread,
    draw=draw.spread,
    read=draw.spread_reading,
    vectorized=("depth",),
    alt="Distribution of the first layer's squared gradient over 500 networks, with its median and its mean.",
)
