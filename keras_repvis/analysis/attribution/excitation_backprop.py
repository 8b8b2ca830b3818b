"""Excitation backpropagation: the probability that a unit wins, passed down from the class by excitatory weights.

A top-down signal p starts as 1 at the class. Through a linear layer y_i = sum_j w_ij x_j with x_j >= 0 it becomes

    p'_j = x_j sum_i (w_ij)+ p_i / (sum_k (w_ik)+ x_k),

biases left out; averages over positions do the same. A residual sum splits p in proportion to its summands,
x_i / sum x_i, a maximum sends it to the winner, activations and batch normalisations pass it on, a gate times a signal
(squeeze-and-excitation) sends it to the signal. So p is a distribution over the units of every layer: its sum, the
diagnostic "mass", stays 1, but for units that only a bias excites. The map is the sum of p over the channels.

The contrastive form asks what speaks for the class and for no other: q is what arrives at a contrast layer if the
weights of the classifier change their sign, and p - q goes on from there; the map is its positive part.

All this holds for inputs x >= 0 of the linear layers. Where the structure of the network does not promise that (linear
bottlenecks, swish activations, batch-normalised summands of a residual sum, images with negative pixels), the method
refuses unless it is told what to do: `negative="clamp"` takes (x_j)+ in place of x_j, which keeps p a distribution;
`negative="signed"` takes x_j as it is, which lets p become negative; the diagnostic "negative" is the share of it that
is.

Differs from TorchRay 1.0: that takes negative inputs as they are and says nothing; and a residual sum of exactly 0
sends nothing here and nan there. Differs from `LRP`: batch normalisation is not folded, p passes it as it does in
TorchRay, so that channels it weakens or turns round count as much as others. zennit's composite of this name merges it
and keeps biases, so its maps differ.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import graph, relevance_start
from keras_repvis.analysis.attribution.gradient import check_spatial
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.attribution.relevance_path import Path
from keras_repvis.analysis.attribution.relevance_propagation import Rules, propagate
from keras_repvis.analysis.attribution.relevance_rules import divide
from keras_repvis.analysis.representation import Representation
from keras_repvis.analysis.unsupported import UnsupportedModelError

# What is added to sums, as in the reference code.
_STABILISER = 1e-20


class ExcitationBackprop(Method):
    """Map of p, the share of the excitation of a class that each position of a layer gets; contrastive on demand.

    Args:
        model: `keras.Model` of any kind whose outputs are logits, or, for `layer=None`, a function of images; see
            `Method`.
        layer: Where to stop: as in `analysis.Representation`, "spatial" (default) for the last activation that has
            positions; None for the image. Published maps stop in the middle: pool4 of VGG-16, the third stage of
            ResNet-50.
        contrast_layer: Name, path or place of the layer where the contrast is taken, between `layer` and the
            classifier; None (default) for the plain form. Published: relu7 of VGG-16, the average pool of ResNet-50.
        negative: What to do with inputs of linear layers, averages and sums that may be negative: "refuse" (default),
            "clamp" or "signed"; see this module.
        **options: `input_index`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score, a class index, (batch,) class indices, a mask over the
            outputs, which p then starts as, or a linear function of them; see `Method`.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the layer; diagnostics "target", "score" (f_c),
        "mass" (sum of p at the layer, 1 if nothing is lost and no way goes past the layer; of p - q about 0) and
        "negative" (share of the absolute values of p, or p - q, that belongs to negative ones).

    Raises:
        UnsupportedModelError: If an operation between the layer and the score has no rule, or inputs may be negative
            and `negative` is "refuse".
        ValueError: If an argument, the images, the targets or the layers are not accepted.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(64, 64, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).random((2, 64, 64, 1), "float32")
        >>> method = keras_repvis.analysis.attribution.ExcitationBackprop(model)
        >>> result = method(images, targets=3)
        >>> result.maps.shape, bool(np.allclose(result.diagnostics["mass"], 1, atol=1e-4))
        ((2, 2, 2), True)

    Reference:
        Zhang, Lin, Brandt, Shen and Sclaroff, "Top-down Neural Attention by Excitation Backprop", 2016, equations 5 and
        10 and section 3.4 (contrastive); its reference code in TorchRay 1.0 (batch normalisation, residual sums).
    """

    # Normalisations propagate by a rule of their own.
    _folds = False

    def __init__(self, model, layer="spatial", contrast_layer=None, negative="refuse", **options):
        self.negative = checks.one_of("negative", negative, ("clamp", "refuse", "signed"))
        super().__init__(model, **options)
        self._stops_at_image = layer is None
        self.contrast_layer = contrast_layer
        if contrast_layer is not None:
            self._phi = Representation(model, [one for one in (layer, contrast_layer) if one is not None])
        else:
            self._phi = None if layer is None else self._represent(layer)

    def _explain(self, query):
        codes, outputs = ([], query.outputs()) if self._phi is None else self._phi.trace(query.inputs())
        start = query.images if self._stops_at_image else codes[0]
        check_spatial(start)
        diagnostics = query.diagnostics(outputs)
        slopes = relevance_start.slopes(diagnostics["score"], outputs, self._name())
        path = Path(query.images, [output for output, _ in slopes], self._name())
        if self.contrast_layer is None:
            excitation = propagate(slopes, start, path, self._rules(path))
            maps = tf.reduce_sum(excitation, axis=-1)
        else:
            excitation = self._contrastive(slopes, start, codes[-1], path)
            maps = tf.nn.relu(tf.reduce_sum(excitation, axis=-1))
        everything = tf.reduce_sum(tf.abs(excitation), axis=(1, 2, 3))
        diagnostics["mass"] = tf.reduce_sum(excitation, axis=(1, 2, 3))
        diagnostics["negative"] = divide(tf.reduce_sum(tf.nn.relu(-excitation), axis=(1, 2, 3)), everything)
        return maps, diagnostics

    def _contrastive(self, slopes, start, contrast, path):
        classifiers = self._check_contrast([output for output, _ in slopes], start, contrast, path)
        plain, inverted = (
            propagate(slopes, contrast, path, self._rules(path, inverted)) for inverted in (set(), classifiers)
        )
        difference = plain - inverted
        if start.ref() == contrast.ref():
            return difference
        return propagate([(contrast, difference)], start, path, self._rules(path))

    def _rules(self, path, inverted=frozenset()):
        def by_weights(operation, linear, signal):
            self._check_sign(operation, linear)
            inputs = tf.nn.relu(linear.inputs) if self.negative == "clamp" else linear.inputs
            weights = tf.nn.relu(-linear.weights if operation in inverted else linear.weights)
            sums = linear.apply(inputs, weights) + _STABILISER
            return inputs * linear.spread(signal / sums, weights)

        def by_summands(operation, linear, signal):
            self._check_sign(operation, linear)
            summands = tf.nn.relu(linear.inputs) if self.negative == "clamp" else linear.inputs
            return summands * divide(signal, tf.reduce_sum(summands, axis=0))

        return Rules(
            linear=lambda operation, is_first, linear, signal: by_weights(operation, linear, signal),
            pooling=by_weights,
            sum=by_summands,
            folding=False,
            bias=False,
        )

    def _check_sign(self, operation, linear):
        if self.negative == "refuse" and not linear.nonnegative:
            raise UnsupportedModelError(
                f"model={self._name()!r}: {operation.name} ({operation.type}) may have negative inputs, for which "
                "excitation backpropagation is not defined. Stop at a later layer, or set negative='clamp' to take "
                "their positive part, or negative='signed' to take them as they are."
            )

    def _check_contrast(self, outputs, start, contrast, path):
        """Return the set of the last operations with weights; raise if the contrast is not between them and start."""
        named = f"contrast_layer={self.contrast_layer!r} is not accepted:"
        beneath = graph.forward(start)
        classifiers, seen, reached = set(), set(), False
        waiting = [(output, False) for output in outputs]
        while waiting:
            tensor, weighted = waiting.pop()
            if tensor.ref() == contrast.ref():
                reached = True
                if not weighted:
                    raise ValueError(f"{named} expected a layer before the last one with weights, the classifier.")
            elif tensor.ref() == start.ref():
                raise ValueError(f"{named} a way from the layer of the map to the score goes round it.")
            elif tensor.op in beneath and (tensor.ref(), weighted) not in seen:
                seen.add((tensor.ref(), weighted))
                has_weights = path.read(tensor.op).kind == "linear"
                if has_weights and not weighted:
                    classifiers.add(tensor.op)
                waiting += [(one, weighted or has_weights) for one in path.read(tensor.op).signals]
        if not reached:
            raise ValueError(f"{named} expected one between the layer of the map and the score.")
        return classifiers
