"""Claim: training leaves the average number of positive activations as it was."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare each expansion's mean share before and after training."""
    outcome = photo_training.train("inverted residual", seed)
    changes = [outcome.after[layer].mean - outcome.before[layer].mean for layer in outcome.before]
    return {
        "effect": sum(map(abs, changes)) / len(changes),
        "mean share before, average of layers": sum(s.mean for s in outcome.before.values()) / len(changes),
        "mean share after, average of layers": sum(s.mean for s in outcome.after.values()) / len(changes),
        "largest fall of a layer": min(changes),
        "largest rise of a layer": max(changes),
        "test accuracy (%)": outcome.accuracy,
    }


CLAIM = Claim(
    id="positive_share_mean",
    source=Source(
        photo_training.TALK,
        "appendix, Number of Positive Activations; Sandler et al. 2018, figure 7",
        "After training, the average number of positive activations does not change",
    ),
    statement="Training leaves the mean share of positive activations of each expansion where it was.",
    effect="absolute change of the mean share (0 to 1) from initialisation to the last step, averaged over expansions",
    # A tenth of the share of 1/2 at initialisation.
    rule=Rule("less", threshold=0.05, margin=0.0),
    budget=photo_training.BUDGET + f"; shares on {photo_training.SHARE_IMAGES} test crops",
    measure=measure,
    seconds_per_seed=photo_training.SECONDS,
    limits=photo_training.LIMITS,
)
