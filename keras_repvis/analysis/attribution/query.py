"""What a method is asked, while it is traced: some images, the model, and the number of its outputs to explain."""

import copy

import tensorflow as tf

from keras_repvis.analysis.attribution import targets

SCORES = ("output", "softmax", "sigmoid")


class Query:
    """One batch of images and f, the number to explain of each; symbolic, made by `Method` for `_explain`.

    Methods that change images give `outputs` and `score` more of them than there are: each image `times` times, one
    image after the other (`tf.repeat(images, times, axis=0)`). What belongs to an image, its targets and the other
    inputs of the model, is repeated in the same way.

    Args:
        model: Function from the inputs to the outputs.
        inputs: List of tensors (batch, ...).
        index: Which of the inputs is the image.
        structure: What `model` takes, for `tf.nest.pack_sequence_as`.
        select: See `targets.read`.
        values: Tensor, see `targets.read`.
        scale: "output", "softmax" or "sigmoid": what is done to the outputs before a class or a mask selects of them.

    Attributes:
        images: float32 tensor (batch, height, width, channels).
    """

    def __init__(self, model, inputs, index, structure, select, values, scale="output"):
        self.images = inputs[index]
        self._model = model
        self._inputs = inputs
        self._index = index
        self._structure = structure
        self._select = select
        self._values = values
        self._scale = scale
        self._unchanged = None

    def inputs(self, images=None):
        """Return what the model takes, with `images` (batch x times, ...) in place of the images."""
        images = self.images if images is None else images
        flat = [images if place == self._index else self._repeat(one, images) for place, one in enumerate(self._inputs)]
        return tf.nest.pack_sequence_as(self._structure, flat)

    def outputs(self, images=None):
        """Return what the model puts out for `images` (batch x times, ...), or for the images as they are."""
        if images is not None:
            return self._model(self.inputs(images))
        if self._unchanged is None:
            self._unchanged = self._model(self.inputs())
        return self._unchanged

    def score(self, outputs):
        """Return f as float32 tensor (batch x times,), from what the model put out."""
        if isinstance(self._select, targets.Custom):
            return tf.cast(self._select(outputs, None), "float32")
        outputs = self._scaled(outputs)
        return self._select(outputs, self._repeat(self._values, outputs))

    def rival(self, outputs):
        """Return the largest value of a class that is not explained, float32 (batch x times,), where one is."""
        outputs = self._scaled(outputs)
        labels = targets.classes(self._select, outputs, self._repeat(self._values, outputs))
        explained = tf.one_hot(labels, tf.shape(outputs)[1], on_value=True, off_value=False, dtype="bool")
        return tf.reduce_max(tf.where(explained, -float("inf"), outputs), axis=1)

    def resolve(self, outputs=None):
        """Return (this query with the class of the largest score fixed for each image, diagnostics).

        Needed before images are changed, which may change the class. `outputs` are those of the images as they are, if
        they are known.
        """
        outputs = self.outputs() if outputs is None else outputs
        fixed = copy.copy(self)
        if targets.is_class(self._select):
            fixed._values = targets.classes(self._select, tf.cast(outputs, "float32"), self._values)
        return fixed, fixed.diagnostics(outputs)

    def diagnostics(self, outputs):
        """Return {"score": f, "target": class} of the images themselves, the second only where a class is explained."""
        found = {"score": self.score(outputs)}
        if targets.is_class(self._select):
            found["target"] = targets.classes(self._select, tf.cast(outputs, "float32"), self._values)
        return found

    def cross_entropy(self, outputs, are_distributions):
        """Return -log p of the class that is explained, float32 (batch x times,); None where no class is explained.

        p is the softmax of the outputs, the outputs themselves if `are_distributions` (a boolean tensor; see
        `is_distribution`), or with scale "sigmoid" the sigmoid of the class alone.
        """
        if not targets.is_class(self._select):
            return None
        outputs = tf.cast(outputs, "float32")
        labels = targets.classes(self._select, outputs, self._repeat(self._values, outputs))
        if self._scale == "sigmoid":
            return -tf.math.log_sigmoid(tf.gather(outputs, labels, batch_dims=1))
        # Their softmax is what they are.
        logits = tf.where(are_distributions, tf.math.log(tf.maximum(outputs, 1e-30)), outputs)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def is_distribution(self, outputs):
        """Return a boolean tensor: whether each output is a distribution already, which no softmax should follow."""
        outputs = tf.cast(outputs, "float32")
        sums = tf.reduce_sum(outputs, axis=-1)
        return tf.reduce_all(outputs >= 0) & tf.reduce_all(tf.abs(sums - 1) < 1e-2)

    def _scaled(self, outputs):
        scale = {"output": tf.identity, "softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}[self._scale]
        return scale(tf.cast(outputs, "float32"))

    def _repeat(self, tensor, like):
        if tensor.shape[0] is not None and tensor.shape[0] == like.shape[0]:
            return tensor
        return tf.repeat(tensor, tf.shape(like)[0] // tf.shape(tensor)[0], axis=0)
