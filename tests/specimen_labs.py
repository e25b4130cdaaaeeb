"""The browser's specimens over more states than a browser has time for."""

from dataclasses import replace

from tests.browser import specimen_labs
from vgx.lab import Choice, Predict, Slider, Toggle

hilly = specimen_labs.hilly
holes = replace(
    specimen_labs.holes,
    controls={
        "length": Slider(3, 30, default=9, stops=(3, 9, 30), integer=True),
        "rate": Slider(0.1, 10, default=0.464, stops=7, log=True, unit="×"),
        "hole": Choice(tuple(specimen_labs.HOLES)),
        "flipped": Toggle(label="back to front"),
    },
    predict=Predict(
        "What is there?", answer=lambda data, state: state["hole"], at={"hole": "inf"}, choices=("nan", "inf")
    ),
    module=__name__,
)
