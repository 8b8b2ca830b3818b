"""Which operations some nodes of a graph, or some functions of its library, can come to run."""

from keras_repvis.zoo import safe_operations

_GRADIENT = "_gradient_op_type"
# Functions of one interface: when it optimises a graph, TensorFlow may put one in the place of another.
_INTERFACE = "api_implements"
# Known to run no function.
_LEAVES = safe_operations.SAFE - safe_operations.CALLS


class Program:
    """A graph with its library of functions.

    What a function can run is what its body holds, all of it, and what the functions can run that its nodes call: by
    their operation's name, in their attributes, or as their gradient.

    Args:
        graph_def: `GraphDef`.
    """

    def __init__(self, graph_def):
        library = graph_def.library
        self._nodes = {node.name: node for node in graph_def.node}
        self._bodies = {function.signature.name: function for function in library.function}
        self._gradients = {one.registered_op_type: one.gradient_func for one in library.registered_gradients}
        self._gradients_of_functions = {one.function_name: one.gradient_func for one in library.gradient}
        self._interfaces = {}
        for name, body in self._bodies.items():
            if _INTERFACE in body.attr:
                self._interfaces.setdefault(body.attr[_INTERFACE].s, set()).add(name)
        self._direct = {}

    @property
    def node_names(self):
        """Set of the names of all nodes of the main graph."""
        return self._nodes.keys()

    def operations(self, nodes=(), functions=(), follow=True):
        """Return the frozenset of names of the operations that running `nodes` and `functions` can run.

        Args:
            nodes: Names of nodes of the main graph, or of their outputs (`node:0`) or as control inputs (`^node`).
            functions: Names of functions of the library.
            follow: Whether what `nodes` depend on runs with them. Default True.
        """
        names = self.nodes_behind(nodes) if follow else nodes
        found, pending = self._of_nodes(self._nodes[name] for name in names if name in self._nodes)
        # A node that is not there cannot be known to be safe; neither can a function.
        found |= {name for name in names if name not in self._nodes}
        pending |= set(functions)
        seen = set()
        while pending:
            name = pending.pop()
            seen.add(name)
            operations, called = self._of_function(name)
            found |= operations
            pending |= called - seen
        return frozenset(found)

    def nodes_behind(self, names):
        """Return the set of names of the nodes that `names` stand for and of all they depend on."""
        seen, pending = set(), [_node(name) for name in names]
        while pending:
            name = pending.pop()
            if name not in seen:
                seen.add(name)
                if name in self._nodes:
                    pending += [_node(name) for name in self._nodes[name].input]
        return seen

    def _of_function(self, name):
        """Return (operations in the body of a function, functions they call)."""
        if name not in self._bodies:
            return {name}, set()
        if name not in self._direct:
            body = self._bodies[name]
            operations, called = self._of_nodes(body.node_def)
            for value in body.attr.values():
                called |= self._named(value)
            if _INTERFACE in body.attr:
                called |= self._interfaces[body.attr[_INTERFACE].s]
            if name in self._gradients_of_functions:
                called.add(self._gradients_of_functions[name])
            self._direct[name] = operations, called
        return self._direct[name]

    def _of_nodes(self, nodes):
        operations, called = set(), set()
        for node in nodes:
            operations.add(node.op)
            # Graphs have tens of thousands of nodes: only those that may run functions are looked into.
            if node.op not in _LEAVES:
                for value in node.attr.values():
                    called |= self._named(value)
            if self._gradients and _GRADIENT in node.attr:
                called |= self._named(node.attr[_GRADIENT])
        called |= operations & self._bodies.keys()
        return operations - self._bodies.keys(), called

    def _named(self, value):
        """Return the names of the functions in an `AttrValue`, those it writes as strings included."""
        kind = value.WhichOneof("value")
        if kind == "func":
            return {value.func.name}.union(*(self._named(inner) for inner in value.func.attr.values()))
        if kind == "list":
            inner = (self._named(one) for function in value.list.func for one in function.attr.values())
            texts = (self._from_text(text) for text in value.list.s)
            return {function.name for function in value.list.func}.union(*inner, *texts)
        return self._from_text(value.s) if kind == "s" else set()

    def _from_text(self, text):
        name = text.decode("utf-8", "replace")
        return {found for found in (self._gradients.get(name), name if name in self._bodies else None) if found}


def _node(name):
    """Return the name of the node that a tensor's name or an input stands for."""
    return name.removeprefix("^").partition(":")[0]
