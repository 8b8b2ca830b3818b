"""The ways into a SavedModel: its signatures, the functions of the loaded object, and what loading runs.

`tf.saved_model.load` makes an object of each node of the object graph, whether or not an attribute leads to it, and
runs the creators and initialisers of those that are resources. TensorFlow Serving and other readers of the older
interface run signatures, the init op and the restoring of variables from the main graph instead.
"""

INITIALISATION = "__saved_model_init_op"
# Collections of which readers of the older interface run what they list when they load.
_INITIALISERS = ("legacy_init_op", "saved_model_main_op", "saved_model_train_op", "table_initializer")
# Where the object graph keeps the signatures that the main graph has too.
_SIGNATURES = "signatures."


def of_model(meta_graph, program, sole):
    """Return the dict endpoint -> frozenset of names of the operations it can run.

    Args:
        meta_graph: `MetaGraphDef`.
        program: `reachability.Program` of its graph.
        sole: Whether it is the only one in its file. Only then TensorFlow loads its object graph; otherwise it takes
            the main graph alone, and may run any of its nodes: the initial values of variables, for instance.
    """
    found = {name: program.operations(nodes=_fetched(one)) for name, one in meta_graph.signature_def.items()}
    for name in _INITIALISERS:
        if name in meta_graph.collection_def:
            operations = program.operations(nodes=meta_graph.collection_def[name].node_list.value)
            found[INITIALISATION] = found.get(INITIALISATION, frozenset()) | operations
    for name, functions in _object_functions(meta_graph.object_graph_def):
        found[name] = found.get(name, frozenset()) | program.operations(functions=functions)
    if not (sole and meta_graph.HasField("object_graph_def")):
        savers = program.nodes_behind([*_saving(meta_graph), *_restoring(meta_graph)])
        found["the graph"] = program.operations(nodes=program.node_names - savers, follow=False)
    return found


def of_saver(meta_graph, program):
    """Return the operations that TensorFlow's Saver runs, as the pair (to save, to restore) of frozensets of names."""
    return program.operations(nodes=_saving(meta_graph)), program.operations(nodes=_restoring(meta_graph))


def _saving(meta_graph):
    return [name for name in [meta_graph.saver_def.save_tensor_name] if name]


def _restoring(meta_graph):
    return [name for name in [meta_graph.saver_def.restore_op_name] if name]


def _fetched(signature):
    """Return the names of the tensors a signature is run with: its outputs, and the places its inputs go to."""
    pending = [*signature.outputs.values(), *signature.inputs.values()]
    names = []
    while pending:
        tensor = pending.pop()
        kind = tensor.WhichOneof("encoding")
        if kind == "name":
            names.append(tensor.name)
        elif kind == "coo_sparse":
            sparse = tensor.coo_sparse
            names += [sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name]
        elif kind == "composite_tensor":
            pending += tensor.composite_tensor.components
    return [name for name in names if name]


def _object_functions(object_graph):
    """Yield (path of the function as a user writes it, names of its traces) for every function of the object graph."""
    paths = _paths(object_graph)
    for index, node in enumerate(object_graph.nodes):
        kind = node.WhichOneof("kind")
        if kind == "function":
            functions = list(node.function.concrete_functions)
        elif kind == "bare_concrete_function":
            functions = [node.bare_concrete_function.concrete_function_name]
        else:
            continue
        yield paths.get(index, f"object {index}").removeprefix(_SIGNATURES), functions


def _paths(object_graph):
    """Return node -> the shortest path of attributes that leads to it from the loaded object."""
    paths = {0: ""} if object_graph.nodes else {}
    pending = list(paths)
    for index in pending:
        node = object_graph.nodes[index]
        children = [(child.local_name, child.node_id) for child in node.children]
        for name, saveable in node.saveable_objects.items():
            children += [(f"{name}.save", saveable.save_function), (f"{name}.restore", saveable.restore_function)]
        for name, child in children:
            if child not in paths and 0 <= child < len(object_graph.nodes):
                paths[child] = _attribute(paths[index], name, of_function=node.WhichOneof("kind") == "function")
                pending.append(child)
    return paths


def _attribute(path, name, of_function):
    if of_function:
        # One of its traces, which a user does not tell apart.
        return path
    if name.isdecimal():
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
