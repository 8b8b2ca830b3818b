"""The contract of every attack: built once for a classifier, called on any number of images.

    attack(model, epsilon, ...)(images, labels=None) -> AdversarialExamples

An attack writes `_search`, which returns perturbed images; `Attack` checks what it is given, cuts it into chunks, asks
the classifier before and after, and measures how far the images moved. The classifier is called in inference mode,
each model owns its preprocessing, and epsilon is in units of the pixels in [0, 1] before it.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.adversarial import ball
from keras_repvis.analysis.adversarial.examples import AdversarialExamples
from keras_repvis.analysis.adversarial.objective import LOSSES, Objective
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.unsupported import UnsupportedModelError

# A label that is still to be found: the class that the classifier sees.
_PREDICTED = -1
# Operations that pass on what they are given, on the way back to what made the outputs.
_PASSING = ("Cast", "EnsureShape", "Identity", "Reshape", "Squeeze", "StopGradient")


class Attack:
    """Base of the attacks.

    Args:
        model: Built `keras.Model` of any kind, or a function of a batch of images, for instance a loaded SavedModel;
            its one output is (batch, classes).
        epsilon: Radius of the ball of perturbations, in units of the pixels in [0, 1], > 0.
        norm: "linf" or "l2".
        targeted: Whether the labels are to be reached. Default False: they are to be left.
        loss: "cross_entropy" or "margin"; see `objective.py`.
        from_logits: Whether the outputs are logits. Default True; False for probabilities that sum to 1. What does not
            fit is refused; only a sigmoid inside a loaded SavedModel cannot be seen.
        input_index: Integer, which of several inputs is the image; None for the only one of rank 4.
        batch_size: Integer >= 1, images that go through the model at once; bounds the memory.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1], any batch size; for a model of several inputs
            the structure of arrays that it takes.
        labels: Class index, or (batch,) class indices: the true classes, or the targets of a targeted attack. None
            (default) for the classes that the model sees in `images`; a targeted attack needs them.

    Returns:
        `AdversarialExamples`.

    Raises:
        UnsupportedModelError: If no gradient reaches the image, or the outputs are not those of a classifier.
        ValueError: If images or labels do not fit the model, or its outputs are not what `from_logits` says.
    """

    _needs_gradient = True

    def __init__(
        self,
        model,
        epsilon,
        norm="linf",
        targeted=False,
        loss="cross_entropy",
        from_logits=True,
        input_index=None,
        batch_size=32,
    ):
        self.epsilon = float(checks.number("epsilon", epsilon, above=0))
        self.norm = checks.one_of("norm", norm, ball.NORMS)
        self.targeted = checks.one_of("targeted", targeted, (True, False))
        checks.one_of("from_logits", from_logits, (True, False))
        self.model = model
        self.batch_size = batch_size
        # How a model is called, and what it takes, is known there already.
        self._method = Method(model, input_index=input_index, batch_size=batch_size)
        self._objective = Objective(checks.one_of("loss", loss, LOSSES), targeted, from_logits)
        self._look = tf.function(self._observe, autograph=False, reduce_retracing=True)

    def __call__(self, images, labels=None):
        inputs, index = self._method._read_images(images)
        clean = inputs[index]
        if not (np.isfinite(clean).all() and clean.min() >= 0 and clean.max() <= 1):
            raise ValueError(f"images from {clean.min()} to {clean.max()} are not accepted: expected [0, 1].")
        labels = self._read_labels(labels, len(clean), self._method._output_spec(images, inputs))
        answers, chance = [], self._chance()
        for start in range(0, len(clean), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            given = tf.nest.pack_sequence_as(images, [tf.constant(array[chunk]) for array in inputs])
            answers.append(self._attack(given, index, tf.constant(labels[chunk]), chance))
        found = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
        moved = found["images"].astype("float64") - clean
        return AdversarialExamples(distances=_length(moved, self.norm), **found)

    def _attack(self, given, index, labels, chance):
        """Return the fields of `AdversarialExamples` for one chunk, as a dict of arrays.

        `given` is what the model takes, and the image is at `index` of it when it is flattened.
        """
        before = self._run(self._look, given, index, labels, self._needs_gradient)
        self._check(before)
        labels = before["labels"]
        images = tf.convert_to_tensor(self._search(given, index, labels, before.get("gradient"), chance))
        after = self._run(self._look, replace(given, index, images), index, labels, False)
        self._check_finite(after)
        found = {
            "images": images,
            "labels": labels,
            "predictions": after["predictions"],
            "clean_predictions": before["predictions"],
            "success": after["success"],
            "clean_success": before["success"],
            "losses": after["losses"],
            "clean_losses": before["losses"],
        }
        if self._needs_gradient:
            found["zero_gradient"] = tf.reduce_all(before["gradient"] == 0, axis=(1, 2, 3))
        return {name: tensor.numpy() for name, tensor in found.items()}

    def _run(self, function, *arguments):
        """Call a traced function, which is traced once for any number of images."""
        any_number = tf.nest.map_structure(_without_length, arguments)
        function.get_concrete_function(*any_number)
        return function(*arguments)

    def _search(self, given, index, labels, gradient, chance):
        """Return perturbed images; `gradient` is that of the objective by the clean images, up to its length."""
        raise NotImplementedError

    def _chance(self):
        """Return what one call draws its random numbers from, chunk after chunk."""
        return None

    def _observe(self, given, index, labels, with_gradient):
        """Return what the model makes of images, traced: a dict of tensors."""
        images = image_of(given, index)
        found = {}
        if with_gradient:
            outputs, found["gradient"] = self._gradient(images, given, index, labels)
        else:
            outputs = self._outputs(given)
        labels = _resolve(labels, outputs)
        numbers = [images, outputs, *found.values()]
        return {
            **found,
            "labels": labels,
            "predictions": tf.argmax(outputs, axis=-1),
            "success": self._objective.reached(outputs, labels),
            "losses": self._objective.value(outputs, labels),
            "finite": tf.reduce_all([tf.reduce_all(tf.math.is_finite(one)) for one in numbers]),
            "distribution": _is_distribution(outputs),
        }

    def _gradient(self, images, given, index, labels):
        """Return (outputs, gradient of the objective by `images` up to a positive factor an image)."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            outputs = self._outputs(replace(given, index, images))
        direction = self._objective.direction(tf.stop_gradient(outputs), _resolve(labels, outputs))
        gradient = tape.gradient(outputs, images, output_gradients=direction)
        if gradient is None:
            raise UnsupportedModelError(
                f"model={self._method._name()!r}: no gradient reaches the image. A layer between the image and the "
                "output is not differentiable (a cast to integers, a rounding or an argmax)."
            )
        return outputs, tf.convert_to_tensor(gradient)

    def _outputs(self, given):
        """Return what the model puts out for `given`, checked for what it is."""
        outputs = _classes(tf.nest.flatten(self._method._call_model(given)), self._method._name())
        if _maker(outputs) == "Sigmoid":
            raise UnsupportedModelError(
                f"model={self._method._name()!r} puts out a sigmoid for each class, which is no distribution over "
                "them: attack the logits before it."
            )
        return outputs

    def _check(self, seen):
        self._check_finite(seen)
        if bool(seen["distribution"]) == self._objective.from_logits:
            raise ValueError(self._mistaken("already probabilities" if seen["distribution"] else "no distributions"))

    def _check_finite(self, seen):
        if not seen["finite"]:
            raise ValueError(
                f"model={self._method._name()!r} has outputs or a gradient by the image that are not finite."
            )

    def _mistaken(self, what):
        value = self._objective.from_logits
        return (
            f"from_logits={value} is not accepted for this model: its outputs are {what}. "
            f"Set from_logits={not value}{', or give the model up to its logits' if value else ''}."
        )

    def _read_labels(self, labels, batch, spec):
        if labels is None:
            if self.targeted:
                raise ValueError("labels=None is not accepted: a targeted attack needs the classes to reach.")
            return np.full(batch, _PREDICTED, "int64")
        array, size = np.asarray(labels), _classes(tf.nest.flatten(spec), self._method._name()).shape[1]
        fits = np.issubdtype(array.dtype, np.integer) and array.shape in ((), (batch,))
        if not fits or array.min() < 0 or (size is not None and array.max() >= size):
            raise ValueError(
                f"labels={labels!r} is not accepted: expected a class index from 0 to "
                f"{'classes - 1' if size is None else size - 1}, or an array of {batch} of them."
            )
        return np.broadcast_to(array, (batch,)).astype("int64")


def image_of(given, index):
    """Return the image among what a model is given."""
    return tf.nest.flatten(given)[index]


def replace(given, index, images):
    """Return what a model is given with `images` in place of the image."""
    flat = tf.nest.flatten(given)
    return tf.nest.pack_sequence_as(given, [*flat[:index], images, *flat[index + 1 :]])


def _without_length(argument):
    if not tf.is_tensor(argument):
        return argument
    return tf.TensorSpec([None, *argument.shape[1:]], argument.dtype)


def _resolve(labels, outputs):
    return tf.where(labels == _PREDICTED, tf.argmax(outputs, axis=-1), labels)


def _classes(outputs, name):
    """Return the one tensor in `outputs`, which is (batch, classes)."""
    shapes = [tf.TensorShape(getattr(one, "shape", None)) for one in outputs]
    if len(shapes) != 1 or shapes[0].rank != 2 or shapes[0][1] in (0, 1):
        raise UnsupportedModelError(
            f"model={name!r} puts out {', '.join(map(str, shapes))}: expected (batch, classes), 2 classes or more."
        )
    return outputs[0]


def _maker(outputs):
    """Return the type of the operation that made `outputs`, where the traced graph shows it."""
    operation = outputs.op
    while operation.type in _PASSING:
        operation = operation.inputs[0].op
    return operation.type


def _is_distribution(outputs):
    """Return whether all outputs are non-negative and sum to 1, up to what their type rounds off."""
    tolerance = 1e-5 if outputs.dtype.size >= 4 else 2e-2
    wide = tf.cast(outputs, "float64")
    return tf.reduce_all(wide >= 0) & tf.reduce_all(tf.abs(tf.reduce_sum(wide, axis=-1) - 1) < tolerance)


def _length(moved, norm):
    if norm == "linf":
        return np.abs(moved).max(axis=(1, 2, 3))
    return np.sqrt((moved**2).sum(axis=(1, 2, 3)))
