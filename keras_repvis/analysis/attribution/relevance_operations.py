"""What kind of operation a relevance meets on its way back through the graph, and the operation once more in float32.

    linear      has weights: convolutions, dense layers, products with a matrix that does not depend on the image
    pooling     linear without weights: averages, sums, bilinear resizing
    sum         adds, or subtracts, tensors that depend on the image
    affine      scales or shifts each number by one that does not depend on the image
    move        moves numbers or selects among them: reshaping, padding, slicing, concatenation, maxima
    activation  changes each number by itself
    gate        a signal times a gate in [0, 1]; only the signal carries relevance

A product of two tensors that depend on the image is a gate if one factor ends in a sigmoid or in the hard sigmoid
ReLU6(.) / 6 and its shape fits into the signal's, or if both are functions of the same numbers x, one of them c x, the
other ending in tanh, erf or erfc: SiLU, hard swish, GELU, Mish, squeeze-and-excitation, gated linear units. Of two
such factors the one that is stretched over the other is the gate. Any other product is refused, and so is every
operation that is not listed here.
"""

import dataclasses

import tensorflow as tf

from keras_repvis.analysis.attribution import graph
from keras_repvis.analysis.unsupported import UnsupportedModelError

# Operations with weights: which inputs are (data, weights).
WEIGHTED = {
    "BatchMatMul": (0, 1),
    "BatchMatMulV2": (0, 1),
    "BatchMatMulV3": (0, 1),
    "Conv2D": (0, 1),
    "Conv2DBackpropInput": (2, 1),
    "DepthwiseConv2dNative": (0, 1),
    "Einsum": (0, 1),
    "MatMul": (0, 1),
}
# In these the two factors may change places.
_PRODUCTS = frozenset("BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum MatMul".split())
POOLING = frozenset("AvgPool Mean ResizeBilinear Sum".split())
_ADDITIONS = frozenset("Add AddN AddV2 Sub".split())
_AFFINE = frozenset("Add AddV2 BiasAdd Div Mul Neg RealDiv Sub".split())
# Row-major layouts stay, or numbers change places, one output from one input.
LAYOUT = frozenset("BroadcastTo ExpandDims Reshape Squeeze Tile Transpose".split())
SAME = frozenset("Cast CheckNumerics Identity IdentityN PreventGradient StopGradient".split())
MOVES = LAYOUT | frozenset(
    "BatchToSpaceND ConcatV2 DepthToSpace GatherV2 Max MaxPool Maximum Minimum MirrorPad Pack Pad PadV2 "
    "ResizeNearestNeighbor ReverseV2 SelectV2 Slice SpaceToBatchND SpaceToDepth Split SplitV StridedSlice "
    "Unpack".split()
)
_ACTIVATIONS = frozenset("Elu LeakyRelu Relu Relu6 Selu Sigmoid Softplus Softsign Tanh".split())
# Inside x g(x), further functions of each number by itself are known.
_ELEMENTWISE = _ACTIVATIONS | _AFFINE | SAME | frozenset("Abs Erf Erfc Exp Log1p Maximum Minimum Pow Square".split())
_HALVES = (tf.float16, tf.bfloat16, tf.float32, tf.float64)


@dataclasses.dataclass(frozen=True)
class Reading:
    """What an operation does: its kind, and the tensors among those before it that carry its relevance on."""

    kind: str
    signals: tuple


class Reader:
    """Reads the operations of one graph.

    Args:
        depends: Function of a tensor, whether it depends on the image.
        place: Dict from each operation to its place in the order of execution.
        name: Name of the model, for errors.
    """

    def __init__(self, depends, place, name):
        self.depends = depends
        self._place = place
        self._name = name
        self._read = {}

    def read(self, operation):
        """Return the `Reading` of an operation that depends on the image, or raise an `UnsupportedModelError`."""
        if operation not in self._read:
            self._read[operation] = self._new(operation)
        return self._read[operation]

    def _new(self, operation):
        graph.check_nothing_hides([operation], self._name)
        floating = [tensor for tensor in operation.inputs if tensor.dtype in _HALVES]
        signals = tuple(tensor for tensor in floating if self.depends(tensor))
        kind = operation.type
        if not signals:
            kinds = ", ".join(sorted({tensor.dtype.name for tensor in operation.inputs if self.depends(tensor)}))
            raise self._refusal(operation, f"what it takes from the image is {kinds}, not floating-point numbers.")
        if kind in WEIGHTED and len(operation.inputs) > 1:
            return self._weighted(operation, signals)
        if kind in POOLING:
            return Reading("pooling", (operation.inputs[0],))
        if kind in _ADDITIONS and len(signals) > 1:
            root = self._root(operation)
            return Reading("sum", signals) if root is None else Reading("activation", (root,))
        if kind == "Mul" and len(signals) > 1:
            return Reading("gate", (self._signal(operation),))
        if kind in _AFFINE and len(signals) == 1 and not _divides_by(operation, signals[0]):
            return Reading("affine", signals)
        if kind in _ACTIVATIONS or (kind in ("Maximum", "Minimum") and len(signals) == 1):
            return Reading("activation", signals)
        if kind in SAME | MOVES:
            return Reading("move", signals)
        raise self._refusal(operation, _why(kind))

    def _weighted(self, operation, signals):
        data = operation.inputs[WEIGHTED[operation.type][0]]
        if len(signals) > 1 or not (_is(signals[0], data) or operation.type in _PRODUCTS):
            why = "it multiplies two tensors that both depend on the image, as attention does; no rule is known for it."
            raise self._refusal(operation, why)
        return Reading("linear", signals)

    def _signal(self, operation):
        """Return the factor of a product that is the signal; the other is a gate."""
        factors = tuple(operation.inputs)
        gates = [_is_sigmoid(factor) and _fits(factor, other) for factor, other in (factors, factors[::-1])]
        if all(gates):
            gates = [_is_stretched(factor, other) for factor, other in (factors, factors[::-1])]
        root = None if any(gates) else self._root(operation)
        if root is not None:
            gates = [
                self._ends_in(factor, ("Erf", "Erfc", "Tanh")) and _is(self._unscaled(other), root)
                for factor, other in (factors, factors[::-1])
            ]
        if sum(gates) != 1:
            why = "both factors depend on the image, and which of them is a gate in [0, 1] cannot be told."
            raise self._refusal(operation, why)
        return factors[1 - gates.index(True)]

    def _root(self, operation):
        """Return the one tensor x of which an operation is a function of each number by itself, or None."""
        found = list({tensor.ref(): tensor for tensor in operation.inputs if self.depends(tensor)}.values())
        while len(found) > 1:
            latest = max(found, key=lambda tensor: self._place.get(tensor.op, -1))
            before = [tensor for tensor in latest.op.inputs if self.depends(tensor)]
            if latest.op.type not in _ELEMENTWISE or latest.op not in self._place or not before:
                return None
            found = list({tensor.ref(): tensor for tensor in [*found, *before] if not _is(tensor, latest)}.values())
        same = found[0].shape.rank is not None and found[0].shape.is_compatible_with(operation.outputs[0].shape)
        return found[0] if same else None

    def _ends_in(self, tensor, kinds):
        """Return whether a tensor is one of `kinds`, scaled and shifted."""
        while tensor.op.type not in kinds:
            signals = [one for one in tensor.op.inputs if self.depends(one)]
            if tensor.op.type not in _AFFINE | SAME or len(signals) != 1:
                return False
            tensor = signals[0]
        return True

    def _unscaled(self, tensor):
        """Return x for a tensor c x."""
        while tensor.op.type in ("Cast", "Identity", "Mul", "RealDiv"):
            signals = [one for one in tensor.op.inputs if self.depends(one)]
            if len(signals) != 1:
                break
            tensor = signals[0]
        return tensor

    def _refusal(self, operation, why):
        return UnsupportedModelError(
            f"model={self._name!r}: relevance cannot go back through {operation.name} ({operation.type}): {why}"
        )


def repeat(operation, inputs):
    """Return the list of outputs of an operation that is computed again, on `inputs`, with float32 for all halves."""
    attributes = {attribute.name: _copy(operation, attribute.name) for attribute in operation.op_def.attr}
    for argument in (*operation.op_def.input_arg, *operation.op_def.output_arg):
        kind = argument.type_attr and attributes[argument.type_attr]
        if kind and tf.dtypes.as_dtype(kind.type) in _HALVES:
            kind.type = tf.float32.as_datatype_enum
    types = [tf.float32 if output.dtype in _HALVES else output.dtype for output in operation.outputs]
    inputs = [to_float32(tensor) for tensor in inputs]
    return operation.graph.create_op(operation.type, inputs, types, attrs=attributes, name="relevance").outputs


def to_float32(tensor):
    """Return a tensor of numbers as float32, and one of integers as it is."""
    return tf.cast(tensor, tf.float32) if tensor.dtype in _HALVES else tensor


def _copy(operation, name):
    copied = tf.compat.v1.AttrValue()
    copied.CopyFrom(operation.node_def.attr[name])
    return copied


def _divides_by(operation, signal):
    return operation.type in ("Div", "RealDiv") and _is(operation.inputs[1], signal)


def _is(tensor, other):
    # `==` would be an operation.
    return tensor.ref() == other.ref()


def _is_sigmoid(tensor):
    """Return whether a tensor ends in a sigmoid or a hard sigmoid, so that it is in [0, 1]."""
    while tensor.op.type in LAYOUT | SAME:
        tensor = tensor.op.inputs[0]
    operation = tensor.op
    if operation.type not in ("Mul", "RealDiv"):
        return operation.type == "Sigmoid"
    rectified = [place for place, one in enumerate(operation.inputs) if one.op.type == "Relu6"]
    if len(rectified) != 1 or (operation.type == "RealDiv" and rectified != [0]):
        return False
    value = tf.get_static_value(operation.inputs[1 - rectified[0]])
    expected = 6.0 if operation.type == "RealDiv" else 1 / 6
    return value is not None and value.size == 1 and abs(float(value) / expected - 1) < 1e-2


def _fits(gate, signal):
    """Return whether a gate is stretched over a signal, or has its shape: never the other way round."""
    if gate.shape.rank is None or signal.shape.rank is None or gate.shape.rank > signal.shape.rank:
        return False
    sizes = zip(reversed(gate.shape.as_list()), reversed(signal.shape.as_list()))
    return all(of_gate == 1 or of_signal != 1 for of_gate, of_signal in sizes)


def _is_stretched(gate, signal):
    sizes = zip(reversed(gate.shape.as_list()), reversed(signal.shape.as_list()))
    return _fits(gate, signal) and any(of_gate == 1 and of_signal != 1 for of_gate, of_signal in sizes)


def _why(kind):
    if kind in ("LogSoftmax", "Softmax"):
        return "a softmax mixes all of its inputs, as attention does; no rule is known for it."
    if kind in ("Div", "RealDiv", "Rsqrt", "SquaredDifference"):
        return "it divides by what depends on the image, as normalisations by an image's own statistics do."
    return "no rule is known for it."
