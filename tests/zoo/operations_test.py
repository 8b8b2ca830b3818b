"""A SavedModel that can do more than compute is refused before any of it runs, wherever the operation hides."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_repvis import models
from keras_repvis.zoo import export, operations

_TEXT = tf.TensorSpec((), tf.string)
_NUMBER = tf.TensorSpec((), tf.float32)


def _traced(function, spec=_NUMBER):
    return tf.function(function, input_signature=[spec])


def _read(x):
    return x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)


def _write(x):
    tf.io.write_file("/tmp/x", "x")
    return x


def _print(x):
    tf.print(x)
    return x


def _call_python(x):
    return tf.py_function(lambda value: value, [x], tf.float32)


def _call_numpy(x):
    return tf.numpy_function(lambda value: value, [x], tf.float32)


def _list_files(x):
    return x + tf.cast(tf.size(tf.io.matching_files("/*")), tf.float32)


def _read_data_set(x):
    return x + tf.data.TextLineDataset("/etc/hostname").reduce(0.0, lambda total, _: total + 1.0)


def _save(x):
    tf.raw_ops.SaveV2(prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], tensors=[x])
    return x


def _restore(x):
    return x + tf.raw_ops.RestoreV2(prefix="/tmp/x", tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])[0]


def _memory_map(x):
    return x + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=(), memory_region_name="/etc/hostname")


def _traced_save(x):
    """Named like the functions of TensorFlow's Saver."""
    return _save(x)


HARMFUL = {
    _read: {"ReadFile"},
    _write: {"WriteFile"},
    _print: {"PrintV2"},
    _call_python: {"EagerPyFunc"},
    _call_numpy: {"PyFunc"},
    _list_files: {"MatchingFiles"},
    _read_data_set: {"FlatMapDataset", "ReduceDataset", "TensorSliceDataset", "TextLineDataset"},
    _save: {"SaveV2"},
    _traced_save: {"SaveV2"},
    _restore: {"RestoreV2"},
    _memory_map: {"ImmutableConst"},
}


@pytest.mark.parametrize("harm", HARMFUL, ids=lambda harm: harm.__name__.strip("_"))
def test_every_kind_of_harm_is_refused_by_name(tmp_path, harm):
    module = tf.Module()
    module.run = _traced(harm)
    tf.saved_model.save(module, str(tmp_path), signatures={})
    with pytest.raises(operations.UnsafeOperationError) as error:
        operations.check_operations(tmp_path)
    names = sorted(HARMFUL[harm])
    assert f"{tmp_path}/saved_model.pb: run runs {', '.join(names)}." in str(error.value)
    assert f"allow_operations={names!r}" in str(error.value)
    assert f"--allow_operations={','.join(names)}." in str(error.value)
    for allow in (names, tuple(names), frozenset(names)):
        assert HARMFUL[harm] <= operations.check_operations(tmp_path, allow)["run"]
    with pytest.raises(operations.UnsafeOperationError, match=names[-1]):
        operations.check_operations(tmp_path, names[:-1])


def _in_a_signature(module):
    return {"serving_default": _traced(_read).get_concrete_function()}, {"serving_default"}


def _in_call(module):
    class Callable(tf.Module):
        @tf.function(input_signature=[_NUMBER])
        def __call__(self, x):
            return _read(x)

    module.inner = Callable()
    return {}, {"inner.__call__"}


def _in_a_method_that_is_no_signature(module):
    module.other = _traced(_read)
    module.run = _traced(tf.exp)
    return {"serving_default": module.run.get_concrete_function()}, {"other"}


def _in_a_function_in_a_function(module):
    inner = tf.function(_read)
    middle = tf.function(lambda x: inner(x) * 2)
    module.run = _traced(lambda x: middle(x) + 1)
    return {"twice": module.run.get_concrete_function()}, {"run", "twice"}


def _in_the_body_of_a_loop(module):
    module.run = _traced(lambda x: tf.while_loop(lambda x: x < 3, lambda x: [_read(x)], [x])[0])
    return {}, {"run"}


def _in_the_condition_of_a_loop(module):
    module.run = _traced(lambda x: tf.while_loop(lambda x: _read(x) < 3, lambda x: [x + 1], [x])[0])
    return {}, {"run"}


def _in_a_branch(module):
    module.run = _traced(lambda x: tf.cond(x > 1e30, lambda: _read(x), lambda: x))
    return {}, {"run"}


def _in_one_of_many_branches(module):
    module.run = _traced(lambda x: tf.switch_case(tf.cast(x, tf.int32), [lambda: x, lambda: _read(x), lambda: -x]))
    return {}, {"run"}


def _in_a_map(module):
    module.run = _traced(lambda x: tf.map_fn(_read, x[None]))
    return {}, {"run"}


def _in_a_gradient(module):
    @tf.custom_gradient
    def harmless(x):
        return x * 2, lambda upstream: _read(upstream)

    module.run = _traced(lambda x: harmless(x))
    return {}, {"run"}


def _as_a_control_dependency(module):
    def run(x):
        with tf.control_dependencies([tf.io.read_file("/etc/hostname")]):
            return tf.identity(x)

    module.run = _traced(run)
    return {}, {"run"}


def _in_a_list(module):
    module.regularization_losses = [_traced(tf.exp), tf.function(lambda: _read(1.0), input_signature=[])]
    return {}, {"regularization_losses[1]"}


class _Resource(tf.saved_model.experimental.TrackableResource):
    """Its functions run as soon as it is loaded."""

    def __init__(self, create=lambda: None, initialize=lambda: None):
        super().__init__()
        self.create, self.initialize = create, initialize

    def _create_resource(self):
        self.create()
        return tf.raw_ops.HashTableV2(key_dtype=tf.int64, value_dtype=tf.int64, shared_name="a")

    def _initialize(self):
        self.initialize()


def _in_the_creation_of_a_resource(module):
    module.table = _Resource(create=lambda: _read(1.0))
    _ = module.table.resource_handle
    return {}, {"table._create_resource"}


def _in_the_initialisation_of_a_resource(module):
    module.table = _Resource(initialize=lambda: _read(1.0))
    _ = module.table.resource_handle
    return {}, {"table._initialize", "__saved_model_init_op"}


PLACES = [
    _in_a_signature, _in_call, _in_a_method_that_is_no_signature, _in_a_function_in_a_function, _in_the_body_of_a_loop,
    _in_the_condition_of_a_loop, _in_a_branch, _in_one_of_many_branches, _in_a_map, _in_a_gradient,
    _as_a_control_dependency, _in_a_list, _in_the_creation_of_a_resource, _in_the_initialisation_of_a_resource,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.strip("_"))
def test_no_place_hides_it(tmp_path, place):
    module = tf.Module()
    signatures, expected = place(module)
    tf.saved_model.save(module, str(tmp_path), signatures=signatures)
    found = {name for name, names in operations.endpoint_operations(tmp_path).items() if "ReadFile" in names}
    assert found == expected
    with pytest.raises(operations.UnsafeOperationError) as error:
        operations.check_operations(tmp_path)
    assert all(f"{name} runs ReadFile" in str(error.value) for name in expected)


def test_a_table_filled_from_a_file(tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(tf.lookup.TextFileInitializer(
        str(vocabulary), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    ), 1)
    module.look_up = _traced(module.table.lookup, _TEXT)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    with pytest.raises(operations.UnsafeOperationError, match="InitializeTableFromTextFileV2"):
        operations.check_operations(tmp_path / "saved")


def test_nothing_runs(tmp_path):
    """The resource of this one writes a file when it is loaded, and not when it is checked."""
    written = tmp_path / "written"
    module = tf.Module()
    module.table = _Resource(initialize=lambda: tf.io.write_file(str(written), "x"))
    _ = module.table.resource_handle
    tf.saved_model.save(module, str(tmp_path / "saved"))
    written.unlink(missing_ok=True)
    with pytest.raises(operations.UnsafeOperationError, match="table._initialize runs WriteFile"):
        operations.check_operations(tmp_path / "saved")
    assert not written.exists()
    tf.saved_model.load(str(tmp_path / "saved"))
    assert written.exists()


def _augmented():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((16, 16, 3)), layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.1),
        layers.RandomContrast(0.2), layers.RandomBrightness(0.2, value_range=(0, 1)), layers.Dropout(0.5),
        layers.Conv2D(2, 3),
    ])


def _recurrent():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((5, 3)), layers.Masking(), layers.LSTM(4, dropout=0.1, return_sequences=True), layers.GRU(3),
        layers.LayerNormalization(), layers.Dense(2),
    ])


def _attentive():
    inputs = keras.Input((6, 8))
    return keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4, dropout=0.1)(inputs, inputs))


KERAS_MODELS = {
    "MobileNetV3": lambda: models.MobileNetV3Small(input_shape=(32, 32, 3), width_multiplier=0.35, classes=2),
    "augmented": _augmented,
    "recurrent": _recurrent,
    "attentive": _attentive,
}


@pytest.mark.parametrize("make", KERAS_MODELS.values(), ids=KERAS_MODELS)
def test_models_of_keras_pass(tmp_path, make):
    export.save(make(), tmp_path)
    found = operations.check_operations(tmp_path)
    assert {"__call__", "serving_default"} <= set(found)
    assert found == operations.endpoint_operations(tmp_path)
    assert found["__call__"] & {"Conv2D", "MatMul", "BatchMatMulV2"}


def test_a_table_of_words_passes(tmp_path):
    words = keras.Input((1,), dtype="string")
    model = keras.Model(words, keras.layers.StringLookup(vocabulary=["a", "b"])(words))
    model.export(tmp_path, verbose=False)
    assert "LookupTableFindV2" in operations.check_operations(tmp_path)["serve"]


def test_encoded_images_are_decoded_by_the_signature_alone(classifier, tmp_path):
    export.save(classifier, tmp_path)
    found = operations.check_operations(tmp_path)
    assert "DecodeImage" in found["encoded_images"]
    assert not any("DecodeImage" in names for name, names in found.items() if name != "encoded_images")


@pytest.fixture(scope="module", name="saved")
def saved_fixture(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved")
    module = tf.Module()
    module.weight = tf.Variable(np.ones(3, "float32"))
    module.run = _traced(lambda x: x * module.weight)
    tf.saved_model.save(module, str(directory))
    return directory


@pytest.fixture(name="copy")
def copy_fixture(saved, tmp_path):
    """A copy of saved_model.pb alone: nothing else is read."""
    (tmp_path / "saved_model.pb").write_bytes((saved / "saved_model.pb").read_bytes())
    return tmp_path


def _changed(directory, change):
    path = directory / "saved_model.pb"
    content = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(content.meta_graphs)
    path.write_bytes(content.SerializeToString())


def test_the_saver_of_the_model_may_save_and_restore_and_nothing_else_may(copy):
    operations.check_operations(copy)

    def hand_to_users(graphs):
        graphs[0].signature_def["serving_default"].outputs["y"].name = graphs[0].saver_def.save_tensor_name

    _changed(copy, hand_to_users)
    with pytest.raises(operations.UnsafeOperationError, match="serving_default runs .*SaveV2"):
        operations.check_operations(copy)


@pytest.mark.parametrize("field, what", [("save_tensor_name", "saving"), ("restore_op_name", "restoring")])
def test_a_saver_that_writes_a_file_of_its_own_is_refused(copy, field, what):
    def change(graphs):
        name = getattr(graphs[0].saver_def, field).partition(":")[0]
        graphs[0].graph_def.node.add(name="writer", op="WriteFile")
        next(node for node in graphs[0].graph_def.node if node.name == name).input.append("^writer")

    _changed(copy, change)
    with pytest.raises(operations.UnsafeOperationError, match=f"{what} the variables runs WriteFile"):
        operations.check_operations(copy)


def test_restoring_may_not_save(copy):
    def exchange(graphs):
        saver = graphs[0].saver_def
        saver.restore_op_name = saver.save_tensor_name.partition(":")[0]

    _changed(copy, exchange)
    with pytest.raises(operations.UnsafeOperationError, match="restoring the variables runs .*SaveV2"):
        operations.check_operations(copy)


def test_of_several_graphs_each_counts(copy):
    def add(graphs):
        graphs.add().CopyFrom(graphs[0])
        graphs[1].graph_def.node.add(name="reader", op="ReadFile")

    _changed(copy, add)
    with pytest.raises(operations.UnsafeOperationError, match="the graph runs ReadFile"):
        operations.check_operations(copy)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_torn_graph(copy, share):
    path = copy / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"saved_model\.pb: is torn, or not a SavedModel"):
        operations.check_operations(copy)
    path.write_text("not a graph")
    with pytest.raises(ValueError, match=r"saved_model\.pb: is torn, or not a SavedModel"):
        operations.endpoint_operations(copy)


def test_a_missing_graph(copy):
    (copy / "saved_model.pb").unlink()
    for directory in (copy, copy / "absent", pathlib.Path(__file__)):
        with pytest.raises(ValueError, match=r"saved_model\.pb: is missing, so the directory is not a SavedModel"):
            operations.check_operations(directory)


@pytest.mark.parametrize("name", ["saved_model.pbtxt", "saved_model.cpb"])
@pytest.mark.parametrize("alone", [True, False])
def test_other_forms_of_the_graph(copy, name, alone):
    (copy / "saved_model.pb").replace(copy / name) if alone else (copy / name).write_text("")
    with pytest.raises(ValueError, match=f"{name}: is a form of graph that is not read here. Expected saved_model.pb"):
        operations.check_operations(copy)


@pytest.mark.parametrize("allow", ["ReadFile", b"ReadFile", [1], None, 3])
def test_what_allow_accepts(saved, allow):
    with pytest.raises(ValueError, match="allow_operations=.* is not accepted: expected a collection of names"):
        operations.check_operations(saved, allow)


def test_a_directory_is_a_path():
    with pytest.raises(ValueError, match="directory=3 is not accepted: expected the path of a SavedModel"):
        operations.check_operations(3)


def test_digest_is_that_of_the_graph(saved, copy):
    assert operations.digest(saved) == operations.digest(copy) and len(operations.digest(saved)) == 64
    _changed(copy, lambda graphs: graphs[0].graph_def.node.add(name="more", op="NoOp"))
    assert operations.digest(saved) != operations.digest(copy)
