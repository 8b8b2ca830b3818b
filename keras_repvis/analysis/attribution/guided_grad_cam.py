"""Guided Grad-CAM: guided backpropagation, kept where Grad-CAM finds evidence.

    M[v] = G[v] up(L)[v]

with G the signal that guided backpropagation brings to pixel v of the image and L the map of Grad-CAM, brought to the
size of the image. It has the sharpness of the first and the position of the second; of the first it also has that the
fine structure hardly depends on what the upper layers have learned (Adebayo et al. 2018, "Sanity Checks for Saliency
Maps"), so it shows the edges of what is there rather than what the class depends on.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import relu_rules
from keras_repvis.analysis.attribution.grad_cam import GradCAM
from keras_repvis.analysis.attribution.gradient import REDUCTIONS, propagate, reduce_channels


class GuidedGradCAM(GradCAM):
    """Map of guided backpropagation times Grad-CAM, at the size of the image.

    Args:
        model: Built `keras.Model` of any kind.
        layer: The layer of Grad-CAM: as in `analysis.Representation`, "spatial" (default) for the last activation that
            has positions.
        reduction: How the channels of the image become one number: "max_abs", "l2" or "sum"; see `Gradient`.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: As in `GradCAM`.

    Returns:
        `Attribution`, its maps of the size of the image; diagnostics as those of `GradCAM`.

    Raises:
        UnsupportedModelError: As `GradCAM`, and as `GuidedBackprop`.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.GuidedGradCAM(model)
        >>> method(np.full((2, 64, 64, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 64, 64)

    Reference:
        Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from Deep Networks via
        Gradient-based Localization", 2017, section 3.2.
    """

    def __init__(self, model, layer="spatial", reduction="max_abs", **options):
        checks.one_of("reduction", reduction, REDUCTIONS)
        super().__init__(model, layer=layer, relu=True, upsample=True, **options)
        self.reduction = reduction

    def _explain(self, query):
        # Before the rules of guided backpropagation are set: Grad-CAM goes by the gradient.
        maps, diagnostics = super()._explain(query)
        relu_rules.apply("guided", query.images, diagnostics["score"], self._name())
        signal = propagate(diagnostics["score"], query.images, self._name())
        return reduce_channels(signal * maps[..., tf.newaxis], self.reduction), diagnostics
