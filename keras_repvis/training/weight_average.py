"""A moving average of a learner's weights, and what becomes of batch normalisation in it."""

import contextlib

import keras
import tensorflow as tf

from keras_repvis import checks

BATCH_NORM_POLICIES = ("copy", "average")


class WeightAverage:
    """Exponential moving average of a model's weights.

    After update t = 1, 2, ... of the optimiser, with weights w_t and decay d,

        a_t = d_t a_(t-1) + (1 - d_t) w_t,   d_t = min(d, (1 + t) / (10 + t)) with warm-up, else d,   a_0 = w_0.

    The moving statistics of batch normalisation belong to the weights they were gathered with, so they have a policy of
    their own.

    Args:
        decay: Number d in [0, 1).
        warmup: Whether early averages forget faster, as in the formula. Default True.
        batch_norm: "average" treats the moving statistics like weights; "copy" takes the newest.

    Raises:
        ValueError: If an argument is not accepted.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
        >>> average = keras_repvis.training.WeightAverage(0.75, warmup=False).attach(model)
        >>> _ = model.layers[0].kernel.assign([[5.0]])
        >>> average.update()
        >>> with average.applied():
        ...     float(model.layers[0].kernel[0, 0])
        2.0

    Reference:
        Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; Tarvainen and Valpola, "Mean
        teachers are better role models", 2017, eq. 1 (the exponential form). The warm-up is TensorFlow's
        `ExponentialMovingAverage(num_updates)`.
    """

    def __init__(self, decay=0.999, warmup=True, batch_norm="average"):
        self.decay = checks.number("decay", decay, low=0, high=1 - 1e-9)
        self.warmup = warmup
        self.batch_norm = checks.one_of("batch_norm", batch_norm, BATCH_NORM_POLICIES)
        self.variables = []

    def attach(self, model):
        """Start from the present weights of a built model; returns the average itself."""
        self._model = model
        statistics = _batch_statistics(model)
        self._weights = [
            variable
            for variable in model.weights
            if "float" in keras.backend.standardize_dtype(variable.dtype)
        ]
        self._copied = [id(variable) in statistics and self.batch_norm == "copy" for variable in self._weights]
        with model.distribute_strategy.scope():
            self._averages = [
                keras.Variable(variable.numpy(), trainable=False, dtype=variable.dtype, name="average")
                for variable in self._weights
            ]
            self._updates = keras.Variable(0, trainable=False, dtype="int64", name="average_updates")
            self._seen = keras.Variable(-1, trainable=False, dtype="int64", name="average_seen")
        self.variables = [*self._averages, self._updates, self._seen]
        self._function = tf.function(self._update)
        return self

    def update(self):
        """Take the present weights in, unless the optimiser has not moved them since the last call."""
        self._function()

    @contextlib.contextmanager
    def applied(self):
        """Context in which the model has the averaged weights."""
        before = [variable.numpy() for variable in self._weights]
        self.copy_to_model()
        try:
            yield
        finally:
            for variable, value in zip(self._weights, before):
                variable.assign(value)

    def copy_to_model(self):
        """Give the model the averaged weights for good."""
        for variable, average, copied in zip(self._weights, self._averages, self._copied):
            if not copied:
                variable.assign(average.numpy())

    def _update(self):
        optimizer = getattr(self._model, "optimizer", None)
        iterations = self._updates + 1 if optimizer is None else tf.cast(optimizer.iterations.value, tf.int64)
        moved = tf.not_equal(iterations, self._seen.value)
        count = self._updates.value + 1
        decay = tf.constant(self.decay, tf.float32)
        if self.warmup:
            progress = tf.cast(count, tf.float32)
            decay = tf.minimum(decay, (1.0 + progress) / (10.0 + progress))
        decay = tf.where(moved, decay, 1.0)
        for variable, average, copied in zip(self._weights, self._averages, self._copied):
            if not copied:
                new, share = variable.value, tf.cast(1.0 - decay, average.dtype)
                average.assign(average.value + share * (tf.cast(new, average.dtype) - average.value))
        self._updates.assign(tf.where(moved, count, self._updates.value))
        self._seen.assign(iterations)


def _batch_statistics(model):
    layers = (layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
    return {id(variable) for layer in layers for variable in layer.non_trainable_variables}
