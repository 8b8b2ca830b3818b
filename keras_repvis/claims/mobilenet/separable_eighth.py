"""Claim: with separable convolutions MobileNetV1 costs about an eighth."""

from keras_repvis.claims import convolution_twin, photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare the whole networks; the seed plays no part."""
    del seed
    separable, full = convolution_twin.costs()
    return {
        "effect": full.multiply_adds / separable.multiply_adds,
        "multiply-adds, separable": separable.multiply_adds,
        "multiply-adds, full": full.multiply_adds,
        "weights, separable": separable.total,
        "weights, full": full.total,
    }


CLAIM = Claim(
    id="separable_eighth",
    source=Source(
        photo_training.TALK,
        "MobileNetV1, separable convolution",
        "Computational cost ~ 1/8 of full",
    ),
    statement="With separable convolutions MobileNetV1 costs about an eighth of what it costs with full ones.",
    effect="multiply-adds of MobileNetV1 with full convolutions divided by those with separable ones",
    rule=Rule("near", threshold=8.0, margin=1.0),
    budget="MobileNetV1 at 224x224 with 1000 classes, and its twin of full convolutions, counted layer by layer",
    measure=measure,
    seconds_per_seed=5.0,
    exact=True,
)
