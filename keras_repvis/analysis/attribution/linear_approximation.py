"""The linear approximation of an output around an activation: the gradient, modulated by the activation.

Around the activation x_m of layer m

    f(z) ~ f(x_m) + sum_(u,k) g[u,k] (z[u,k] - x_m[u,k]),    g = df/dx_m

so that each unit contributes r[u,k] = x_m[u,k] g[u,k], and what no unit contributes is the constant f - sum r. The map
is s_u = sum_k r[u,k]. Of the methods that weight activations this is the one with a direct meaning, and it says how far
to believe it:

    - where all above the layer is affine (an average over positions and a linear classifier), s is exact and the
      constant is the bias;
    - in a network of rectifiers without biases, f is homogeneous: the constant is zero at every layer, the image too;
    - elsewhere the constant is what biases, normalisations and saturated units hold.

At the image (`layer=None`) this is gradient x input, and depends on what value of a pixel is zero.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution.gradient import Gradient, reduce_channels


class LinearApproximation(Gradient):
    """Map of s_u = sum_k x_m[u,k] df/dx_m[u,k], the modulated gradient at a layer m.

    Args:
        model: `keras.Model` of any kind; for `layer=None` a function of images too. See `Method`.
        layer: As in `analysis.Representation`, "spatial" (default) for the last activation that has positions; None
            for the image.
        reduction: How the channels k of r become one number: "sum" (default), which keeps the sign and the sum, or
            "max_abs" or "l2"; see `Gradient`.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score, a class index, (batch,) class indices, a mask over the
            outputs, or a function of them; see `Method`.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the layer or of the image; diagnostics "target",
        "score" (f) and "constant", the part f - sum_(u,k) r[u,k] of the score that the map does not hold.

    Raises:
        UnsupportedModelError: If no gradient reaches the layer, or no layer is known to be an activation with
            positions.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.LinearApproximation(model)
        >>> result = method(np.full((2, 64, 64, 1), 0.5, "float32"), targets=3)
        >>> whole = result.maps.sum(axis=(1, 2)) + result.diagnostics["constant"]
        >>> result.maps.shape, np.allclose(whole, result.diagnostics["score"])
        ((2, 2, 2), True)

    Reference:
        Shrikumar, Greenside, Shcherbina and Kundaje, "Not Just a Black Box: Learning Important Features Through
        Propagating Activation Differences", 2016, for gradient x input; Ancona, Ceolini, Oztireli and Gross, "Towards
        better understanding of gradient-based attribution methods for Deep Neural Networks", 2018, section 2.
    """

    def __init__(self, model, layer="spatial", reduction="sum", **options):
        super().__init__(model, layer=layer, reduction=reduction, **options)

    def _explain(self, query):
        start, signal, diagnostics = self._signal(query)
        contributions = tf.cast(start, "float32") * signal
        constant = diagnostics["score"] - tf.reduce_sum(contributions, axis=(1, 2, 3))
        return reduce_channels(contributions, self.reduction), {**diagnostics, "constant": constant}
