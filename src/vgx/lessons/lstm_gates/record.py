"""Make this lesson's recordings: python -m vgx.lessons.lstm_gates.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_who as who

RECORDINGS = Recordings(
    __package__,
    {
        "who-did-it": Recipe(who.who_did_it, who.WHO_AXES, vectorized="step"),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
