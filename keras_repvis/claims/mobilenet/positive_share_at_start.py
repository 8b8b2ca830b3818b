"""Claim: at initialisation the share of positive activations after an expansion is almost certainly above 1/6."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Count positive activations of a fresh MobileNetV2 of full width on photographs."""
    images, _ = photo_training.photographs("train")
    test_images, _ = photo_training.photographs("test")
    model = photo_training.network(seed, width_multiplier=1.0)
    photo_training.settle_statistics(model, images)
    shares = photo_training.expansion_shares(model)(test_images[: photo_training.SHARE_IMAGES]).values()
    positions = sum(share.positions for share in shares)
    return {
        "effect": sum(share.below_threshold * share.positions for share in shares) / positions,
        "mean share, average of layers": sum(share.mean for share in shares) / len(shares),
        "standard deviation, average of layers": sum(share.std for share in shares) / len(shares),
        "smallest share at any position": min(share.minimum for share in shares),
        "largest share at any position": max(share.maximum for share in shares),
        "positions": positions,
    }


CLAIM = Claim(
    id="positive_share_at_start",
    source=Source(
        photo_training.TALK,
        "appendix, Number of Positive Activations; Sandler et al. 2018, figure 7",
        "At initialization, the number of positive activations is almost certainly > 1/6 (in expansion)",
    ),
    statement="At initialisation more than 1/6 of the expanded channels are positive at almost every position.",
    effect="share of positions, over all expansions, at which 1/6 of the channels or fewer are positive",
    rule=Rule("less", threshold=0.001, margin=0.0),
    budget=f"{photo_training.SHARE_IMAGES} test crops of repvis_photo10 through a fresh MobileNetV2, width multiplier "
    "1, stem stride 1, batch-norm statistics settled on 2,500 training crops",
    measure=measure,
    seconds_per_seed=30.0,
)
