"""The compiled steps of a learner under its strategy, and its metrics over all replicas."""

import numpy as np
import tensorflow as tf

from keras_repvis.training import replicas


def check_stream(name, stream):
    """Raise `ValueError` if the argument `name` does not deliver batches as `data.Stream` does."""
    lacks = [method for method in ("dataset", "steps", "splits_evenly") if not callable(getattr(stream, method, None))]
    if lacks:
        raise ValueError(f"{name}={stream!r} is not accepted: expected a data.Stream; it has no {', '.join(lacks)}.")


class Steps:
    """Runs a learner's `train_step` and `test_step` on the next batch of an iterator.

    One device and mirrored replicas run the functions that Keras' own `fit` and `evaluate` run. With several workers
    these fail (they average logs over workers in a way that needs a batch axis), so there the step is run plainly.

    Args:
        model: Compiled `keras.Model`.
        stream: Training stream: `data.Stream`, or what has its `dataset`, `steps`, `splits_evenly` and `batch_size`.

    Raises:
        ValueError: If the model is not compiled, or for several steps a call, if `stream` is something else, or if its
            batches cannot be shared evenly by the replicas.
    """

    def __init__(self, model, stream):
        if not getattr(model, "compiled", False):
            raise ValueError(f"model={model!r} is not accepted: expected a keras.Model that is compiled.")
        if model.steps_per_execution != 1:
            raise ValueError(
                f"steps_per_execution={model.steps_per_execution!r} of {model.name!r} is not accepted: a run is saved, "
                "stopped and watched between single steps. Compile the model without it."
            )
        check_stream("stream", stream)
        self.model = model
        self.strategy = model.distribute_strategy
        self.shards = self.strategy.num_replicas_in_sync
        if self.shards > 1 and not stream.splits_evenly(self.shards):
            raise ValueError(
                f"batch_size={stream.batch_size!r} is not accepted under {self.shards} replicas: every batch, a short "
                "last one too, must be a multiple of their number, or the replicas' losses would not weigh the same."
            )
        self.stream = stream
        self.steps_per_epoch = stream.steps(self.shards)
        self._many = replicas.is_multi_worker(self.strategy)
        self._test_data = None

    def build(self):
        """Build what Keras builds on the first batch: metrics, loss, and a model without input shape."""
        model = self.model
        parts = [*model._flatten_layers(), model._compile_metrics, model._compile_loss, model.optimizer]
        if all(part is None or part.built for part in parts):
            return  # To open the stream for its signature alone costs a tenth of a second.
        signature = self.stream.dataset().element_spec
        with self.strategy.scope():
            self.model._symbolic_build(data_batch=signature)

    def start(self, epochs, position):
        """Open the stream at a `data.Position`, to the end of epoch number `epochs`."""
        self._train = self._train_on_workers if self._many else self._own("train")
        self._batches = iter(self._distribute(self.stream, epochs - position.epoch, position))

    def train(self):
        """Do the next training step; return its logs, a dict of floats; of several workers each has its own."""
        logs = self._train(self._batches)
        return {name: float(value) for name, value in logs.items()}

    def evaluate(self, stream, callbacks):
        """Return the metrics of one pass over a stream, a dict of floats; `callbacks` are told of every batch."""
        test = self._test_on_workers if self._many else self._own("test")
        if self._test_data is None or self._test_data[0] is not stream:
            self._test_data = (stream, self._distribute(stream, 1))
        self.model.reset_metrics()
        batches = iter(self._test_data[1])
        logs = {}
        for step in range(stream.steps(self.shards)):
            callbacks.on_test_batch_begin(step)
            logs = test(batches)
            callbacks.on_test_batch_end(step, logs)
        return self.results(logs)

    def results(self, logs):
        """Return what a learner logs, over all replicas, a dict of floats.

        A name that is also a metric's stands for that metric, from the sums of all replicas. Keras takes the mean of
        the replicas' values unless all names are metrics; that is not one device's value when their shares differ.

        Args:
            logs: Dict of the last step's logs.
        """
        with self.strategy.scope():
            metrics = self.model.get_metrics_result()
        return {name: float(metrics[name] if name in metrics else self._mean(value)) for name, value in logs.items()}

    def total(self, values):
        """Return the sum over all replicas of their worker's array; all workers must call it at the same step."""
        return np.asarray(self.strategy.experimental_local_results(self._total(tf.constant(values)))[0])

    def _mean(self, value):
        """Return the mean over the workers of a value that each has for itself."""
        return self.total(np.float32(value)) / self.shards if self._many else value

    def _own(self, kind):
        getattr(self.model, f"make_{kind}_function")()
        return getattr(self.model, f"{kind}_function")

    def _distribute(self, stream, epochs, position=None):
        local = list(replicas.local_replicas(self.strategy))
        epoch, step = (position.epoch, position.step) if position else (0, 0)

        def pieces(context):
            return stream.dataset(epochs=epochs, epoch=epoch, step=step, shards=self.shards, shard=local)

        return self.strategy.distribute_datasets_from_function(pieces)

    @tf.function(reduce_retracing=True)
    def _train_on_workers(self, iterator):
        return self._local(self.strategy.run(self.model.train_step, args=(next(iterator),)))

    @tf.function(reduce_retracing=True)
    def _test_on_workers(self, iterator):
        return self._local(self.strategy.run(self.model.test_step, args=(next(iterator),)))

    @tf.function
    def _total(self, values):
        def add():
            return tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.SUM,
                tf.identity(values),  # A tensor without a device cannot be reduced.
            )

        return self.strategy.run(add)

    def _local(self, logs):
        """Return the mean of the logs over this worker's replicas."""
        return tf.nest.map_structure(
            lambda value: tf.reduce_mean(tf.stack(self.strategy.experimental_local_results(value))), logs
        )
