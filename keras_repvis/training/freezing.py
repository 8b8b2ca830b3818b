"""Freezing: the layers of a model that training leaves as they are, chosen by patterns of their names."""

import difflib
import fnmatch
import heapq

import keras


def freeze(model, patterns):
    """Freeze every layer of `model` whose path matches one of `patterns`, with all that is in it.

    A layer's path is its name after the names of the models and blocks around it, joined by "/", without the name of
    `model` itself: "encoder/stem_conv". Patterns are those of a shell: `*` is anything (also several levels, "/"
    included), `?` one character, `[ab]` one of these. The MobileNets of this package are flat, and the parts of a
    block share a prefix: "stem_*" is the stem, "block_1_*" the first block, "block_[1-4]_*" the first four, while
    "block_1*" takes in block 10 as well.

    A frozen layer has `trainable = False`: its weights get no gradient. A frozen `keras.layers.BatchNormalization`
    moreover works in inference mode, also in training: it normalises by its moving statistics and does not change
    them. Dropout and other noise stay as they are.

    Freeze before `compile`: a model that has been fitted goes on training frozen layers until it is compiled again.
    `.keras` files keep what is frozen, except for layers that a block makes for itself
    (`keras_repvis.layers.InvertedResidual` as one layer; the models here have none): call `freeze` again after
    loading such a model.

    Args:
        model: `keras.Model` or layer, built; models inside it are searched to any depth.
        patterns: Sequence of strings, or one string.

    Returns:
        List of the paths of the layers that are now frozen by these patterns, in the order of the model.

    Raises:
        ValueError: If `model` is no layer, a pattern matches nothing, or a matching layer is not built.

    Example:
        >>> model = keras_repvis.models.MobileNetV2(input_shape=(32, 32, 1), classes=10, width_multiplier=0.35)
        >>> keras_repvis.training.freeze(model, ["stem_*"])
        ['stem_conv', 'stem_conv_norm', 'stem_conv_activation']
    """
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"model={model!r} is not accepted: expected a keras.Model or a layer.")
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    found = list(_walk(model))
    paths = [path for path, _ in found]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(path, str(pattern)) for path in paths):
            raise ValueError(f"patterns: {pattern!r} matches no layer of {model.name}. {_nearest(pattern, paths)}")
    frozen = [
        (path, layer) for path, layer in found if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
    ]
    for path, layer in frozen:
        if not layer.built:
            raise ValueError(
                f"model={model.name!r} is not accepted: its layer {path!r} has no weights yet. Build the model first, "
                "for instance by calling it on a batch."
            )
    for _, layer in frozen:
        layer.trainable = False  # Keras hands it down to the layers inside.
    inside = {id(inner) for _, layer in frozen for inner in layer._flatten_layers()}
    return list(dict.fromkeys(path for path, layer in found if id(layer) in inside))


def _walk(layer, prefix=""):
    """Yield (path, layer) of every layer inside `layer`, each before those inside it; a shared one at each path."""
    for inner in layer._layers:
        if not isinstance(inner, keras.layers.InputLayer):
            yield prefix + inner.name, inner
            yield from _walk(inner, f"{prefix}{inner.name}/")


def _nearest(pattern, paths):
    """Return a sentence with the paths that are most like `pattern`, or begin or end most like it."""
    if not paths:
        return "It has no layers."
    stem = str(pattern).replace("*", "").replace("?", "")

    def likeness(path):
        parts = (path, path[: len(stem)], path[-len(stem) :])
        return max(difflib.SequenceMatcher(None, stem, part).ratio() for part in parts)

    return f"Nearest: {', '.join(heapq.nlargest(5, dict.fromkeys(paths), key=likeness))}."
