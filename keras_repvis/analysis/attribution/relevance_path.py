"""What a relevance can meet between the outputs of a traced model and the image: kinds, order, folds, signs, bounds."""

import tensorflow as tf

from keras_repvis.analysis.attribution import graph, relevance_folding, relevance_operations
from keras_repvis.analysis.attribution.relevance_operations import MOVES, POOLING, SAME, WEIGHTED, repeat, to_float32
from keras_repvis.analysis.unsupported import UnsupportedModelError

# They tell the shape of a tensor, not its numbers.
_SHAPES = frozenset("OnesLike Rank Shape ShapeN Size ZerosLike".split())
_PADDING = frozenset("Pad PadV2 SpaceToBatchND".split())
_RISING = frozenset("Elu LeakyRelu Maximum Minimum Relu Relu6 Selu Sigmoid Softplus Softsign Tanh".split())
_NONNEGATIVE = frozenset("Relu Relu6 Sigmoid Softplus".split())
# Of tensors >= 0 they make tensors >= 0; sums, products, averages, selections, padding.
_KEEPS_SIGN = MOVES | POOLING | SAME | frozenset(
    "Add AddN AddV2 Div Elu LeakyRelu Minimum Mul RealDiv Selu Softsign Tanh".split()
)


class Path:
    """The operations that depend on the image and that the outputs depend on.

    Args:
        image: Symbolic tensor (batch, height, width, channels).
        outputs: List of symbolic tensors where relevance may start.
        name: Name of the model, for errors.
        image_bounds: The pair of numbers between which every pixel lies.

    Attributes:
        operations: List of the operations on the path, in the order of execution.
        read: Function from one of them to its `relevance_operations.Reading`.
    """

    def __init__(self, image, outputs, name, image_bounds=(0.0, 1.0)):
        self.image = image
        self.name = name
        self._image_bounds = image_bounds
        needed = set().union(*(graph.backward(output) for output in outputs))
        # Operations are made after those that they take from. What propagation adds to the graph is not on the path.
        order = [operation for operation in image.graph.get_operations() if operation in needed]
        self._outputs = {output.ref() for output in outputs}
        self._dependent, self._above_weights = set(), set()
        for operation in order:
            self._note(operation)
        self.operations = [operation for operation in order if operation in self._dependent]
        place = {operation: index for index, operation in enumerate(self.operations)}
        self._reader = relevance_operations.Reader(self.depends, place, name)
        self.read = self._reader.read
        self._following, self._signs = {}, {}
        for operation in self.operations:
            for tensor in operation.inputs:
                self._following.setdefault(tensor.ref(), {})[operation] = None

    def _note(self, operation):
        below = [tensor for tensor in operation.inputs if self.depends(tensor)]
        if below and operation.type not in _SHAPES:
            self._dependent.add(operation)
            if operation.type in WEIGHTED or any(tensor.op in self._above_weights for tensor in below):
                self._above_weights.add(operation)

    def depends(self, tensor):
        """Return whether the numbers in a tensor depend on the image."""
        return tensor.ref() == self.image.ref() or tensor.op in self._dependent

    def following(self, tensor):
        """Return the list of operations that take a tensor."""
        return list(self._following.get(tensor.ref(), ()))

    def is_kept(self, tensor):
        """Return whether relevance may start at a tensor."""
        return tensor.ref() in self._outputs

    def is_first(self, operation):
        """Return whether no operation with weights lies between the image and this one."""
        return all(tensor.op not in self._above_weights for tensor in self.read(operation).signals)

    def is_preprocessing(self, operation):
        """Return whether the image has only been scaled, shifted and moved before this affine operation."""
        waiting = list(self.read(operation).signals)
        while waiting:
            tensor = waiting.pop()
            if tensor.ref() == self.image.ref():
                continue
            kind, signals = tensor.op.type, self.read(tensor.op).signals
            if self.read(tensor.op).kind not in ("affine", "move") or kind in ("Max", "MaxPool", "Maximum", "Minimum"):
                return False
            waiting += signals
        return True

    def folds(self):
        """Return (dict from linear operations to their `relevance_folding.Fold`, set of the operations in them)."""
        folds, inside = {}, set()
        for operation in self.operations:
            # Only what is known can be folded; the rest is refused where relevance meets it.
            if operation.type in WEIGHTED and self._is_known(operation):
                folds[operation], chain = relevance_folding.fold(operation, self)
                inside.update(chain)
        return folds, inside

    def _is_known(self, operation):
        try:
            return bool(self.read(operation))
        except UnsupportedModelError:
            return False

    def nonnegative(self, tensor):
        """Return whether the structure of the network makes a tensor >= 0 for every image."""
        if tensor.ref() not in self._signs:
            self._signs[tensor.ref()] = self._is_nonnegative(tensor)
        return self._signs[tensor.ref()]

    def _is_nonnegative(self, tensor):
        if tensor.ref() == self.image.ref():
            return self._image_bounds[0] >= 0
        if not self.depends(tensor):
            value = tf.get_static_value(tensor)
            return value is not None and bool((value >= 0).all())
        parts = [self.nonnegative(one) for one in tensor.op.inputs if one.dtype.is_floating]
        if tensor.op.type == "Maximum":
            return any(parts)
        return tensor.op.type in _NONNEGATIVE or (tensor.op.type in _KEEPS_SIGN and all(parts))

    def presence(self, tensor):
        """Return a float32 tensor of the shape of a tensor: 0 where the operations right before padded it, else 1."""
        operation = tensor.op
        if not self.depends(tensor) or operation.type not in _PADDING | SAME:
            return tf.ones_like(tensor, dtype="float32")
        inputs = [self.presence(operation.inputs[0]), *operation.inputs[1:]]
        if operation.type == "PadV2":
            inputs[2] = tf.zeros_like(inputs[2])
        return inputs[0] if operation.type in SAME else repeat(operation, inputs)[0]

    def bounds(self, tensor):
        """Return (l, h), float32 of the shape of a tensor before the first linear operation: l <= tensor <= h."""
        if tensor.ref() == self.image.ref():
            image = to_float32(self.image)
            return tuple(tf.fill(tf.shape(image), tf.cast(bound, "float32")) for bound in self._image_bounds)
        operation = tensor.op
        reading = self.read(operation)
        if reading.kind not in ("affine", "move", "pooling") and operation.type not in _RISING:
            raise UnsupportedModelError(
                f"model={self.name!r}: rule 'z_box' needs bounds of the input of the first linear operation, and those "
                f"of the image do not pass {operation.name} ({operation.type})."
            )
        found = {one.ref(): self.bounds(one) for one in reading.signals}
        ends = [[found.get(one.ref(), (one, one))[end] for one in operation.inputs] for end in (0, 1)]
        low, high = (repeat(operation, inputs)[tensor.value_index] for inputs in ends)
        # A negative scale turns them round.
        return (tf.minimum(low, high), tf.maximum(low, high)) if reading.kind == "affine" else (low, high)
