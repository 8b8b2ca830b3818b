"""What must not be the same, or must be made the same, on every replica: random draws and batch statistics."""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.training import replicas

BATCH_NORMS = ("synchronized", "mean", "per_replica")

_STRIDE = 0x9E3779B1  # Odd and far from a multiple of a power of two: the golden ratio times 2^32.
_SEEDS = 2**31


def set_batch_norm(model, how="synchronized"):
    """Choose how batch normalisation sees the global batch under replicas, in place, at any depth of the model.

    * "synchronized": mean and variance of the global batch normalise and enter the moving statistics, as on one device.
    * "mean": each replica normalises with its own share of the batch; the moving statistics are the replicas' mean.
    * "per_replica": Keras' own: each replica keeps moving statistics of its own, which drift apart, and the first one's
      are saved. Only for comparison.

    Args:
        model: Keras model, built under the strategy's scope, not yet trained.
        how: One of these.

    Returns:
        `model`.

    Raises:
        ValueError: If `how` is not known, or it is "mean" and batch normalisation is not built yet.

    Example:
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.35)
        >>> keras_repvis.training.set_batch_norm(model, "mean") is model
        True

    Reference:
        Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1.
    """
    checks.one_of("how", how, BATCH_NORMS)
    aggregation = tf.VariableAggregation.MEAN if how == "mean" else tf.VariableAggregation.NONE
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            if how == "mean" and not layer.built:
                raise ValueError(f"model={model.name!r} is not built: call it on a batch first.")
            layer.synchronized = how == "synchronized"
            for variable in (layer.moving_mean, layer.moving_variance) if layer.built else ():
                if isinstance(variable.value, tf.distribute.DistributedValues):
                    variable.value._aggregation = aggregation
    return model


def spread_seeds(model, strategy, again=False):
    """Give every replica a seed of its own in each `keras.random.SeedGenerator` of a model.

    The replicas' copies of a generator start from one seed, so that all would drop the same units and add the same
    noise. Replica r > 0 gets the seed (s + r c) mod 2^31, c = 0x9E3779B1, in place of s; replica 0 keeps s. The counts
    of draws stay, so the seeds of all replicas follow from those of the first, which a checkpoint holds.

    Args:
        model: Keras model, built under the strategy's scope.
        strategy: `tf.distribute.Strategy`.
        again: Whether all replicas have the first one's state, because it was restored, though they were spread before.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5, seed=1)])
        >>> keras_repvis.training.spread_seeds(model, keras_repvis.training.strategy("one_device"))
    """
    if strategy.num_replicas_in_sync == 1 or (getattr(model, "seeds_are_spread", False) and not again):
        return
    model.seeds_are_spread = True
    numbers = replicas.local_replicas(strategy)
    for variable in model.variables:
        if not variable.path.endswith("seed_generator_state"):
            continue
        seed, count = np.asarray(variable.numpy(), "int64")
        for number, copy in zip(numbers, strategy.experimental_local_results(variable.value), strict=True):
            own = (seed + number * _STRIDE) % _SEEDS if number else seed
            copy.assign(np.array([own, count], copy.dtype.as_numpy_dtype))
