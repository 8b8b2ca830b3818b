"""Grad-CAM: which positions of a layer hold the evidence, each of its channels weighted by its mean gradient.

    w_k = mean_u df/dA_k[u],    L[u] = max(sum_k w_k A_k[u], 0)

Where the layer is averaged over its positions and then goes through a linear classifier, w_k is the classifier's weight
of the channel over the number of positions, and L is the positive part of the class activation map of Zhou et al. 2016,
and of the linear approximation of f (`LinearApproximation`). Elsewhere it is a heuristic: the mean of the gradient is
taken over positions that need not be alike.

A map that is zero everywhere is a result: no position speaks for the class. The diagnostic "largest" tells how far from
that a map is.

Differs from peers: the default layer is the last *activation* with positions, not the last convolution, which comes
before its batch normalisation and its rectifier; and maps are raw, neither scaled to [0, 1] nor brought to the size of
the image unless asked for.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution.activation_map import ActivationMap


class GradCAM(ActivationMap):
    """Map of max(sum_k w_k A_k, 0) for w_k the mean of df/dA_k over the positions.

    Args:
        model: Built `keras.Model` of any kind.
        layer: Whose activations A are: as in `analysis.Representation`, "spatial" (default) for the last activation
            that has positions.
        relu: Boolean, whether the negative part of the sum is cut. Default True.
        upsample: Boolean, whether the map is brought to the size of the image, by bilinear interpolation with the
            centres of pixels at halves. Default False: it has the size of the layer.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score, a class index, (batch,) class indices, a mask over the
            outputs, or a function of them; see `Method`.

    Returns:
        `Attribution`, its maps of the size of the layer or of the image; diagnostics "target", "score" and "largest",
        the largest value of the sum before its negative part is cut and before it is brought to another size: below
        zero, the map is zero everywhere.

    Raises:
        UnsupportedModelError: If no gradient reaches the layer, if no layer is known to be an activation with
            positions, or if the model is a function, whose layers cannot be seen.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> images = np.full((2, 64, 64, 1), 0.5, "float32")
        >>> keras_repvis.analysis.attribution.GradCAM(model)(images, targets=3).maps.shape
        (2, 2, 2)
        >>> keras_repvis.analysis.attribution.GradCAM(model, upsample=True)(images, targets=3).maps.shape
        (2, 64, 64)

    Reference:
        Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra, "Grad-CAM: Visual Explanations from Deep Networks via
        Gradient-based Localization", 2017, equations 1 and 2.
    """

    def _weights(self, code, gradient, diagnostics):
        return tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
