"""`training.fit` does what `model.fit` does, hook for hook and bit for bit, and says what it does not take."""

import keras
import numpy as np
import pytest

from keras_repvis import training

# Keras' own fit complains of any tf.data.Dataset.
pytestmark = pytest.mark.filterwarnings("ignore:.*shuffle=True.*was passed")

HOOKS = (
    *("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end"),
    *("on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin", "on_test_batch_end"),
)


class Recorder(keras.callbacks.Callback):
    """Keeps every call of a hook, with its arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []


def _recording(name):
    def hook(self, *arguments, logs=None):
        if arguments and (arguments[-1] is None or isinstance(arguments[-1], dict)):
            *arguments, logs = arguments
        self.calls.append((name, *arguments, None if logs is None else dict(logs)))

    return hook


for _name in HOOKS:
    setattr(Recorder, _name, _recording(_name))


class StopAt(keras.callbacks.Callback):
    """Stops the training at a call of a hook."""

    def __init__(self, hook, number):
        super().__init__()

        def stop(index, logs=None):
            if index == number:
                self.model.stop_training = True

        setattr(self, hook, stop)


# Without a compiled function, most of which would be called three times.
def make_model(optimizer=None, metrics=("accuracy",), run_eagerly=True, **options):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.3), keras.layers.Dense(10)]
    if not run_eagerly:
        layers[1:1] = [keras.layers.Dense(12), keras.layers.BatchNormalization(momentum=0.8), keras.layers.ReLU()]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        optimizer or keras.optimizers.Adam(0.01), loss, metrics=list(metrics), run_eagerly=run_eagerly, **options
    )
    return model


def make_metrics():
    return [
        keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
        keras.metrics.SparseTopKCategoricalAccuracy(3, name="top3"),
        keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats"),
    ]


def keras_fit(model, stream, epochs, validation=None, callbacks=()):
    recorder = Recorder()
    history = model.fit(
        stream.dataset(epochs=epochs),
        epochs=epochs,
        steps_per_epoch=stream.steps_per_epoch,
        validation_data=validation and validation.dataset(),
        callbacks=[*callbacks, recorder],
        verbose=0,
    )
    return history.history, recorder.calls


def our_fit(model, stream, epochs, validation=None, callbacks=(), **options):
    recorder = Recorder()
    everything = [*callbacks, recorder]
    history = training.fit(model, stream, epochs, validation, callbacks=everything, progress=False, **options)
    return history, recorder.calls


def assert_same_state(mine, theirs):
    for one, two in zip(mine.variables, theirs.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy(), err_msg=one.path)


def without_metrics(history):
    return [{name: entry[name] for name in ("epoch", "step")} for entry in history]


@pytest.fixture(scope="module")
def plain(stream, validation):
    """Keras' own run of two epochs: (model, history, calls)."""
    model = make_model(metrics=make_metrics(), run_eagerly=False)
    return model, *keras_fit(model, stream, 2, validation)


def test_equals_keras_fit_bit_for_bit(plain, stream, validation):
    reference, expected, _ = plain
    model = make_model(metrics=make_metrics(), run_eagerly=False)
    history, _ = our_fit(model, stream, 2, validation)
    assert_same_state(model, reference)
    for mine, theirs in zip(model.optimizer.inner_optimizer.variables, reference.optimizer.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy(), err_msg=mine.path)
    assert {name: [entry[name] for entry in history] for name in expected} == expected
    assert without_metrics(history) == [{"epoch": 1, "step": 3}, {"epoch": 2, "step": 6}]
    assert [entry["learning_rate"] for entry in history] == [pytest.approx(0.01)] * 2
    assert all(entry["seconds"] > 0 for entry in history)
    assert set(history[0]) - {"epoch", "step", "seconds", "learning_rate"} == set(expected)


def test_callbacks_see_what_keras_fit_shows_them(plain, stream, validation):
    model = make_model(metrics=make_metrics(), run_eagerly=False)
    _, calls = our_fit(model, stream, 2, validation)
    assert [call[:-1] for call in calls] == [call[:-1] for call in plain[2]]
    assert calls == plain[2]
    assert model.history.history == plain[1]


@pytest.mark.parametrize("hook, number", [("on_train_batch_end", 1), ("on_epoch_begin", 1), ("on_epoch_end", 0)])
def test_stops_where_keras_fit_stops(stream, validation, hook, number):
    reference = make_model()
    expected, expected_calls = keras_fit(reference, stream, 3, validation, [StopAt(hook, number)])
    model = make_model()
    history, calls = our_fit(model, stream, 3, validation, [StopAt(hook, number)])
    assert_same_state(model, reference)
    assert calls == expected_calls
    assert [entry["val_loss"] for entry in history] == expected["val_loss"]
    steps = {"on_train_batch_end": [2], "on_epoch_begin": [3, 4], "on_epoch_end": [3]}[hook]
    assert [entry["step"] for entry in history] == steps


def test_an_optimizer_that_averages_ends_with_the_average(stream, tmp_path):
    def make():
        return make_model(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8))

    reference = make()
    keras_fit(reference, stream, 2)
    model = make()
    our_fit(model, stream, 2, run=tmp_path)
    assert_same_state(model, reference)
    again = make()
    our_fit(again, stream, 2, run=tmp_path)
    assert_same_state(again, reference)


class Custom(keras.Model):
    """Logs what is no metric, and leaves out one that is."""

    def __init__(self):
        super().__init__()
        keras.utils.set_random_seed(5)
        self.dense = keras.layers.Dense(10)
        self.dense.build((None, 64))
        self.seen = keras.metrics.Sum(name="seen")
        self.built = True

    def call(self, images):
        return self.dense(keras.ops.reshape(images, (-1, 64)))

    def train_step(self, batch):
        logs = super().train_step(batch)
        self.seen.update_state(keras.ops.shape(batch[0])[0])
        return {"loss": logs["loss"], "seen": self.seen.result(), "brightness": keras.ops.mean(batch[0])}

    def test_step(self, batch):
        super().test_step(batch)
        return {"darkness": 1 - keras.ops.mean(batch[0])}


def test_logs_of_a_train_step_of_ones_own(stream, validation):
    models = [Custom(), Custom()]
    for model in models:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=["accuracy"], run_eagerly=True)
    expected, expected_calls = keras_fit(models[0], stream, 2, validation)
    history, calls = our_fit(models[1], stream, 2, validation)
    assert sorted(expected) == ["brightness", "loss", "seen", "val_darkness"]
    assert {name: [entry[name] for entry in history] for name in expected} == expected
    assert history[0]["seen"] == 48
    assert calls == expected_calls


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"save_minutes": 0}, "save_minutes=0"),
        ({"save_steps": -1}, "save_steps=-1"),
        ({"on_non_finite": "ignore"}, "on_non_finite='ignore'"),
        ({"model": "mobilenet"}, "model='mobilenet' is not accepted: expected a keras.Model that is compiled"),
        ({"model": lambda: keras.Sequential([keras.Input((2,))])}, "expected a keras.Model that is compiled"),
        ({"model": lambda: make_model(steps_per_execution=2)}, "steps_per_execution=2"),
        ({"stream": [1]}, r"stream=\[1\] is not accepted: expected a data.Stream; it has no dataset, steps"),
        ({"validation": [1]}, r"validation=\[1\] is not accepted: expected a data.Stream"),
        ({"average": 0.99}, "average=0.99 is not accepted: expected a training.WeightAverage"),
        ({"callbacks": [print]}, "callbacks=.*print.* is not accepted: expected keras.callbacks.Callback objects"),
    ],
)
def test_wrong_arguments_are_named_and_leave_nothing(stream, tmp_path, change, message):
    arguments = {"model": make_model, "stream": stream, "epochs": 1, "run": tmp_path / "run", **change}
    if callable(arguments["model"]):
        arguments["model"] = arguments["model"]()
    with pytest.raises(ValueError, match=message):
        training.fit(**arguments, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_built_opens_the_stream_once(stream, monkeypatch):
    """To open a stream costs a tenth of a second, which short runs of a small model would notice."""
    model = make_model()
    training.fit(model, stream, epochs=1, progress=False)
    opened, original = [], type(stream).dataset
    monkeypatch.setattr(type(stream), "dataset", lambda self, **options: opened.append(1) or original(self, **options))
    training.fit(model, stream, epochs=1, progress=False)
    assert len(opened) == 1
