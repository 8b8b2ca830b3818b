"""Where a run computes: one device, several replicas of the model on one machine, or several machines."""

import functools
import json
import os

import tensorflow as tf

from keras_repvis import checks

STRATEGIES = ("one_device", "mirrored", "multi_worker", "tpu")

_PARAMETER_SERVER = (
    "strategy='parameter_server' is not accepted: Keras 3 has no fit for tf.distribute.ParameterServerStrategy, and "
    "its variables add in two steps (read, then write), so that workers that do not wait for one another lose updates "
    "of metrics, step counts and batch statistics. Take 'mirrored' or 'multi_worker'."
)


def strategy(name="one_device", devices=2):
    """Return the `tf.distribute` strategy called `name`.

    * "one_device": TensorFlow's default strategy.
    * "mirrored" (`MirroredStrategy`): one replica a device, gradients summed over the replicas before each step.
    * "multi_worker" (`MultiWorkerMirroredStrategy`): the same over several processes, each started with the variable
      TF_CONFIG that names them all; `repvis-launch` starts them on one machine. Use `training.fit`: Keras' own `fit`
      fails under it.
    * "tpu" (`TPUStrategy`): the TPU that TensorFlow finds.

    Args:
        name: One of these.
        devices: Number of replicas for "mirrored", an integer >= 1. They run on that many GPUs if the machine has
            them, else on that many logical CPU devices.

    Returns:
        A `tf.distribute.Strategy`. Build and compile the model under its `scope()`.

    Raises:
        ValueError: If the name is unknown, if logical CPU devices are needed and TensorFlow has already started
            with fewer, if TF_CONFIG is missing or names no workers, or if there is no TPU.

    Example:
        >>> keras_repvis.training.strategy("one_device").num_replicas_in_sync
        1

    Reference:
        TensorFlow, `tf.distribute`.
    """
    if name == "parameter_server":
        raise ValueError(_PARAMETER_SERVER)
    checks.one_of("strategy", name, STRATEGIES)
    checks.number("devices", devices, low=1, integer=True)
    makers = {
        "one_device": tf.distribute.get_strategy,
        "mirrored": lambda: _mirrored(devices),
        "multi_worker": _multi_worker,
        "tpu": _tpu,
    }
    return makers[name]()


def is_chief(strategy):
    """Return whether this process is the one that writes files: the only one, or the first of several workers.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        Boolean.

    Example:
        >>> keras_repvis.training.is_chief(keras_repvis.training.strategy("one_device"))
        True
    """
    return worker_index(strategy) == 0


def worker_index(strategy):
    """Return the number of this process among the workers, from 0.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        Integer.

    """
    resolver = strategy.cluster_resolver if is_multi_worker(strategy) else None
    if resolver is None or resolver.task_type == "chief":
        return 0
    return resolver.task_id + ("chief" in resolver.cluster_spec().jobs)


def wait_for_workers(strategy):
    """Return when every worker has come here; at once where there is only one process.

    A worker that leaves while another still computes makes TensorFlow report a lost connection.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        None.

    Example:
        >>> keras_repvis.training.wait_for_workers(keras_repvis.training.strategy("one_device"))
    """
    if not is_multi_worker(strategy):
        return

    def meet():
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(1.0))

    tf.function(lambda: strategy.run(meet))()


def is_multi_worker(strategy):
    """Return whether several processes take each step together.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        Boolean.

    """
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def local_replicas(strategy):
    """Return the numbers, among all replicas, of those that this process computes.

    Args:
        strategy: `tf.distribute.Strategy`.

    Returns:
        `range`.

    """
    count = len(strategy.extended.worker_devices) if is_multi_worker(strategy) else strategy.num_replicas_in_sync
    first = worker_index(strategy) * count
    return range(first, first + count)


def _mirrored(devices):
    if len(tf.config.list_physical_devices("GPU")) >= devices:
        return tf.distribute.MirroredStrategy([f"GPU:{index}" for index in range(devices)])
    _split_cpu(devices)
    # On one CPU there is nothing to gain from collectives, and they allow only one strategy a process.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(devices)], cross_device_ops=reduction)


def _multi_worker():
    try:
        jobs = set(json.loads(os.environ.get("TF_CONFIG", "{}"))["cluster"])
    except (ValueError, KeyError, TypeError):
        jobs = set()
    if not jobs or jobs - {"chief", "worker"}:
        raise ValueError(
            f"strategy='multi_worker' needs TF_CONFIG={os.environ.get('TF_CONFIG')!r} to be the JSON of a cluster of "
            "workers, as tf.distribute describes it; `repvis-launch --workers=2 <command>` sets it on one machine."
        )
    return _cluster()


@functools.cache
def _cluster():
    # A process is one member of one cluster: its server cannot be started twice.
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu():
    try:
        return tf.distribute.TPUStrategy(tf.distribute.cluster_resolver.TPUClusterResolver.connect())
    except (ValueError, IndexError, OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"strategy='tpu' is not accepted: TensorFlow finds no TPU ({reason}).") from error


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
