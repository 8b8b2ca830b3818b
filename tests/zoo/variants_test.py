"""Variants answer as the model does, within what is stated, or are refused and leave nothing."""

import pathlib
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.zoo import equality, export, layout, litert, variants

_FRESH = """
import sys

import numpy as np
import tensorflow as tf

directory, inputs, outputs = sys.argv[1:]
loaded = tf.saved_model.load(directory)
images = tf.constant(np.load(inputs))
pngs = tf.stack([tf.io.encode_png(tf.cast(tf.round(image * 255), tf.uint8)) for image in images])
assert not loaded.variables and not loaded.trainable_variables and not loaded.regularization_losses
np.savez(
    outputs,
    call=loaded(images),
    keyword=loaded(images, training=False),
    signature=loaded.signatures["serving_default"](images=images)["logits"],
    encoded=loaded.signatures["encoded_images"](encoded=pngs)["logits"],
)
assert not any(name.startswith("keras_repvis") for name in sys.modules)
"""


@pytest.fixture(scope="module", name="images")
def images_fixture():
    """96 images of 4 classes, told apart by the quarter that is bright."""
    random = np.random.default_rng(0)
    images = random.integers(0, 120, (96, 8, 8, 3))
    for index, image in enumerate(images):
        row, column = divmod(index % 4, 2)
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 120
    return images.astype("float32") / 255


@pytest.fixture(scope="module", name="model")
def model_fixture(images):
    """A small network with batch normalisation, trained a little: its statistics are those of its images."""
    keras.utils.set_random_seed(2)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(hidden))
    hidden = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(hidden)
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.5)(hidden))
    model = keras.Model(inputs, layers.Dense(4, name="logits")(layers.Flatten()(hidden)), name="small")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(images, np.arange(96) % 4, batch_size=32, epochs=10, verbose=0)
    return model


@pytest.fixture(scope="module", name="expected")
def expected_fixture(model, images):
    return equality.outputs(model, images[:5])


@pytest.fixture(scope="module", name="written")
def written_fixture(model, images, expected, tmp_path_factory):
    directory = tmp_path_factory.mktemp("version")
    return directory, *variants.write(model, directory, layout.VARIANTS, images[:5], expected, images)


def _write(model, directory, names, inputs, **arguments):
    return variants.write(model, directory, names, inputs, equality.outputs(model, inputs), **arguments)


def _interpreter(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tf.lite.Interpreter(str(path))


def _accuracy(outputs):
    return np.mean(np.asarray(outputs).argmax(axis=1) == np.arange(len(outputs)) % 4)


def test_all_are_published_with_what_was_measured(written, model):
    directory, published, refused = written
    assert refused == {}
    assert list(published) == ["folded", "float16", "int8"]
    assert sorted(path.name for path in directory.iterdir()) == ["float16.tflite", "folded", "int8.tflite"]
    for name, facts in published.items():
        path = directory / facts["file"]
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        assert facts["bytes"] == sum(len(file.read_bytes()) for file in files)
        assert 0 < facts["difference"] <= facts["tolerance"], name
        assert facts["agreement"] >= 0.9
    assert published["folded"]["tolerance"] == 1e-5
    assert published["folded"]["examples"] == 5
    assert (published["int8"]["examples"], published["int8"]["calibrated_on"]) == (24, 72)
    weights = 4 * model.count_params()
    assert published["folded"]["bytes"] > weights > published["float16"]["bytes"] - 6000


def test_folded_in_a_new_process(written, model, images, tmp_path):
    np.save(tmp_path / "inputs.npy", images[:7])
    command = [sys.executable, "-c", _FRESH, written[0] / "folded", tmp_path / "inputs.npy", tmp_path / "outputs.npz"]
    subprocess.run(command, check=True, capture_output=True)
    expected = np.asarray(model(images[:7], training=False))
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert len(outputs) == 4
        for name, found in outputs.items():
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max(), err_msg=name)


def test_folded_has_neither_variables_nor_normalisation_and_its_weights_once(written, model):
    content = (written[0] / "folded" / "saved_model.pb").read_bytes()
    graph = tf.compat.v1.MetaGraphDef.FromString(_meta_graph(content)).graph_def
    nodes = [node for function in graph.library.function for node in function.node_def] + list(graph.node)
    operations = {node.op for node in nodes}
    assert {"Conv2D", "DepthwiseConv2dNative", "Const"} <= operations
    assert not {"VarHandleOp", "ReadVariableOp", "FusedBatchNormV3", "Rsqrt"} & operations
    held = sum(np.prod(tf.make_ndarray(node.attr["value"].tensor).shape) for node in nodes if node.op == "Const")
    assert held < 1.5 * model.count_params()


def _meta_graph(content):
    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].SerializeToString()


def test_folded_refuses_to_train(written, images):
    loaded = tf.saved_model.load(str(written[0] / "folded"))
    with pytest.raises(ValueError, match="Could not find matching concrete function"):
        loaded(tf.constant(images[:1]), training=True)


@pytest.mark.parametrize("name", ["float16", "int8"])
@pytest.mark.parametrize("examples", [1, 3, 70])
def test_litert_files_take_any_batch(written, model, images, name, examples):
    run = litert.LiteRT(written[0] / f"{name}.tflite", threads=2)
    found = run(images[:examples])
    assert found.shape == (examples, 4) and found.dtype == np.float32
    expected = np.asarray(model(images, training=False))
    limit = written[1][name]["tolerance"] * np.abs(expected).max()
    np.testing.assert_allclose(found, expected[:examples], rtol=0, atol=limit)


def test_int8_is_integer_within_and_float_without(written, images):
    interpreter = _interpreter(written[0] / "int8.tflite")
    (inputs,), (outputs,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert inputs["dtype"] == outputs["dtype"] == np.float32
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert kinds.count(np.float32) == 2 and np.int8 in kinds
    interpreter.resize_tensor_input(inputs["index"], (6, 8, 8, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(inputs["index"], images[:6])
    interpreter.invoke()
    assert interpreter.get_tensor(outputs["index"]).shape == (6, 4)


def test_float16_holds_its_weights_in_float16(written, model):
    interpreter = _interpreter(written[0] / "float16.tflite")
    halves = [detail["shape"] for detail in interpreter.get_tensor_details() if detail["dtype"] == np.float16]
    kernels = sum(int(np.prod(weight.shape)) for weight in model.weights if "kernel" in weight.name)
    assert sum(np.prod(shape) for shape in halves) >= kernels


def test_variants_keep_the_accuracy(written, model, images):
    assert _accuracy(model(images)) > 0.95
    for name in ("float16", "int8"):
        assert _accuracy(litert.LiteRT(written[0] / f"{name}.tflite")(images)) > 0.95


def test_the_same_bytes_again_from_a_fresh_process(tmp_path):
    """Two processes that have done nothing else write the same files, the random numbers of TensorFlow included."""
    program = pathlib.Path(tmp_path, "write.py")
    program.write_text(_WRITE, encoding="utf-8")
    processes = [
        subprocess.Popen([sys.executable, program, tmp_path / name], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    one, two = ({path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*")
                 if path.is_file()} for name in ("one", "two"))
    assert {path.name for path in one} >= {"saved_model.pb", "fingerprint.pb", "float16.tflite", "int8.tflite"}
    assert one == two


_WRITE = """
import pathlib
import sys

import keras
import numpy as np

from keras_repvis.zoo import equality, layout, variants

keras.utils.set_random_seed(1)
layers = keras.layers
model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(),
                          layers.Flatten(), layers.Dense(3, name="logits")])
images = np.random.default_rng(0).random((64, 8, 8, 1)).astype("float32")
directory = pathlib.Path(sys.argv[1])
directory.mkdir()
# Noise is outside of any range that calibration saw; here it is the bytes that count.
variants.TOLERANCES["int8"] = 1.0
published, refused = variants.write(model, directory, layout.VARIANTS, images[:2], equality.outputs(model, images[:2]),
                                    images)
assert len(published) == 3, refused
"""


def test_networks_that_quantise_badly_are_refused(model, images, tmp_path):
    """One channel ten thousand times as large as the rest, undone by the next layer: int8 of the sums has no room."""
    inputs = keras.Input((8, 8, 3))
    # Without an activation between the layers nothing but the rounding to 8 bits is in the way.
    hidden = keras.layers.Conv2D(8, 3, name="hidden")(inputs)
    outputs = keras.layers.Dense(4, name="logits")(keras.layers.Flatten()(hidden))
    bad = keras.Model(inputs, outputs)
    random = np.random.default_rng(3)
    kernel, bias = bad.get_layer("hidden").get_weights()
    kernel[..., 0] *= 1e4
    bad.get_layer("hidden").set_weights([kernel, bias])
    kernel, bias = bad.get_layer("logits").get_weights()
    kernel = random.normal(0, 1, (36, 8, 4))
    kernel[:, 0] *= 1e-4
    bad.get_layer("logits").set_weights([kernel.reshape(288, 4), bias])
    published, refused = _write(bad, tmp_path, ["int8"], images[:2], calibration_images=images)
    assert published == {}
    assert "differ by" in refused["int8"] and "more than 0.25" in refused["int8"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["folded", "float16"])
def test_what_differs_more_than_is_stated_is_refused_and_removed(model, images, tmp_path, name):
    wrong = [equality.outputs(model, images[:5])[0] * 1.1]
    published, refused = variants.write(model, tmp_path, [name], images[:5], wrong)
    assert published == {} and "its outputs differ by 0.09" in refused[name]
    assert list(tmp_path.iterdir()) == []


def test_what_differs_is_not_hidden_by_nan(model, images, tmp_path):
    published, refused = variants.write(model, tmp_path, ["folded"], images[:2], [np.full((2, 4), np.nan, "float32")])
    assert published == {} and "differ by nan" in refused["folded"]
    assert list(tmp_path.iterdir()) == []


def test_classes_that_change_are_refused(model, images, tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "LEAST_AGREEMENT", 1.01)
    _, refused = _write(model, tmp_path, ["int8"], images[:2], calibration_images=images)
    assert "agrees on the class of" in refused["int8"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "count, message", [(None, "no calibration images were given"), (31, "31 calibration images were given, at least")]
)
def test_int8_needs_images(model, images, tmp_path, count, message):
    given = None if count is None else images[:count]
    published, refused = _write(model, tmp_path, ["int8"], images[:2], calibration_images=given)
    assert published == {} and message in refused["int8"]
    assert list(tmp_path.iterdir()) == []


def test_free_sizes_are_folded_but_not_converted(images, tmp_path):
    inputs = keras.Input((None, None, 3))
    features = keras.layers.GlobalAveragePooling2D(name="features")(keras.layers.Conv2D(3, 3)(inputs))
    model = keras.Model(inputs, features)
    published, refused = _write(model, tmp_path, layout.VARIANTS, images[:2], calibration_images=images)
    assert list(published) == ["folded"] and published["folded"]["agreement"] is None
    assert list(refused) == ["float16", "int8"]
    assert all("fixed sizes" in reason for reason in refused.values())


class Hidden(keras.Model):
    """A model whose graph cannot be read."""

    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(8, activation="relu")
        self.last = keras.layers.Dense(3)

    def call(self, inputs):
        return self.last(self.first(inputs))


class Sine(keras.layers.Layer):
    """A layer that LiteRT knows in float32 only."""

    def call(self, inputs):
        return keras.ops.sin(inputs)


def test_int8_does_not_fall_back_to_float(images, tmp_path):
    inputs = keras.Input((8, 8, 3))
    hidden = Sine()(keras.layers.Conv2D(3, 3)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(hidden)))
    published, refused = _write(model, tmp_path, layout.VARIANTS, images[:2], calibration_images=images)
    assert list(published) == ["folded", "float16"]
    assert "has no integer form" in refused["int8"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["float16.tflite", "folded"]


def test_a_hidden_graph_is_converted_but_not_folded(tmp_path):
    model = Hidden()
    inputs = np.random.default_rng(0).random((4, 6)).astype("float32")
    model(inputs)
    published, refused = _write(model, tmp_path, ["float16", "folded"], inputs)
    assert list(published) == ["float16"]
    assert "hides its graph" in refused["folded"]


def test_several_outputs_are_compared_by_name(images, tmp_path):
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    sizes = {"low": 2, "high": 3, "and": 3}
    model = keras.Model(inputs, {name: keras.layers.Dense(size)(flat) for name, size in sizes.items()})
    published, refused = _write(model, tmp_path, ["folded", "float16"], images[:3])
    assert list(published) == ["folded", "float16"], refused
    found = litert.LiteRT(tmp_path / "float16.tflite")(images[:3])
    assert {name: array.shape for name, array in found.items()} == {"low": (3, 2), "high": (3, 3), "and": (3, 3)}


def test_what_the_interpreter_cannot_run_is_refused(model, images, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("failed to prepare")

    monkeypatch.setattr(litert.LiteRT, "__call__", fail)
    _, refused = _write(model, tmp_path, ["float16"], images[:2])
    assert refused == {"float16": "the LiteRT interpreter cannot run it: failed to prepare"}
    assert list(tmp_path.iterdir()) == []


def test_no_variants(model, images, tmp_path):
    assert _write(model, tmp_path, [], images[:2]) == ({}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "names, given, message",
    [
        (["int4"], None, "variants='int4' is not known. Did you mean 'int8'"),
        (["int8"], np.zeros((40, 9, 8, 3)), r"calibration_images have shape \(40, 9, 8, 3\)"),
        (["int8"], [["a"]], "calibration_images are not accepted"),
    ],
)
def test_refused_arguments(model, images, tmp_path, names, given, message):
    with pytest.raises(ValueError, match=message):
        _write(model, tmp_path, names, images[:2], calibration_images=given)


def test_a_disk_that_cannot_be_written_is_an_error(model, images, tmp_path):
    with pytest.raises(OSError):
        _write(model, tmp_path / "missing", ["float16"], images[:2])


def test_names_of_the_outputs_are_those_of_the_model(written, model):
    loaded = tf.saved_model.load(str(written[0] / "folded"))
    assert list(loaded.signatures[export.SERVING].structured_outputs) == ["logits"]
