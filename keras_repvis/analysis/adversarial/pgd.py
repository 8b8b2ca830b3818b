"""Projected gradient descent: many small steps that climb the loss, each brought back into the ball.

    x_0      drawn from the ball, or x
    x_{t+1}  = project(x_t + a sign(dL/dx))          linf
    x_{t+1}  = project(x_t + a g / |g|_2), g = dL/dx   l2

with `project` onto the ball of radius epsilon and the range [0, 1]. It is the standard of what a first-order attack can
do; restarts from other random points make it stronger.

Differs from the paper: of all points visited, starts included, the best is returned, a success before a failure and
then the higher loss (`keep="best"`); the paper takes the last one (`keep="last"`). For l2 the start is drawn from the
ball too.
Every image has a random start of its own, drawn in the order of the images: a start that all images shared would be a
trace of the attack that a detector could learn.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.adversarial import ball
from keras_repvis.analysis.adversarial.attack import Attack, image_of, replace

KEEP = ("best", "last")


class PGD(Attack):
    """Perturb images by projected gradient ascent of a classifier's loss.

    Args:
        model: `keras.Model` of any kind, or a function of images, from [0, 1] to logits (batch, classes).
        epsilon: Radius of the ball of perturbations, in units of the pixels in [0, 1], > 0.
        step_size: Length of a step in the norm, > 0; None (default) for 2.5 epsilon / steps, which reaches the border
            of the ball from any start.
        steps: Integer >= 1. Default 40.
        restarts: Integer >= 1, how often to start anew; the best is kept. Default 1.
        norm: "linf" (default) or "l2".
        random_start: Whether to start from a random point of the ball. Default True; False for the image itself.
        keep: "best" (default) or "last" of the points of one start.
        targeted: Whether the labels are to be reached. Default False: they are to be left.
        loss: "cross_entropy" (default) or "margin"; see `objective.py`.
        from_logits: Whether the outputs are logits. Default True; False for probabilities that sum to 1.
        seed: Integer >= 0 of the random starts. Default 0. The first starts of more restarts are those of fewer.
        input_index: Integer, which of several inputs is the image; None (default) for the only one of rank 4.
        batch_size: Integer >= 1, images that go through the model at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        labels: Class index, or (batch,) class indices; None (default) for the classes that the model sees.

    Returns:
        `AdversarialExamples`. No image is further than epsilon from the given one, not by rounding either, and all are
        in [0, 1].

    Raises:
        UnsupportedModelError: If no gradient reaches the image, or the outputs are not those of a classifier.
        ValueError: If images or labels do not fit the model, or its outputs are not what `from_logits` says; or if
            several restarts would all be the same, because none is random.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> attack = keras_repvis.analysis.adversarial.PGD(model, epsilon=0.5, norm="l2", steps=3)
        >>> found = attack(np.full((2, 32, 32, 1), 0.5, "float32"), labels=[3, 7])
        >>> found.images.shape, bool((found.distances <= 0.5).all())
        ((2, 32, 32, 1), True)

    Reference:
        Madry, Makelov, Schmidt, Tsipras and Vladu, "Towards Deep Learning Models Resistant to Adversarial Attacks",
        2018, section 2.1; the margin loss: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks",
        2017, section IV.
    """

    def __init__(
        self,
        model,
        epsilon,
        step_size=None,
        steps=40,
        restarts=1,
        norm="linf",
        random_start=True,
        keep="best",
        targeted=False,
        loss="cross_entropy",
        from_logits=True,
        seed=0,
        input_index=None,
        batch_size=32,
    ):
        super().__init__(model, epsilon, norm, targeted, loss, from_logits, input_index, batch_size)
        self.steps = checks.number("steps", steps, low=1, integer=True)
        self.step_size = 2.5 * self.epsilon / steps if step_size is None else step_size
        checks.number("step_size", self.step_size, above=0)
        self.random_start = checks.one_of("random_start", random_start, (True, False))
        self.restarts = checks.number("restarts", restarts, low=1, integer=True)
        if restarts > 1 and not random_start:
            raise ValueError(f"restarts={restarts} is not accepted with random_start=False: all would be the same.")
        self.keep = checks.one_of("keep", keep, KEEP)
        self.seed = checks.number("seed", seed, low=0, integer=True)
        self._climb = tf.function(self._ascend, autograph=False, reduce_retracing=True)

    def _chance(self):
        return [np.random.default_rng([self.seed, restart]) for restart in range(self.restarts)]

    def _search(self, given, index, labels, gradient, chance):
        shape, best = tuple(image_of(given, index).shape), None
        for generator in chance:
            start = ball.random_point(generator, shape, self.norm) if self.random_start else np.zeros(shape)
            best = _better(best, self._run(self._climb, given, index, labels, tf.constant(self.epsilon * start)))
        return best[0]

    def _ascend(self, given, index, labels, start):
        """Return (images, whether a success, objective) of one start, traced."""
        images = image_of(given, index)
        allowed = ball.Ball(images, self.norm, self.epsilon)
        first = allowed.project(tf.cast(images, "float64") + start)

        def step(count, points, best):
            outputs, gradient = self._gradient(points, given, index, labels)
            best = self._judge(best, points, outputs, labels)
            return count + 1, allowed.step(points, gradient, self.step_size), best

        nothing = (first, tf.zeros_like(labels, "bool"), tf.fill(tf.shape(labels), float("-inf")))
        _, last, best = tf.while_loop(
            lambda count, points, best: count < self.steps, step, (0, first, nothing), parallel_iterations=1
        )
        kept = best if self.keep == "best" else nothing
        return self._judge(kept, last, self._outputs(replace(given, index, last)), labels)

    def _judge(self, best, points, outputs, labels):
        objective = self._objective
        return _better(best, (points, objective.reached(outputs, labels), objective.value(outputs, labels)))


def _better(one, other):
    """Return of two triples (images, successes, objectives) the better one, image by image; the first if equal."""
    if one is None:
        return other
    better = (other[1] & ~one[1]) | ((other[1] == one[1]) & (other[2] > one[2]))
    images = tf.where(better[:, tf.newaxis, tf.newaxis, tf.newaxis], other[0], one[0])
    return images, tf.where(better, other[1], one[1]), tf.where(better, other[2], one[2])
