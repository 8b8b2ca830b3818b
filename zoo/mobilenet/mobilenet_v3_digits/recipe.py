"""MobileNetV3-Small at width 0.15 on real handwritten digits: squeeze-excite and hard swish.

Command: repvis-zoo make repvis/mobilenet_v3_digits
Expected time: at most 4 minutes on two processor cores, no network
Number to reach: 0.96 test accuracy, mean of seeds 0, 1 and 2 on the 500 test images

The settings are those of mobilenet_v2_digits, untouched.
"""

from keras_repvis import training, zoo


def get_config():
    """Return the `zoo.Recipe`."""
    return zoo.Recipe(
        handle="repvis/mobilenet_v3_digits",
        training=training.Classification(
            model="mobilenet_v3_small",
            dataset="repvis_digits",
            image_size=32,
            width_multiplier=0.15,
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
