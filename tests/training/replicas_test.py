"""Strategies by name, which process and replicas are meant, and what is refused with the reason."""

import json
from unittest import mock

import pytest
import tensorflow as tf

from keras_repvis import training
from keras_repvis.training import replicas


def test_strategies_by_name():
    one, two = training.strategy("one_device"), training.strategy("mirrored", devices=2)
    assert one is tf.distribute.get_strategy()
    assert isinstance(two, tf.distribute.MirroredStrategy)
    assert (one.num_replicas_in_sync, two.num_replicas_in_sync) == (1, 2)
    for strategy in (one, two):
        assert training.is_chief(strategy)
        assert not replicas.is_multi_worker(strategy)
        assert list(replicas.local_replicas(strategy)) == list(range(strategy.num_replicas_in_sync))


def a_worker(cluster, task_type, task_id):
    """Stands for the strategy of one of several processes, none of which is started."""
    strategy = mock.create_autospec(tf.distribute.MultiWorkerMirroredStrategy, instance=True)
    strategy.cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster), task_type=task_type, task_id=task_id
    )
    strategy.extended = mock.Mock(worker_devices=("CPU:0", "CPU:1"))
    return strategy


@pytest.mark.parametrize(
    ("task", "worker", "local"), [(("chief", 0), 0, [0, 1]), (("worker", 0), 1, [2, 3]), (("worker", 1), 2, [4, 5])]
)
def test_workers_are_numbered_after_the_chief(task, worker, local):
    strategy = a_worker({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, *task)
    assert replicas.is_multi_worker(strategy)
    assert replicas.worker_index(strategy) == worker
    assert training.is_chief(strategy) == (worker == 0)
    assert list(replicas.local_replicas(strategy)) == local


@pytest.mark.parametrize("number", [0, 1])
def test_without_a_chief_the_first_worker_is_it(number):
    strategy = a_worker({"worker": ["b:1", "c:1"]}, "worker", number)
    assert replicas.worker_index(strategy) == number
    assert training.is_chief(strategy) == (number == 0)


def test_more_devices_than_tensorflow_started_with_are_refused():
    tf.zeros(1).numpy()
    with pytest.raises(ValueError, match="devices=7 is not possible any more"):
        training.strategy("mirrored", devices=7)


def test_wrong_names_are_named():
    with pytest.raises(ValueError, match="strategy='mirored' is not known. Did you mean 'mirrored'"):
        training.strategy("mirored")
    for devices in (0, 1.5, "2"):
        with pytest.raises(ValueError, match=f"devices={devices!r}"):
            training.strategy("mirrored", devices=devices)


def test_a_parameter_server_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="Keras 3 has no fit for tf.distribute.ParameterServerStrategy.*Take 'mir"):
        training.strategy("parameter_server")


def test_a_machine_without_tpu_is_named():
    with pytest.raises(ValueError, match="strategy='tpu' is not accepted: TensorFlow finds no TPU"):
        training.strategy("tpu")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "no json",
        "[]",
        "{}",
        json.dumps({"cluster": {}}),
        json.dumps({"cluster": {"worker": ["localhost:1"], "ps": ["localhost:2"]}, "task": {"type": "worker"}}),
    ],
)
def test_multi_worker_needs_a_cluster_of_workers(value, monkeypatch):
    if value is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", value)
    with pytest.raises(ValueError, match="strategy='multi_worker' needs TF_CONFIG=.*repvis-launch"):
        training.strategy("multi_worker")
