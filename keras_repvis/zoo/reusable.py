"""A loaded reusable SavedModel, with the parts of TensorFlow Hub's interface that a layer needs, told apart."""

import inspect

import keras
import tensorflow as tf


class Reusable:
    """What can be called, which variables it uses, and which of them train.

    Args:
        loaded: Result of `tf.saved_model.load`.
        name: How to call it in messages.

    Attributes:
        variables: List of all variables a call may use, in the order of the SavedModel, those that it uses without
            listing them last.
        trainable: Set of the places in `variables` of those that the SavedModel lists as trainable.

    Raises:
        ValueError: If `loaded` cannot be called, or not with one tensor or one structure of tensors.
    """

    def __init__(self, loaded, name):
        function = getattr(loaded, "__call__", None) if callable(loaded) else None
        if not getattr(function, "concrete_functions", None):
            raise ValueError(
                f"handle={name!r} is not accepted: it cannot be called, so it is not a reusable SavedModel. Publish "
                "the model, or for a signature use keras.layers.TFSMLayer."
            )
        self._loaded = loaded
        self._function = function
        self._takes_training = "training" in inspect.signature(function).parameters
        arguments, _ = function.concrete_functions[0].structured_input_signature
        if not arguments:
            raise ValueError(f"handle={name!r} is not accepted: its call takes no input.")
        self._specs = arguments[0]
        self.variables = _distinct(
            getattr(loaded, "variables", ()), *(trace.variables for trace in function.concrete_functions)
        )
        trainable = {id(variable) for variable in getattr(loaded, "trainable_variables", ())}
        self.trainable = {place for place, variable in enumerate(self.variables) if id(variable) in trainable}

    def __call__(self, inputs, training):
        """Return the outputs for `inputs`, whose floating types are changed to those the SavedModel was traced with."""
        inputs = self._converted(inputs)
        return self._function(inputs, training=training) if self._takes_training else self._function(inputs)

    @property
    def regularization_losses(self):
        """Dict of place in `variables` -> list of functions that return a scalar loss of that trainable variable."""
        places = {id(self.variables[place]): place for place in sorted(self.trainable)}
        found = {}
        for loss in getattr(self._loaded, "regularization_losses", ()) if places else ():
            used = {id(variable) for trace in loss.concrete_functions for variable in trace.variables}
            # Of several, or of a constant, whichever comes first: it is added once.
            place = min([places[one] for one in used & places.keys()], default=min(self.trainable))
            found.setdefault(place, []).append(loss)
        return found

    def input_specs(self, shapes):
        """Return the structure of `tf.TensorSpec` of inputs of the structure of `shapes`, tuples of sizes or None."""
        return keras.tree.map_structure_up_to(
            self._specs, lambda spec, shape: tf.TensorSpec(shape, spec.dtype), self._specs, shapes
        )

    def output_specs(self, inputs):
        """Return the structure of `tf.TensorSpec` of the outputs for inputs like the structure of specs `inputs`.

        TensorFlow follows the sizes of the inputs through the graph, also where the SavedModel leaves them free.
        """
        traced = tf.function(lambda tensors: self(tensors, training=False)).get_concrete_function(inputs)
        return tf.nest.map_structure(lambda one: tf.TensorSpec(one.shape, one.dtype), traced.structured_outputs)

    def _converted(self, inputs):
        def convert(tensor, spec):
            tensor = tf.convert_to_tensor(tensor)
            return tf.cast(tensor, spec.dtype) if tensor.dtype.is_floating and spec.dtype.is_floating else tensor

        try:
            return tf.nest.map_structure(convert, inputs, self._specs)
        except (TypeError, ValueError):
            return inputs  # Another structure: the SavedModel says itself what it takes.


def _distinct(*sequences):
    found = {id(variable): variable for variables in sequences for variable in variables}
    return list(found.values())
