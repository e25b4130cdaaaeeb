"""The labs of lesson 06."""

from functools import partial

from vgx.lab import Choice, Lab, Predict, Slider
from vgx.sweep import tabulate

from . import draw, measure
from .measure_gates import BIASES, CELLS
from .measure_who_shown import WHO_SHOWN_AXES
from .record import RECORDINGS

gradient_through_time = Lab(
    "gradient-through-time",
    controls={
        "steps": Slider(10, 200, default=100, stops=(10, 50, 100, 200), integer=True, label="steps T", unit=" steps"),
        "radius": Slider(0.5, 2, default=1, stops=(0.5, 0.8, 0.9, 1, 1.1, 1.4, 2), log=True, label="spectral radius ρ"),
        "activation": Choice(("tanh", "relu", "sigmoid", "identity")),
        "recurrent": Choice(("gaussian", "orthogonal", "identity"), label="recurrent matrix W"),
        "input_scale": Slider(0, 1, default=1, stops=(0, 1), label="input strength"),
    },
    compute=measure.gradient_through_time,
    draw=draw.gradient_through_time,
    read=draw.through_time_reading,
    vectorized=("steps",),
    predict=Predict(
        "A tanh network reads 100 inputs of variance 1. Its recurrent matrix is orthogonal, times 1.4: each step "
        "makes any vector 1.4 times as long, and 1.4¹⁰⁰ is 4 × 10¹⁴. The gradient on the first state is ten to which "
        "power times that on the last? (A tenth would be −1, a hundred 2.)",
        answer=draw.exponent_at_the_first_state,
        at={"steps": 100, "radius": 1.4, "activation": "tanh", "recurrent": "orthogonal", "input_scale": 1},
        power_of_ten=True,
    ),
    alt="Line chart: the gradient's norm by steps back from the last, on a log axis, with its bound and ρ's powers.",
)

powers = Lab(
    "powers",
    controls={
        "rho": Slider(0.5, 1.1, default=0.9, stops=(0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05), label="spectral radius ρ"),
        "k": Slider(0, 10, default=0, stops=(0, 0.1, 0.3, 1, 3, 10), label="unit 2 feeds unit 1, k"),
        "t": Slider(0, 100, default=9, stops=(1, 3, 9, 20, 50, 100), integer=True, label="steps t"),
    },
    compute=measure.powers,
    draw=draw.powers,
    read=draw.powers_reading,
    predict=Predict(
        "Two linear units: each keeps 0.9 of itself at every step, and the second adds itself to the first. Both "
        "eigenvalues are 0.9. How long can a state of length 1 get on its way, at most?",
        answer=draw.largest_norm,
        at={"rho": 0.9, "k": 1, "t": 9},
    ),
    alt="A line chart of the norm of a matrix's powers by step, on a log axis; below it the way of a state in a plane.",
)

gates = Lab(
    "gates",
    controls={
        "cell": Choice(CELLS),
        "forget_bias": Slider(-2, 6, default=1, stops=(-2, -1, 0, 1, 2, 3, 4, 5, 6)),
        "biases": Choice(BIASES),
        "steps": Slider(10, 200, default=200, stops=(50, 100, 200), integer=True, label="steps T", unit=" steps"),
    },
    compute=measure.gates,
    draw=draw.gates,
    read=draw.gates_reading,
    predict=Predict(
        "An LSTM starts with forget bias 1, as is often advised: each of its forget gates is about σ(1) = 0.73. The "
        "gradient on its memory 100 steps back is ten to which power times that at the end? (A tenth would be −1.)",
        answer=draw.gradient_exponent,
        at={"cell": "LSTM", "forget_bias": 1, "biases": "one_value", "steps": 100},
        power_of_ten=True,
    ),
    alt="Above, a line chart by lag on a log axis: the gradient, and the gates' product. Below, a heat map of gates.",
)

who_did_it = Lab(
    "who-did-it",
    controls={
        "cell": Choice(WHO_SHOWN_AXES["cell"], default="lstm"),
        "step": Slider(0, 4000, default=4000, stops=WHO_SHOWN_AXES["step"], integer=True, label="after", unit=" steps"),
        "lag": Slider(0, 19, default=8, stops=WHO_SHOWN_AXES["lag"], integer=True, label="mark", unit=" steps back"),
        "sequence": Choice(WHO_SHOWN_AXES["sequence"], label="digits of"),
    },
    compute=tabulate(partial(measure.who_shown, RECORDINGS.load("who-did-it")), WHO_SHOWN_AXES, progress=False),
    draw=draw.who_did_it,
    read=draw.who_reading,
    predict=Predict(
        "Five trained RNNs read twenty digits of pi; the one they must name stands 16 steps before the end, and all "
        "five name it. How many per cent of the gradient of their answer fall on that digit?",
        answer=draw.share_of_the_mark,
        at={"cell": "rnn", "step": 4000, "lag": 16, "sequence": "pi"},
    ),
    alt="Bars over twenty digits: each one's share of the gradient; below, lines of how often the answer is right.",
)

MEMORY = RECORDINGS.load("memory")

memory = Lab(
    "memory",
    controls={
        "lag": Slider(
            10, 400, default=100, stops=MEMORY.axes["lag"], log=True, integer=True, label="lag T", unit=" steps"
        ),
        "cell": Choice(MEMORY.axes["cell"], default="lstm_forget_1"),
    },
    compute=tabulate(partial(measure.memory_with_others, MEMORY), MEMORY.axes, progress=False),
    draw=draw.memory,
    read=draw.memory_reading,
    predict=Predict(
        "Before training, the gradient that reaches the first of 100 steps is a twentieth of the last one's in an RNN "
        "with an orthogonal matrix, and 10⁻¹⁹ of it in a GRU. Which of the two learns to add two numbers marked "
        "somewhere in 100 steps, within 4,000 training steps?",
        answer=draw.who_adds,
        at={"lag": 100, "cell": "gru"},
        choices=("both", "only the orthogonal RNN", "only the GRU", "neither"),
    ),
    alt="Lines above: each run's error by training step, on a log axis. Dots below: when each cell's runs were solved.",
)
