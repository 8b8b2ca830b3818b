"""A copy of a model whose layers can be given random weights, each by its own initialiser; the model stays as it is.

The copy is made from the model's configuration, in memory, and so are the random weights: a second model from the same
configuration has those that training would begin with. Seeds that the configuration names are left out, or the weights
would be the very ones that the model was trained from.
"""

import contextlib
import copy
import random

import keras
import numpy as np
import tensorflow as tf

from keras_repvis.analysis import recording
from keras_repvis.analysis.unsupported import UnsupportedModelError

# Layers whose weights describe the data: nothing is learned by gradients, and their initial values are no model.
_DATA_LAYERS = (keras.layers.Normalization,)


class ModelCopy:
    """A model like another, layer by layer random on demand.

    Args:
        model: Built `keras.Model`: functional, nested, or subclassed with `get_config` and `from_config`.
        inputs: A few examples, what the model takes.
        seed: Integer >= 0, of the random weights.

    Attributes:
        model: The copy.
        layers: Dict of the path of a layer to the list of the numbers of its own weights, in the order of execution.

    Raises:
        UnsupportedModelError: If the model cannot be copied.
    """

    def __init__(self, model, inputs, seed=0):
        self._source = model
        self._inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        self.model = self._make(seed)
        self._fresh = self.model.get_weights()
        with self._explained():
            self.model.set_weights(model.get_weights())
            for layer in self.model._flatten_layers():
                if isinstance(layer, _DATA_LAYERS):
                    # They go by numbers that they take from their weights once.
                    layer.finalize_state()
            expected, found = (one(self._inputs, training=False) for one in (model, self.model))
            for one, other in zip(tf.nest.flatten(expected), tf.nest.flatten(found), strict=True):
                np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
        self.layers = _own_weights(self.model, self._inputs, model.name)

    def randomize(self, paths):
        """Give these layers random weights, and all others those of the model."""
        chosen = {place for path in paths for place in self.layers[path]}
        for place, (weight, value) in enumerate(zip(self.model.weights, self._source.get_weights())):
            weight.assign(self._fresh[place] if place in chosen else value)

    def _make(self, seed):
        with self._explained(), _random_state(seed):
            classes = {type(layer).__name__: type(layer) for layer in self._source._flatten_layers()}
            config = copy.deepcopy(keras.saving.serialize_keras_object(self._source))
            config.pop("compile_config", None)
            _forget_seeds(config)
            with keras.saving.custom_object_scope(classes):
                made = keras.saving.deserialize_keras_object(config, safe_mode=False)
            made(self._inputs, training=False)
        mine, theirs = ([tuple(weight.shape) for weight in one.weights] for one in (made, self._source))
        if mine != theirs:
            raise UnsupportedModelError(
                f"model={self._source.name!r} cannot be copied: made again from its configuration it has other weights."
            )
        return made

    @contextlib.contextmanager
    def _explained(self):
        """Context in which every error says that the model cannot be copied: code of the user's runs in it."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise UnsupportedModelError(
                f"model={self._source.name!r} cannot be copied: `get_config` and `from_config` must give the same "
                f"model again. {type(error).__name__}: {reason}"
            ) from error


def _own_weights(model, inputs, name):
    """Return {path: numbers of weights} of the innermost layer that holds each weight, in the order of execution."""
    calls = [call for call in recording.record(model, inputs)[1] if isinstance(call.operation, keras.Layer)]
    numbers = {id(weight): place for place, weight in enumerate(model.weights)}
    owners = {}
    for call in calls:
        for weight in call.operation.weights:
            known = owners.setdefault(id(weight), call)
            # A layer inside another is called after it.
            inside = len(call.operation.weights) <= len(known.operation.weights)
            if call.operation is not known.operation and inside:
                owners[id(weight)] = call
    # Weights that no layer holds are the model's own; they come first, as embeddings do.
    found = {name: [place for key, place in numbers.items() if key not in owners and _is_used(model, key)]}
    for call in calls:
        own = [numbers[id(weight)] for weight in call.operation.weights if owners[id(weight)] is call]
        if own and not isinstance(call.operation, _DATA_LAYERS):
            found[call.path] = own
    return {path: places for path, places in found.items() if places}


def _is_used(model, key):
    """Return whether the model itself made this weight: what belongs to layers that are never called is left out."""
    inner = {id(weight) for layer in model._flatten_layers(include_self=False) for weight in layer.weights}
    return key not in inner


def _forget_seeds(config, key=""):
    """Leave the seeds of initialisers out of a serialised model, in place."""
    if isinstance(config, dict):
        if key.endswith("initializer") and isinstance(config.get("config"), dict) and "seed" in config["config"]:
            config["config"]["seed"] = None
        for name, value in config.items():
            _forget_seeds(value, name)
    elif isinstance(config, (list, tuple)):
        for value in config:
            _forget_seeds(value)


@contextlib.contextmanager
def _random_state(seed):
    """Context in which initialisers draw from `seed`; Keras takes their seeds from Python's generator."""
    before = random.getstate()
    # Not the seed alone: a training that began with it would have begun with these very weights.
    random.seed(f"randomised layers {seed}")
    try:
        yield
    finally:
        random.setstate(before)
