"""Layer-wise relevance propagation: how much of the score each pixel, or each unit of a layer, accounts for.

Relevance starts as the score f_c at the output of its class and goes back layer by layer; each linear layer shares out
the relevance of its outputs among its inputs by a rule,

    R_j = sum_k share_jk R_k,    sum_j share_jk = 1 but for what biases take,

so that sum_j R_j = f_c at every layer if there are no biases: the diagnostic "conservation" is that sum over f_c. The
rules are in `relevance_rules.py`, and which layer has which is a composite (`relevance_composites.py`). Everything else
between the image and the score has one fixed rule:

    Batch normalisation, biases and layer scales right after a convolution or dense layer belong to it: its weights are
    w' = w gamma / sqrt(var + e), its bias is what they make of zero. A model and what `models.fold_batch_norm` makes
    of it have the same relevance.
    A normalisation that follows no linear layer scales without effect; its shift passes relevance on, or takes a share
    under the uniform rules "zero" and "epsilon".
    Scales and shifts of the image itself, its preprocessing, pass relevance on: the map is that of the preprocessed
    pixel.
    Activations pass relevance on. Of a gate times a signal (squeeze-and-excitation, SiLU, hard swish, GELU) the signal
    takes all and the gate takes none, as in Arras et al. 2017.
    A maximum sends all to the winner. Averages and residual sums share in proportion to the contributions; in uniform
    composites by the uniform rule.
    Whatever has no rule is refused by name: softmax, attention, layer normalisation.

With "epsilon" and epsilon -> 0 ("zero"), for a network of rectifiers that do not saturate, maxima and averages, the map
is (preprocessed image) x gradient, summed over the channels: little more than `LinearApproximation(model, layer=None)`.

Differs from zennit 0.5.1: averages and sums divide by their sum as it is, without a stabiliser of 1e-6, and so do all
rules but "epsilon"; alpha2_beta1 conserves where contributions have one sign only; w_square has no bias; gamma without
biases chooses its branch by the sum without its bias; first rules hold for a dense first layer too; batch normalisation
is folded without being asked for. Differs from innvestigate 2.1: batch normalisation is folded and has no rule of its
own. Where none of this matters the maps are zennit's on the same weights; see
tests/parity/relevance_references_test.py.
"""

import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import relevance_composites, relevance_rules, relevance_start
from keras_repvis.analysis.attribution.gradient import check_spatial
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.attribution.relevance_path import Path
from keras_repvis.analysis.attribution.relevance_propagation import Rules, propagate

_CONVOLUTIONS = ("Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative")


class LRP(Method):
    """Map of the relevance of each position, the sum over its channels.

    Args:
        model: `keras.Model` of any kind whose outputs are logits, or a function of images; see `Method`.
        composite: Name of a composite: "epsilon_plus" (default: z+ in convolutions, epsilon in dense layers),
            "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_alpha2_beta1_flat" (flat in the first layer),
            "epsilon_gamma_box" (z^B in the first layer, gamma in convolutions), or the name of a rule for all layers:
            "zero", "epsilon", "gamma", "alpha1_beta0", "alpha2_beta1", "z_plus", "w_square", "flat"; or a `Composite`.
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`.
        epsilon: Number > 0 that the rule "epsilon" adds to sums, in units of them. Default 1e-6.
        gamma: Factor >= 0 by which the rule "gamma" strengthens positive contributions. Default 0.25.
        bias: "keep" (default), so that biases take their share, or "zero", so that they have none. Then relevance is
            conserved but at units that are active by their bias alone; under "zero" and "epsilon" it is divided by
            sums that may be near 0 although the unit is active.
        bounds: Pair of numbers between which every pixel lies, for the rule "z_box". Default (0, 1).
        **options: `input_index`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None for the class with the largest score, a class index, (batch,) class indices, a mask over the
            outputs, or a linear function of them; see `Method`.

    Returns:
        `Attribution`, its maps (batch, height, width) of the size of the image or of the layer; diagnostics "target",
        "score" (f) and "conservation" (sum of the map / f; 1 if nothing is lost).

    Raises:
        UnsupportedModelError: If an operation between the image and the score has no rule, or the score is not a linear
            function of the outputs.
        ValueError: If an argument, the images, the targets or the layer are not accepted.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.LRP(model, composite="epsilon_plus_flat", bias="zero")
        >>> result = method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3)
        >>> result.maps.shape, result.diagnostics["conservation"].shape
        ((2, 32, 32), (2,))

    Reference:
        Bach, Binder, Montavon, Klauschen, Muller and Samek, "On Pixel-Wise Explanations for Non-Linear Classifier
        Decisions by Layer-Wise Relevance Propagation", 2015; Montavon, Binder, Lapuschkin, Samek and Muller,
        "Layer-Wise Relevance Propagation: An Overview", 2019; Arras, Montavon, Muller and Samek, "Explaining Recurrent
        Neural Network Predictions in Sentiment Analysis", 2017 (gates).
    """

    # `relevance_folding` does it, on the graph of any function.
    _folds = False

    def __init__(
        self,
        model,
        composite="epsilon_plus",
        layer=None,
        epsilon=1e-6,
        gamma=0.25,
        bias="keep",
        bounds=(0.0, 1.0),
        **options,
    ):
        self.composite = relevance_composites.get(composite)
        self.epsilon = checks.number("epsilon", epsilon, above=0)
        self.gamma = checks.number("gamma", gamma, low=0)
        self.bias = checks.one_of("bias", bias, ("keep", "zero"))
        self.bounds = _checked_bounds(bounds)
        super().__init__(model, **options)
        self._phi = None if layer is None else self._represent(layer)

    def _explain(self, query):
        start, outputs = query.images, None
        if self._phi is not None:
            (start,), outputs = self._phi.trace(query.inputs())
            check_spatial(start)
        outputs = query.outputs() if outputs is None else outputs
        diagnostics = query.diagnostics(outputs)
        slopes = relevance_start.slopes(diagnostics["score"], outputs, self._name())
        path = Path(query.images, [output for output, _ in slopes], self._name(), self.bounds)
        relevances = [(output, tf.cast(output, "float32") * slope) for output, slope in slopes]
        relevance = propagate(relevances, start, path, self._rules())
        conservation = tf.reduce_sum(relevance, axis=(1, 2, 3)) / diagnostics["score"]
        return tf.reduce_sum(relevance, axis=-1), {**diagnostics, "conservation": conservation}

    def _rules(self):
        composite = self.composite

        def linear(operation, is_first, linear, relevance):
            rule = composite.convolution if operation.type in _CONVOLUTIONS else composite.dense
            rule = composite.first if is_first and composite.first is not None else rule
            return relevance_rules.RULES[rule](linear, relevance, self)

        def shift(signal, constant, relevance):
            total = signal + constant
            if composite.shift == "epsilon":
                total += tf.where(total >= 0, self.epsilon, -self.epsilon)
            return signal * relevance_rules.divide(relevance, total)

        def by(rule):
            return lambda operation, linear, relevance: relevance_rules.RULES[rule](linear, relevance, self)

        return Rules(
            linear=linear,
            pooling=by(composite.pooling),
            sum=by(composite.sum),
            shift=shift if composite.shift != "pass" and self.bias == "keep" else None,
            bias=self.bias == "keep",
        )


def _checked_bounds(bounds):
    try:
        low, high = (float(bound) for bound in bounds)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise ValueError(f"bounds={bounds!r} is not accepted: expected two numbers, the smaller first.")
    return low, high
