"""A step that is not finite stops the run with its name, or is taken back from everything, as if it had not been."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import data, training
from keras_repvis.training.non_finite import NonFiniteWatch

BATCH = 8


def stream_of(split, spoilt=(), value=np.nan):
    """Batches in order; those numbered in `spoilt` have one pixel of one example, in the second half, spoilt."""
    wanted = tf.constant([BATCH * number + 6 for number in spoilt] or [-1], tf.int64)

    def spoil(images, indices, epoch, seed):
        found = tf.reduce_any(tf.equal(indices[:, None], wanted), axis=1)
        corner = tf.one_hot(0, 64, on_value=True, off_value=False)
        return tf.where(tf.reshape(found[:, None] & corner, (-1, 8, 8, 1)), value, images)

    source = data.Source("repvis_digits", split)
    return data.Stream(source, BATCH, augment=spoil, shuffle=False)


def make_model(name="one_device", dropout=0.2, optimizer=None):
    """Batch statistics, random draws and metrics, all of which see the batch."""
    keras.utils.set_random_seed(3)
    strategy = training.strategy(name, 2)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                keras.layers.Flatten(),
                keras.layers.Dense(6, use_bias=False, name="first"),
                keras.layers.BatchNormalization(momentum=0.9),
                keras.layers.Dropout(dropout),
                keras.layers.Dense(10, name="last"),
            ]
        )
        training.set_batch_norm(model, "synchronized")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer or keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after, and the logs of, every step."""

    def __init__(self):
        super().__init__()
        self.weights, self.logs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())
        self.logs.append(dict(logs))


def test_stop_names_step_and_tensors_and_keeps_the_weights():
    model, recorder = make_model(), Recorder()
    with pytest.raises(training.NonFiniteError) as caught:
        training.fit(model, stream_of("train[:40]", [3]), 1, callbacks=[recorder], progress=False)
    first = model.trainable_variables[0].path
    assert first.endswith("first/kernel")
    assert str(caught.value) == f"step 4: loss is nan; the gradient of {first} and of 4 more is not finite"
    before = dict(zip([variable.path for variable in model.weights], recorder.weights[2]))
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), before[variable.path])
    assert len(recorder.weights) == 3
    assert int(model.optimizer.iterations.numpy()) == 3


@pytest.fixture(scope="module")
def without():
    """A run of two epochs without the batches 0 and 3: (model, history)."""
    model = make_model()
    return model, training.fit(model, stream_of("train[8:24]+train[32:40]"), 2, progress=False)


def metrics_of(entry):
    return {name: entry[name] for name in ("loss", "accuracy")}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_skip_goes_on_as_if_the_batch_had_not_been_there(without, value, tmp_path):
    expected, expected_history = without
    model, recorder = make_model(), Recorder()
    history = training.fit(
        model,
        stream_of("train[:40]", [0, 3], value),
        2,
        run=tmp_path,
        on_non_finite="skip",
        callbacks=[recorder],
        progress=False,
    )
    for mine, theirs in zip(model.variables, expected.variables, strict=True):  # States of random draws included.
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert [metrics_of(entry) for entry in history] == [metrics_of(entry) for entry in expected_history]
    assert recorder.logs[3] == recorder.logs[2]  # Those of the step before.
    assert all(np.isfinite(value) for logs in recorder.logs[1:] for value in logs.values())
    assert model.optimizer.non_finite_steps == 4

    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    skipped = [event for event in events if event["event"] == "skipped_step"]
    assert [event["message"].split(":")[0] for event in skipped] == ["step 1", "step 4", "step 6", "step 9"]
    assert all("loss is" in event["message"] and "first/kernel" in event["message"] for event in skipped)


def test_a_step_left_out_before_a_run_goes_on_is_no_reason_to_stop(tmp_path):
    """The count of steps left out comes back with a checkpoint."""
    model = make_model()
    training.fit(model, stream_of("train[:40]", [3]), 1, run=tmp_path, on_non_finite="skip", progress=False)
    model = make_model()
    history = training.fit(model, stream_of("train[:40]"), 2, run=tmp_path, on_non_finite="stop", progress=False)
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert model.optimizer.non_finite_steps == 1


def test_skip_under_two_replicas_one_of_which_is_spoilt():
    weights, histories = [], []
    for name, stream in (
        ("one_device", stream_of("train[:24]+train[32:40]")),
        ("mirrored", stream_of("train[:40]", [3])),
    ):
        model = make_model(name, dropout=0.0)
        histories.append(training.fit(model, stream, 1, on_non_finite="skip", progress=False))
        local = model.distribute_strategy.experimental_local_results
        weights.append([[copy.numpy() for copy in local(variable.value)] for variable in model.weights])
    for (alone,), copies in zip(*weights, strict=True):
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(copy, alone, rtol=1e-4, atol=1e-5)
    assert metrics_of(histories[1][0]) == pytest.approx(metrics_of(histories[0][0]), rel=1e-5)


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_spoilt_batch_under_a_loss_scale(policy):
    """Gradients that overflow are expected there; a loss that does is not."""
    optimizer = training.GlobalGradientOptimizer(keras.optimizers.SGD(0.1), loss_scale=2.0**8)
    model, stream = make_model(optimizer=optimizer), stream_of("train[:40]", [3])
    if policy == "stop":
        with pytest.raises(training.NonFiniteError, match="^step 4: loss is nan; the gradient of .*first/kernel and"):
            training.fit(model, stream, 1, progress=False)
        return
    (entry,) = training.fit(model, stream, 1, on_non_finite="skip", progress=False)
    assert np.isfinite(entry["loss"])
    assert all(np.isfinite(value).all() for value in model.get_weights())
    assert optimizer.non_finite_steps == 0


class TwoParts(keras.Model):
    """Two weights, each with an optimiser; the gradient of one may be NaN though the loss is not."""

    def __init__(self):
        super().__init__(name="parts")
        self.left = self.add_weight(shape=(2,), initializer="ones", name="left")
        self.right = self.add_weight(shape=(2,), initializer="ones", name="right")
        self.pool = tf.Variable([0.0], trainable=False)
        self.built = True

    def compile(self, odd_step=None, **options):
        super().compile(optimizer=None, run_eagerly=True, **options)
        self.odd_step = odd_step
        self.optimizers = {name: keras.optimizers.SGD(0.01) for name in ("left", "right")}
        for name, optimizer in self.optimizers.items():
            optimizer.build([getattr(self, name)])

    def train_step(self, batch):
        images, _ = batch
        size = images[6, 0, 0, 0]  # The pixel that may be spoilt.
        for name, spoils in (("left", 2.0), ("right", 3.0)):
            weight = getattr(self, name).value
            with tf.GradientTape() as tape:
                # The gradient of the root at zero is infinite, times zero.
                loss = tf.reduce_sum(weight) + tf.sqrt(tf.reduce_sum(weight) * tf.abs(size - spoils))
            self.optimizers[name].apply([tape.gradient(loss, weight)], [getattr(self, name)])
        self.pool.assign_add([1.0])
        odd = np.nan if self.odd_step == int(self.pool.numpy()[0]) else 1.0
        return {"loss": loss, "odd": odd}


@pytest.mark.parametrize(("value", "name"), [(2.0, "left"), (3.0, "right")])
def test_the_gradient_alone_is_named_though_the_loss_is_finite(value, name):
    model = TwoParts()
    model.compile()
    with pytest.raises(training.NonFiniteError, match=f"^step 2: the gradient of parts/{name} is not finite$"):
        training.fit(model, stream_of("train[:40]", [1], value), 1, progress=False)
    counts = {key: optimizer.non_finite_steps for key, optimizer in model.optimizers.items()}
    assert counts == {"left": 0, "right": 0, name: 1}


def test_only_the_optimiser_that_left_this_step_out_is_named(caplog):
    model = TwoParts()
    model.compile()
    for value in (2.0, 3.0):
        training.fit(model, stream_of("train[:40]", [1], value), 1, on_non_finite="skip", progress=False)
    messages = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert messages == [f"left out: step 2: the gradient of parts/{name} is not finite" for name in ("left", "right")]
    assert model.pool.numpy() == [2 * 4.0]  # Two of ten steps are taken back.


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_logged_value_with_finite_gradients_stops_the_run(policy):
    """There is no step left out that could be skipped."""
    model = TwoParts()
    model.compile(odd_step=3)
    with pytest.raises(training.NonFiniteError, match="^step 3: odd is nan$"):
        training.fit(model, stream_of("train[:40]"), 1, on_non_finite=policy, progress=False)


def test_an_unknown_policy_is_named():
    with pytest.raises(ValueError, match="on_non_finite='skipp' is not known. Did you mean 'skip'"):
        NonFiniteWatch(TwoParts(), [], "skipp")
