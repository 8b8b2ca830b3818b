"""Rewrites a model as one flat graph of elementary layers, as a copy."""

import keras

from keras_repvis.models import graph


def inline(model):
    """Return a flat functional copy of `model`: no nested models, no blocks, the same function.

    The copy has its own layers and its own weights, equal in value; `model` is left as it was. A layer that is called
    several times stays one layer. Layers keep their names; where two nested models use the same name, the name of the
    nested model is put in front.

    Args:
        model: Functional `keras.Model`, or a sequential one with a known input shape.

    Returns:
        Functional `keras.Model` whose layers are all elementary.

    Raises:
        ValueError: If `model` is not functional.

    Example:
        >>> import keras
        >>> from keras_repvis import models
        >>> backbone = models.MobileNetV1((32, 32, 3), width_multiplier=0.25, include_top=False)
        >>> image = keras.Input((32, 32, 3))
        >>> nested = keras.Model(image, keras.layers.Flatten()(backbone(image)))
        >>> len(nested.layers), len(models.inline(nested).layers)
        (3, 84)
    """
    return copy(model)


def copy(model, changes=None, skipped=()):
    """Return a flat copy of `model` with some layers changed or left out.

    Args:
        model: Functional `keras.Model`.
        changes: Dict from an elementary layer's `id` to (changes of its configuration, its new list of weights).
        skipped: Set of `id`s of layers that pass their input on.

    Returns:
        Functional `keras.Model`.
    """
    copier = _Copier(changes or {}, skipped)
    source = graph.functional(model)
    inputs = keras.tree.map_structure(copier.copy_input, source.input)
    outputs = graph.walk(source, inputs, copier.call)
    result = keras.Model(inputs, outputs, name=model.name)
    copier.copy_weights()
    return result


class _Copier:
    """Copies each operation the first time it is met and calls the copy."""

    def __init__(self, changes, skipped):
        self.changes = changes
        self.skipped = skipped
        self.names = set()
        self.pairs = {}  # id of the original: (original, copy); the original is kept so that its id stays its own

    def copy_input(self, tensor):
        name = tensor.name
        self.names.add(name)
        return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)

    def call(self, operation, args, kwargs, owners):
        if id(operation) in self.skipped:
            return args[0]
        if id(operation) not in self.pairs:
            self.pairs[id(operation)] = (operation, self._copy(operation, owners))
        return self.pairs[id(operation)][1](*args, **kwargs)

    def copy_weights(self):
        for original, copied in self.pairs.values():
            if not getattr(original, "weights", []):
                continue
            if id(original) in self.changes:
                copied.set_weights(self.changes[id(original)][1])
            else:
                copied.set_weights(original.get_weights())

    def _copy(self, operation, owners):
        config = {**operation.get_config(), **self.changes.get(id(operation), ({},))[0]}
        if isinstance(operation, keras.layers.Layer):
            config["name"] = self._free_name(operation.name, owners)
        return type(operation).from_config(config)

    def _free_name(self, name, owners):
        candidates = [name, *("_".join((*owners[start:], name)) for start in reversed(range(len(owners))))]
        count = 1
        while candidates[0] in self.names:
            candidates.pop(0)
            if not candidates:
                candidates.append(f"{name}_{count}")
                count += 1
        self.names.add(candidates[0])
        return candidates[0]
