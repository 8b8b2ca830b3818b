"""What every public loss promises, one function a promise, which fails when the promise is broken."""

import json
import tempfile

import keras
import numpy as np
import tensorflow as tf


def bind(contract):
    """Return the checks of losses; `contract` is the module with the checks of layers and models."""
    close = contract.close

    def make(case, **extra):
        return case.load()(**case.arguments, **extra)

    def targets_of(case, examples, seed=2):
        generator = np.random.default_rng(seed)
        if case.targets == "values":
            return generator.uniform(size=(examples, *case.shape)).astype("float32")
        classes = generator.integers(0, case.shape[-1], (examples, *case.shape[:-1]))
        return classes if case.targets == "classes" else np.eye(case.shape[-1], dtype="float32")[classes]

    def predictions_of(case, examples):
        return contract.batch_of(case.shape, examples) * 0.8 + 0.1

    def model_with(case):
        keras.utils.set_random_seed(0)
        inputs = keras.Input(case.shape)
        return keras.Model(inputs, keras.layers.Dense(case.shape[-1])(inputs))

    def config(case):
        """The configuration is JSON, holds every argument, and makes the same loss again."""
        saved = make(case).get_config()
        contract.check_config(case, saved)
        again = type(make(case)).from_config(json.loads(json.dumps(saved)))
        assert json.dumps(again.get_config()) == json.dumps(saved)
        pair = targets_of(case, 4), predictions_of(case, 4)
        close(again(*pair), make(case)(*pair))

    def keras_file(case):
        """A compiled model comes back from `.keras` with its loss."""
        model = model_with(case)
        model.compile("sgd", loss=make(case), jit_compile=False)
        pair = contract.batch_of(case.shape, 4), targets_of(case, 4)
        expected = model.evaluate(*pair, verbose=0)
        with tempfile.TemporaryDirectory() as folder:
            model.save(f"{folder}/model.keras")
            again = keras.saving.load_model(f"{folder}/model.keras")
        assert type(again.loss) is type(make(case))
        close(again.evaluate(*pair, verbose=0), expected)

    def short_batch(case):
        """One value an example, and their mean; a shorter last batch counts each of its examples once."""
        pair = targets_of(case, 5), predictions_of(case, 5)
        each = np.asarray(make(case, reduction="none")(*pair))
        assert each.shape[:1] == (5,), f"reduction='none' gives shape {each.shape} for 5 examples"
        close(make(case)(*pair), each.mean())
        parts = [np.asarray(make(case, reduction="none")(*(side[part] for side in pair)))
                 for part in (slice(0, 4), slice(4, 5))]
        close(np.concatenate(parts), each)

    def compiled_function(case):
        """Inside `tf.function`, with every size but the channels unknown, it computes what it computes outside."""
        pair = targets_of(case, 4), predictions_of(case, 4)
        free = [tf.TensorSpec([None] * (side.ndim - 1) + [side.shape[-1] if side.ndim > len(case.shape) else None],
                              side.dtype) for side in pair]
        loss = make(case)
        compiled = tf.function(lambda true, predicted: loss(true, predicted), input_signature=free)
        close(compiled(*pair), loss(*pair))

    def mixed_precision(case):
        """Predictions in 16 bits give a finite value, about the same."""
        true, predicted = targets_of(case, 4), predictions_of(case, 4)
        for dtype, tolerance in (("bfloat16", 0.05), ("float16", 0.01)):
            found = make(case)(true, tf.cast(predicted, dtype))
            close(tf.cast(found, "float32"), make(case)(true, predicted), tolerance)

    def training_step(case):
        """The gradient at the predictions is finite and not zero."""
        predicted = tf.constant(predictions_of(case, 4))
        with tf.GradientTape() as tape:
            tape.watch(predicted)
            value = make(case)(targets_of(case, 4), predicted)
        gradient = tape.gradient(value, predicted)
        assert gradient is not None, "no gradient"
        assert np.all(np.isfinite(gradient)), "the gradient is not finite"
        assert np.any(np.asarray(gradient) != 0), "the gradient is zero"

    def two_replicas(case):
        """Averaged over the global batch: a step over two replicas is the step of one device."""
        before = model_with(case).get_weights()
        contract.assert_same_step(
            lambda: model_with(case), contract.batch_of(case.shape, 4), targets_of(case, 4), make(case), before
        )

    return (config, keras_file, short_batch, compiled_function, mixed_precision, training_step, two_replicas)
