"""How fast the variants of a published model are, as ratios measured in one run.

    python benchmarks/zoo_variants.py --output=benchmarks/results/zoo_variants.json

The model is MobileNetV2 for images of 224 pixels, 1,000 classes, with random weights and statistics; its variants are
written as `zoo.publish` writes them and read back. A row is a variant and a batch size:

  ratio       processor time of a call of the Keras model, compiled as a `tf.function`, over that of the variant:
              above 1 the variant is faster
  wall        the same of wall time
  difference  largest difference of the outputs, relative to the largest output

Both sides are measured in turn, several times; printed is the median of the ratios with the smallest and the largest.
LiteRT runs on one thread. Takes about a minute on 2 idle cores.
"""

import datetime
import json
import os
import pathlib
import platform
import tempfile
import time

import numpy as np
from absl import app, flags, logging

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Measurements of each side.", lower_bound=3)
_CALLS = flags.DEFINE_integer("calls", 8, "Calls a measurement at batch 1; fewer of larger batches.", lower_bound=1)
_BATCHES = flags.DEFINE_list("batches", ["1", "8"], "Batch sizes.")

SIZE = 224


def main(argv):
    logging.set_verbosity(logging.ERROR)
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    result = {
        "date": datetime.date.today().isoformat(),
        "repeats": _REPEATS.value,
        "cores": os.cpu_count(),
        **versions(),
        "model": f"mobilenet_v2, {SIZE} pixels",
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as directory:
        model = network()
        for name, call in variants(model, pathlib.Path(directory)).items():
            for batch in map(int, _BATCHES.value):
                row = {"variant": name, "batch": batch, **compare(model, call, batch)}
                print(json.dumps(row), flush=True)
                result["rows"].append(row)
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


def versions():
    import keras
    import tensorflow as tf

    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def network():
    """Return the model; its batch normalisations have statistics, as after training."""
    import keras

    from keras_repvis import models

    keras.utils.set_random_seed(0)
    model = models.MobileNetV2((SIZE, SIZE, 3))
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape[0]
            layer.set_weights([
                random.uniform(0.5, 1.5, size), random.normal(0, 0.1, size),
                random.normal(0, 0.1, size), random.uniform(0.5, 1.5, size),
            ])
    return model


def images(batch):
    return np.random.default_rng(batch).random((batch, SIZE, SIZE, 3)).astype("float32")


def variants(model, directory):
    """Write the variants and return {name: function of a batch}, of the files read back."""
    import tensorflow as tf

    from keras_repvis.zoo import equality, litert
    from keras_repvis.zoo import variants as zoo_variants

    inputs = images(3)
    published, refused = zoo_variants.write(
        model, directory, ("folded", "float16"), inputs, equality.outputs(model, inputs)
    )
    if refused:
        raise ValueError(f"refused: {refused}")
    return {
        "folded": tf.saved_model.load(str(directory / published["folded"]["file"])),
        "float16": litert.LiteRT(directory / published["float16"]["file"]),
    }


def compare(model, call, batch):
    import tensorflow as tf

    inputs = images(batch)
    tensor = tf.constant(inputs)
    compiled = tf.function(lambda images: model(images, training=False))
    sides = [lambda: compiled(tensor).numpy(), lambda: np.asarray(call(tensor))]
    expected, found = (side() for side in sides)
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    calls = max(1, _CALLS.value // batch)
    times = np.zeros((2, _REPEATS.value, 2))
    for side in sides:
        side()
    for repeat in range(_REPEATS.value):
        for index in ((0, 1), (1, 0))[repeat % 2]:
            began = time.process_time(), time.perf_counter()
            for _ in range(calls):
                sides[index]()
            times[index, repeat] = (time.process_time() - began[0], time.perf_counter() - began[1])
    processor, wall = np.moveaxis(times[0] / times[1], -1, 0)
    return {
        "difference": float(f"{difference:.2e}"),
        "keras_ms": round(1e3 * float(np.median(times[0, :, 0])) / calls, 2),
        "variant_ms": round(1e3 * float(np.median(times[1, :, 0])) / calls, 2),
        "ratio": round(float(np.median(processor)), 3),
        "low": round(float(processor.min()), 3),
        "high": round(float(processor.max()), 3),
        "wall": round(float(np.median(wall)), 3),
    }


if __name__ == "__main__":
    app.run(main)
