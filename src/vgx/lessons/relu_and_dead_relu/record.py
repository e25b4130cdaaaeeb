"""Make this lesson's recordings: python -m vgx.lessons.relu_and_dead_relu.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_born_dead as born_dead
from . import measure_dead_units as dead_units

RECORDINGS = Recordings(
    __package__,
    {
        "born-dead": Recipe(born_dead.born_dead, born_dead.BORN_DEAD_AXES),
        "dead-units": Recipe(dead_units.dead_units, dead_units.DEAD_UNIT_AXES, vectorized="depth"),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
