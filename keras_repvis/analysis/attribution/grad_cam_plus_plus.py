"""Grad-CAM++: Grad-CAM with positive gradients, weighted so that small regions count as much as large ones.

For the score Y = exp(f) of a network of rectifiers, whose second derivatives of f are zero,

    alpha_k[u] = (d2Y/dA_k[u]^2) / (2 d2Y/dA_k[u]^2 + S_k d3Y/dA_k[u]^3) = 1 / (2 + S_k g_k[u]),    S_k = sum_u A_k[u]
    w_k = sum_u alpha_k[u] max(g_k[u], 0),    L[u] = max(sum_k w_k A_k[u], 0)

with g = df/dA; where g is zero, alpha is. It asks that activations are not negative: then every denominator that counts
is at least 2. Otherwise it may vanish and the map is not to be believed; the smallest one is returned as the diagnostic
"denominator".

Differs from the paper: the factor exp(f) of dY/dA, one number for each image, is left out, as it overflows for f > 88;
multiply by exp(score) to have it. The second derivatives of f are taken as zero for all networks, as in the paper.

Differs from the reference code: that, and with it tf-keras-vis, divides alpha by its sum over the positions, which the
paper does not say. There alpha of negative gradients takes part, whose denominators may vanish even where no activation
is negative. `alphas="normalized"` does so; it is equal to tf-keras-vis divided by exp(f).
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution.activation_map import ActivationMap


class GradCAMPlusPlus(ActivationMap):
    """Map of max(sum_k w_k A_k, 0) for w_k the sum of positive gradients, each weighted by alpha.

    Args:
        model: Built `keras.Model` of any kind.
        layer: Whose activations A are: as in `analysis.Representation`, "spatial" (default) for the last activation
            that has positions.
        alphas: "paper" (default), or "normalized", as in the reference code: divided by their sum over the positions.
        relu: Boolean, whether the negative part of the sum is cut. Default True.
        upsample: Boolean, whether the map is brought to the size of the image; see `GradCAM`. Default False.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: As in `GradCAM`.

    Returns:
        `Attribution`, as `GradCAM` does; diagnostics also "denominator", the smallest 2 + S_k g_k[u] of a positive
        gradient, or 2 if that is less: a map with a value below 2 is not to be believed.

    Raises:
        UnsupportedModelError: As `GradCAM`.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.GradCAMPlusPlus(model)
        >>> method(np.full((2, 64, 64, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 2, 2)

    Reference:
        Chattopadhyay, Sarkar, Howlader and Balasubramanian, "Grad-CAM++: Improved Visual Explanations for Deep
        Convolutional Networks", 2018, section 3.
    """

    def __init__(self, model, layer="spatial", alphas="paper", **options):
        checks.one_of("alphas", alphas, ("paper", "normalized"))
        super().__init__(model, layer=layer, **options)
        self.alphas = alphas

    def _weights(self, code, gradient, diagnostics):
        positions = (1, 2)
        denominators = 2 + tf.reduce_sum(tf.cast(code, "float32"), axis=positions, keepdims=True) * gradient
        counting = tf.where(gradient > 0, tf.minimum(denominators, 2.0), 2.0 * tf.ones_like(gradient))
        diagnostics["denominator"] = tf.reduce_min(counting, axis=(1, 2, 3))
        alphas = tf.where(gradient != 0, tf.math.divide_no_nan(1.0, denominators), tf.zeros_like(gradient))
        if self.alphas == "normalized":
            alphas = tf.math.divide_no_nan(alphas, tf.reduce_sum(alphas, axis=positions, keepdims=True))
        return tf.reduce_sum(alphas * tf.nn.relu(gradient), axis=positions, keepdims=True)
