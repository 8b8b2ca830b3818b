"""Claim: training makes the number of positive activations vary more, and most positions stay invertible."""

import math

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare each expansion's spread of shares before and after training."""
    outcome = photo_training.train("inverted residual", seed)
    ratios = [outcome.after[layer].std / outcome.before[layer].std for layer in outcome.before]
    after = outcome.after.values()
    positions = sum(share.positions for share in after)
    below = sum(share.below_threshold * share.positions for share in after)
    return {
        "effect": math.exp(sum(map(math.log, ratios)) / len(ratios)),
        "smallest ratio of a layer": min(ratios),
        "largest ratio of a layer": max(ratios),
        "positions at or below 1/6 after training (share)": below / positions,
        "smallest share at any position after training": min(share.minimum for share in after),
        "test accuracy (%)": outcome.accuracy,
    }


CLAIM = Claim(
    id="positive_share_spread",
    source=Source(
        photo_training.TALK,
        "appendix, Number of Positive Activations; Sandler et al. 2018, figure 7",
        "but the variation grows dramatically (mostly still invertible)",
    ),
    statement="Training makes the share of positive activations vary more between positions.",
    effect="standard deviation of the share over positions and images, last step divided by initialisation, geometric "
    "mean over expansions",
    rule=Rule("greater", threshold=1.0, margin=0.25),
    budget=photo_training.BUDGET + f"; shares on {photo_training.SHARE_IMAGES} test crops",
    measure=measure,
    seconds_per_seed=1.0,
    limits="The rule asks for growth alone; whether it is dramatic is for the reader to say. " + photo_training.LIMITS,
)
