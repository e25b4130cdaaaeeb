"""Make this lesson's recordings: python -m vgx.lessons.symptoms.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure

RECORDINGS = Recordings(
    __package__,
    {
        "accuracies": Recipe(measure.accuracy_by_epoch, {"hidden": measure.HIDDEN}),
        "learning-speeds": Recipe(
            measure.learning_speeds,
            {"hidden": (1, 2, 3, 4), "draw": range(1, measure.N_DRAWS + 1)},
            vectorized="draw",
        ),
        "long-training": Recipe(measure.long_training, {"decay": (0.0, 5.0)}),
        "probe": Recipe(measure.probe_by_layer, {"data": ("digits", "mnist"), "width": (30, 300)}),
        "loss-curves": Recipe(measure.loss_curves, measure.LOSS_CURVE_AXES, vectorized=("scale", "learning_rate")),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
