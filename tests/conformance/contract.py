"""What every public layer and model promises, one function a promise, which fails when the promise is broken."""

import contextlib
import functools
import json
import tempfile

import keras
import numpy as np
import tensorflow as tf


def build(case, shape=None):
    """Return the part of a case as a functional model; a layer becomes a model of one node."""
    shape = case.shape if shape is None else shape
    if case.room == "models":
        return case.load()(input_shape=shape, **case.arguments)
    inputs = keras.Input(shape)
    return keras.Model(inputs, case.load()(**case.arguments)(inputs))


@functools.lru_cache(maxsize=None)
def subject(case):
    """Return the part of a case as a functional model with weights that no initialiser gives."""
    keras.utils.set_random_seed(0)
    model = build(case)
    model.set_weights(_unlikely(model.get_weights()))
    return model


def _unlikely(weights):
    generator = np.random.default_rng(1)
    changed = []
    for weight in weights:
        value = weight * generator.uniform(0.8, 1.2, weight.shape)
        changed.append((value + 0.02 * generator.uniform(size=weight.shape) * (weight.ndim < 2)).astype(weight.dtype))
    return changed


def batch_of(shape, examples=4, seed=0):
    """Return images of a shape, float32 in [0, 1]."""
    return np.random.default_rng(seed).uniform(size=(examples, *shape)).astype("float32")


def close(found, expected, tolerance=1e-5):
    """Compare two arrays by the largest difference, relative to the largest value."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"shape {found.shape} instead of {expected.shape}"
    assert np.all(np.isfinite(found)), "not finite"
    if expected.size:
        error = float(np.max(np.abs(found - expected)))
        assert error <= tolerance * max(1.0, float(np.max(np.abs(expected)))), f"differs by {error:.2e}"


def weight_count(case):
    """As many weights as the case says, each with a name of its own."""
    model = subject(case)
    assert len(model.weights) == case.weights, [weight.path for weight in model.weights]
    assert len({weight.path for weight in model.weights}) == len(model.weights)


def config(case):
    """The configuration is JSON, holds every argument, and makes the same part again."""
    model = subject(case)
    part = model if case.room == "models" else model.layers[-1]
    saved = part.get_config()
    if case.room == "layers":
        check_config(case, saved)
    again = type(part).from_config(json.loads(json.dumps(saved)))
    assert json.dumps(again.get_config()) == json.dumps(saved)
    if case.room == "models":
        composite = [layer.name for layer in model._flatten_layers(include_self=False) if not _is_elementary(layer)]
        assert not composite, f"{composite}: a model consists of layers of Keras and elementary ones of this package"
    else:
        inputs = keras.Input(case.shape)
        again = keras.Model(inputs, again(inputs))
    again.set_weights(model.get_weights())
    close(again(batch_of(case.shape)), model(batch_of(case.shape)))


def _is_elementary(layer):
    package = type(layer).__module__.split(".")[0]
    return package == "keras" or (package == "keras_repvis" and not hasattr(layer, "inline"))


def check_config(case, saved):
    """Every argument of a case is in a configuration, plain ones with their value."""
    for argument, value in case.arguments.items():
        assert argument in saved, f"get_config forgets {argument!r}"
        if isinstance(saved[argument], (bool, int, float, str)):
            assert saved[argument] == value, f"get_config says {argument}={saved[argument]!r} instead of {value!r}"


def keras_file(case):
    """`.keras` gives back the same function, in safe mode."""
    model = subject(case)
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/part.keras")
        again = keras.saving.load_model(f"{folder}/part.keras")
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.weights]
    close(again(batch_of(case.shape)), model(batch_of(case.shape)))


def saved_model(case):
    """A SavedModel gives the same function for any number of images."""
    model = subject(case)
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        served = tf.saved_model.load(folder)
        for examples in (1, 3):
            close(served.serve(batch_of(case.shape, examples)), model(batch_of(case.shape, examples)))


def short_batch(case):
    """The last batch may be shorter than the others."""
    images = batch_of(case.shape, 5)
    model = subject(case)
    model.compile(run_eagerly=True)
    close(model.predict(images, batch_size=4, verbose=0), model(images))


@functools.lru_cache(maxsize=None)
def flexible(case):
    """Return the part built for images of unknown height and width and compiled once, with the weights of `subject`."""
    model = build(case, (None, None, case.shape[-1]))
    model.set_weights(subject(case).get_weights())
    return tf.function(model, input_signature=[tf.TensorSpec((None, None, None, case.shape[-1]))])


def any_size(case):
    """Of unknown height and width, it is the same function at every size as one that is built for that size."""
    other = (case.shape[0] + 3 * case.multiple, case.shape[1] + 6 * case.multiple, case.shape[2])
    fixed = build(case, other)
    fixed.set_weights(subject(case).get_weights())
    close(flexible(case)(batch_of(other, 2)), fixed(batch_of(other, 2)))


def compiled_function(case):
    """Inside `tf.function` it computes what it computes outside."""
    close(flexible(case)(batch_of(case.shape)), subject(case)(batch_of(case.shape), training=False))


@contextlib.contextmanager
def dtype_policy(name):
    """Set Keras' global policy for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def mixed_precision(case):
    """Under a mixed policy weights stay float32, a layer computes in 16 bits, and the result is about the same."""
    expected = np.asarray(subject(case)(batch_of(case.shape, 2)))
    for policy, tolerance in (("mixed_bfloat16", 0.1), ("mixed_float16", 0.02)):
        with dtype_policy(policy):
            model = build(case)
        assert {weight.dtype for weight in model.weights} <= {"float32"}
        model.set_weights(subject(case).get_weights())
        found = model(batch_of(case.shape, 2))
        wanted = "float32" if case.room == "models" else policy.removeprefix("mixed_")
        assert keras.backend.standardize_dtype(found.dtype) == wanted, f"{policy} gives {found.dtype}, not {wanted}"
        close(tf.cast(found, "float32"), expected, tolerance)


def training_step(case):
    """A step of training gives every trainable weight a finite gradient that is not zero."""
    model = subject(case)
    images = tf.constant(batch_of(case.shape, 6))
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, training=True)
        loss = tf.reduce_mean((outputs - batch_of(outputs.shape[1:], 6, seed=2)) ** 2) + sum(model.losses)
    gradients = tape.gradient(loss, [images, *(weight.value for weight in model.trainable_weights)])
    for name, gradient in zip(["images", *(weight.path for weight in model.trainable_weights)], gradients):
        assert gradient is not None, f"{name} has no gradient"
        assert np.all(np.isfinite(gradient)), f"the gradient of {name} is not finite"
        assert np.any(np.asarray(gradient) != 0), f"the gradient of {name} is zero"


@functools.lru_cache(maxsize=None)
def two_devices():
    """Return a strategy over two devices; Keras' default way to sum gradients works once a process only."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())


def one_step(strategy, make, images, targets, loss):
    """Train one step in a strategy's scope and return (weights, reported loss)."""
    with strategy.scope():
        model = make()
        # Eager: to trace a deep network for two devices takes ten times as long as to run it once.
        model.compile(keras.optimizers.SGD(0.1), loss=loss, run_eagerly=True)
    history = model.fit(images, targets, batch_size=len(images), shuffle=False, verbose=0)
    return model.get_weights(), history.history["loss"][0]


def two_replicas(case):
    """A step over two replicas is the step of one device on the same batch.

    Plain batch normalisation takes its statistics from a replica's own examples; with it, the replicas get equal ones.
    In float64, since a deep network multiplies the rounding of float32 by thousands.
    """
    before = subject(case).get_weights()

    def make():
        with dtype_policy("float64"):
            model = build(case)
        model.set_weights(before)
        return model

    half = batch_of(case.shape, 2)
    alone = [layer for layer in subject(case)._flatten_layers()
             if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized]
    images = np.concatenate([half, half if alone else batch_of(case.shape, 2, seed=3)])
    targets = batch_of(subject(case).output_shape[1:], 2, seed=2)
    targets = np.concatenate([targets, targets if alone else targets[::-1]])
    assert_same_step(make, images.astype("float64"), targets.astype("float64"), "mse", before, tolerance=1e-9)


def assert_same_step(make, images, targets, loss, before, tolerance=1e-5):
    """Compare one step on one device with one over two replicas."""
    one, loss_of_one = one_step(tf.distribute.get_strategy(), make, images, targets, loss)
    two, loss_of_two = one_step(two_devices(), make, images, targets, loss)
    assert not before or any(np.any(new != old) for new, old in zip(one, before)), "the step changes nothing"
    for found, expected in zip(two, one):
        close(found, expected, tolerance)
    close(loss_of_two, loss_of_one)


CHECKS = (
    weight_count,
    config,
    keras_file,
    saved_model,
    short_batch,
    any_size,
    compiled_function,
    mixed_precision,
    training_step,
    two_replicas,
)
