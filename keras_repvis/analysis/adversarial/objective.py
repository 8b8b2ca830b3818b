"""What an attack makes as large as it can: a function of a classifier's outputs, and which way it rises.

With z the logits, y the label to leave and r the best class but y,

    cross-entropy    L = -log softmax(z)_y = log(1 + sum_{j != y} exp(z_j - z_y))
    margin           L = z_r - z_y, positive if and only if the image is no longer seen as y (Carlini and Wagner 2017)

The objective is L for an attack that leaves the label, and -L, with y the label to reach, for a targeted one.

An attack needs the direction of dL/dz and not its length. That of the cross-entropy is (1 - p_y) (q - e_y) with q the
softmax over the other classes alone, so q - e_y points the same way and does not vanish where a classifier is so sure
that p_y is 1 in float32. Differs from the papers' gradient in that factor only, which no sign and no norm sees.

If the outputs are probabilities p already, L = -log p_y and L = log p_r - log p_y; nothing is normalised twice.
"""

import tensorflow as tf

LOSSES = ("cross_entropy", "margin")
# Smallest normal float32: the logarithm of a probability that is 0 stays finite.
_TINY = 1.1754944e-38


class Objective:
    """Value, direction and success of an attack, from the outputs of a classifier.

    Args:
        loss: "cross_entropy" or "margin".
        targeted: Whether the label is to be reached; False: to be left.
        from_logits: Whether the outputs are logits; False: probabilities.

    Example:
        >>> import tensorflow as tf
        >>> objective = Objective("margin", targeted=False, from_logits=True)
        >>> outputs, labels = tf.constant([[2.0, 5.0, 1.0]]), tf.constant([0])
        >>> float(objective.value(outputs, labels)[0]), objective.direction(outputs, labels).numpy().tolist()
        (3.0, [[-1.0, 1.0, 0.0]])
    """

    def __init__(self, loss, targeted, from_logits):
        self.loss = loss
        self.targeted = targeted
        self.from_logits = from_logits

    def value(self, outputs, labels):
        """Return the objective as float32 (batch,), from outputs (batch, classes) and labels (batch,)."""
        scores = self._scores(outputs)
        own = tf.gather(scores, labels, batch_dims=1)
        others = _without(scores, labels)
        if self.loss == "margin":
            loss = tf.reduce_max(others, axis=-1) - own
        elif self.from_logits:
            loss = tf.nn.softplus(tf.reduce_logsumexp(others, axis=-1) - own)
        else:
            loss = -own
        return tf.cast(-loss if self.targeted else loss, "float32")

    def direction(self, outputs, labels):
        """Return a positive multiple of the gradient of the objective by the outputs, the largest entry of size 1."""
        own = tf.one_hot(labels, outputs.shape[-1], dtype="float64")
        others = _without(self._scores(outputs), labels)
        if self.loss == "margin":
            rival = tf.one_hot(tf.argmax(others, axis=-1), outputs.shape[-1], dtype="float64")
            rise = rival - own if self.from_logits else _shorten(rival - own, outputs)
        else:
            rise = tf.nn.softmax(others) - own if self.from_logits else -own
        return tf.cast(-rise if self.targeted else rise, outputs.dtype)

    def reached(self, outputs, labels):
        """Return booleans (batch,): whether the class of the largest output is the target, or is not the label."""
        return tf.equal(tf.argmax(outputs, axis=-1), labels) == self.targeted

    def _scores(self, outputs):
        """Return logits, or logarithms of probabilities, as float64: differences of large logits are exact in it."""
        outputs = tf.cast(outputs, "float64")
        return outputs if self.from_logits else tf.math.log(tf.maximum(outputs, _TINY))


def _without(scores, labels):
    """Return `scores` with that of the label at minus infinity."""
    own = tf.one_hot(labels, scores.shape[-1], on_value=True, off_value=False, dtype="bool")
    return tf.where(own, tf.constant(float("-inf"), scores.dtype), scores)


def _shorten(rise, probabilities):
    """Return d/dp from d/dlog p, scaled so that its largest entry has size 1."""
    divided = rise / tf.maximum(tf.cast(probabilities, "float64"), _TINY)
    return divided / tf.reduce_max(tf.abs(divided), axis=-1, keepdims=True)
