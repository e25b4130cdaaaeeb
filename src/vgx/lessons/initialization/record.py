"""Make this lesson's recordings: python -m vgx.lessons.initialization.record [name ...]."""

from ...activation import activations
from ...recorder import Recipe, Recordings
from . import measure_spread as spread
from . import measure_training as training

RECORDINGS = Recordings(
    __package__,
    {
        "gradient-spread": Recipe(
            spread.gradient_spread, {"activation": tuple(activations), "width": spread.SPREAD_WIDTHS}
        ),
        "does-it-train": Recipe(
            training.does_it_train,
            {"depth": training.DEPTHS, "optimizer": tuple(training.OPTIMIZERS), "rate": training.RATES},
        ),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
