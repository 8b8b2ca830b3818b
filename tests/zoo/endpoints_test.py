"""The ways into a SavedModel, on one written by TensorFlow and changed by hand."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_repvis.zoo import endpoints
from keras_repvis.zoo.reachability import Program


class _Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(2.0)
        self.inner = tf.Module()
        self.inner.encode = tf.function(lambda x: tf.exp(x), input_signature=[tf.TensorSpec((), tf.float32)])
        self.losses = [tf.function(lambda: tf.abs(self.weight), input_signature=[])]

    @tf.function(input_signature=[tf.TensorSpec((), tf.float32)])
    def __call__(self, x):
        return x * self.weight


@pytest.fixture(scope="module", name="content")
def content_fixture(tmp_path_factory):
    directory = tmp_path_factory.mktemp("saved")
    model = _Model()
    tf.saved_model.save(model, str(directory), signatures={"scale": model.__call__.get_concrete_function()})
    return (directory / "saved_model.pb").read_bytes()


@pytest.fixture(name="graph")
def graph_fixture(content):
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]


def _found(graph, sole=True):
    return endpoints.of_model(graph, Program(graph.graph_def), sole)


def _add_reader(graph, consumer):
    """Let the node `consumer` of the main graph depend on a file."""
    graph.graph_def.node.add(name="reader", op="ReadFile")
    next(node for node in graph.graph_def.node if node.name == consumer).input.append("^reader")


def test_names_are_those_a_user_writes(graph):
    found = _found(graph)
    assert set(found) == {"scale", "__saved_model_init_op", "__call__", "inner.encode", "losses[0]"}
    assert {"Mul", "ReadVariableOp"} <= found["__call__"] and "Exp" not in found["__call__"]
    assert found["inner.encode"] >= {"Exp"} and found["losses[0]"] >= {"Abs"}
    # The main graph and the object graph both have the signature.
    assert found["scale"] >= {"StatefulPartitionedCall", "Mul", "Placeholder"}


def test_the_saver_is_apart(graph):
    saving, restoring = endpoints.of_saver(graph, Program(graph.graph_def))
    assert {"SaveV2", "MergeV2Checkpoints", "ShardedFilename"} <= saving and "RestoreV2" not in saving
    assert "RestoreV2" in restoring and "SaveV2" not in restoring
    assert all(operations.isdisjoint(saving & {"SaveV2"} | {"RestoreV2"}) for operations in _found(graph).values())


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op", "table_initializer"])
def test_what_readers_of_the_older_interface_run_at_loading(graph, collection):
    graph.graph_def.node.add(name="late", op="WriteFile")
    graph.signature_def.clear()
    graph.collection_def[collection].node_list.value.append("late")
    assert "WriteFile" in _found(graph)["__saved_model_init_op"]


def test_the_init_op(graph):
    _add_reader(graph, "NoOp")
    assert [name for name, operations in _found(graph).items() if "ReadFile" in operations] == ["__saved_model_init_op"]


def test_a_saver_that_does_more(graph):
    _add_reader(graph, graph.saver_def.restore_op_name)
    saving, restoring = endpoints.of_saver(graph, Program(graph.graph_def))
    assert "ReadFile" in restoring and "ReadFile" not in saving
    assert not any("ReadFile" in operations for operations in _found(graph).values())


@pytest.mark.parametrize("encoding", ["name", "coo_sparse", "composite_tensor"])
def test_every_encoding_of_a_signature_output(graph, encoding):
    graph.graph_def.node.add(name="reader", op="ReadFile")
    output = graph.signature_def["scale"].outputs["more"]
    if encoding == "name":
        output.name = "reader:0"
    elif encoding == "coo_sparse":
        output.coo_sparse.dense_shape_tensor_name = "reader:0"
    else:
        output.composite_tensor.components.add().composite_tensor.components.add().name = "reader:0"
    assert "ReadFile" in _found(graph)["scale"]


def test_a_function_that_no_attribute_leads_to(graph):
    del graph.object_graph_def.nodes[0].children[:]
    found = _found(graph)
    nameless = [name for name in found if name.startswith("object ")]
    assert "Exp" in frozenset().union(*(found[name] for name in nameless))


def test_a_bare_function(graph):
    name = next(name for name in graph.object_graph_def.concrete_functions if "call" in name)
    node = graph.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = name
    graph.object_graph_def.nodes[0].children.add(node_id=len(graph.object_graph_def.nodes) - 1, local_name="bare")
    assert "Mul" in _found(graph)["bare"]


def test_functions_that_save_and_restore_an_object(graph):
    """They run when it is loaded, like those of a table."""
    nodes = graph.object_graph_def.nodes
    node = nodes.add()
    node.function.concrete_functions.append(next(iter(graph.object_graph_def.concrete_functions)))
    saveable = nodes[0].saveable_objects["table"]
    saveable.save_function = saveable.restore_function = len(nodes) - 1
    assert {"table.save", "__call__", "inner.encode"} <= set(_found(graph))


def test_of_a_graph_without_objects_every_node_counts_but_the_savers(graph):
    graph.graph_def.node.add(name="initial_value", op="ReadFile")
    assert "the graph" not in _found(graph)
    assert "ReadFile" in _found(graph, sole=False)["the graph"]
    graph.ClearField("object_graph_def")
    found = _found(graph)["the graph"]
    assert "ReadFile" in found and "Placeholder" in found
    assert found.isdisjoint({"SaveV2", "RestoreV2"})
