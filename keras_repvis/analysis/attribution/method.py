"""The contract of every attribution method: built once for a model, called on any number of images.

    method(model, ...)(images, targets=None) -> Attribution

A method writes `_explain(query)`, traced once for each shape; `Method` checks images and targets, cuts them into
chunks, and puts the answers together.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.analysis.attribution import folded_model, inlined_function
from keras_repvis.analysis.attribution import query as queries
from keras_repvis.analysis.attribution import targets as targets_
from keras_repvis.analysis.attribution.result import Attribution
from keras_repvis.analysis.representation import Representation
from keras_repvis.analysis.unsupported import UnsupportedModelError

class Method:
    """Base of the attribution methods.

    A subclass defines `_explain(query)`, which is traced and returns (maps, dict of diagnostics), tensors of the
    length of the batch, from a `Query`. One that changes images sets `_changes_images`: then the class with the
    largest score is fixed by the images as they are, before.

    Args:
        model: Built `keras.Model` of any kind, or a function of a batch of images, for instance a loaded SavedModel.
        input_index: Integer, which of several inputs is the image, in the order of `tf.nest.flatten`; None (default)
            for the only one that is (batch, height, width, channels).
        score: What a class index or mask selects from: "output" (as the model answers), "softmax" or "sigmoid" of it.
        batch_size: Integer >= 1, images that go through the model at once; bounds the memory.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1], any batch size; for a model of several inputs
            the structure of arrays that it takes.
        targets: None for the class with the largest score, a class index, (batch,) class indices, a float or bool mask
            over the outputs, or a function of the outputs that returns (batch,) tensors; see `targets.py`.
        progress: None, or a function that is called with the share done, in [0, 1], now and then.

    Returns:
        `Attribution`.

    Raises:
        UnsupportedModelError: If the method cannot be right for the model.
        ValueError: If images or targets do not fit the model.

    Example:
        >>> import numpy as np
        >>> import tensorflow as tf
        >>> # f(x) - f(x / 2) at every pixel.
        >>> class Darkened(keras_repvis.analysis.attribution.Method):
        ...     _changes_images = True
        ...     def _explain(self, query):
        ...         fall = query.score(query.outputs()) - query.score(query.outputs(query.images / 2))
        ...         return tf.ones_like(query.images[..., 0]) * fall[:, None, None], {"fall": fall}
        >>> method = Darkened(lambda images: tf.reduce_sum(images, axis=(1, 2)), batch_size=1)
        >>> result = method(np.ones((2, 4, 4, 3), "float32"), targets=1)
        >>> result.maps.shape, result.diagnostics["fall"].tolist(), result.diagnostics["target"].tolist()
        ((2, 4, 4), [8.0, 8.0], [1, 1])
    """

    _changes_images = False
    # Whether batch normalisations are computed within the layers before: not if the map depends on how f is computed.
    _folds = True
    # Traced functions that one method keeps; each new function of a user's as target needs one.
    _kept = 8

    def __init__(self, model, input_index=None, score="output", batch_size=32):
        checks.number("batch_size", batch_size, low=1, integer=True)
        checks.one_of("score", score, queries.SCORES)
        if not callable(model) or isinstance(model, type):
            raise ValueError(f"model={model!r} is not accepted: expected a keras.Model or a function of images.")
        if isinstance(model, keras.Model) and not model.built:
            raise ValueError(f"model={model.name!r} is not built: call it on a batch once.")
        self.model = model
        self.input_index = input_index
        self.score = score
        self.batch_size = batch_size
        self._specs = {}
        self._compiled = {}

    def __call__(self, images, targets=None, progress=None):
        return self._call_in_chunks(images, targets, progress)

    def _call_in_chunks(self, images, targets, progress, companions=()):
        """Return the `Attribution`; `companions` are arrays (batch, ...) that `_run` is given a chunk of, too."""
        inputs, index = self._read_images(images)
        count = len(inputs[index])
        select, values = targets_.read(targets, count, self._output_spec(images, inputs))
        maps, diagnostics = [], []
        for start in range(0, count, self.batch_size):
            chunk = slice(start, start + self.batch_size)
            # A chunk may take minutes: methods that loop report the share of it that is done.
            self._report = _share(progress, start / count, min(self.batch_size, count - start) / count)
            others = [array[chunk] for array in companions]
            some, found = self._run([array[chunk] for array in inputs], index, images, select, values[chunk], *others)
            self._report(1.0)
            maps.append(some)
            diagnostics.append(found)
        joined = {name: np.concatenate([found[name] for found in diagnostics]) for name in diagnostics[0]}
        return Attribution(maps=np.concatenate(maps), diagnostics=joined)

    def _run(self, inputs, index, structure, select, values):
        """Return (maps, diagnostics) of one chunk as arrays."""
        answer = self._compile(select, index, structure)
        maps, diagnostics, twice = answer([tf.constant(array) for array in inputs], tf.constant(values))
        self._check_scale(twice)
        return maps.numpy(), {name: value.numpy() for name, value in diagnostics.items()}

    def _check_scale(self, twice):
        """Raise a `ValueError` if a softmax was taken of outputs that are a distribution already."""
        if twice:
            raise ValueError(
                f"score={self.score!r} is not accepted for this model: its outputs are a distribution already. "
                "Set score='output'."
            )

    def _compile(self, select, index, structure, part="_answer"):
        """Return the traced `_answer` of one kind of question, the newest `_kept` of which are kept."""
        structure = tf.nest.map_structure(lambda _: 0, structure) if tf.nest.is_nested(structure) else 0
        key = (select, index, repr(structure), part)
        if key not in self._compiled:
            if len(self._compiled) >= self._kept:
                self._compiled.pop(next(iter(self._compiled)))
            answer = functools.partial(getattr(self, part), select, index, structure)
            self._compiled[key] = tf.function(answer, autograph=False, reduce_retracing=True)
        return self._compiled[key]

    def _answer(self, select, index, structure, inputs, values):
        query = queries.Query(self._call_model, inputs, index, structure, select, values, self.score)
        known = {}
        if self._changes_images:
            query, known = query.resolve()
        maps, diagnostics = self._explain(query)
        return tf.cast(maps, "float32"), {**known, **diagnostics}, self._is_scaled_twice(select, query)

    def _is_scaled_twice(self, select, query):
        """Return a boolean tensor: whether a softmax is taken of outputs that are a distribution already."""
        if self.score == "softmax" and not isinstance(select, targets_.Custom):
            return query.is_distribution(query.outputs())
        return tf.constant(False)

    def _explain(self, query):
        raise NotImplementedError

    def _call_model(self, inputs):
        if not isinstance(self.model, keras.Model):
            return inlined_function.call(self.model, inputs)
        return folded_model.call(self.model, inputs) if self._folds else self.model(inputs, training=False)

    def _represent(self, layer):
        """Return the `Representation` of a layer of the model, given as its name or as one already."""
        if isinstance(layer, Representation):
            if layer.model is not self.model:
                raise ValueError("layer is a Representation of another model.")
            return layer
        return Representation(self.model, layer)

    def _name(self):
        name = getattr(self.model, "name", None)
        return name if isinstance(name, str) else type(self.model).__name__

    def _read_images(self, images):
        """Return (flat list of arrays, which of them is the image)."""
        arrays = [_as_array(one) for one in tf.nest.flatten(images)]
        index = self.input_index
        if index is None:
            spatial = [place for place, array in enumerate(arrays) if array.ndim == 4]
            if len(arrays) > 1 and len(spatial) != 1:
                raise UnsupportedModelError(
                    f"model={self._name()!r} takes {len(arrays)} inputs, {len(spatial)} of them images: say which one "
                    "to explain by input_index."
                )
            index = spatial[0] if spatial else 0
        if not -len(arrays) <= index < len(arrays):
            raise ValueError(f"input_index={index} is not accepted: there are {len(arrays)} inputs.")
        index %= len(arrays)
        arrays[index] = arrays[index].astype("float32")
        lengths = {len(array) for array in arrays}
        expected = self._input_shapes(len(arrays))
        fits = all(
            len(want) == array.ndim and all(size in (None, have) for size, have in zip(want[1:], array.shape[1:]))
            for want, array in zip(expected, arrays)
        )
        if not fits or arrays[index].ndim != 4 or lengths == {0} or len(lengths) != 1:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise ValueError(
                f"images of shape {shapes} are not accepted: expected "
                f"{', '.join(map(str, expected)) or '(batch, height, width, channels)'} and at least one of them."
            )
        return arrays, index

    def _input_shapes(self, count):
        """Return the shapes that the model declares, or an empty list."""
        if not isinstance(self.model, keras.Model):
            return []
        try:
            declared = [tuple(tensor.shape) for tensor in tf.nest.flatten(self.model.inputs)]
        except (AttributeError, ValueError):
            return []
        if declared and len(declared) != count:
            raise ValueError(f"images are {count} arrays: model={self._name()!r} takes {len(declared)}.")
        return declared

    def _output_spec(self, images, inputs):
        """Return the structure of what the model puts out; it is traced once for shapes never seen."""
        if isinstance(self.model, keras.Model) and getattr(self.model, "outputs", None):
            flat = self.model.outputs
            return flat[0] if len(flat) == 1 else flat
        specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in inputs]
        key = tuple((spec.shape, spec.dtype) for spec in specs)
        if key not in self._specs:
            traced = tf.function(self._call_model, autograph=False)
            concrete = traced.get_concrete_function(tf.nest.pack_sequence_as(images, specs))
            self._specs[key] = concrete.structured_outputs
        return self._specs[key]


def _share(progress, before, size):
    """Return a function that reports a share of one chunk as a share of all."""
    return lambda share: None if progress is None else progress(min(1.0, before + size * share))


def _as_array(value):
    array = np.asarray(value)
    return array.astype("float32") if array.dtype == np.float64 else array
