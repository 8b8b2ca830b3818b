"""Where a run computes: one device or several replicas of the model on one machine."""

import keras
import tensorflow as tf

from keras_repvis import checks

STRATEGIES = ("one_device", "mirrored")


def strategy(name="one_device", devices=2):
    """Return the `tf.distribute` strategy called `name`.

    Args:
        name: "one_device", or "mirrored": one replica a device, gradients summed over the replicas after each step.
        devices: Number of replicas for "mirrored", an integer >= 1. They run on that many GPUs if the machine has
            them, else on that many logical CPU devices.

    Returns:
        A `tf.distribute.Strategy`. Build and compile the model under its `scope()`.

    Raises:
        ValueError: If the name is unknown, or if logical CPU devices are needed and TensorFlow has already started
            with fewer.

    Example:
        >>> keras_repvis.training.strategy("one_device").num_replicas_in_sync
        1

    Reference:
        TensorFlow, `tf.distribute.MirroredStrategy`.
    """
    checks.one_of("strategy", name, STRATEGIES)
    checks.number("devices", devices, low=1, integer=True)
    if name == "one_device":
        return tf.distribute.get_strategy()
    if len(tf.config.list_physical_devices("GPU")) >= devices:
        return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(devices)])
    _split_cpu(devices)
    # On one CPU there is nothing to gain from collectives, and they allow only one strategy a process.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(devices)], cross_device_ops=reduction)


def synchronize_batch_norm(model):
    """Make every batch normalisation of `model` use the statistics of the global batch, in place.

    Plain batch normalisation sees one replica's share of the batch and keeps one set of moving statistics a replica,
    which drift apart. Synchronised, mean and variance are those of the whole batch, as on one device.

    Args:
        model: Keras model, built under the strategy's scope, not yet compiled.

    Returns:
        `model`.

    Example:
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.35)
        >>> keras_repvis.training.synchronize_batch_norm(model) is model
        True
    """
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    return model


def _split_cpu(devices):
    """Ask TensorFlow for `devices` logical CPU devices; only possible before it has started."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    configured = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(configured) >= devices:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    except RuntimeError:
        raise ValueError(
            f"devices={devices} is not possible any more: TensorFlow has started with {len(configured)} CPU "
            "device(s). Ask for the strategy before anything else is computed."
        ) from None
