"""LiteRT files run on what they take and refuse the rest; files of a version are verified first."""

import sys
import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.zoo import litert, manifest


@pytest.fixture(scope="module", name="model")
def model_fixture():
    keras.utils.set_random_seed(4)
    layers = keras.layers
    hidden = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3, name="logits")]
    return keras.Sequential([keras.Input((6, 6, 1)), *hidden])


@pytest.fixture(scope="module", name="content")
def content_fixture(model):
    return litert.convert(model, like=model)


@pytest.fixture(name="file")
def file_fixture(content, tmp_path):
    path = tmp_path / "some.tflite"
    path.write_bytes(content)
    return path


@pytest.fixture(name="root")
def root_fixture(content, tmp_path):
    """The root of a zoo with `test/lite/1`, of which only the LiteRT file and the manifest are there."""
    directory = tmp_path / "zoo" / "test" / "lite" / "1"
    directory.mkdir(parents=True)
    (directory / "float16.tflite").write_bytes(content)
    variants = {"float16": {"file": "float16.tflite"}, "folded": {"file": "folded"}}
    manifest.write(directory, {"handle": "test/lite/1", "variants": variants})
    return tmp_path / "zoo"


@pytest.fixture(scope="module", name="images")
def images_fixture():
    return np.random.default_rng(0).random((9, 6, 6, 1)).astype("float32")


def _check(run, model, images):
    expected = np.asarray(model(images))
    np.testing.assert_allclose(run(images), expected, rtol=0, atol=1e-2 * np.abs(expected).max())


@pytest.mark.parametrize("batch_size", [1, 4, 9, 50])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_batch_in_parts(file, model, images, batch_size, threads):
    run = litert.LiteRT(file, threads=threads, batch_size=batch_size)
    _check(run, model, images)
    _check(run, model, images[:2])
    _check(run, model, images.astype("float64")[::-1])
    assert run.input_shape == (None, 6, 6, 1)


def test_parts_bound_what_is_computed_at_once(file, images, monkeypatch):
    run = litert.LiteRT(file, batch_size=4)
    sizes = []
    plain = run._run
    monkeypatch.setattr(run, "_run", lambda **given: sizes.append(len(next(iter(given.values())))) or plain(**given))
    run(images)
    assert sizes == [4, 4, 1]


def test_by_handle_and_by_path_of_the_version(root, model, images):
    _check(litert.LiteRT("test/lite", root=root), model, images)
    _check(litert.LiteRT("test/lite/1", root=root), model, images)
    _check(litert.LiteRT(root / "test" / "lite" / "1"), model, images)


def test_a_changed_file_is_refused(root):
    path = root / "test" / "lite" / "1" / "float16.tflite"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(manifest.IntegrityError, match="float16.tflite"):
        litert.LiteRT("test/lite", root=root)


def test_a_variant_that_was_not_published(root):
    with pytest.raises(ValueError, match="variant of test/lite/1='int8' is not known.*Accepted: float16"):
        litert.LiteRT("test/lite", "int8", root=root)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "folded"}, "variant='folded' is not known"),
        ({"threads": 0}, "threads=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"source": "missing.tflite"}, "there is no such file"),
    ],
)
def test_refused_arguments(file, arguments, message):
    with pytest.raises(ValueError, match=message):
        litert.LiteRT(**{"source": file, **arguments})


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "text.tflite"
    path.write_bytes(b"not a model at all, but long enough")
    with pytest.raises(ValueError, match="holds no LiteRT model"):
        litert.LiteRT(path)


@pytest.mark.parametrize("shape", [(0, 6, 6, 1), (2, 6, 5, 1), (6, 6, 1), (2, 6, 6, 3)])
def test_images_that_do_not_fit(file, shape):
    with pytest.raises(ValueError, match=r"images of shape .* expected \(None, 6, 6, 1\)"):
        litert.LiteRT(file)(np.zeros(shape))


def test_does_not_warn_of_the_interpreter(file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        litert.LiteRT(file)
    with pytest.warns(UserWarning, match="deprecated"):
        tf.lite.Interpreter(str(file))


def test_takes_the_interpreter_of_ai_edge_litert_where_there_is_one(file, model, images, monkeypatch):
    made = []

    def interpreter(**arguments):
        made.append(arguments)
        return litert._interpreter_of_tensorflow(**arguments)

    package, module = types.ModuleType("ai_edge_litert"), types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    _check(litert.LiteRT(file, threads=2), model, images)
    assert [arguments["num_threads"] for arguments in made] == [2]


def test_converts_from_the_weights_of_now(model, images, tmp_path):
    copy = keras.models.clone_model(model)
    copy.set_weights([2 * weight for weight in model.get_weights()])
    path = tmp_path / "copy.tflite"
    path.write_bytes(litert.convert(copy, like=copy))
    copy.set_weights(model.get_weights())
    assert np.abs(litert.LiteRT(path)(images) - np.asarray(copy(images))).max() > 0.1


def test_what_the_converter_cannot_do_is_said(model, monkeypatch):
    def fail(_):
        raise RuntimeError("\n  this operation is unknown  \nand a long trace")

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_concrete_functions", lambda *_: _Converter(fail))
    with pytest.raises(ValueError, match="the LiteRT converter refuses it: this operation is unknown$"):
        litert.convert(model, like=model)


def test_a_full_disk_is_not_the_networks_fault(model, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_concrete_functions", lambda *_: _Converter(fail))
    with pytest.raises(OSError, match="No space left"):
        litert.convert(model, like=model)


class _Converter:
    def __init__(self, convert):
        self.target_spec = types.SimpleNamespace()
        self.convert = types.MethodType(convert, self)
