"""The lab of the page on how to use the book."""

from vgx.lab import Choice, Lab, Predict, Slider, Toggle

from . import draw, measure

repeated_factor = Lab(
    "repeated-factor",
    controls={
        "factor": Slider(0.5, 1.5, default=0.8, stops=21),
        "depth": Slider(1, 50, default=10, stops=(1, 2, 3, 5, 10, 20, 30, 40, 50), integer=True, unit=" factors"),
        "pattern": Choice(measure.PATTERNS),
        "exponent": Toggle(label="as a power of ten"),
    },
    compute=measure.repeated_factor,
    draw=draw.repeated_factor,
    read=draw.repeated_reading,
    predict=Predict(
        "A number is multiplied by 0.9 at each of 50 layers. It starts as 1. What is left of it?",
        answer=draw.what_is_left,
        at={"factor": 0.9, "depth": 50},
    ),
    alt="Line chart: what is left of 1 after each of up to 50 factors.",
)
