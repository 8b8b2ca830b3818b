"""Signatures on whole numbers answer as the model does, rounded, for images of any size and number of channels."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import zoo
from keras_repvis.zoo import export, frozen, integer_images

_NAMES = ("uint8", "uint16")


def translator(channels=3, outputs=2, size=None, name="shift"):
    """A small model from images to images that leaves [0, 1] on both sides."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input((size, size, channels))
    hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    answer = keras.layers.Conv2D(outputs, 1, name="out")(hidden)
    return keras.Model(inputs, keras.layers.Rescaling(2.0, 0.3, name="spread")(answer), name=name)


def scaled(model, images):
    """What the signature is to round, from its definition in float64."""
    limit = np.iinfo(images.dtype).max
    return limit * np.clip(np.asarray(model(images / np.float32(limit)), "float64"), 0, 1)


def check_rounded(found, expected, dtype):
    """Of the right type, and each the nearest whole number up to the rounding of float32."""
    found = np.asarray(found)
    assert found.dtype == dtype and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5 + 2e-6 * np.iinfo(dtype).max


def noise(dtype, shape, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@pytest.fixture(scope="module", name="published")
def published_fixture(tmp_path_factory):
    model = translator()
    root = tmp_path_factory.mktemp("zoo")
    version = zoo.publish(model, "me/shift", root, signatures=("uint16", "uint8"), variants=("folded",))
    return model, version


@pytest.mark.parametrize("directory", [".", "folded"])
@pytest.mark.parametrize("dtype", _NAMES)
def test_answers_are_those_of_the_model_rounded_at_any_size(published, directory, dtype):
    model, version = published
    signature = tf.saved_model.load(str(version.path / directory)).signatures[f"translate_{dtype}"]
    for shape in ((1, 5, 9, 3), (3, 16, 4, 3)):
        images = noise(dtype, shape)
        expected = scaled(model, images)
        assert expected.min() == 0 and expected.max() == np.iinfo(dtype).max, "the model leaves [0, 1] on both sides"
        check_rounded(signature(images=tf.constant(images))["translated"], expected, dtype)


def test_whole_numbers_come_back_as_they_are(tmp_path):
    inputs = keras.Input((None, None, 1))
    export.save(keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs)), tmp_path, _NAMES)
    loaded = tf.saved_model.load(str(tmp_path))
    for dtype in _NAMES:
        images = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(1, 16, -1, 1)
        found = loaded.signatures[f"translate_{dtype}"](images=tf.constant(images))["translated"]
        np.testing.assert_array_equal(found, images)


def test_the_manifest_and_the_card_list_them(published):
    record = published[1].manifest
    assert list(record["signatures"]) == ["encoded_images", "serving_default", "translate_uint16", "translate_uint8"]
    assert record["signatures"]["translate_uint8"] == {
        "inputs": {"images": {"dtype": "uint8", "shape": [None, None, None, 3]}},
        "outputs": {"translated": {"dtype": "uint8", "shape": [None, None, None, 2]}},
    }
    assert "Conv2D" in record["operations"]["translate_uint16"]
    assert "| `translate_uint16` | outputs | `translated` | uint16 |" in (published[1].path / "card.md").read_text()


def test_no_signature_that_was_not_asked_for(tmp_path):
    assert set(export.save(translator(), tmp_path)) == {"serving_default", "encoded_images"}


_READERS = r"""
import contextlib, io, sys
import numpy as np
import tensorflow as tf
import keras
from tensorflow.python.tools import saved_model_cli

directory = sys.argv[1]
images = np.load("images.npy")
layer = keras.layers.TFSMLayer(directory, call_endpoint="translate_uint8")
np.save("layer.npy", layer(images)["translated"])
sys.argv = ["saved_model_cli", "run", "--dir", directory, "--tag_set", "serve", "--signature_def", "translate_uint8",
            "--inputs", "images=images.npy", "--outdir", "."]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    saved_model_cli.main()
assert not [name for name in sys.modules if name.startswith("keras_repvis")]
"""


def test_other_readers(published, tmp_path):
    model, version = published
    images = noise("uint8", (2, 6, 7, 3), seed=1)
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", _READERS, str(version.path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for file in ("layer.npy", "translated.npy"):
        check_rounded(np.load(tmp_path / file), scaled(model, images), "uint8")


def test_the_same_bytes_from_other_processes(published, tmp_path):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])(np.zeros((1, 3)))
    again = zoo.publish(published[0], "me/shift", tmp_path, signatures=["uint8", "uint16"], variants=("folded",))
    assert again.manifest["digest"] == published[1].manifest["digest"]
    assert again.manifest["process"] == "own"
    assert zoo.publish(published[0], "me/shift", tmp_path).manifest["digest"] != again.manifest["digest"]


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels_and_a_fixed_size(channels, tmp_path):
    model = translator(channels, 5, size=8)
    described = export.save(model, tmp_path, ("uint16",))
    assert described["translate_uint16"]["inputs"]["images"]["shape"] == [None, 8, 8, channels]
    images = noise("uint16", (2, 8, 8, channels))
    found = tf.saved_model.load(str(tmp_path)).signatures["translate_uint16"](images=tf.constant(images))["translated"]
    check_rounded(found, scaled(model, images), "uint16")


def test_mixed_precision_is_rounded_in_float32(tmp_path):
    inputs = keras.Input((None, None, 1))
    outputs = keras.layers.Conv2D(1, 1, kernel_initializer="ones", dtype="mixed_bfloat16")(inputs)
    model = keras.Model(inputs, outputs)
    export.save(model, tmp_path, ("uint8",))
    images = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    found = tf.saved_model.load(str(tmp_path)).signatures["translate_uint8"](images=tf.constant(images))["translated"]
    # The model's answers have 8 bits, multiples of 1/256 below one; scaled in bfloat16 they would be off by one.
    check_rounded(found, 255 * np.asarray(model(images / np.float32(255)), "float64"), "uint8")


@pytest.mark.parametrize(
    "signatures, message",
    [(("int8",), "signatures='int8' is not known. Did you mean 'uint8'"), ("uint8", "expected a sequence of names"),
     (None, "expected a sequence of names")],
)
def test_unknown_names(signatures, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        zoo.publish(translator(), "me/shift", tmp_path, signatures=signatures)
    assert not list(tmp_path.iterdir())


def test_a_model_of_something_else_is_refused(classifier, tmp_path):
    with pytest.raises(ValueError, match=r"from images to images.*returns \[\(None, 4\)\]"):
        zoo.publish(classifier, "me/net", tmp_path, signatures=("uint8",))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="from images to images"):
        frozen.save(classifier, tmp_path / "frozen", signatures=("uint8",))


def test_a_signature_that_answers_differently_is_refused(published):
    loaded = tf.saved_model.load(str(published[1].path))
    inputs = noise("uint8", (1, 4, 4, 3)) / np.float32(255)
    integer_images.check_signatures(_NAMES, loaded, inputs, 1e-5)

    class Other:
        signatures = loaded.signatures

        def __call__(self, images, training=False):
            return loaded(images) + 0.02

    with pytest.raises(ValueError, match="translate_uint8 differs from its call by"):
        integer_images.check_signatures(("uint8",), Other(), inputs, 1e-5)
