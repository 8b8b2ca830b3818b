"""A moving average of a learner's weights, and what becomes of batch normalisation in it."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.training.learner_state import optimizers_of

BATCH_NORM_POLICIES = ("copy", "average")


class WeightAverage:
    """Exponential moving average of a model's weights.

    After update t = 1, 2, ... of the weights, w_t, by the model's optimisers, with decay d,

        a_t = d_t a_(t-1) + (1 - d_t) w_t,   d_t = min(d, (1 + t) / (10 + t)) with warm-up, else d,   a_0 = w_0.

    The average is float32 at least: in bfloat16 its small steps would be lost. The moving statistics of batch
    normalisation belong to the weights they were gathered with, so they have a policy of their own.

    Args:
        decay: Number d in [0, 1).
        warmup: Whether early averages forget faster, as in the formula. Default True.
        batch_norm: "average" treats the moving statistics like weights; "copy" takes the newest.

    Raises:
        ValueError: If an argument is not accepted.

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), layer])
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
        if not model.built:
            raise ValueError(f"model={model.name!r} is not built: call it on a batch first.")
        self._model = model
        self._optimizers = optimizers_of(model)
        statistics = _batch_statistics(model)
        self._weights = [
            variable for variable in model.weights if "float" in keras.backend.standardize_dtype(variable.dtype)
        ]
        self._copied = [id(variable) in statistics and self.batch_norm == "copy" for variable in self._weights]
        with model.distribute_strategy.scope():
            self._averages = [
                keras.Variable(variable.numpy(), trainable=False, dtype=_precise(variable.dtype), name="average")
                for variable in self._weights
            ]
            self._updates = keras.Variable(0, trainable=False, dtype="int64", name="average_updates")
            self._seen = keras.Variable(self._iterations(), trainable=False, dtype="int64", name="average_seen")
        self.variables = [*self._averages, self._updates, self._seen]
        self._function = tf.function(self._update)
        return self

    def update(self):
        """Take the present weights in, unless the model has optimisers and none has moved them since the last call."""
        self._function()

    @contextlib.contextmanager
    def applied(self):
        """Context in which the model has the averaged weights."""
        # Each replica may have batch statistics of its own.
        local = self._model.distribute_strategy.experimental_local_results
        copies = [copy for variable in self._weights for copy in local(variable.value)]
        before = [copy.numpy() for copy in copies]
        self.copy_to_model()
        try:
            yield
        finally:
            for copy, value in zip(copies, before):
                copy.assign(value)

    def copy_to_model(self):
        """Give the model the averaged weights for good."""
        for variable, average, copied in zip(self._weights, self._averages, self._copied):
            if not copied:
                variable.assign(average.numpy())

    def _iterations(self):
        """Return the updates of all optimisers so far, an integer tensor."""
        return sum((keras.ops.cast(optimizer.iterations, "int64") for optimizer in self._optimizers), np.int64(0))

    def _update(self):
        iterations = self._iterations()
        moved = tf.not_equal(iterations, self._seen.value) if self._optimizers else tf.constant(True)
        count = self._updates.value + 1
        share = tf.constant(1.0 - self.decay, tf.float64)
        if self.warmup:
            share = tf.maximum(share, 9.0 / (10.0 + tf.cast(count, tf.float64)))
        for variable, average, copied in zip(self._weights, self._averages, self._copied):
            if not copied:
                old = average.value
                new = old + tf.cast(share, old.dtype) * (tf.cast(variable.value, old.dtype) - old)
                average.assign(tf.where(moved, new, old))
        self._updates.assign(tf.where(moved, count, self._updates.value))
        self._seen.assign(iterations)


def _precise(dtype):
    dtype = keras.backend.standardize_dtype(dtype)
    return "float64" if dtype == "float64" else "float32"


def _batch_statistics(model):
    layers = (layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
    return {id(variable) for layer in layers for variable in layer.non_trainable_variables}
