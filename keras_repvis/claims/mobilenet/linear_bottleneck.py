"""Claim: a linear bottleneck is better than one with ReLU6."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Train both networks from the same weights."""
    return photo_training.difference("ReLU6 bottleneck", seed)


CLAIM = Claim(
    id="linear_bottleneck",
    source=Source(
        photo_training.TALK,
        "MobileNetV2, information flow and final block design; Sandler et al. 2018, figure 6 (a)",
        "Reducing bottleneck size → nonlinearity can cause irreversible information loss",
    ),
    statement="MobileNetV2 with linear bottlenecks classifies better than with ReLU6 after each bottleneck.",
    effect="test accuracy with linear bottlenecks minus with ReLU6 bottlenecks, in points",
    rule=Rule("greater", threshold=0.0, margin=1.0),
    budget=photo_training.BUDGET,
    measure=measure,
    seconds_per_seed=photo_training.SECONDS,
    limits=photo_training.LIMITS,
)
