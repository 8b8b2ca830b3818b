"""Label smoothing: cross-entropy with a share of each label spread over all classes."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy between integer labels, smoothed, and predictions.

    The label y becomes the distribution q'(k) = (1 - e) [k = y] + e / K over the K classes, and an example's loss is

        H(q', p) = -sum_k q'(k) log p(k) = (1 - e) (-log p(y)) + e (-1/K sum_k log p(k)).

    It is `keras.losses.CategoricalCrossentropy(label_smoothing=e)` for labels that are not one-hot, and
    `keras.losses.SparseCategoricalCrossentropy` at e = 0.

    Args:
        label_smoothing: Number e in [0, 1].
        from_logits: Whether predictions are logits; else they are probabilities.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: Type that the loss is computed in, as in `keras.losses.Loss`.

    Input shape:
        Labels `(batch, ...)` or `(batch, ..., 1)`, integers in [0, classes); predictions `(batch, ..., classes)`.

    Output shape:
        A scalar, or `(batch, ...)` under `reduction="none"`. In nats.

    Raises:
        ValueError: If an argument is out of range, or the labels are one-hot.

    Example:
        >>> loss = keras_repvis.losses.SmoothedCrossentropy(label_smoothing=0.2)
        >>> round(float(loss([1], [[0.0, 3.0, 0.0, 0.0]])), 4)  # -log p = 0.1392 for class 1, 3.1392 for the others
        0.5892

    Reference:
        Szegedy, Vanhoucke, Ioffe, Shlens, Wojna (2016), "Rethinking the Inception Architecture for Computer Vision",
        section 7.
    """

    def __init__(
        self,
        label_smoothing=0.1,
        from_logits=True,
        reduction="sum_over_batch_size",
        name="smoothed_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.label_smoothing = checks.number("label_smoothing", label_smoothing, low=0, high=1)
        self.from_logits = checks.one_of("from_logits", from_logits, (True, False))

    def call(self, y_true, y_pred):
        y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] != 1:
            raise ValueError(
                f"Labels of shape {tuple(y_true.shape)} are not accepted for predictions of shape "
                f"{tuple(y_pred.shape)}: expected integers, one a prediction. For one-hot labels there is "
                "keras.losses.CategoricalCrossentropy(label_smoothing=...)."
            )
        # Keras' own functions, which are careful near p = 0 and notice a softmax at the end of the model.
        sparse = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=self.from_logits)
        uniform = keras.ops.ones_like(y_pred) / keras.ops.cast(keras.ops.shape(y_pred)[-1], y_pred.dtype)
        spread = keras.losses.categorical_crossentropy(uniform, y_pred, from_logits=self.from_logits)
        return (1.0 - self.label_smoothing) * sparse + self.label_smoothing * spread

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
            "from_logits": self.from_logits,
        }
