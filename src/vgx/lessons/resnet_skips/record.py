"""Make this lesson's recordings: python -m vgx.lessons.resnet_skips.record [name ...]."""

from ...recorder import Recipe, Recordings
from . import measure_degradation as degradation
from . import measure_shattering as shattering

RECORDINGS = Recordings(
    __package__,
    {
        "degradation": Recipe(
            degradation.degradation,
            {
                "depth": degradation.DEGRADATION_DEPTHS,
                "network": degradation.NETWORKS,
                "norm": degradation.NORMS,
            },
        ),
        "shattered-gradients": Recipe(
            shattering.shattering,
            {
                "depth": shattering.DEPTHS,
                "variant": tuple(shattering.VARIANTS),
                "weights": tuple(shattering.WEIGHTS),
                "bias": shattering.BIASES,
            },
            vectorized="depth",
        ),
    },
)

if __name__ == "__main__":
    RECORDINGS.main()
