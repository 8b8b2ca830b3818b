"""What a graph can run, on graphs written by hand: every way from one operation to another function is followed."""

import pytest
from tensorflow.core.framework import graph_pb2

from keras_repvis.zoo.reachability import Program


@pytest.fixture(name="graph")
def graph_fixture():
    """start -> middle -> end, and a function `hidden` that reads a file and that nothing calls."""
    graph = graph_pb2.GraphDef()
    graph.node.add(name="end", op="Relu", input=["middle:1", "^aside"])
    graph.node.add(name="middle", op="Split", input=["start"])
    graph.node.add(name="start", op="Placeholder")
    graph.node.add(name="aside", op="NoOp")
    graph.node.add(name="elsewhere", op="WriteFile", input=["end"])
    _function(graph, "hidden", "ReadFile")
    return graph


def _function(graph, name, *operations):
    function = graph.library.function.add()
    function.signature.name = name
    for index, operation in enumerate(operations):
        function.node_def.add(name=f"node_{index}", op=operation)
    return function


def _node(graph):
    """The node that "end" depends on."""
    return graph.node[1]


BEHIND_END = {"Relu", "Split", "Placeholder", "NoOp"}


def test_what_a_node_depends_on_counts_and_what_depends_on_it_does_not(graph):
    program = Program(graph)
    assert program.nodes_behind(["end:0"]) == {"end", "middle", "start", "aside"}
    assert program.operations(nodes=["end:0"]) == BEHIND_END
    assert program.operations(nodes=["elsewhere"]) == BEHIND_END | {"WriteFile"}
    assert program.operations(nodes=["end"], follow=False) == {"Relu"}
    assert program.operations() == frozenset()


def test_what_is_not_there_is_named_and_so_never_in_a_table(graph):
    program = Program(graph)
    assert program.operations(nodes=["absent:0"]) == {"absent"}
    assert program.operations(functions=["lost"]) == {"lost"}


def test_loops_of_calls_and_of_nodes_end(graph):
    graph.node.add(name="merge", op="Merge", input=["next"])
    graph.node.add(name="next", op="NextIteration", input=["merge"])
    first = _function(graph, "first", "PartitionedCall", "Mul")
    first.node_def[0].attr["f"].func.name = "second"
    second = _function(graph, "second", "PartitionedCall", "Sub")
    second.node_def[0].attr["f"].func.name = "first"
    program = Program(graph)
    assert program.operations(nodes=["merge"]) == {"Merge", "NextIteration"}
    assert program.operations(functions=["first"]) == {"PartitionedCall", "Mul", "Sub"}


def _by_operation(graph):
    _node(graph).op = "hidden"


def _by_attribute(graph):
    _node(graph).op = "While"
    _node(graph).attr["body"].func.name = "hidden"


def _by_list_of_attributes(graph):
    _node(graph).op = "Case"
    _node(graph).attr["branches"].list.func.add(name="other")
    _node(graph).attr["branches"].list.func.add(name="hidden")
    _function(graph, "other", "Neg")


def _by_a_function_within_an_attribute(graph):
    _node(graph).op = "PartitionedCall"
    _node(graph).attr["f"].func.name = "other"
    _node(graph).attr["f"].func.attr["inner"].func.name = "hidden"
    _function(graph, "other", "Neg")


def _by_a_string(graph):
    _node(graph).op = "SomethingUnknown"
    _node(graph).attr["to_call"].s = b"hidden"


def _by_strings(graph):
    _node(graph).op = "SomethingUnknown"
    _node(graph).attr["to_call"].list.s.extend([b"\xff", b"hidden"])


def _by_registered_gradient(graph):
    # On an operation that runs no function by itself.
    _node(graph).attr["_gradient_op_type"].s = b"CustomGradient-7"
    graph.library.registered_gradients.add(gradient_func="hidden", registered_op_type="CustomGradient-7")


def _by_gradient_of_a_function(graph):
    _node(graph).op = "other"
    _function(graph, "other", "Neg")
    graph.library.gradient.add(function_name="other", gradient_func="hidden")


def _by_interface(graph):
    _node(graph).op = "other"
    _function(graph, "other", "Neg").attr["api_implements"].s = b"lstm"
    graph.library.function[0].attr["api_implements"].s = b"lstm"


def _by_attribute_of_a_function(graph):
    _node(graph).op = "other"
    _function(graph, "other", "Neg").attr["backward_function_name"].s = b"hidden"


def _by_two_calls(graph):
    _node(graph).op = "PartitionedCall"
    _node(graph).attr["f"].func.name = "other"
    _function(graph, "other", "StatelessIf").node_def[0].attr["then_branch"].func.name = "hidden"


WAYS = [
    _by_operation, _by_attribute, _by_list_of_attributes, _by_a_function_within_an_attribute, _by_a_string, _by_strings,
    _by_registered_gradient, _by_gradient_of_a_function, _by_interface, _by_attribute_of_a_function, _by_two_calls,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("_by_"))
def test_every_way_to_a_function_is_followed(graph, way):
    assert "ReadFile" not in Program(graph).operations(nodes=["end"])
    way(graph)
    operations = Program(graph).operations(nodes=["end"])
    assert "ReadFile" in operations
    # Names of functions are not operations.
    assert operations.isdisjoint({"hidden", "other"})
