"""The experiment that the claims about adversarial digits share: a network, attacks on it, saliency maps, a detector.

For each seed a small network is trained anew and the test digits that it reads are attacked. Those that the attack
fools, clean, attacked and with random noise of the same size, are the examples; a classifier learns from their saliency
maps which are which, and is tested on digits of which it has seen no version. Network, attack, maps and detector were
fixed before anything was measured.
"""

import dataclasses
import functools

import numpy as np

TALK = "A. Vedaldi, Universal, unsupervised, and understandable image representations, August 2018"
WIDTH_MULTIPLIER = 0.2
EPOCHS = 20
BATCH_SIZE = 50
LEARNING_RATE = 4e-3
EPSILON = 16 / 255
STEPS = 20
BUDGET = (
    f"repvis_digits (1,297 training and 500 test digits, brought to 32x32); MobileNetV2, width multiplier "
    f"{WIDTH_MULTIPLIER:g}, trained for {EPOCHS} epochs of batches of {BATCH_SIZE} with Adam, learning rate "
    f"{LEARNING_RATE:g} falling to 0 by a cosine, no augmentation, batch-norm momentum 0.9, last step; projected "
    f"gradient descent, {STEPS} steps, at most 16/255 a pixel; the test digits that are read rightly and then fooled; "
    "gradient saliency of the class that the network sees, brought to 16x16, each map with mean 0 and variance 1; "
    "logistic regression, 5 folds between digits"
)
LIMITS = (
    "One data set of small grey images, one family of networks, one attack that does not know of the detector: it says "
    "what an attack does to saliency maps, and recommends no defence."
)
SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one seed gave.

    Attributes:
        accuracy: Test accuracy of the network in per cent.
        fooled: Share of the digits it reads that the attack fools.
        fooled_by_noise: Share of them that random noise of the same size fools.
        clean_or_attacked: Area under the ROC curve of telling clean from attacked digits by their maps.
        noisy_or_attacked: The same, noisy from attacked ones.
        clean_or_noisy: The same, clean from noisy ones.
        pixels_clean_or_attacked: Clean from attacked ones, by the pixels in place of the maps.
        pixels_noisy_or_attacked: Noisy from attacked ones, by the pixels.
        random_maps: Clean from attacked ones, by maps of noise, which know nothing.
    """

    accuracy: float
    fooled: float
    fooled_by_noise: float
    clean_or_attacked: float
    noisy_or_attacked: float
    clean_or_noisy: float
    pixels_clean_or_attacked: float
    pixels_noisy_or_attacked: float
    random_maps: float


@functools.cache
def measure(seed):
    """Run the experiment of one seed; a second call in the same process returns the first one's outcome.

    Args:
        seed: Integer >= 0: weights, order of the images, starts of the attack, noise and folds.

    Returns:
        `Outcome`.
    """
    from keras_repvis.analysis import adversarial

    model, maps = trained(seed)
    images, labels = digits("test")
    attack = adversarial.PGD(model, EPSILON, steps=STEPS, seed=seed, batch_size=128)(images, labels)
    noise = adversarial.RandomPerturbation(model, EPSILON, seed=seed, batch_size=128)(images, labels)
    right = ~attack.clean_success
    clean, attacked, noisy = (one[attack.fooled] for one in (images, attack.images, noise.images))
    detect = functools.partial(adversarial.detect, maps, seed=seed, bootstraps=1)
    first, second = detect(clean, attacked), detect(noisy, attacked)
    return Outcome(
        accuracy=100 * float(right.mean()),
        fooled=float(attack.success[right].mean()),
        fooled_by_noise=float(noise.success[right].mean()),
        clean_or_attacked=first.maps.auc.value,
        noisy_or_attacked=second.maps.auc.value,
        clean_or_noisy=detect(clean, noisy, baselines=False).maps.auc.value,
        pixels_clean_or_attacked=first.pixels.auc.value,
        pixels_noisy_or_attacked=second.pixels.auc.value,
        random_maps=first.random.auc.value,
    )


def numbers(outcome, effect):
    """Return the numbers of a claim whose effect is the field `effect` of `outcome`."""
    return {
        "effect": getattr(outcome, effect),
        "test accuracy (%)": outcome.accuracy,
        "share fooled by the attack": outcome.fooled,
        "share fooled by noise": outcome.fooled_by_noise,
        "AUC of maps, clean or attacked": outcome.clean_or_attacked,
        "AUC of maps, noisy or attacked": outcome.noisy_or_attacked,
        "AUC of maps, clean or noisy": outcome.clean_or_noisy,
        "AUC of pixels, clean or attacked": outcome.pixels_clean_or_attacked,
        "AUC of pixels, noisy or attacked": outcome.pixels_noisy_or_attacked,
        "AUC of random maps, clean or attacked": outcome.random_maps,
    }


def trained(seed):
    """Return (the network trained from `seed`, its gradient saliency); the next seed's training changes the network."""
    images, labels = digits("train")
    model, maps, start_of_optimizer = _compiled()
    model.set_weights(network(seed).get_weights())
    for variable, value in zip(model.optimizer.variables, start_of_optimizer):
        variable.assign(value)
    for epoch in range(EPOCHS):
        order = np.random.default_rng([seed, epoch]).permutation(len(images))
        model.fit(images[order], labels[order], batch_size=BATCH_SIZE, shuffle=False, verbose=0)
    return model, maps


@functools.cache
def _compiled():
    """The network, its saliency and its optimizer's first state; traced once for all seeds."""
    import keras

    from keras_repvis.analysis import attribution

    model = network(0)
    images, _ = digits("train")
    steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)
    maps = attribution.Gradient(model, batch_size=128)
    return model, maps, [variable.numpy() for variable in model.optimizer.variables]


@functools.cache
def digits(split):
    """Return images (float32 in [0, 1], 32x32) and labels of a split of repvis_digits."""
    from keras_repvis.data import digits as source
    from keras_repvis.data import resize

    images, labels, _ = source.generate(split)
    resized = np.stack([resize.resize(image, (32, 32)) for image in images])
    return resized.astype(np.float32) / 255, labels.astype(np.int64)


def network(seed):
    """Return a fresh MobileNetV2 for the digits, its weights drawn from `seed`."""
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(seed)
    return models.MobileNetV2(
        input_shape=(32, 32, 1), width_multiplier=WIDTH_MULTIPLIER, classes=10, dropout=0.0, batch_norm_momentum=0.9
    )
