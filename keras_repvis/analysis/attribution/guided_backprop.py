"""Guided backpropagation: positive signals go back through rectifiers that were open.

The output f_c is propagated back to the image as a gradient is, but at each rectifier y = max(x, 0) the signal p from
above becomes p [x > 0] [p > 0]. Maps are sharp; that they keep their structure when the upper layers are randomised
tells that they depend little on what was learned (Adebayo et al. 2018).
"""

from keras_repvis.analysis.attribution.gradient import Gradient


class GuidedBackprop(Gradient):
    """Map of f_c propagated back with the rule p [x > 0] [p > 0] at rectifiers.

    Args:
        model: Keras model from images (batch, height, width, channels) to scores (batch, classes).
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`.
        reduction: "max_abs", "l2" or "sum"; see `Gradient`.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score.

    Returns:
        `Attribution`, as `Gradient` does.

    Raises:
        UnsupportedModelError: As `Gradient`; and if the model has no rectifier, or one that cannot be seen.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.GuidedBackprop(model)
        >>> method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Springenberg, Dosovitskiy, Brox and Riedmiller, "Striving for Simplicity: The All Convolutional Net", 2015.
    """

    _rule = "guided"
