"""Make this lesson's recordings: python -m vgx.lessons.batchnorm.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_why_it_helps as why

RECORDINGS = Recordings(
    __package__,
    {"why-it-helps": Recipe(why.why_it_helps, {"network": why.NETWORKS, "activation": why.ACTIVATIONS})},
)

if __name__ == "__main__":
    RECORDINGS.main()
