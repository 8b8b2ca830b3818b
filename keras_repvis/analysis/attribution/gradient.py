"""Gradient saliency: where a small change of the image changes an output most.

For the output f_c of a model at the image x the gradient df_c/dx is the model's linear approximation around x. Its
size, reduced over the channels, is the map. Of all rules that propagate an output back to the image this is the one
with a direct meaning; its maps select well in space and look noisy.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import relu_rules
from keras_repvis.analysis.representation import Representation
from keras_repvis.analysis.unsupported import UnsupportedModelError

REDUCTIONS = ("max_abs", "l2", "sum")


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Maps and the numbers that tell whether to believe them.

    Args:
        maps: float32 array (batch, height, width), raw: not normalised.
        diagnostics: Dict of arrays (batch,).

    Example:
        >>> import numpy as np
        >>> keras_repvis.analysis.attribution.Attribution(np.zeros((1, 8, 8)), {}).maps.shape
        (1, 8, 8)
    """

    maps: np.ndarray
    diagnostics: dict


class Gradient:
    """Map of |df_c/dx| reduced over the channels of the image.

    Propagated back only to an inner layer, the map tells better which units the class depends on than one at the
    image does.

    Args:
        model: Keras model from images (batch, height, width, channels) to scores (batch, classes).
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`, "spatial" for
            the last activation that has positions.
        reduction: How the channels k of g = df_c/dx become one number: "max_abs" is max_k |g_k| (the paper's), "l2" is
            (sum_k g_k^2)^(1/2), "sum" is sum_k g_k, which keeps the sign.
        batch_size: Integer >= 1, images that are differentiated at once; bounds the memory.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the image or of the layer; diagnostics "target"
        (the class explained) and "score" (f_c).

    Raises:
        UnsupportedModelError: If the model has several inputs or outputs, if its output is not (batch, classes), or if
            no gradient reaches the image.
        ValueError: If images or targets do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> saliency = keras_repvis.analysis.attribution.Gradient(model)
        >>> saliency(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
        and Saliency Maps", 2014, section 3.1.
    """

    # What goes back through a rectifier; see `relu_rules`.
    _rule = "gradient"

    def __init__(self, model, layer=None, reduction="max_abs", batch_size=64):
        checks.one_of("reduction", reduction, REDUCTIONS)
        checks.number("batch_size", batch_size, low=1, integer=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"model={model!r} is not accepted: expected a keras.Model.")
        _check_model(model)
        self.model = model
        self._phi = None if layer is None else Representation(model, layer)
        self.reduction = reduction
        self.batch_size = batch_size
        self.classes = model.outputs[0].shape[-1]
        self._gradient = tf.function(self._scores_and_maps, autograph=False, reduce_retracing=True)

    def __call__(self, images, targets=None):
        images = _as_images(images, self.model.inputs[0].shape)
        targets = self._as_targets(targets, len(images))
        maps, scores, explained = [], [], []
        for start in range(0, len(images), self.batch_size):
            chunk = slice(start, start + self.batch_size)
            # -1 stands for "the largest score", so that one compiled function serves both cases.
            outcome = self._gradient(tf.constant(images[chunk]), tf.constant(targets[chunk]))
            for values, value in zip((maps, scores, explained), outcome):
                values.append(value.numpy())
        diagnostics = {"target": np.concatenate(explained), "score": np.concatenate(scores)}
        return Attribution(maps=np.concatenate(maps), diagnostics=diagnostics)

    def _scores_and_maps(self, images, targets):
        start, outputs = images, None
        if self._phi is None:
            outputs = self.model(images, training=False)
        else:
            (start,), outputs = self._phi.trace(images)
            _check_spatial(start)
        outputs = tf.cast(outputs, "float32")
        classes = tf.where(targets < 0, tf.argmax(outputs, axis=-1), targets)
        scores = tf.gather(outputs, classes, batch_dims=1)
        relu_rules.apply(self._rule, start, scores, self.model.name)
        # A tape would pass over the rule.
        gradients = tf.gradients(scores, start)[0]
        if gradients is None:
            raise UnsupportedModelError(
                f"model={self.model.name!r}: no gradient reaches the image. A layer between the image and the output "
                "is not differentiable (a cast to integers, a rounding or an argmax)."
            )
        return self._reduce(tf.cast(gradients, "float32")), scores, classes

    def _reduce(self, gradients):
        if self.reduction == "max_abs":
            return tf.reduce_max(tf.abs(gradients), axis=-1)
        if self.reduction == "l2":
            return tf.norm(gradients, axis=-1)
        return tf.reduce_sum(gradients, axis=-1)

    def _as_targets(self, targets, batch):
        if targets is None:
            return np.full(batch, -1, "int64")
        array = np.asarray(targets)
        fits = array.shape in ((), (batch,)) and np.issubdtype(array.dtype, np.integer)
        if not fits or array.min(initial=0) < 0 or array.max(initial=0) >= self.classes:
            raise ValueError(
                f"targets={targets!r} is not accepted: expected None, a class index from 0 to {self.classes - 1}, or "
                f"an array of {batch} of them."
            )
        return np.broadcast_to(array, (batch,)).astype("int64")


def _check_model(model):
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedModelError(
            f"model={model.name!r} has {len(model.inputs)} inputs and {len(model.outputs)} outputs: expected one each. "
            "Make a keras.Model of the input and output to explain."
        )
    if len(model.inputs[0].shape) != 4 or len(model.outputs[0].shape) != 2:
        raise UnsupportedModelError(
            f"model={model.name!r} maps {model.inputs[0].shape} to {model.outputs[0].shape}: expected images "
            "(batch, height, width, channels) to scores (batch, classes)."
        )


def _check_spatial(code):
    if code.shape.rank != 4:
        raise ValueError(f"layer has outputs {code.shape}: expected (batch, height, width, channels).")


def _as_images(images, shape):
    array = np.asarray(images, "float32")
    fits = array.ndim == 4 and all(want in (None, have) for want, have in zip(shape[1:], array.shape[1:]))
    if not fits or not len(array):
        raise ValueError(f"images of shape {array.shape} are not accepted: the model expects {tuple(shape)}.")
    return array
