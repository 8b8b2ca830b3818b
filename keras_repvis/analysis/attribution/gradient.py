"""Gradient saliency: where a small change of the image changes an output most.

For the output f_c of a model at the image x the gradient df_c/dx is the model's linear approximation around x. Its
size, reduced over the channels, is the map. Of all rules that propagate an output back to the image this is the one
with a direct meaning; its maps select well in space and look noisy.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import relu_rules
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.unsupported import UnsupportedModelError

REDUCTIONS = ("max_abs", "l2", "sum")


class Gradient(Method):
    """Map of |df_c/dx| reduced over the channels of the image.

    Propagated back only to an inner layer, the map tells better which units the class depends on than one at the
    image does.

    Args:
        model: `keras.Model` of any kind, or a function of images; see `Method`.
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`, "spatial" for
            the last activation that has positions.
        reduction: How the channels k of g = df_c/dx become one number: "max_abs" is max_k |g_k| (the paper's), "l2" is
            (sum_k g_k^2)^(1/2), "sum" is sum_k g_k, which keeps the sign.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the image or of the layer; diagnostics "target"
        (the class explained, where one is) and "score" (f_c).

    Raises:
        UnsupportedModelError: If no gradient reaches the image, or the outputs have no classes and `targets` does not
            say what to explain.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> saliency = keras_repvis.analysis.attribution.Gradient(model)
        >>> saliency(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks: Visualising Image Classification Models
        and Saliency Maps", 2014, section 3.1.
    """

    # What goes back through a rectifier; see `relu_rules`.
    _rule = "gradient"

    def __init__(self, model, layer=None, reduction="max_abs", **options):
        checks.one_of("reduction", reduction, REDUCTIONS)
        super().__init__(model, **options)
        self._phi = None if layer is None else self._represent(layer)
        self.reduction = reduction

    def _explain(self, query):
        _, signal, diagnostics = self._signal(query)
        return reduce_channels(signal, self.reduction), diagnostics

    def _signal(self, query):
        """Return (the image or code, what reaches it from f as float32, diagnostics)."""
        start, outputs = self._trace(query)
        diagnostics = query.diagnostics(outputs)
        return start, self._reach(start, diagnostics["score"]), diagnostics

    def _trace(self, query, images=None):
        """Return (images or their code, outputs of the model), for the images of the query if there are no others."""
        if self._phi is None:
            return query.images if images is None else images, query.outputs(images)
        (code,), outputs = self._phi.trace(query.inputs(images))
        check_spatial(code)
        return code, outputs

    def _reach(self, start, scores):
        """Return what reaches `start` from `scores` by the rule of this class, as float32."""
        relu_rules.apply(self._rule, start, scores, self._name())
        return propagate(scores, start, self._name(), "the image" if self._phi is None else "the layer")


def propagate(scores, start, name, place="the image"):
    """Return df/dstart (batch, height, width, channels) as float32, by the rules that were set on the graph.

    Raises:
        UnsupportedModelError: If no gradient reaches `start`.
    """
    # A tape would pass over the rules.
    gradients = tf.gradients(scores, start)[0]
    if gradients is None:
        raise UnsupportedModelError(
            f"model={name!r}: no gradient reaches {place}. The output does not depend on it, or a layer "
            "between is not differentiable (a cast to integers, a rounding or an argmax)."
        )
    return tf.cast(tf.convert_to_tensor(gradients), "float32")


def reduce_channels(signal, reduction):
    """Return (batch, height, width) from (batch, height, width, channels); see `Gradient`."""
    if reduction == "max_abs":
        return tf.reduce_max(tf.abs(signal), axis=-1)
    if reduction == "l2":
        return tf.norm(signal, axis=-1)
    return tf.reduce_sum(signal, axis=-1)


def check_spatial(code):
    """Raise a `ValueError` unless a code is (batch, height, width, channels)."""
    if code.shape.rank != 4:
        raise ValueError(f"layer has outputs {code.shape}: expected (batch, height, width, channels).")
