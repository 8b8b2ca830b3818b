"""A model as a map from image to image with its Jacobian J, which is never formed: J d and J^T s for many d and s.

J^T s is what `tf.gradients` propagates back. It is linear in s, so the gradient of <J^T s, d> by s is J d: both
products come from reverse mode, and from the same rules of each operation. Forward mode
(`tf.autodiff.ForwardAccumulator`) takes the same second derivatives and is slower here.

Many directions at one image go through the model as one batch of equal images. That is right only if the model treats
each sample of a batch alone, gives the same answer twice, and has a derivative that says how its output changes; all
this is seen to once for each size of images (`DifferentiableMap.check`).
"""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import graph, inlined_function
from keras_repvis.analysis.information import resize_rules
from keras_repvis.analysis.unsupported import UnsupportedModelError

_HALVES = ("float16", "bfloat16")
# Relative differences that rounding of float32 in a deep network may make; what is looked for is far above them.
_ROUNDING = 1e-3
# Length of the step, root mean square, that shows whether a derivative is one: a fortieth of a grey level.
_STEP = 1e-4
# A relative error above this means that the derivative says nothing.
_USELESS = 0.9


class DifferentiableMap:
    """The values of a model, and the products of its Jacobian with vectors on both sides.

    A model of mixed precision computes in float32 here; its weights and its policy stay as they are.

    Args:
        name: String, the argument that the model was, for errors.
        model: `keras.Model` with one image as input and one tensor as output, or a function of a batch of images.
        batch_size: Integer >= 1, samples that go through the model at once.

    Raises:
        ValueError: If an argument is not accepted.
        UnsupportedModelError: If the model takes something else than one image of floats.
    """

    # Sizes of images for which traced functions are kept.
    _kept = 8

    def __init__(self, name, model, batch_size):
        if not callable(model) or isinstance(model, type):
            raise ValueError(f"{name}={model!r} is not accepted: expected a keras.Model or a function of images.")
        if isinstance(model, keras.Model) and not model.built:
            raise ValueError(f"{name}={model.name!r} is not built: call it on a batch once.")
        self.model = model
        self._declared = _declared_inputs(model)
        if len(self._declared) > 1 or any(not tf.as_dtype(one.dtype).is_floating for one in self._declared):
            kinds = ", ".join(f"{tuple(one.shape)} {one.dtype}" for one in self._declared)
            raise UnsupportedModelError(f"{name}={model.name!r} takes {kinds}: expected one image of floats in [0, 1].")
        self.batch_size = int(checks.number("batch_size", batch_size, low=1, integer=True))
        self._argument = name
        self._traced = {}
        self._checked = {}

    def values(self, points):
        """Return what the model makes of `points`, float32 array (points, ...)."""
        return self._in_batches(0, points)

    def jvp(self, image, directions):
        """Return J d at one image (height, width, channels) for each d of `directions` (directions, ...)."""
        return self._in_batches(1, np.broadcast_to(image, np.shape(directions)), directions)

    def vjp(self, image, signals):
        """Return J^T s at one image (height, width, channels) for each s of `signals` (signals, ...)."""
        return self._in_batches(2, np.broadcast_to(image, (len(signals), *image.shape)), signals)

    def call(self, points):
        """Return the model's outputs for `points` as a float32 tensor, while a function is traced."""
        with _computing_in_float32(self.model):
            if isinstance(self.model, keras.Model):
                outputs = self.model(points, training=False)
            else:
                outputs = inlined_function.call(self.model, points)
        tensors = tf.nest.flatten(outputs)
        if len(tensors) != 1:
            raise UnsupportedModelError(f"{self._named()} puts out {len(tensors)} tensors: expected one.")
        if not tensors[0].dtype.is_floating:
            raise UnsupportedModelError(f"{self._named()} puts out {tensors[0].dtype.name}: expected floats.")
        return tf.cast(tensors[0], "float32")

    def gradient(self, target, start, signals=None):
        """Return what reaches `start` from the tensor `target`, while a function is traced."""
        resize_rules.apply(start, target)
        try:
            found = tf.gradients(target, start, grad_ys=signals)[0]
        except LookupError as error:
            reason = str(error).splitlines()[0]
            raise UnsupportedModelError(f"{self._named()} has an operation without a derivative: {reason}") from error
        if found is None:
            raise UnsupportedModelError(
                f"{self._named()}: no gradient reaches the image. The output does not depend on it, or a layer between "
                "is not differentiable (a cast to integers, a rounding or an argmax)."
            )
        return tf.cast(tf.convert_to_tensor(found), "float32")

    def check(self, image, derivative=True):
        """See to it, once for each size of images, that batches of directions are right for the model.

        Args:
            image: float32 array (height, width, channels) in [0, 1].
            derivative: Whether J d has to be right; not only J^T s.

        Returns:
            Dict of the relative sizes of what should be 0: "batch_gap" (what another sample of the batch changes) and,
            with `derivative`, "adjoint_gap" (<s, J d> against <J^T s, d>) and "derivative_gap" (J d against what a
            small step does, where that is above rounding).

        Raises:
            UnsupportedModelError: If one of them is not small, the answer changes from call to call, or the model
                computes in half precision whatever is done.
            ArithmeticError: If the outputs are not finite.
        """
        key = (image.shape, derivative)
        if key not in self._checked:
            found = {"batch_gap": self._batch_gap(image)}
            if derivative:
                found = {**found, **self._derivative_gaps(image)}
            self._checked[key] = found
        return dict(self._checked[key])

    def _batch_gap(self, image):
        """Return how much one sample of a batch changes what becomes of another."""
        one, two, three = np.random.default_rng(0).random((3, *image.shape), "float32")
        one = 0.5 * (one + image)
        pair = np.stack([one, two])
        # As one batch, or nothing would be mixed.
        first, again, other = (self._run(0, points) for points in (pair, pair, np.stack([one, three])))
        if len(first) != 2:
            raise UnsupportedModelError(f"{self._named()} puts out {first.shape} for 2 images: expected one for each.")
        size = np.abs(first).max() + np.finfo("float32").tiny
        if np.abs(first - again).max() > _ROUNDING * size:
            raise UnsupportedModelError(f"{self._named()} gives other outputs at each call: it has no Jacobian.")
        signals = np.zeros(first.shape, "float32")
        signals[0] = np.random.default_rng(1).standard_normal(first.shape[1:])
        own, others = np.abs(self._run(2, pair, signals)).reshape(2, -1).max(axis=1)
        gap = max(np.abs(first - other)[0].max() / size, others / (own + np.finfo("float32").tiny))
        if gap > _ROUNDING:
            raise UnsupportedModelError(
                f"{self._named()} mixes the samples of a batch: another image beside it changes what becomes of an "
                f"image (by {gap:.2g} of its size), so that an image has no Jacobian of its own."
            )
        return float(gap)

    def _derivative_gaps(self, image):
        """Return how far J d is from the transpose of J^T s, and from what a small step does."""
        random = np.random.default_rng(2)
        direction = random.standard_normal((1, *image.shape), "float32")
        direction /= np.sqrt(np.mean(direction**2))
        pushed = self.jvp(image, direction)
        signal = random.standard_normal(pushed.shape, "float32")
        pulled = self.vjp(image, signal)
        size = np.linalg.norm(pushed) * np.linalg.norm(signal) + np.finfo("float32").tiny
        adjoint = abs(_product(pushed, signal) - _product(pulled, direction)) / size
        if adjoint > _ROUNDING:
            raise UnsupportedModelError(
                f"{self._named()} has gradients that are those of no function: what goes back through it is not linear "
                f"(<s, J d> and <J^T s, d> differ by {adjoint:.2g} of their size)."
            )
        noise, change = self._steps(image, direction)
        expected = _STEP * pushed
        size = max(np.linalg.norm(change), np.linalg.norm(expected))
        audible = size > 30 * np.linalg.norm(noise)
        gap = np.linalg.norm(change - expected) / size if audible else 0.0
        if gap > _USELESS:
            raise UnsupportedModelError(
                f"{self._named()} changes along a step of {255 * _STEP:.2g} grey levels otherwise than its gradients "
                f"say (relative error {gap:.2g}): it has steps, or gradients that are not its own (rounding with "
                "straight-through gradients)."
            )
        return {"adjoint_gap": float(adjoint), "derivative_gap": float(gap)}

    def _steps(self, image, direction):
        """Return how the values change by the rounding of an image, and by a step."""
        points = np.concatenate([image[None], rounded(image)[None], image + np.float32(_STEP) * direction])
        values = self.values(points).astype("float64")
        return values[1] - values[0], values[2] - values[0]

    def _in_batches(self, which, *arrays):
        starts = range(0, len(arrays[0]), self.batch_size)
        return np.concatenate([self._run(which, *(one[at : at + self.batch_size] for one in arrays)) for at in starts])

    def _run(self, which, *arrays):
        function = self._function(arrays[0].shape[1:], which)
        found = function(*(tf.constant(np.ascontiguousarray(array, "float32")) for array in arrays)).numpy()
        if not np.isfinite(found).all():
            raise ArithmeticError(f"{self._named()} puts out values or derivatives that are not finite.")
        return found

    def _function(self, shape, which):
        """Return the traced values (0), J d (1) or J^T s (2) for images of one shape; each is traced when needed."""
        if shape not in self._traced:
            self._check_shape(shape)
            if len(self._traced) >= self._kept:
                self._traced.pop(next(iter(self._traced)))
            self._traced[shape] = {}
        traced = self._traced[shape]
        if which not in traced:
            points = tf.TensorSpec((None, *shape), "float32")
            given = [[points], [points, points]][which] if which < 2 else [points, self._output_spec(shape)]
            function = tf.function((self._values, self._push, self._pull)[which], autograph=False)
            traced[which] = function.get_concrete_function(*given)
        return traced[which]

    def _output_spec(self, shape):
        return tf.TensorSpec((None, *self._function(shape, 0).structured_outputs.shape[1:]), "float32")

    def _check_shape(self, shape):
        for declared in self._declared:
            expected = tuple(declared.shape)
            if len(expected) != 4 or any(a not in (None, b) for a, b in zip(expected[1:], shape)):
                raise ValueError(
                    f"images of shape (images, {', '.join(map(str, shape))}) are not accepted by {self._named()}: "
                    f"expected {expected}."
                )

    def _values(self, points):
        values = self.call(points)
        halves = [one for one in graph.between(points, values) if any(out.dtype.name in _HALVES for out in one.outputs)]
        if halves:
            raise UnsupportedModelError(
                f"{self._named()} computes {halves[0].name} in {halves[0].outputs[0].dtype.name}, whose rounding would "
                "hide what is measured: expected float32."
            )
        return values

    def _push(self, points, directions):
        values = self.call(points)
        signals = tf.zeros_like(values)
        pulled = self.gradient(values, points, signals)
        return self.gradient(pulled, signals, directions)

    def _pull(self, points, signals):
        return self.gradient(self.call(points), points, signals)

    def _named(self):
        name = getattr(self.model, "name", None)
        return f"{self._argument}={name if isinstance(name, str) else type(self.model).__name__!r}"


def rounded(image):
    """Return an image in [0, 1] whose values are off by 2^-24, as numbers near 1 are when they are rounded to float32.

    What this changes of a model's outputs is noise: no smaller change of them means anything.
    """
    return image + np.random.default_rng(3).choice(np.float32([-1, 1]), image.shape) * np.float32(2.0**-24)


def _declared_inputs(model):
    """Return the symbolic inputs of a model, or an empty list where it does not declare them."""
    if not isinstance(model, keras.Model):
        return []
    try:
        return tf.nest.flatten(model.inputs or [])
    except (AttributeError, ValueError):
        return []


@contextlib.contextmanager
def _computing_in_float32(model):
    """Let the layers of a model that compute in half precision compute in float32 while a function is traced."""
    layers = model._flatten_layers() if isinstance(model, keras.Model) else ()
    with contextlib.ExitStack() as stack:
        for layer in layers:
            if _is_half(layer.dtype_policy):
                stack.callback(setattr, layer, "dtype_policy", layer.dtype_policy)
                layer.dtype_policy = "float32"
            if isinstance(layer, keras.layers.InputLayer):
                # A model inside of another casts what it is given to what it was once built for.
                for holder in (layer, *tf.nest.flatten(layer.output)):
                    if holder.dtype in _HALVES:
                        stack.callback(setattr, holder, "_dtype", holder.dtype)
                        holder._dtype = "float32"
        yield


def _is_half(policy):
    plain = isinstance(policy, keras.DTypePolicy) and policy.quantization_mode is None
    return plain and policy.compute_dtype in _HALVES


def _product(one, other):
    return float(np.vdot(one.astype("float64"), other.astype("float64")))
