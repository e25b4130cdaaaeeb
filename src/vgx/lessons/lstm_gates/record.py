"""Make this lesson's recordings: python -m vgx.lessons.lstm_gates.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_memory
from . import measure_who as who

RECORDINGS = Recordings(
    __package__,
    {
        "memory": Recipe(measure_memory.memory, {"lag": measure_memory.LAGS, "cell": tuple(measure_memory.CELLS)}),
        "who-did-it": Recipe(who.who_did_it, who.WHO_AXES, vectorized="step"),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
