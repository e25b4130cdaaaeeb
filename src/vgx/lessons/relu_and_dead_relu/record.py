"""Make this lesson's recordings: python -m vgx.lessons.relu_and_dead_relu.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_born_dead as born_dead
from . import measure_dead_units as dead_units
from . import measure_depthwise as depthwise
from . import measure_learning_rate as learning_rate

RECORDINGS = Recordings(
    __package__,
    {
        "born-dead": Recipe(born_dead.born_dead, born_dead.BORN_DEAD_AXES),
        "dead-units": Recipe(dead_units.dead_units, dead_units.DEAD_UNIT_AXES, vectorized="depth"),
        "learning-rate-kills": Recipe(
            learning_rate.learning_rate_kills, learning_rate.LEARNING_RATE_AXES, vectorized="learning_rate"
        ),
        "depthwise-vs-standard": Recipe(depthwise.depthwise_vs_standard, depthwise.DEPTHWISE_AXES),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
