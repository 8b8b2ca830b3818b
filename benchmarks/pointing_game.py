"""How well the attribution methods point at the object, on the bundled set whose masks are known to the pixel.

    python benchmarks/pointing_game.py --output=benchmarks/results/pointing_game.json

A small convolutional network is trained to tell which digits are on the photographs of `repvis_placed_digits`, a logit
each: first on crops around the digits of the training images, then on the whole images. Then every method plays the
pointing game on test images, whose digits and photographs the network has not seen, with TorchRay's smoothing and a
tolerance of 2 pixels of 64. A row is a method:

  all         mean over the classes of the share of pairs of image and class in which the most salient point hits
  difficult   the same of the pairs whose digit is small, less than 1/24 of the image
  low, high   of 95 % intervals over images; they hold for this network, another training would move all rows
  processor   seconds of processor time a pair, on busy cores; with their constants some methods take 1 forward pass and
              some 1,000, which the column tells

The last rows are what knows nothing: two methods on the network before training, the centre of the image, and a point
drawn uniformly. Takes about 10 minutes on 2 idle cores with the 200 images of the default.
"""

import datetime
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np
from absl import app, flags, logging

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_IMAGES = flags.DEFINE_integer("images", 200, "Test images.", lower_bound=1)
_EPOCHS = flags.DEFINE_list("epochs", ["8", "10"], "Epochs on crops, and on whole images.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of weights, order of the images and noise.")
_METHODS = flags.DEFINE_list("methods", [], "Only these rows; all if empty.")

CROP = 32
# Of the last activation with 16 x 16 positions.
LAYER = "stage_3_activation_2"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    logging.set_verbosity(logging.ERROR)
    import keras

    from keras_repvis.analysis import evaluation

    keras.utils.set_random_seed(_SEED.value)
    model = network()
    untrained = keras.models.clone_model(model)
    untrained.set_weights(model.get_weights())
    began = time.process_time()
    train(model, *map(int, _EPOCHS.value))
    quality = {"test": measure(model), "training_processor_seconds": round(time.process_time() - began)}
    print(json.dumps(quality), flush=True)
    methods = {name: Timed(method) for name, method in select(model, untrained).items()}
    pairs = evaluation.PlacedDigitPairs(f"test[:{_IMAGES.value}]")
    scores = evaluation.play_pointing_game(methods, pairs, smoothing=smoothings(methods))
    print(scores, flush=True)
    result = {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python", "benchmarks/pointing_game.py", *sys.argv[1:]]),
        **versions(),
        "cores": os.cpu_count(),
        "pairs": scores.pairs,
        "tolerance": scores.tolerance,
        "network": quality,
        "rows": [row(scores, name, methods.get(name)) for name in scores.games],
    }
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")


def versions():
    import keras
    import tensorflow as tf

    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def network():
    """Return the network: 3 x 3 convolutions with batch normalisation and ReLU, mean over positions, ten logits."""
    import keras
    from keras import layers

    inputs = outputs = keras.Input((None, None, 3))
    for stage, (filters, depth) in enumerate(((16, 1), (32, 2), (64, 2), (96, 2)), 0):
        if stage:
            outputs = layers.MaxPooling2D()(outputs)
        for number in range(1, depth + 1):
            outputs = layers.Conv2D(filters, 3, padding="same", use_bias=False)(outputs)
            outputs = layers.BatchNormalization(momentum=0.9)(outputs)
            outputs = layers.ReLU(name=f"stage_{stage}_activation_{number}")(outputs)
    outputs = layers.GlobalAveragePooling2D()(outputs)
    return keras.Model(inputs, layers.Dense(10)(outputs))
