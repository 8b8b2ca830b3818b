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
drawn uniformly. A bar tells how long it will take: with the 200 images of the default more than half an hour.
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
LAYER = "stage_2_activation_2"
CONTRAST = "pool"


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
    scores = play(methods, pairs)
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


def play(methods, pairs):
    """Return the scores; a bar on stderr tells the time left, in steps of 64 pairs."""
    import rich.console
    import rich.progress

    from keras_repvis.analysis import evaluation

    columns = ("pairs", rich.progress.BarColumn(), rich.progress.MofNCompleteColumn(),
               rich.progress.TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bars:
        task = bars.add_task("", total=sum(1 for _ in pairs))
        return evaluation.play_pointing_game(
            methods, pairs, smoothing=smoothings(methods), progress=lambda done: bars.update(task, completed=done)
        )


def versions():
    import keras
    import tensorflow as tf

    return {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}


def network():
    """Return the network: 3 x 3 convolutions with batch normalisation and ReLU, mean over positions, ten logits."""
    import keras
    from keras import layers

    inputs = outputs = keras.Input((None, None, 3))
    for stage, (filters, depth) in enumerate(((16, 1), (32, 2), (64, 2), (96, 2))):
        if stage:
            outputs = layers.MaxPooling2D()(outputs)
        for number in range(1, depth + 1):
            outputs = layers.Conv2D(filters, 3, padding="same", use_bias=False)(outputs)
            outputs = layers.BatchNormalization(momentum=0.9)(outputs)
            outputs = layers.ReLU(name=f"stage_{stage}_activation_{number}")(outputs)
    outputs = layers.GlobalAveragePooling2D(name="pool")(outputs)
    return keras.Model(inputs, layers.Dense(10)(outputs))


def train(model, crop_epochs, image_epochs):
    from keras_repvis.data import placed_digits

    placed = list(placed_digits.generate("train"))
    for (images, labels), epochs in ((crops(placed), crop_epochs), (arrays(placed), image_epochs)):
        if epochs:
            compile_for(model, epochs * -(-len(images) // 50))
        for epoch in range(epochs):
            order = np.random.default_rng([_SEED.value, epoch]).permutation(len(images))
            model.fit(images[order], labels[order], batch_size=50, shuffle=False, verbose=0)


def compile_for(model, steps):
    import keras

    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=False,
    )


def arrays(placed):
    """Return whole images in [0, 1] and the classes present (images, 10)."""
    images = np.stack([each.image for each in placed]).astype("float32") / 255
    return images, np.stack([np.isin(np.arange(10), each.labels) for each in placed]).astype("float32")


def crops(placed):
    """Return crops of 32 pixels around each digit, moved by up to 4, and the classes of which they show something."""
    random = np.random.default_rng([_SEED.value, 1])
    images, labels = [], []
    for each in placed:
        centres = (each.boxes[:, :2] + each.boxes[:, 2:]) / 2 + random.uniform(-4, 4, (len(each.boxes), 2))
        for top, left in np.clip(centres - CROP / 2, 0, 64 - CROP).astype(int):
            window = slice(top, top + CROP), slice(left, left + CROP)
            images.append(each.image[window])
            labels.append(np.isin(np.arange(1, 11), each.mask[window]))
    return np.stack(images).astype("float32") / 255, np.stack(labels).astype("float32")


def measure(model):
    """Return how well the classes of the test images are told: mean over classes of two areas under curves."""
    from sklearn import metrics

    from keras_repvis.data import placed_digits

    images, labels = arrays(list(placed_digits.generate("test")))
    logits = np.concatenate([np.asarray(model(some, training=False)) for some in np.split(images, 10)])
    areas = [metrics.roc_auc_score(labels[:, c], logits[:, c]) for c in range(10)]
    precisions = [metrics.average_precision_score(labels[:, c], logits[:, c]) for c in range(10)]
    return {"roc_auc": round(float(np.mean(areas)), 4), "average_precision": round(float(np.mean(precisions)), 4)}


def select(model, untrained):
    """Return {name: method} of the rows asked for; all explain logits but where a share of changed images decides."""
    from keras_repvis.analysis import attribution as a

    sigmoid = {"score": "sigmoid"}
    made = {
        "gradient": lambda: a.Gradient(model),
        "DeConvNet": lambda: a.DeConvNet(model),
        "guided backpropagation": lambda: a.GuidedBackprop(model),
        "SmoothGrad, squared": lambda: a.SmoothGrad(model, of="squared"),
        "integrated gradients": lambda: a.IntegratedGradients(model),
        "linear approximation": lambda: a.LinearApproximation(model, LAYER),
        "excitation backpropagation": lambda: a.ExcitationBackprop(model, LAYER),
        "contrastive excitation": lambda: a.ExcitationBackprop(model, LAYER, CONTRAST),
        "LRP": lambda: a.LRP(model),
        "Grad-CAM": lambda: a.GradCAM(model),
        "Grad-CAM++": lambda: a.GradCAMPlusPlus(model),
        "Layer-CAM": lambda: a.LayerCAM(model),
        "guided Grad-CAM": lambda: a.GuidedGradCAM(model),
        "Score-CAM": lambda: a.ScoreCAM(model),
        "occlusion": lambda: a.Occlusion(model, window=8, stride=4, fill=0.5),
        "RISE": lambda: a.RISE(model, masks=1000, fill=0.5, **sigmoid),
        "Grad-CAM, untrained": lambda: a.GradCAM(untrained),
        "guided backpropagation, untrained": lambda: a.GuidedBackprop(untrained),
    }
    return {name: make() for name, make in made.items() if not _METHODS.value or name in _METHODS.value}


class Timed:
    """A method that counts its processor time and the pairs it explained, without a first call, which traces."""

    def __init__(self, method):
        self.method = method
        self.model = method.model
        self.seconds = self.pairs = 0

    def __call__(self, images, targets):
        if not self.pairs:
            self.method(images[:1], targets[:1])
        began = time.process_time()
        result = self.method(images, targets)
        self.seconds += time.process_time() - began
        self.pairs += len(images)
        return result


def smoothings(methods):
    from keras_repvis.analysis import evaluation

    return {name: evaluation.torchray_smoothing(timed.method) for name, timed in methods.items()}


def row(scores, name, timed):
    found = {"method": name}
    for subset in ("all", "difficult"):
        game = scores.games[name]
        low, high = game.interval(subset)
        numbers = {"": game.score(subset), "_low": low, "_high": high}
        found |= {f"{subset}{end}": round(value, 4) for end, value in numbers.items()}
        found[f"{subset}_pairs"] = int(game.counts(subset)[1].sum())
    if timed is not None:
        found["processor"] = round(timed.seconds / timed.pairs, 4)
        found["input"] = scores.inputs[name]
    return found


if __name__ == "__main__":
    app.run(main)
