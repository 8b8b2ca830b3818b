"""The operations of a function that TensorFlow holds as a graph, put into the graph that calls it.

A loaded SavedModel, or a `tf.function`, is called by one operation, and what it computes cannot be seen from the graph
that calls it: rules of propagation find nothing to be set on. Here its graph is imported instead, with the functions
that it calls in turn put in their places. Weights are not copied: they are read from the variables of the function at
each run, so training it further changes what is computed, as for a call.
"""

import weakref

import tensorflow as tf

# A graph is put in order once, whatever the number of graphs that call it.
_FLAT = weakref.WeakKeyDictionary()


def call(function, inputs):
    """Return function(inputs), its operations in the graph that is being traced where that is possible.

    Args:
        function: Any function; only one that TensorFlow holds as a graph is imported, any other is called.
        inputs: Structure of tensors.

    Returns:
        What the function returns.
    """
    concrete = _concrete(function, inputs)
    flat = None if concrete is None or tf.executing_eagerly() else _flat(concrete)
    given = tf.nest.flatten(inputs)
    if flat is None or len(given) + len(concrete.captured_inputs) != len(concrete.inputs):
        return function(inputs)
    # An identity of what is outside of this graph brings it in.
    captured = [tf.identity(tensor) for tensor in concrete.captured_inputs]
    names = [tensor.name for tensor in concrete.inputs]
    outputs = tf.graph_util.import_graph_def(
        flat,
        input_map=dict(zip(names, [*given, *captured])),
        # Gradients that were asked for elsewhere may have added outputs.
        return_elements=[tensor.name for tensor in concrete.outputs[: len(_outputs(concrete))]],
        # Not that of the function, which may be "<lambda>".
        name="inlined",
    )
    return tf.nest.pack_sequence_as(concrete.structured_outputs, outputs)


def _concrete(function, inputs):
    """Return the `ConcreteFunction` that would be called, or None."""
    if isinstance(function, tf.types.experimental.ConcreteFunction):
        return function
    if not hasattr(function, "get_concrete_function"):
        function = getattr(function, "__call__", None)
    if not hasattr(function, "get_concrete_function"):
        return None
    specs = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), inputs)
    try:
        with tf.init_scope():
            return function.get_concrete_function(specs)
    except (TypeError, ValueError):
        # Its own call will say what it does not accept.
        return None


def _outputs(concrete):
    return tf.nest.flatten(concrete.structured_outputs, expand_composites=True)


def _flat(concrete):
    """Return the `GraphDef` of a concrete function with the functions it calls in their places, or None."""
    if concrete not in _FLAT:
        simple = all(isinstance(one, (tf.Tensor, tf.TensorSpec)) for one in _outputs(concrete))
        _FLAT[concrete] = _flatten(concrete) if simple else None
    return _FLAT[concrete]


def _flatten(concrete):
    try:
        from tensorflow.python.grappler import tf_optimizer
    except ImportError:
        return None
    graph_def = concrete.graph.as_graph_def()
    for nodes in _nodes(graph_def):
        for node in nodes:
            # Loops and branches stay what they are.
            if "_lower_using_switch_merge" in node.attr:
                node.attr["_lower_using_switch_merge"].b = False
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph_def, graph=concrete.graph)
    kept = meta_graph.collection_def["train_op"].node_list.value
    kept.extend(tensor.name for tensor in [*concrete.inputs, *concrete.outputs])
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.min_graph_nodes = -1
    config.graph_options.rewrite_options.optimizers.append("function")
    try:
        flat = tf_optimizer.OptimizeGraph(config, meta_graph)
    except (ValueError, tf.errors.OpError):
        return None
    has_own_gradient = any("_gradient_op_type" in node.attr for nodes in _nodes(flat) for node in nodes)
    return None if has_own_gradient else flat


def _nodes(graph_def):
    return [graph_def.node, *(function.node_def for function in graph_def.library.function)]
