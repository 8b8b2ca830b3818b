"""Claim: shortcuts between bottlenecks are better than none."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Train both networks from the same weights."""
    return photo_training.difference("no shortcut", seed)


CLAIM = Claim(
    id="shortcut",
    source=Source(
        photo_training.TALK,
        "MobileNetV2, final block design; Sandler et al. 2018, figure 6 (b)",
        "Final block design: adding residual connection; design decisions driven by empirical results",
    ),
    statement="MobileNetV2 with residual connections between bottlenecks classifies better than without.",
    effect="test accuracy with shortcuts minus without, in points",
    rule=Rule("greater", threshold=0.0, margin=1.0),
    budget=photo_training.BUDGET,
    measure=measure,
    seconds_per_seed=photo_training.SECONDS,
    limits=photo_training.LIMITS,
)
