"""Attribution by an information bottleneck: how many bits of each place of a layer the decision needs.

Noise is let into a layer wherever that does not hurt: of the code R goes on Z = l R + (1 - l) e, with noise e of the
mean and standard deviation of each neuron and one l in [0, 1] a neuron. For one image, l = S sigmoid(alpha) minimises

    L(alpha) = E_e[-log p_c(Z)] + beta/K sum_k KL_k(l)

over the K neurons of the layer: the cross-entropy of the class c to explain, and an upper bound of the information that
Z holds (`restricted_flow`). The KL left at a place, summed over its channels, is the map: in bits, so that maps of
different images compare, and 0 means that the place is not needed for this decision.

alpha begins at 5, where l = 0.9933, and is found by Adam, for whole batches of images at once: the loss is a sum over
images and Adam works number by number, so each image is optimised as if it were alone. The noise is drawn anew at each
step and shared by the images; it depends on the seed and the step only.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import restricted_flow
from keras_repvis.analysis.attribution.feature_statistics import ACTIVE_SHARE, MIN_STD, FeatureStatistics
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.unsupported import UnsupportedModelError

PRESETS = {
    # Schulz et al. 2020, by the defaults of the reference code.
    "schulz_2020": {"beta": 10.0, "steps": 10, "learning_rate": 1.0, "samples": 10, "smoothing": 1.0},
}
INITIAL_ALPHA = 5.0
_MOMENTS = (0.9, 0.999)
_EPSILON = 1e-8


class InformationBottleneck(Method):
    """Map of the bits that the decision needs, one optimisation for each image (the per-sample bottleneck).

    For a class, -log p_c is the loss: p is the softmax of the outputs (or the outputs, if they are a distribution
    already), or with `score="sigmoid"` the sigmoid of the one output. A mask over the outputs or a function of them has
    no cross-entropy: there the loss is -f, and beta weighs bits against the units of f.

    Differs from the reference code: the map is that of the alpha after the last step, there of the one before it; any
    number of images is optimised at once; 1 - l counts as 2^-24 where it is less, where the KL there is infinite; a
    code smaller than the reach of the smoothing is reflected several times; enlarged maps keep their bits exactly and
    repeat their border, there they are mirrored at it, by which a percent or two is lost.

    Args:
        model: `keras.Model`.
        layer: Where the noise is let in, as in `analysis.Representation`: a layer whose codes are (batch, height,
            width, channels). The paper takes one in the middle: conv4_1 of VGG-16, the second stage of ResNet-50.
        statistics: `FeatureStatistics` of this layer, from `estimate_statistics` on many images as the model knows
            them; the paper takes 10,000.
        beta: Number >= 0, weight of the information; None for the preset's 10. The paper tries 1 and 100 too.
        steps: Integer >= 1, steps of Adam; None for the preset's 10.
        learning_rate: Number > 0; None for the preset's 1.
        samples: Integer >= 1, draws of the noise a step; None for the preset's 10.
        smoothing: Number >= 0, standard deviation of S in positions, 0 for none; None for the preset's 1.
        min_std: Number > 0, smallest standard deviation of a neuron. Default 0.01.
        active_share: Number in [0, 1): only neurons that are not zero in a larger share of the images take part; the
            others are set to 0. Default 0.01.
        upsample: Whether to enlarge maps to the size of the image, keeping their bits; then in bits a pixel. Default
            False.
        preset: "schulz_2020", where the values come from that are not given.
        seed: Integer, of the noise.
        **options: `input_index`, `score`, `batch_size`; see `Method`. At once `batch_size` x `samples` codes go through
            the model.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score; or a
            mask over the outputs, or a function of them.

    Returns:
        `Attribution`, maps in bits, of the size of the layer or (`upsample`) of the image; diagnostics:
            "bits": sum of what passes over all neurons;
            "gap": sum of the map minus "bits", 0 but for rounding;
            "cross_entropy", "cross_entropy_restricted": -log p_c in nats, of the image and with the noise let in (mean
            over fresh noise). Where the second is much larger, the decision is lost and the map does not explain it;
            "score_restricted": f with the noise let in, for a mask or a function;
            "target" (the class explained, where one is) and "score" (f).

    Raises:
        UnsupportedModelError: If the codes have no positions, the layer cannot be seen, or f does not depend on it.
        ValueError: If the statistics are of another layer or size, or another argument is not accepted.

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import attribution
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).uniform(size=(50, 32, 32, 1)).astype("float32")
        >>> statistics = attribution.estimate_statistics(model, images, "block_2_project_norm")
        >>> method = attribution.InformationBottleneck(model, "block_2_project_norm", statistics, samples=2)
        >>> result = method(images[:2], targets=3)
        >>> result.maps.shape, result.diagnostics["bits"].shape
        ((2, 8, 8), (2,))

    Reference:
        Schulz, Sixt, Tombari and Landgraf, "Restricting the Flow: Information Bottlenecks for Attribution", 2020,
        sections 3.1 and 3.2. Constants: the reference code, BioroboticsLab/IBA.
    """

    def __init__(
        self,
        model,
        layer,
        statistics,
        beta=None,
        steps=None,
        learning_rate=None,
        samples=None,
        smoothing=None,
        min_std=MIN_STD,
        active_share=ACTIVE_SHARE,
        upsample=False,
        preset="schulz_2020",
        seed=0,
        **options,
    ):
        constants = PRESETS[checks.one_of("preset", preset, PRESETS)]
        values = (beta, steps, learning_rate, samples, smoothing)
        given = {name: constants[name] if value is None else value for name, value in zip(constants, values)}
        super().__init__(model, **options)
        if not isinstance(statistics, FeatureStatistics):
            raise ValueError(f"statistics={statistics!r} is not accepted: expected what `estimate_statistics` returns.")
        self.beta = float(checks.number("beta", given["beta"], low=0))
        self.steps = int(checks.number("steps", given["steps"], low=1, integer=True))
        self.learning_rate = float(checks.number("learning_rate", given["learning_rate"], above=0))
        self.samples = int(checks.number("samples", given["samples"], low=1, integer=True))
        self.smoothing = float(checks.number("smoothing", given["smoothing"], low=0))
        self.upsample = upsample
        self.seed = int(checks.number("seed", seed, integer=True))
        checks.number("min_std", min_std, above=0)
        checks.number("active_share", active_share, low=0, high=1)
        self._phi = self._represent(layer)
        self._flow = restricted_flow.RestrictedFlow(statistics, self.smoothing, min_std, active_share)

    def _explain(self, query):
        (code,), outputs = self._phi.trace(query.inputs())
        self._flow.check(self._phi.paths(query.inputs())[0], code)
        query, diagnostics = query.resolve(outputs)
        are_distributions = tf.is_tensor(outputs) and query.is_distribution(outputs)
        code = tf.cast(code, "float32")
        loss = Loss(query, self._phi, self._flow, code, self.samples, are_distributions, self._name())

        def gradient(alpha, step):
            kept, noise = self._flow.shares(alpha)
            costs = tf.reduce_sum(loss.costs(kept, noise, self._draw(step)))
            capacity = tf.reduce_sum(tf.reduce_mean(self._flow.capacity(code, kept, noise), axis=(1, 2, 3)))
            return loss.gradient(costs, alpha) + self.beta * tf.gradients(capacity, alpha)[0]

        alpha = adam(gradient, tf.fill(tf.shape(code), INITIAL_ALPHA), self.steps, self.learning_rate)
        kept, noise = self._flow.shares(alpha)
        nats = self._flow.capacity(code, kept, noise)
        restricted = loss.costs(kept, noise, self._draw(self.steps))
        maps, found = finish(nats, query, outputs, are_distributions, restricted, self.upsample)
        return maps, {**diagnostics, **found}

    def _draw(self, step):
        shape = (self.samples, *self._flow.shape)
        return tf.random.stateless_normal(shape, seed=tf.stack([self.seed, tf.cast(step, "int32")]))


class Loss:
    """What the decision costs when noise is let into the code: -log p_c, or -f where no class is explained.

    Args:
        query: `Query`.
        phi: `Representation` of the layer.
        flow: `RestrictedFlow` of the layer.
        code: float32 tensor (batch, height, width, channels).
        samples: Integer, draws of the noise.
        are_distributions: Boolean tensor, see `Query.cross_entropy`.
        name: Name of the model, for errors.
    """

    def __init__(self, query, phi, flow, code, samples, are_distributions, name):
        self._query = query
        self._phi = phi
        self._flow = flow
        self._code = code
        self._samples = samples
        self._are_distributions = are_distributions
        self._name = name
        # Outside of any loop: they are the same at every step.
        self._inputs = query.inputs(tf.repeat(query.images, samples, axis=0))

    def costs(self, kept, noise, draws):
        """Return the mean cost over the samples, (batch,)."""
        mixed = self._flow.restrict(self._code, kept, noise, draws)
        # What comes before the layer is not needed, and TensorFlow leaves it out.
        outputs = self._phi.replace(self._inputs, lambda _: mixed)
        costs = self._query.cross_entropy(outputs, self._are_distributions)
        costs = -self._query.score(outputs) if costs is None else costs
        return tf.reduce_mean(tf.reshape(costs, (-1, self._samples)), axis=1)

    def gradient(self, cost, alpha):
        """Return d cost/d alpha; a model whose output does not depend on the layer is refused."""
        found = tf.gradients(cost, alpha)[0]
        if found is None:
            raise UnsupportedModelError(
                f"model={self._name!r}: no gradient reaches the layer. What is explained does not depend on it, or "
                "something between the two is not differentiable."
            )
        return found


def adam(gradient, start, steps, learning_rate):
    """Return the tensor that `steps` steps of Adam lead to, in one compiled loop.

    Args:
        gradient: Function (tensor, step) -> tensor of the same shape.
        start: Tensor.
        steps: Integer.
        learning_rate: Number.
    """
    one, two = _MOMENTS

    def body(step, value, first, second):
        found = gradient(value, step)
        first = one * first + (1 - one) * found
        second = two * second + (1 - two) * tf.square(found)
        count = tf.cast(step + 1, value.dtype)
        change = first / (1 - one**count) / (tf.sqrt(second / (1 - two**count)) + _EPSILON)
        return step + 1, value - learning_rate * change, first, second

    state = (tf.constant(0), start, tf.zeros_like(start), tf.zeros_like(start))
    return tf.while_loop(lambda step, *_: step < steps, body, state, maximum_iterations=steps, parallel_iterations=1)[1]


def finish(nats, query, outputs, are_distributions, restricted, upsample):
    """Return (maps in bits, diagnostics) from what passes in nats and the cost (batch,) with noise let in, or None."""
    maps = restricted_flow.to_bits(nats)
    bits = tf.reduce_sum(tf.maximum(nats, 0.0), axis=(1, 2, 3)) / np.log(2).astype("float32")
    if upsample:
        maps = restricted_flow.upsample(maps, *tf.unstack(tf.shape(query.images)[1:3]))
    diagnostics = {"bits": bits, "gap": tf.reduce_sum(maps, axis=(1, 2)) - bits}
    costs = query.cross_entropy(outputs, are_distributions)
    if costs is not None:
        diagnostics["cross_entropy"] = costs
    if restricted is not None:
        name, sign = ("score_restricted", -1) if costs is None else ("cross_entropy_restricted", 1)
        diagnostics[name] = sign * restricted
    return maps, diagnostics
