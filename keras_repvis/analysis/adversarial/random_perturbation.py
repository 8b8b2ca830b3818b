"""Random perturbations as large as an attack's: the control of every experiment with adversarial images.

A perturbation of the same norm that knows nothing of the classifier. What it does to a classifier, or to a detector,
has nothing to do with an attack: a detector of noise is not a detector of attacks.

    linf    x' = clip(x + epsilon s), every entry of s is -1 or 1 with probability 1/2
    l2      x' = clip(x + epsilon u), u uniform on the unit sphere

both at the border of the ball before they are cut to [0, 1], as attacks are.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.adversarial import ball
from keras_repvis.analysis.adversarial.attack import Attack, image_of


class RandomPerturbation(Attack):
    """Perturb images at random, by as much as an attack may.

    Args:
        model: `keras.Model` of any kind, or a function of images, from [0, 1] to logits (batch, classes); it is asked
            what it makes of the images, and needs no gradient.
        epsilon: Radius of the ball of perturbations, in units of the pixels in [0, 1], > 0.
        norm: "linf" (default) or "l2".
        seed: Integer >= 0. Default 0.
        **options: `targeted`, `loss`, `from_logits`, `input_index`, `batch_size`; see `PGD`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        labels: Class index, or (batch,) class indices; None (default) for the classes that the model sees.

    Returns:
        `AdversarialExamples`, without `zero_gradient`.

    Raises:
        UnsupportedModelError: If the outputs are not those of a classifier.
        ValueError: If images or labels do not fit the model, or its outputs are not what `from_logits` says.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> control = keras_repvis.analysis.adversarial.RandomPerturbation(model, epsilon=0.125)
        >>> control(np.full((2, 32, 32, 1), 0.5, "float32")).distances.tolist()
        [0.125, 0.125]
    """

    _needs_gradient = False

    def __init__(self, model, epsilon, norm="linf", seed=0, **options):
        super().__init__(model, epsilon, norm, **options)
        self.seed = checks.number("seed", seed, low=0, integer=True)
        self._move = tf.function(self._project, autograph=False, reduce_retracing=True)

    def _chance(self):
        return np.random.default_rng(self.seed)

    def _search(self, given, index, labels, gradient, chance):
        images = image_of(given, index)
        noise = self.epsilon * ball.random_extreme(chance, tuple(images.shape), self.norm)
        return self._run(self._move, images, tf.constant(noise))

    def _project(self, images, noise):
        return ball.Ball(images, self.norm, self.epsilon).project(tf.cast(images, "float64") + noise)
