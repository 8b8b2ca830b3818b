"""Whether clean, attacked and noisy digits are told apart from saliency maps, on the digit models of the zoo.

    python benchmarks/adversarial_saliency.py --output=benchmarks/results/adversarial_saliency.json

For each model, attack and epsilon (in 255ths of the range of a pixel), of the 500 test digits:

  fooled             share of the rightly read digits that the attack fools; by_noise: that random noise of the same
                     size fools, +epsilon or -epsilon at every pixel
  examples           digits that are read rightly and then fooled; all that follows is of them
  pixels, <method>   area under the ROC curve, with its 95 % interval, of a classifier that learns from the pixels or
                     from the maps of a method which of two kinds an image is, tested on digits it has not seen:
    clean_attacked   clean or attacked, what the talk asks
    noisy_attacked   noisy or attacked, the control: a detector of noise is not a detector of attacks
    clean_noisy      clean or noisy
  random_maps        clean or attacked from maps of noise: must be at chance, 0.5

Maps are of the class that the model sees, brought to 16 x 16, each with mean 0 and variance 1. Fewer than 50 examples
are not separated. Takes about half an hour on 2 idle cores.
"""

import datetime
import functools
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

import numpy as np
from absl import app, flags, logging

_OUTPUT = flags.DEFINE_string("output", None, "JSON file to write; printed only if unset.")
_MODELS = flags.DEFINE_list("models", [f"repvis/mobilenet_v{version}_digits" for version in (1, 2, 3)], "Handles.")
_ATTACKS = flags.DEFINE_list("attacks", ["FGSM", "PGD"], "Attacks.")
_EPSILONS = flags.DEFINE_list("epsilons", ["8", "16", "32"], "Largest change of a pixel, in 255ths.")
_METHODS = flags.DEFINE_list(
    "methods",
    ["Gradient", "GuidedBackprop", "IntegratedGradients", "GradCAM"],
    "Attribution methods.",
)
_CLASSIFIER = flags.DEFINE_enum("classifier", "logistic", ["logistic", "forest"], "What learns from the maps.")
_IMAGES = flags.DEFINE_integer("images", 500, "Test digits.", lower_bound=50, upper_bound=500)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of all that is random.", lower_bound=0)

BATCH = 100
LEAST = 50
OPTIONS = {
    "PGD": {"steps": 20},
    "IntegratedGradients": {"steps": 8},
}


def main(argv):
    logging.set_verbosity(logging.ERROR)
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # A traced function for each attack is meant, not a mistake.
    start = time.monotonic()
    result = {**origin(), "options": OPTIONS, "minutes": None, "rows": []}
    images, labels = (array[: _IMAGES.value] for array in digits())
    for handle in _MODELS.value:
        for row in rows(handle, images, labels):
            print(summary(row), flush=True)
            result["rows"].append(row)
    result["minutes"] = round((time.monotonic() - start) / 60, 1)
    write(result)


def origin():
    """Return when, where and by which command this is measured."""
    from keras_repvis.claims import record

    return {
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["python benchmarks/adversarial_saliency.py", *sys.argv[1:]]),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {**record.versions(), "scikit-learn": importlib.metadata.version("scikit-learn")},
        "classifier": _CLASSIFIER.value,
        "seed": _SEED.value,
    }


def digits():
    """Return the test digits as the models take them, and their labels."""
    from keras_repvis.data import digits as source
    from keras_repvis.data import resize

    images, labels, _ = source.generate("test")
    return np.stack([resize.resize(image, (32, 32)) for image in images]).astype("float32") / 255, labels


def rows(handle, images, labels):
    """Yield a dict for each attack and epsilon on one model."""
    from keras_repvis import zoo
    from keras_repvis.analysis import adversarial, attribution

    model = zoo.load(handle)
    methods = {
        name: getattr(attribution, name)(model, batch_size=BATCH, **OPTIONS.get(name, {})) for name in _METHODS.value
    }
    maps = Maps(methods, images)
    for epsilon in map(int, _EPSILONS.value):
        noise = adversarial.RandomPerturbation(model, epsilon / 255, seed=_SEED.value, batch_size=BATCH)(images, labels)
        maps.add("noisy", noise.images)
        for name in _ATTACKS.value:
            attack = getattr(adversarial, name)(model, epsilon / 255, batch_size=BATCH, **OPTIONS.get(name, {}))
            found = attack(images, labels)
            maps.add("attacked", found.images)
            right = ~found.clean_success
            row = {
                "model": handle,
                "attack": name,
                "epsilon": epsilon,
                "accuracy": round(float(right.mean()), 4),
                "fooled": round(float(found.success[right].mean()), 4),
                "by_noise": round(float(noise.success[right].mean()), 4),
                "zero_gradient": found.zero_gradient_share,
                "examples": int(found.fooled.sum()),
            }
            yield {**row, **separations(maps, found.fooled)} if row["examples"] >= LEAST else row


class Maps:
    """The features of every kind of images by every method, the pixels among them; each is computed once."""

    def __init__(self, methods, clean):
        self._methods = {"pixels": lambda images: images.mean(-1), **methods}
        self.features = {}
        self.add("clean", clean)

    def add(self, kind, images):
        from keras_repvis.analysis import adversarial

        for name, method in self._methods.items():
            found = method(images)
            self.features[name, kind] = adversarial.map_features(getattr(found, "maps", found))

    def names(self):
        return list(self._methods)


def separations(maps, kept):
    """Return the areas under the ROC curve of every method and pair of kinds, for the digits in `kept`."""
    from keras_repvis.analysis import adversarial

    tell = functools.partial(adversarial.tell_apart, classifier=_CLASSIFIER.value, seed=_SEED.value)
    found = {}
    for name in maps.names():
        clean, noisy, attacked = (maps.features[name, kind][kept] for kind in ("clean", "noisy", "attacked"))
        found[name] = {
            "clean_attacked": numbers(tell(clean, attacked).auc),
            "noisy_attacked": numbers(tell(noisy, attacked).auc),
            "clean_noisy": numbers(tell(clean, noisy).auc),
        }
    noise = np.random.default_rng([_SEED.value, 2]).normal(size=(2, kept.sum(), 256))
    found["random_maps"] = numbers(tell(*noise).auc)
    return found


def numbers(estimate):
    return [round(value, 4) for value in (estimate.value, estimate.low, estimate.high)]


def summary(row):
    shares = f"fooled {row['fooled']:.3f} noise {row['by_noise']:.3f}"
    text = f"{row['model']} {row['attack']} {row['epsilon']}/255: {shares}"
    areas = [f"{name} {' '.join(f'{area[0]:.3f}' for area in found.values())}" for name, found in row.items()
             if isinstance(found, dict)]
    return "  ".join([text, *areas])


def write(result):
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(compact(result) + "\n")


def compact(result):
    """Return JSON with one line for each row and method, so that the file is small and its changes are readable."""
    head = json.dumps({key: value for key, value in result.items() if key != "rows"}, indent=1)[:-2]
    lines = []
    for row in result["rows"]:
        fields = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in row.items()]
        lines.append("  {\n" + ",\n".join(fields) + "\n  }")
    return head + ',\n "rows": [\n' + ",\n".join(lines) + "\n ]\n}"


if __name__ == "__main__":
    app.run(main)
