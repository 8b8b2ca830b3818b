"""Layer-CAM: which positions of a layer hold the evidence, each unit weighted by its own positive gradient.

    w_k[u] = max(df/dA_k[u], 0),    L[u] = max(sum_k w_k[u] A_k[u], 0)

As no mean is taken over positions, maps of early layers stay sharp, where those of Grad-CAM are a blend of gradients
that have little to do with each other. It is the linear approximation (`LinearApproximation`) without the units whose
growth would lower the output, so its sum is no share of anything.

Equal to tf-keras-vis (`Layercam` without normalisation and enlargement) where that runs: models that are neither nested
nor subclassed.
"""

import tensorflow as tf

from keras_repvis.analysis.attribution.activation_map import ActivationMap


class LayerCAM(ActivationMap):
    """Map of max(sum_k max(df/dA_k[u], 0) A_k[u], 0).

    Args:
        model: Built `keras.Model` of any kind.
        layer: Whose activations A are: as in `analysis.Representation`, "spatial" (default) for the last activation
            that has positions.
        relu: Boolean, whether the negative part of the sum is cut; without effect where activations are not negative.
            Default True.
        upsample: Boolean, whether the map is brought to the size of the image; see `GradCAM`. Default False.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: As in `GradCAM`.

    Returns:
        `Attribution`, as `GradCAM` does.

    Raises:
        UnsupportedModelError: As `GradCAM`.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.LayerCAM(model, layer="block_3_expand_activation")
        >>> method(np.full((2, 64, 64, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 16, 16)

    Reference:
        Jiang, Zhang, Hou, Cheng and Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization",
        2021, section III.
    """

    def _weights(self, code, gradient, diagnostics):
        return tf.nn.relu(gradient)
