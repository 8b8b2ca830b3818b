"""The fast gradient sign method: one step of size epsilon along the sign of the gradient.

    x' = clip(x + epsilon sign(dL/dx), 0, 1)

Of all perturbations of at most epsilon a pixel this is the one that changes the linear approximation of L at x most,
by epsilon |dL/dx|_1: for a linear classifier no other is better, for a network it is a quick and weak attack, whose
loss may even fall when epsilon is large.

Differs from the paper: a pixel whose gradient is exactly 0 stays as it is, as in the paper, but images whose gradient
is 0 everywhere are reported (`zero_gradient`). Without labels the classes that the model itself sees are left, so that
the perturbation does not carry the true label into the image.
"""

import tensorflow as tf

from keras_repvis.analysis.adversarial.attack import Attack, image_of
from keras_repvis.analysis.adversarial.ball import Ball


class FGSM(Attack):
    """Perturb images by one step along the sign of the gradient.

    Args:
        model: `keras.Model` of any kind, or a function of images, from [0, 1] to logits (batch, classes).
        epsilon: Largest change of a pixel, in units of the pixels in [0, 1], > 0.
        targeted: Whether the labels are to be reached. Default False: they are to be left.
        loss: "cross_entropy" (default) or "margin"; see `objective.py`.
        from_logits: Whether the outputs are logits. Default True; False for probabilities that sum to 1.
        input_index: Integer, which of several inputs is the image; None (default) for the only one of rank 4.
        batch_size: Integer >= 1, images that go through the model at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        labels: Class index, or (batch,) class indices; None (default) for the classes that the model sees.

    Returns:
        `AdversarialExamples`. No pixel of its images differs from the given one by more than epsilon, not by rounding
        either, and all are in [0, 1].

    Raises:
        UnsupportedModelError: If no gradient reaches the image, or the outputs are not those of a classifier.
        ValueError: If images or labels do not fit the model, or its outputs are not what `from_logits` says.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> attack = keras_repvis.analysis.adversarial.FGSM(model, epsilon=8 / 255)
        >>> found = attack(np.full((2, 32, 32, 1), 0.5, "float32"), labels=[3, 7])
        >>> found.images.shape, bool((found.distances <= 8 / 255).all())
        ((2, 32, 32, 1), True)

    Reference:
        Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", 2015, section 4; without
        labels: Kurakin, Goodfellow and Bengio, "Adversarial Machine Learning at Scale", 2017.
    """

    def __init__(
        self,
        model,
        epsilon,
        targeted=False,
        loss="cross_entropy",
        from_logits=True,
        input_index=None,
        batch_size=32,
    ):
        super().__init__(model, epsilon, "linf", targeted, loss, from_logits, input_index, batch_size)
        self._step = tf.function(self._move, autograph=False, reduce_retracing=True)

    def _search(self, given, index, labels, gradient, chance):
        return self._run(self._step, image_of(given, index), gradient)

    def _move(self, images, gradient):
        return Ball(images, self.norm, self.epsilon).step(images, gradient, self.epsilon)
