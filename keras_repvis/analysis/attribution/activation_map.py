"""What Grad-CAM and its kin share: at each position u of a layer, the weighted sum of its activations.

    L[u] = max(sum_k w_k[u] A_k[u], 0)

A method says what the weights w are, from the activations A and the gradient of the output with respect to them. The
layer is the last one that holds an activation and still has positions, unless another is named: the convolution before
it, which some packages take, holds values that its rectifier has yet to cut. No layer is searched, copied or cut out,
so a model within a model, a subclassed model and a layer of several calls need nothing special.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution.gradient import check_spatial, propagate
from keras_repvis.analysis.attribution.method import Method


class ActivationMap(Method):
    """Base of the class activation maps; a subclass defines `_weights`.

    Args:
        model: Built `keras.Model` of any kind.
        layer: As in `analysis.Representation`, "spatial" (default) for the last activation that has positions.
        relu: Boolean, whether the negative part of the sum is cut; what is left of f if not.
        upsample: Boolean, whether the map is brought to the size of the image: bilinear, with the centres of pixels at
            halves. Else it has the size of the layer.
        **options: `input_index`, `score`, `batch_size`; see `Method`.
    """

    def __init__(self, model, layer="spatial", relu=True, upsample=False, **options):
        super().__init__(model, **options)
        self._phi = self._represent(layer)
        self.relu = checks.one_of("relu", relu, (True, False))
        self.upsample = checks.one_of("upsample", upsample, (True, False))

    def _explain(self, query):
        code, outputs = self._trace(query)
        diagnostics = query.diagnostics(outputs)
        weights = self._weights(code, propagate(diagnostics["score"], code, self._name(), "the layer"), diagnostics)
        return self._map(query, weights, code, diagnostics)

    def _trace(self, query):
        """Return (code (batch, height, width, channels), outputs of the model)."""
        codes, outputs = self._phi.trace(query.inputs())
        if len(codes) != 1:
            raise ValueError(f"layer is a Representation of {len(codes)} layers: expected one.")
        check_spatial(codes[0])
        return codes[0], outputs

    def _map(self, query, weights, code, diagnostics):
        """Return (maps, diagnostics) for weights (batch, height or 1, width or 1, channels)."""
        maps = tf.reduce_sum(weights * tf.cast(code, "float32"), axis=-1)
        diagnostics = {**diagnostics, "largest": tf.reduce_max(maps, axis=(1, 2))}
        if self.relu:
            maps = tf.nn.relu(maps)
        return upsample(maps, query.images) if self.upsample else maps, diagnostics

    def _weights(self, code, gradient, diagnostics):
        """Return w, to be broadcast to `code`; it may add to `diagnostics`."""
        raise NotImplementedError


def upsample(maps, images):
    """Return maps (batch, height, width) at the size of `images`, bilinear with the centres of pixels at halves."""
    return tf.image.resize(maps[..., tf.newaxis], tf.shape(images)[1:3], method="bilinear")[..., 0]
