"""Evidence for a model card: what a classifier does on images it was not trained on, measured and drawn."""

import dataclasses

import keras
import numpy as np

from keras_repvis import checks
from keras_repvis.analysis import attribution, calibration
from keras_repvis.data.stream import Stream
from keras_repvis.training import evaluation
from keras_repvis.zoo.saliency_grid import saliency_grid


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What `gather_evidence` measured, for `publish` to put into the manifest and the model card.

    Args:
        metrics: Dict {"accuracy", "loss" (mean cross-entropy in nats), "examples"}.
        calibration: Dict of what `analysis.measure_calibration` found, plain JSON values, and "data": which data all
            of this was measured on ("name", "split", "num_examples", "fingerprint") and "seed", which drew the images.
        saliency: Bytes of a PNG file: images above their saliency maps.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.Evidence({"accuracy": 0.5}, {"data": {"split": "test"}}, b"").data["split"]
        'test'
    """

    metrics: dict
    calibration: dict
    saliency: bytes = dataclasses.field(repr=False)

    @property
    def data(self):
        """The dict that says which data it was measured on."""
        return self.calibration["data"]


def gather_evidence(model, stream, seed=0, images=8):
    """Measure a classifier on one pass over `stream`: accuracy, loss, calibration, and where its answers come from.

    The maps are those of `analysis.attribution.Gradient` for the class that the model answers. Nothing depends on the
    moment: the same model, data and seed give the same evidence on the same machine.

    Args:
        model: Keras model from images to logits (batch, classes).
        stream: `data.Stream` of images the model was not trained on, made with `drop_remainder=False` and without
            augmentation, so that each example counts once, as it is.
        seed: Integer >= 0, draws the images that are shown. Default 0.
        images: Integer >= 1, how many to show; fewer if there are fewer. Default 8.

    Returns:
        `Evidence`.

    Raises:
        ValueError: If an argument is not accepted, or the model is no classifier of such images.

    Example:
        >>> from keras_repvis import zoo
        >>> source = keras_repvis.data.Source("repvis_digits", split="test[:20]")
        >>> stream = keras_repvis.data.Stream(source, 10, image_size=32, drop_remainder=False)
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> evidence = zoo.gather_evidence(model, stream, images=4)
        >>> evidence.metrics["examples"], evidence.data["split"]
        (20, 'test[:20]')
    """
    seed = int(checks.number("seed", seed, low=0, integer=True))
    checks.number("images", images, low=1, integer=True)
    _check(model, stream)
    found = evaluation.evaluate(model, stream)
    measured = dataclasses.asdict(calibration.measure_calibration(found.logits, found.labels))
    source = stream.source
    data = {name: getattr(source, name) for name in ("name", "split", "num_examples", "fingerprint")}
    return Evidence(
        metrics={"accuracy": found.accuracy, "loss": found.loss, "examples": len(found.labels)},
        calibration={**measured, "bins": list(measured["bins"]), "data": {**data, "seed": seed}},
        saliency=_draw(model, stream, found, seed, images),
    )


def _draw(model, stream, found, seed, count):
    count = min(count, len(found.labels))
    places = np.sort(np.random.default_rng(seed).choice(len(found.labels), count, replace=False))
    images = _images(stream, places)
    maps = attribution.Gradient(model)(images, targets=found.predictions[places]).maps
    names = _class_names(stream.source, found.logits.shape[-1])
    answers, labels = ([names[index] for index in indices[places]] for indices in (found.predictions, found.labels))
    return saliency_grid(images, maps, answers, labels)


def _images(stream, places):
    """Return the images at these places of the pass over `stream`."""
    pixels = stream.source.load(stream.order(0)[places], stream.image_size, stream.resize, stream.channels)
    return pixels.astype("float32") / np.float32(255)


def _class_names(source, classes):
    """Return a name for each class of the model, which may know classes that the data do not have."""
    names = list(source.class_names)
    return names + [str(index) for index in range(len(names), classes)]


def _check(model, stream):
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(f"model={model!r} is not accepted: expected a keras.Model with known inputs.")
    if not isinstance(stream, Stream):
        raise ValueError(f"stream={stream!r} is not accepted: expected a data.Stream.")
    if stream.drop_remainder:
        raise ValueError("stream.drop_remainder=True is not accepted: every example counts, so make it with False.")
    if stream.augment is not None:
        raise ValueError("stream.augment is not accepted: the model is measured on the images as they are.")
