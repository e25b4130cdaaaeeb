"""The labs of lesson 04."""

from vgx.lab import Choice, Lab, Slider

from . import draw, measure

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
