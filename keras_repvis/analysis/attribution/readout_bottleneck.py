"""Attribution by a trained bottleneck: a small network reads several layers and says what the decision needs.

As in `information_bottleneck`, noise is let into a layer, Z = l R + (1 - l) e. But l = S sigmoid(alpha) is not found
image by image: alpha = g(R_1, ..., R_m) is predicted by three 1 x 1 convolutions from the codes of several layers, R_1
the restricted one, and g is trained on labelled images (x, y) to minimise

    L(g) = mean over images of  -log p_y(Z) + beta/K sum_k KL_k(l)

with the model as it is. Then a map costs one pass through the model. It says what the model looks for to tell any
label, so no other class can be asked for.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import information_bottleneck, restricted_flow
from keras_repvis.analysis.attribution import query as queries
from keras_repvis.analysis.attribution import targets as targets_
from keras_repvis.analysis.attribution.feature_statistics import ACTIVE_SHARE, MIN_STD, FeatureStatistics
from keras_repvis.analysis.attribution.method import Method
from keras_repvis.analysis.attribution.readout_network import MIDDLES, ReadoutNetwork
from keras_repvis.analysis.representation import Representation


class ReadoutBottleneck(Method):
    """Map of the bits that the decision needs, predicted in one pass by a trained network.

    Differs from the reference code: its notebook takes the log-probabilities of all labels of the batch for each image,
    a wrong loss for more than one; here it is that of the image's own label. Positions of layers correspond by the
    centres of their pixels, there by the corners of the image. 1 - l counts as 2^-24 where it is less.

    Args:
        model: `keras.Model` that returns logits or probabilities of classes.
        layers: List of layers as in `analysis.Representation`, first the one into which noise is let, then further ones
            to read. The paper reads four stages and the last dense layer.
        statistics: List of `FeatureStatistics` of these layers, from `estimate_statistics(model, data, layers)`.
        beta: Number >= 0, weight of the information. Default 10.
        learning_rate: Number > 0, of Adam. Default 1e-5.
        middle: Channels of the second of the three convolutions, in -> in/2 -> middle -> out: "double" for 2 out
            (default, the reference code's package), "quarter" for out/4 (the class that the paper's evaluation loads).
        smoothing: Number >= 0, standard deviation of S in positions; 0 (default) for none, as in the paper's code.
        min_std: Number > 0, smallest standard deviation of a neuron. Default 0.01.
        active_share: As in `InformationBottleneck`. Default 0.01.
        upsample: Whether to enlarge maps to the size of the image; they keep their bits, as bits a pixel. Default
            False.
        samples: Integer >= 0, draws of the noise for "cross_entropy_restricted"; 0 to leave that, and a second pass,
            out. Default 1.
        seed: Integer, of the network's first weights and of the noise.
        **options: `input_index`, `score` ("output" or "softmax"), `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: None. The map is for the decision as it is.

    Returns:
        `Attribution` as `InformationBottleneck` returns it, "target" being the class with the largest score.

    Raises:
        UnsupportedModelError: If the codes of the first layer have no positions, or the outputs have no classes.
        ValueError: If targets are given, or an argument is not accepted.

    Attributes:
        network: `keras.Model` from the stacked codes (batch, height, width, in) to alpha (batch, height, width, out).

    Example:
        >>> import numpy as np
        >>> from keras_repvis.analysis import attribution
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> images = np.random.default_rng(0).uniform(size=(32, 32, 32, 1)).astype("float32")
        >>> layers = ["block_2_project_norm", "block_5_project_norm", "logits"]
        >>> statistics = attribution.estimate_statistics(model, images, layers)
        >>> method = attribution.ReadoutBottleneck(model, layers, statistics, learning_rate=1e-3)
        >>> history = method.fit([(images, np.arange(32) % 10)], epochs=2)
        >>> history[0]["epoch"], method(images[:2]).maps.shape
        (1, (2, 8, 8))

    Reference:
        Schulz, Sixt, Tombari and Landgraf, "Restricting the Flow: Information Bottlenecks for Attribution", 2020,
        section 3.3. Constants: BioroboticsLab/IBA and BioroboticsLab/IBA-paper-code.
    """

    def __init__(
        self,
        model,
        layers,
        statistics,
        beta=10.0,
        learning_rate=1e-5,
        middle="double",
        smoothing=0.0,
        min_std=MIN_STD,
        active_share=ACTIVE_SHARE,
        upsample=False,
        samples=1,
        seed=0,
        **options,
    ):
        super().__init__(model, **options)
        checks.one_of("score", self.score, ("output", "softmax"))
        layers, statistics = _checked(layers, statistics)
        self.beta = float(checks.number("beta", beta, low=0))
        self.middle = checks.one_of("middle", middle, MIDDLES)
        self.smoothing = float(checks.number("smoothing", smoothing, low=0))
        self.min_std = float(checks.number("min_std", min_std, above=0))
        self.active_share = float(checks.number("active_share", active_share, low=0, high=1))
        self.upsample = upsample
        self.samples = int(checks.number("samples", samples, low=0, integer=True))
        self.seed = int(checks.number("seed", seed, integer=True))
        self._layers = layers
        self._statistics = statistics
        self._phi = Representation(model, layers)
        self._first = Representation(model, layers[0])
        self._flow = restricted_flow.RestrictedFlow(statistics[0], self.smoothing, self.min_std, self.active_share)
        self._readout = ReadoutNetwork(statistics, self.middle, self.min_std, self.seed)
        self.network = self._readout.network
        self._optimizer = keras.optimizers.Adam(checks.number("learning_rate", learning_rate, above=0))
        self._optimizer.build(self.network.trainable_variables)
        self._trained = tf.Variable(0, dtype="int32", trainable=False)
        self._step = tf.function(self._train, autograph=False, reduce_retracing=True)

    def __call__(self, images, targets=None, progress=None):
        if targets is not None:
            raise ValueError(
                "targets are not accepted: a readout bottleneck tells what the model's own decision needs. For another "
                "class use InformationBottleneck."
            )
        return super().__call__(images, None, progress)

    def fit(self, data, epochs=10):
        """Train the network that predicts the maps; further calls go on.

        Args:
            data: `data.Stream`, or an iterable of batches (images, labels), labels integers (batch,); iterated once an
                epoch. Images must have the size that the statistics were estimated at.
            epochs: Integer >= 1. Default 10, as in the reference code.

        Returns:
            List of dicts, one an epoch: "epoch" (from 1), and the means over its images of "loss", "cross_entropy"
            (nats) and "bits".

        Raises:
            UnsupportedModelError: If the outputs have no classes.
            ValueError: If the data hold nothing.
        """
        checks.number("epochs", epochs, low=1, integer=True)
        history = []
        for epoch in range(epochs):
            sums = []
            for images, labels in data.dataset(epoch=epoch) if hasattr(data, "dataset") else data:
                images, labels = tf.cast(images, "float32"), tf.cast(labels, "int64")
                sums.append(tf.concat([[float(len(labels))], self._step(images, labels)], axis=0).numpy())
            if not sums:
                raise ValueError("data hold no batch: an iterator gives its batches once, a list each epoch.")
            total = np.sum(sums, axis=0, dtype="float64")
            means = dict(zip(("loss", "cross_entropy", "bits"), (float(value) for value in total[1:] / total[0])))
            history.append({"epoch": epoch + 1, **means})
        return history

    def save(self, path):
        """Write the network's weights, the statistics and their settings to a file, `numpy.savez` format."""
        arrays = {f"weight/{place}": value for place, value in enumerate(self.network.get_weights())}
        for place, one in enumerate(self._statistics):
            arrays.update({f"statistics/{place}/{name}": value for name, value in one.to_arrays().items()})
        settings = {"middle": self.middle, "smoothing": self.smoothing}
        settings |= {"min_std": self.min_std, "active_share": self.active_share, "beta": self.beta}
        with open(path, "wb") as file:
            np.savez(file, **arrays, **{f"setting/{name}": value for name, value in settings.items()})

    @classmethod
    def load(cls, model, path, **options):
        """Return the bottleneck that `save` has written, for the same model.

        Args:
            model: The model it was trained for.
            path: Path of the file.
            **options: Arguments of the constructor other than those that the file holds.

        Raises:
            ValueError: If the file holds something else.
        """
        with np.load(path, allow_pickle=False) as file:
            parts = {"weight": {}, "statistics": {}, "setting": {}}
            for name in file.files:
                kind, _, rest = name.partition("/")
                parts.setdefault(kind, {})[rest] = file[name]
        numbers = sorted({int(name.partition("/")[0]) for name in parts["statistics"]})
        if not numbers or not parts["weight"] or "middle" not in parts["setting"]:
            raise ValueError(f"path={str(path)!r} is not accepted: expected what `ReadoutBottleneck.save` writes.")
        of_layer = [
            {name.partition("/")[2]: value for name, value in parts["statistics"].items() if
            name.startswith(f"{place}/")} for place in numbers
        ]
        statistics = [FeatureStatistics.from_arrays(arrays) for arrays in of_layer]
        settings = {name: value.item() for name, value in parts["setting"].items()}
        loaded = cls(model, [one.layer for one in statistics], statistics, **settings, **options)
        loaded.network.set_weights([parts["weight"][str(place)] for place in range(len(parts["weight"]))])
        return loaded

    def _explain(self, query):
        code, kept, noise, outputs = self._shares(query.inputs())
        query, diagnostics = query.resolve(outputs)
        are_distributions = query.is_distribution(outputs)
        restricted = None
        if self.samples:
            arguments = (query, self._first, self._flow, code, self.samples, are_distributions, self._name())
            draws = self._draw((self.samples, *self._flow.shape), 0)
            restricted = information_bottleneck.Loss(*arguments).costs(kept, noise, draws)
        nats = self._flow.capacity(code, kept, noise)
        maps, found = information_bottleneck.finish(
            nats, query, outputs, are_distributions, restricted, self.upsample
        )
        return maps, {**diagnostics, **found}

    def _shares(self, inputs):
        """Return (restricted code, l, 1 - l, outputs of the model as it is)."""
        codes, outputs = self._phi.trace(inputs)
        paths = self._phi.paths(inputs)
        for path, code, one in zip(paths, codes, self._statistics):
            if path != one.layer or not code.shape[1:].is_compatible_with(one.mean.shape):
                raise ValueError(
                    f"statistics of layer {one.layer!r} with codes {one.mean.shape} do not fit layer {path!r} with "
                    f"codes {tuple(code.shape[1:])}."
                )
        codes = [tf.stop_gradient(tf.cast(code, "float32")) for code in codes]
        kept, noise = self._flow.shares(self._readout(codes))
        return codes[0], kept, noise, outputs

    def _train(self, images, labels):
        """Take one step and return the sums over the images of loss, cross-entropy and bits."""
        # The classes of the labels are chosen as a user's targets are.
        select, _ = targets_.read(None, 1, self._output_spec(images, [images]))
        query = queries.Query(self._call_model, [images], 0, 0, select, labels, self.score)
        with tf.GradientTape() as tape:
            code, kept, noise, outputs = self._shares(images)
            draws = self._draw(tf.concat([[tf.shape(code)[0], 1], tf.shape(code)[1:]], axis=0), self._trained)
            arguments = (query, self._first, self._flow, code, 1, query.is_distribution(outputs), self._name())
            costs = information_bottleneck.Loss(*arguments).costs(kept, noise, draws)
            nats = self._flow.capacity(code, kept, noise)
            losses = costs + self.beta * tf.reduce_mean(nats, axis=(1, 2, 3))
            loss = tf.reduce_mean(losses)
        variables = self.network.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self._trained.assign_add(1)
        bits = tf.reduce_sum(nats) / np.log(2).astype("float32")
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(costs), bits])

    def _draw(self, shape, step):
        return tf.random.stateless_normal(shape, seed=tf.stack([self.seed, tf.cast(step, "int32")]))


def _checked(layers, statistics):
    if not isinstance(layers, (list, tuple)) or not layers:
        raise ValueError(f"layers={layers!r} is not accepted: expected a list of layers, first the one to restrict.")
    fits = isinstance(statistics, (list, tuple)) and len(statistics) == len(layers)
    if not fits or not all(isinstance(one, FeatureStatistics) for one in statistics):
        raise ValueError(
            f"statistics are not accepted: expected {len(layers)} FeatureStatistics, one for each of {layers!r}, "
            "as estimate_statistics(model, data, layers) returns them."
        )
    return list(layers), list(statistics)
