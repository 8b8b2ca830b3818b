"""The training run that the claims about MobileNetV2's blocks share: one arm, one seed, real images.

Arms differ in one argument of the blocks and in nothing else. None of those arguments adds a weight, so all arms of one
seed start from the same weights and see the same batches in the same order. The recipe was fixed before any arm was
compared; the test accuracy is that of the last step, nothing is selected.

A seed fixes weights and order, not rounding: sums are taken in another order on another number of threads, and over
hundreds of steps that grows to a few points of accuracy. The spread over seeds contains it.
"""

import dataclasses
import functools

import numpy as np

from keras_repvis import checks

TALK = (
    "A. Zhmoginov, Image understanding and image-to-image translation through the lens of information loss, April 2021"
)
ARMS = {
    "inverted residual": {},
    "ReLU6 bottleneck": {"linear_bottleneck": False},
    "no shortcut": {"shortcut": False},
}
WIDTH_MULTIPLIER = 0.35
EPOCHS = 6
BATCH_SIZE = 50
LEARNING_RATE = 2e-3
SHARE_IMAGES = 500
BUDGET = (
    f"repvis_photo10 (5,000 training and 2,000 test crops of photographs, 32x32); MobileNetV2, width multiplier "
    f"{WIDTH_MULTIPLIER:g}, stem stride 1; {EPOCHS} epochs of batches of {BATCH_SIZE} ({EPOCHS * 5000 // BATCH_SIZE:,} "
    f"steps) with Adam, learning rate {LEARNING_RATE:g} falling to 0 by a cosine, no augmentation, no weight decay, "
    "batch-norm momentum 0.9; last step, no selection; the same for every arm"
)
LIMITS = (
    "A short training of a thin network on small images, far from convergence: it shows a direction, not the size of "
    "the effect on ImageNet, where the paper's curves are from."
)
SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one training run gave.

    Attributes:
        accuracy: Test accuracy of the last step in per cent.
        before: Dict of expansion layer to `PositiveShare` at initialisation, on test images.
        after: The same at the last step.
    """

    accuracy: float
    before: dict
    after: dict


@functools.cache
def train(arm, seed):
    """Train one arm from one seed; a second call in the same process returns the first one's outcome.

    Args:
        arm: Key of `ARMS`.
        seed: Integer >= 0: weights and order of the images.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If `arm` is not known.
    """
    checks.one_of("arm", arm, ARMS)
    images, labels = photographs("train")
    test_images, test_labels = photographs("test")
    model, shares, start_of_optimizer = _compiled(arm)
    model.set_weights(network(seed, WIDTH_MULTIPLIER, **ARMS[arm]).get_weights())
    for variable, value in zip(model.optimizer.variables, start_of_optimizer):
        variable.assign(value)
    settle_statistics(model, images)
    before = shares(test_images[:SHARE_IMAGES])
    for epoch in range(EPOCHS):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        model.fit(images[order], labels[order], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    after = shares(test_images[:SHARE_IMAGES])
    accuracy = model.evaluate(test_images, test_labels, batch_size=250, verbose=0, return_dict=True)["accuracy"]
    return Outcome(100 * accuracy, before, after)


@functools.cache
def _compiled(arm):
    """The network of an arm, its `PositiveActivations` and its optimizer's first state; traced once for all seeds."""
    import keras

    model = network(0, WIDTH_MULTIPLIER, **ARMS[arm])
    images, _ = photographs("train")
    steps = EPOCHS * (len(images) // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    return model, expansion_shares(model), [variable.numpy() for variable in model.optimizer.variables]


def difference(arm, seed):
    """Return the numbers of a claim that compares the unchanged network with `arm`: accuracies and their difference."""
    unchanged, changed = train("inverted residual", seed).accuracy, train(arm, seed).accuracy
    return {
        "effect": unchanged - changed,
        "test accuracy, inverted residual (%)": unchanged,
        f"test accuracy, {arm} (%)": changed,
    }


@functools.cache
def photographs(split):
    """Return images (float32 in [0, 1]) and labels of a split of repvis_photo10."""
    from keras_repvis.data import photo10

    images, labels = photo10.generate(split)
    return images.astype(np.float32) / 255, labels.astype(np.int32)


def network(seed, width_multiplier, **block_arguments):
    """Return a fresh MobileNetV2 for repvis_photo10, its weights drawn from `seed`."""
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(seed)
    return models.MobileNetV2(
        input_shape=(32, 32, 3),
        width_multiplier=width_multiplier,
        classes=10,
        stem_strides=1,
        dropout=0.0,
        batch_norm_momentum=0.9,
        **block_arguments,
    )


def settle_statistics(model, images, batches=50):
    """Let the moving averages of batch normalisation settle on `images`, without changing a weight.

    Fresh moving averages are those of no data: at initialisation the network would be measured unnormalised, which is
    not how it is trained.
    """
    import tensorflow as tf

    @tf.function
    def look(batch):
        model(batch, training=True)

    for start in range(0, min(batches * BATCH_SIZE, len(images)), BATCH_SIZE):
        look(tf.constant(images[start : start + BATCH_SIZE]))


def expansion_shares(model):
    """Return `PositiveActivations` of the activations that follow the expansions of `model`."""
    from keras_repvis.analysis import information

    layers = [layer.name for layer in model.layers if layer.name.endswith("_expand_activation")]
    return information.PositiveActivations(model, layers, threshold=1 / 6)
