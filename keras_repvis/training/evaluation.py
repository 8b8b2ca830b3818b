"""How well a classifier does on a stream it was not trained on."""

import dataclasses

import numpy as np
import scipy.special
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Predictions of a classifier on a data set, and what follows from them.

    Args:
        logits: Float array (examples, classes).
        labels: Integer array (examples,).

    Attributes:
        accuracy: Share of examples whose largest logit is at their label, in [0, 1].
        loss: Mean cross-entropy in nats.
        confusion: Integer array (classes, classes); row = true class, column = predicted class.

    Example:
        >>> import numpy as np
        >>> result = keras_repvis.training.Evaluation(np.eye(3), np.array([0, 1, 1]))
        >>> round(result.accuracy, 3), result.confusion.tolist()
        (0.667, [[1, 0, 0], [0, 1, 1], [0, 0, 0]])
    """

    logits: np.ndarray
    labels: np.ndarray

    @property
    def predictions(self):
        """Class of the largest logit, integers (examples,)."""
        return np.argmax(self.logits, axis=-1)

    @property
    def accuracy(self):
        """Share of examples whose largest logit is at their label."""
        return float(np.mean(self.predictions == self.labels))

    @property
    def loss(self):
        """Mean cross-entropy in nats."""
        log_probabilities = scipy.special.log_softmax(np.asarray(self.logits, "float64"), axis=-1)
        return float(-np.mean(log_probabilities[np.arange(len(self.labels)), self.labels]))

    @property
    def confusion(self):
        """Counts (classes, classes): row = true class, column = predicted class."""
        classes = self.logits.shape[-1]
        cells = np.bincount(self.labels * classes + self.predictions, minlength=classes * classes)
        return cells.reshape(classes, classes)


def evaluate(model, stream):
    """Return the `Evaluation` of `model` on every example of one pass over `stream`.

    Args:
        model: Keras model from images to logits (batch, classes).
        stream: `data.Stream`, made with `shuffle=False, drop_remainder=False` so that each example counts once.

    Returns:
        `Evaluation`.

    Raises:
        ValueError: If the model's output is not (batch, classes).

    Example:
        >>> source = keras_repvis.data.Source("repvis_digits", split="test[:20]")
        >>> stream = keras_repvis.data.Stream(
        ...     source, 10, image_size=(32, 32), shuffle=False, drop_remainder=False)
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> keras_repvis.training.evaluate(model, stream).logits.shape
        (20, 10)
    """
    outputs = model.outputs or []
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        raise ValueError(f"model={model.name!r} is not a classifier: expected one output (batch, classes).")
    dataset = stream.dataset()
    spec = dataset.element_spec[0]
    # Traced once for whole batches and the short last one. Not `predict_on_batch`: each replica would predict it all.
    spec = tf.TensorSpec((None, *spec.shape[1:]), spec.dtype)
    predict = tf.function(lambda images: model(images, training=False), input_signature=[spec])
    logits, labels = [], []
    for images, batch_labels in dataset:
        logits.append(np.asarray(predict(images), "float32"))
        labels.append(np.asarray(batch_labels, "int64"))
    return Evaluation(logits=np.concatenate(logits), labels=np.concatenate(labels))
