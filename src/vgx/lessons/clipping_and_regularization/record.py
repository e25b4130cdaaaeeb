"""Make this lesson's recordings: python -m vgx.lessons.clipping_and_regularization.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_clipped_training, measure_weight_decay, measure_where

RECORDINGS = Recordings(
    __package__,
    {
        "clipped-training": Recipe(
            measure_clipped_training.clipped_training,
            measure_clipped_training.CLIPPED_TRAINING_AXES,
            vectorized="limit",
        ),
        "weight-decay": Recipe(measure_weight_decay.weight_decay, measure_weight_decay.DECAY_AXES),
        "where-to-clip": Recipe(measure_where.where_to_clip, measure_where.WHERE_AXES),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
