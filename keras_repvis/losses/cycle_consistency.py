"""Cycle consistency: an image translated there and back should be the image."""

import keras

from keras_repvis import checks


@keras.saving.register_keras_serializable("keras_repvis")
class CycleConsistencyLoss(keras.losses.Loss):
    """Mean absolute difference between images and what came back, in units of images of another range.

    With images x and y in [0, 1] and the `span` s,

        loss = s mean|y - x|.

    CycleGAN's networks and weights are those of images in [-1, 1], so s is 2: a weight of 10 means here what it means
    there, and a grey level is 2/255. It is the identity loss too, |G(b) - b| for an image b that is already of the
    domain that G translates to.

    Args:
        span: Number > 0, range that differences are counted in; 1 for images in [0, 1].
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.
        dtype: Type that the loss is computed in, as in `keras.losses.Loss`.

    Input shape:
        Two batches of images, `(batch, height, width, channels)`, in [0, 1].

    Output shape:
        A scalar, or `(batch,)` under `reduction="none"`.

    Raises:
        ValueError: If `span` is not a number > 0.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((1, 8, 8, 3), "float32")
        >>> round(float(keras_repvis.losses.CycleConsistencyLoss()(images, images + 0.25)), 4)
        0.5

    Reference:
        Zhu, Park, Isola, Efros (2017), "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", equation 2; section 5.2 (identity loss).
    """

    def __init__(self, span=2.0, reduction="sum_over_batch_size", name="cycle_consistency_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.span = checks.number("span", span, above=0)

    def call(self, y_true, y_pred):
        y_true, y_pred = keras.ops.convert_to_tensor(y_true), keras.ops.convert_to_tensor(y_pred)
        apart = keras.ops.abs(y_pred - y_true)
        return self.span * keras.ops.mean(apart, axis=tuple(range(1, len(apart.shape))))

    def get_config(self):
        return {**super().get_config(), "span": self.span}
