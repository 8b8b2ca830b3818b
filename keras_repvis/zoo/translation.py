"""Two generators that translate to and fro, published as a pair that knows how it was trained.

Each of the two says in its manifest, under "training", what both were trained by, and besides

    "direction"       "a2b" or "b2a"
    "inverse"         the publisher/model of the other direction
    "pair"            SHA-256 of the weights of both, by which the version of the inverse is found that belongs to this
    "preprocessing"   what images it was trained on and which it takes; scaling and norms are inside the model

so that nobody has to repeat options of training to translate images, and none can differ.
"""

import hashlib
import json

import numpy as np

from keras_repvis.data import resize as resizing
from keras_repvis.zoo import admissible_sizes, equality, provenance
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.listing import list_versions
from keras_repvis.zoo.publishing import publish
from keras_repvis.zoo.resolving import resolve

DIRECTIONS = {"a2b": "b2a", "b2a": "a2b"}
# Entries of "training" that are written here.
FACTS = ("direction", "inverse", "pair", "preprocessing")
_SIDE = 64
_SEED = 20240229


def publish_translation(
    generator_ab,
    generator_ba,
    handle,
    training=None,
    root=None,
    *,
    metrics=None,
    signatures=("uint8", "uint16"),
    **facts,
):
    """Publish two generators as `<handle>_a2b` and `<handle>_b2a`.

    Both have the signatures on whole numbers, and a check on images of the size they were trained on. The same pair
    published again is the pair that is there. The two appear one after the other: a process killed in between leaves
    the first, and publishing again adds the second.

    Args:
        generator_ab: Built `keras.Model` from images of A to images of B, float32 in [0, 1].
        generator_ba: The other way.
        handle: String "publisher/model", the start of both handles.
        training: Mapping that says how both were trained, everything that determines it; "image_size" in it is taken
            for the size of training images. Default none.
        root: Root of the zoo; see `find_root`.
        metrics: Mapping {"a2b": metrics, "b2a": metrics} of mappings as `publish` takes them, or None.
        signatures: As in `publish`; "uint8" and "uint16" by default.
        **facts: Further arguments of `publish`, the same for both.

    Returns:
        Pair of `Version`, a2b and b2a.

    Raises:
        ValueError: If an argument is not accepted, or the models do not take each other's images. Nothing is published
            then.
        OSError: If the zoo cannot be written.

    Example:
        >>> import tempfile
        >>> from keras_repvis import models, zoo
        >>> pair = [models.ResNetGenerator((None, None, 3), blocks=1, filters=2) for _ in range(2)]
        >>> with tempfile.TemporaryDirectory() as root:
        ...     there, back = zoo.publish_translation(*pair, "me/maps", {"image_size": 32, "seed": 0}, root=root)
        ...     print(there.handle, there.manifest["training"]["inverse"], zoo.find_inverse("me/maps_b2a", root).handle)
        ...     print(there.manifest["training"]["preprocessing"]["multiple"])
        me/maps_a2b/1 me/maps_b2a me/maps_a2b/1
        4
    """
    target = handles.parse(handle)
    if target.version is not None or target.alias is not None:
        raise ValueError(f"handle={handle!r} is not accepted: the zoo gives the number, expected 'publisher/model'.")
    names = {direction: str(handles.parse(f"{target}_{direction}")) for direction in DIRECTIONS}
    options = provenance.plain("training", training)
    taken = [name for name in FACTS if name in options]
    if taken:
        raise ValueError(f"training has {', '.join(map(repr, taken))}, which this function writes: leave it out.")
    measured = provenance.plain("metrics", metrics)
    if not measured.keys() <= DIRECTIONS.keys():
        raise ValueError(f"metrics={metrics!r} is not accepted: expected a mapping with 'a2b' and 'b2a'.")
    models = {"a2b": generator_ab, "b2a": generator_ba}
    size = options.get("image_size")
    made = {direction: _preprocessing(model, size) for direction, model in models.items()}
    for direction, inverse in DIRECTIONS.items():
        if made[direction]["output_channels"] != made[inverse]["channels"]:
            raise ValueError(
                f"generator_{direction[0]}{direction[2]} puts out {made[direction]['output_channels']} channels, and "
                f"the other takes {made[inverse]['channels']}: expected two models that take each other's images."
            )
    pair = _digest(models)
    versions = []
    for direction, model in models.items():
        own = dict(zip(FACTS, (direction, names[DIRECTIONS[direction]], pair, made[direction])))
        version = publish(
            model,
            names[direction],
            root,
            training={**options, **own},
            metrics=measured.get(direction),
            signatures=signatures,
            inputs=facts.get("inputs", _noise(made[direction])),
            **{name: value for name, value in facts.items() if name != "inputs"},
        )
        versions.append(version)
    return tuple(versions)


def find_inverse(handle, root=None):
    """Find the version that translates back, published together with a given one.

    Args:
        handle: As in `resolve`, of one of a pair that `publish_translation` published.
        root: Root of the zoo; see `find_root`.

    Returns:
        A `Version`.

    Raises:
        ValueError: If it is not of a pair, or its inverse is not there.

    Example:
        >>> from keras_repvis import zoo
        >>> zoo.find_inverse("repvis/mobilenet_v2_digits")
        Traceback (most recent call last):
        ...
        ValueError: repvis/mobilenet_v2_digits/1 was not published with an inverse.
    """
    version = resolve(handle, root)
    training = version.manifest["training"]
    if not all(name in training for name in FACTS):
        raise ValueError(f"{version.handle} was not published with an inverse.")
    # Where the version itself is, which may have been named by its path.
    for found in reversed(list_versions(version.path.parents[2], shipped=False)):
        if found.handle.rpartition("/")[0] == training["inverse"]:
            if found.manifest["training"].get("pair") == training["pair"]:
                return found
    raise ValueError(f"{version.handle}: its inverse, a version of {training['inverse']}, is not there.")


def _preprocessing(model, image_size):
    """Return what the manifest says of the images of a model."""
    sizes = admissible_sizes.find_sizes(model)
    size = None if image_size is None else resizing.check_size("image_size", image_size)
    if size is None:
        fits = sizes.at_least(_SIDE, _SIDE)
        size = sizes.height or fits[0], sizes.width or fits[1]
    elif sizes.at_least(*size) != size:
        raise ValueError(f"training['image_size']={image_size!r} is not accepted: {model.name} does not take it.")
    return {
        "channels": sizes.channels,
        "height": sizes.height,
        "image_size": list(size),
        "multiple": sizes.multiple,
        "output_channels": model.output_shape[-1],
        "range": [0.0, 1.0],
        "smallest": sizes.smallest,
        "width": sizes.width,
    }


def _noise(preprocessing):
    """Return images to check on, of the size of training; multiples of 1/255, which image files hold."""
    shape = (2, *preprocessing["image_size"], preprocessing["channels"] or 3)
    return np.random.default_rng(_SEED).integers(0, 256, shape).astype(np.float32) / np.float32(255)


def _digest(models):
    weights = {
        direction: sorted(entry["sha256"] for entry in equality.digest_weights(model).values())
        for direction, model in models.items()
    }
    return hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest()
