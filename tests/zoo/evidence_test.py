"""Evidence is what the parts measure, of the data it names, and the same again."""

import io
import json

import keras
import numpy as np
import PIL.Image
import pytest

from keras_repvis import data, training
from keras_repvis.analysis import attribution, calibration
from keras_repvis.zoo import evidence, provenance


@pytest.fixture(scope="module", name="source")
def source_fixture():
    return data.Source("repvis_digits", split="test[:30]")


@pytest.fixture(scope="module", name="model")
def model_fixture():
    keras.utils.set_random_seed(5)
    layers = keras.layers
    hidden = [layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(10, name="logits")]
    return keras.Sequential([keras.Input((8, 8, 1)), *hidden])


@pytest.fixture(scope="module", name="stream")
def stream_fixture(source):
    return data.Stream(source, 16, shuffle=False, drop_remainder=False)


@pytest.fixture(scope="module", name="found")
def found_fixture(model, stream):
    return evidence.gather_evidence(model, stream, seed=3, images=5)


def test_metrics_are_those_of_the_evaluation(found, model, stream):
    expected = training.evaluate(model, stream)
    assert found.metrics == {"accuracy": expected.accuracy, "loss": expected.loss, "examples": 30}
    right = np.asarray(model(np.concatenate([images for images, _ in stream.dataset()]))).argmax(axis=1)
    assert found.metrics["accuracy"] == pytest.approx(np.mean(right == stream.source.labels))


def test_calibration_is_measured_on_the_same_examples(found, model, stream):
    expected = training.evaluate(model, stream)
    measured = calibration.measure_calibration(expected.logits, expected.labels)
    assert found.calibration["expected_calibration_error"] == measured.expected_calibration_error
    assert found.calibration["negative_log_likelihood"] == pytest.approx(found.metrics["loss"])
    assert sum(one["count"] for one in found.calibration["bins"]) == 30


def test_says_which_data(found, source):
    expected = {"name": "repvis_digits", "split": "test[:30]", "num_examples": 30, "seed": 3}
    assert found.data == {**expected, "fingerprint": source.fingerprint}


def test_is_plain_enough_for_a_manifest(found):
    for name in ("metrics", "calibration"):
        plain = provenance.plain(name, getattr(found, name))
        assert json.loads(json.dumps(plain, allow_nan=False)) == getattr(found, name)


def test_is_the_same_again_in_any_order_of_the_data(found, model, stream, source):
    assert evidence.gather_evidence(model, stream, seed=3, images=5) == found
    assert found.saliency != evidence.gather_evidence(model, stream, seed=4, images=5).saliency
    shuffled = data.Stream(source, 7, seed=9, drop_remainder=False)
    metrics = evidence.gather_evidence(model, shuffled, seed=3, images=5).metrics
    assert metrics == pytest.approx(found.metrics)


def test_the_picture_shows_images_with_their_own_answers(model, stream, source, monkeypatch):
    drawn = []

    def record(*parts):
        drawn.append(parts)
        return b"picture"

    monkeypatch.setattr(evidence, "saliency_grid", record)
    shuffled = data.Stream(source, 7, seed=9, drop_remainder=False)
    for one in (stream, shuffled):
        assert evidence.gather_evidence(model, one, images=6).saliency == b"picture"
        images, maps, answers, labels = drawn.pop()
        assert images.shape == (6, 8, 8, 1) and maps.shape == (6, 8, 8)
        held = {image.tobytes(): label for image, label in zip(source.load(range(30)) / np.float32(255), source.labels)}
        assert [held[image.tobytes()] for image in images] == [int(label) for label in labels]
        assert answers == [str(answer) for answer in np.asarray(model(images)).argmax(axis=1)]
        np.testing.assert_array_equal(maps, attribution.Gradient(model)(images).maps)


def test_the_picture_is_a_picture(found):
    width, height = PIL.Image.open(io.BytesIO(found.saliency)).size
    assert 2 < width / height < 3


def test_all_images_if_there_are_fewer(model):
    few = data.Stream(data.Source("repvis_digits", split="test[:3]"), 2, shuffle=False, drop_remainder=False)
    width, height = PIL.Image.open(io.BytesIO(evidence.gather_evidence(model, few).saliency)).size
    assert 1 < width / height < 2
    assert evidence.gather_evidence(model, few).metrics["examples"] == 3


def _stream(source, **arguments):
    return data.Stream(source, 16, **{"drop_remainder": False, **arguments})


class Hidden(keras.Model):
    """A model that says nothing of its input."""

    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "change, message",
    [
        ({"model": "mobilenet_v2"}, "model='mobilenet_v2' is not accepted"),
        ({"model": Hidden(name="hidden")}, "with known inputs"),
        ({"stream": [1, 2]}, r"stream=\[1, 2\] is not accepted"),
        ({"stream": {"drop_remainder": True}}, "stream.drop_remainder=True"),
        ({"stream": {"augment": data.Augment(flip=True)}}, "stream.augment is not accepted"),
        ({"seed": -1}, "seed=-1"),
        ({"images": 0}, "images=0"),
    ],
)
def test_refused_arguments(model, stream, source, change, message):
    if isinstance(change.get("stream"), dict):
        change = {"stream": _stream(source, **change["stream"])}
    with pytest.raises(ValueError, match=message):
        evidence.gather_evidence(**{"model": model, "stream": stream, **change})


def test_what_is_no_classifier_is_refused(stream):
    inputs = keras.Input((8, 8, 1))
    with pytest.raises(ValueError, match="not a classifier"):
        evidence.gather_evidence(keras.Model(inputs, keras.layers.ReLU()(inputs)), stream)
