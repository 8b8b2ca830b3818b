"""How fast the training loop is, as ratios measured in one run.

    python benchmarks/training.py --output=benchmarks/results/training.json

Four questions, each answered after the outputs have been compared:

  overhead   processor time of a step of `training.fit` over that of a step of Keras' `fit`, same model, same data
  replicas   wall time of a step on 2 replicas of one thread each over that on 1 device of 2 threads
  saving     share of a run's processor time that goes into its checkpoints, one a minute
  input      wall time of a model's step over that of its input alone: above 1 the model is the bottleneck

Both sides of a ratio are measured in turn, several times; printed is the median of the ratios with their smallest and
largest, for the overhead with the 95 % interval of the median. Takes about a quarter of an hour on 2 idle cores;
--only=saving,input answers some and leaves the other answers in the file.
"""

import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags, logging

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_REPEATS = flags.DEFINE_integer("repeats", 9, "Measurements of each side.", lower_bound=3)
_ONLY = flags.DEFINE_list("only", ["overhead", "replicas", "saving", "input"], "Questions to answer.")
_WORKER = flags.DEFINE_string("worker", None, "Used by the program itself: what to time in a process of its own.")

STEPS = 20


def main(argv):
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    if _WORKER.value:
        print(json.dumps(step_times(_WORKER.value)))
        return
    questions = {"overhead": overhead, "replicas": replicas, "saving": saving, "input": pipelines}
    path = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
    result = json.loads(path.read_text()) if path and path.exists() else {}
    for name in _ONLY.value:
        rows = questions[name]()
        for row in rows:
            print(name, json.dumps(row), flush=True)
        measured = {"date": datetime.date.today().isoformat(), "repeats": _REPEATS.value, "cores": os.cpu_count()}
        result[name] = {**measured, **versions(), "rows": rows}
        if path:  # After each question: the next may take minutes.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result, indent=1) + "\n")


def versions():
    import keras
    import tensorflow as tf

    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def network(name, size=32):
    """Return a compiled model for images of `size` pixels, always from the same weights."""
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(0)
    shape = (size, size, 1)
    if name == "small":
        layers = [keras.layers.Conv2D(32, 3), keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(10)]
        model = keras.Sequential([keras.Input(shape), *layers])
    else:
        model = models.build(name, input_shape=shape, classes=10, width_multiplier=0.35, stem_strides=1, dropout=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss, metrics=["accuracy"])
    return model


def digits(split="train"):
    from keras_repvis import data

    return data.Stream(data.Source("repvis_digits", split), 64, image_size=32, seed=1)


def keras_fit(model, stream, epochs=3):
    dataset = stream.dataset(epochs=epochs)
    model.fit(dataset, epochs=epochs, steps_per_epoch=stream.steps_per_epoch, shuffle=False, verbose=0)
    return epochs * stream.steps_per_epoch


def our_fit(model, stream, epochs=3):
    from keras_repvis import training

    training.fit(model, stream, epochs, progress=False)
    return epochs * stream.steps_per_epoch


def summary(ratios):
    ratios = np.asarray(ratios)
    return {name: round(float(f(ratios)), 4) for name, f in (("ratio", np.median), ("low", np.min), ("high", np.max))}


def interval(ratios):
    """Return the median of `ratios` and its 95 % bootstrap interval."""
    drawn = np.random.default_rng(0).choice(ratios, (10_000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return {"ratio": round(float(np.median(ratios)), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def overhead():
    """Both sides train from the same weights and must come to the same ones after three steps.

    Deep networks take turns every epoch, so that what else the machine does falls on both; the small one every 15.
    """
    rows = []
    for name, epochs in (("small", 15), ("mobilenet_v1", 1), ("mobilenet_v2", 1)):
        sides = [(keras_fit, network(name)), (our_fit, network(name))]
        for fit, model in sides:
            fit(model, digits("train[:64]"))
        # Deep networks with batch normalisation multiply rounding errors; one of the two is compiled with a condition.
        for one, two in zip(*(model.get_weights() for _, model in sides)):
            np.testing.assert_allclose(two, one, rtol=0, atol=1e-6 if name == "small" else 1e-3)
        stream = digits()
        for fit, model in sides:
            fit(model, stream)
        times = [[], []]
        for repeat in range(4 * _REPEATS.value):
            for index in ((0, 1), (1, 0))[repeat % 2]:
                fit, model = sides[index]
                started = time.process_time()
                steps = fit(model, stream, epochs)
                times[index].append((time.process_time() - started) / steps)
        ratios = np.divide(times[1], times[0])
        keras_ms = round(1e3 * float(np.median(times[0])), 3)
        rows.append({"model": name, "keras_ms": keras_ms, "pairs": len(ratios), **interval(ratios)})
    return rows


def replicas():
    """Each side in a process of its own: threads and devices are set when TensorFlow starts."""
    times = {"one_device": [], "mirrored": []}
    losses = {}
    for _ in range(max(_REPEATS.value // 3, 3)):
        for name in times:
            answer = json.loads(subprocess.run(
                [sys.executable, __file__, f"--worker={name}"], check=True, capture_output=True, text=True
            ).stdout.splitlines()[-1])
            times[name].append(answer["seconds"])
            losses[name] = answer["loss"]
    # Each replica normalises with its own share of the batch ("mean"), so the losses agree only roughly.
    np.testing.assert_allclose(losses["mirrored"], losses["one_device"], rtol=2e-2)
    ratios = np.divide(times["mirrored"], times["one_device"])
    return [{"model": "mobilenet_v1", "one_device_ms": round(1e3 * float(np.median(times["one_device"])), 2),
             **summary(ratios)}]


def step_times(name):
    import tensorflow as tf

    from keras_repvis import training

    tf.config.threading.set_intra_op_parallelism_threads(2 if name == "one_device" else 1)
    strategy = training.strategy(name, 2)
    with strategy.scope():
        model = training.set_batch_norm(network("mobilenet_v1"), "mean")
    stream = digits()
    history = training.fit(model, stream, 1, progress=False)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        training.fit(model, stream, 2, progress=False)
        seconds.append((time.perf_counter() - started) / (2 * stream.steps_per_epoch))
    return {"seconds": float(np.median(seconds)), "loss": history[0]["loss"]}


def saving():
    """A checkpoint's processor time against a minute's of training."""
    from keras_repvis import data, training
    from keras_repvis.training.checkpointing import Checkpointing

    rows = []
    for name in ("mobilenet_v1", "mobilenet_v2"):
        model = network(name)
        our_fit(model, digits())
        state = training.LearnerState(model)
        with tempfile.TemporaryDirectory() as directory:
            keeper = Checkpointing(training.RunDirectory(directory), model, state)
            seconds = []
            for step in range(_REPEATS.value):
                started = time.process_time()
                keeper.save(data.Position(0, step))
                seconds.append(time.process_time() - started)
            expected = state.read()
            state.assign([np.zeros_like(array) for array in expected])
            keeper.restore()
            for one, two in zip(expected, state.read(), strict=True):
                np.testing.assert_array_equal(one, two)
            size = sum(path.stat().st_size for path in keeper.run.checkpoints.paths()[-1].iterdir())
        # A minute of training on all cores is as many minutes of processor time.
        share = np.asarray(seconds) / (60 * os.cpu_count())
        rows.append({"model": name, "megabytes": round(size / 1e6, 2), "checkpoint_ms": round(
            1e3 * float(np.median(seconds)), 1), **summary(share)})
    return rows


def pipelines():
    """Wall time of steps with the images in memory against wall time of reading the same batches."""
    from keras_repvis import data

    rows = []
    with tempfile.TemporaryDirectory() as directory:
        folder = jpeg_folder(pathlib.Path(directory))
        augment = data.Augment(flip=True, shift=2)
        cases = (
            ("repvis_digits", data.Source("repvis_digits"), "auto", 32),
            ("repvis_photo10", data.Source("repvis_photo10"), "auto", 32),
            ("JPEG folder, 320 x 240, kept in memory (default)", data.Source(str(folder)), "auto", 32),
            ("JPEG folder, 320 x 240, decoded each time", data.Source(str(folder)), False, 32),
            ("JPEG folder, 320 x 240, decoded each time", data.Source(str(folder)), False, 96),
        )
        for name, source, cache, size in cases:
            stream = data.Stream(source, 64, image_size=size, augment=augment, seed=1, channels=1, cache=cache)
            model = network("mobilenet_v1", size)
            held = list(stream.dataset().take(STEPS))
            steps = len(held)
            labels = np.concatenate([labels for _, labels in held])
            np.testing.assert_array_equal(labels, source.labels[stream.order(0)][: len(labels)])
            train, read = [], []
            model.train_on_batch(*held[0])
            for _ in range(_REPEATS.value):
                started = time.perf_counter()
                for images, targets in held:
                    model.train_on_batch(images, targets)
                train.append((time.perf_counter() - started) / steps)
                started = time.perf_counter()
                for _ in stream.dataset(epoch=1).take(steps):
                    pass
                read.append((time.perf_counter() - started) / steps)
            rows.append({"data": name, "image_size": size, "model": "mobilenet_v1",
                         "read_ms": round(1e3 * float(np.median(read)), 2),
                         **summary(np.divide(train, read))})
    return rows


def jpeg_folder(directory):
    """Write 256 crops of the bundled photographs as JPEG files of 320 x 240 pixels in two classes."""
    import PIL.Image

    from keras_repvis.data import photographs

    random = np.random.default_rng(0)
    found = [photographs.load(name) for name in ("astronaut", "chelsea", "china", "coffee", "flower")]
    for index in range(256):
        image = found[index % len(found)]
        top, left = random.integers(image.shape[0] - 240), random.integers(image.shape[1] - 320)
        folder = directory / ("even", "odd")[index % 2]
        folder.mkdir(exist_ok=True)
        PIL.Image.fromarray(image[top : top + 240, left : left + 320]).save(folder / f"{index:03d}.jpg", quality=90)
    return directory


if __name__ == "__main__":
    app.run(main)
