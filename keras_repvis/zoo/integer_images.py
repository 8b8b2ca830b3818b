"""Signatures of image-to-image models on whole numbers, as image files and cameras have them.

A model answers with floats, and whoever serves it would have to scale, clip and round alike everywhere. The signature
does it in the graph: for whole numbers from 0 to m, m = 255 of uint8 and 65,535 of uint16,

    y = round(m * clip(model(x / m), 0, 1)),

halves to the even neighbour, in float32.
"""

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.zoo.layout import SIGNATURE_TYPES

# What is asked for -> the name of the signature.
SIGNATURES = {name: f"translate_{name}" for name in SIGNATURE_TYPES}
OUTPUT = "translated"


def check_names(names):
    """Return `names` in the order of the table above, each once; raise a `ValueError` on others."""
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise ValueError(
            f"signatures={names!r} is not accepted: expected a sequence of names, of {', '.join(SIGNATURES)}."
        )
    given = {checks.one_of("signatures", name, SIGNATURES) for name in names}
    return tuple(name for name in SIGNATURES if name in given)


def trace(serve, spec, name):
    """Return the concrete function of the signature on whole numbers.

    Args:
        serve: `tf.function` of a tensor of `spec` that returns a dict of named outputs.
        spec: `tf.TensorSpec` of float images `(batch, height, width, channels)`; each size may be free.
        name: "uint8" or "uint16".

    Returns:
        Concrete function from `images`, of the type that `name` says, to {"translated": images of the same type}.

    Raises:
        ValueError: If `serve` does not map one batch of images to one batch of images.
    """
    dtype = tf.as_dtype(name)
    _check_image_to_image(spec, tf.nest.flatten(serve.get_concrete_function().structured_outputs))

    @tf.function(input_signature=[tf.TensorSpec(spec.shape, dtype, name="images")])
    def translate(images):
        (outputs,) = tf.nest.flatten(serve(tf.cast(tf.cast(images, tf.float32) / dtype.max, spec.dtype)))
        return {OUTPUT: tf.cast(tf.round(dtype.max * tf.clip_by_value(tf.cast(outputs, tf.float32), 0.0, 1.0)), dtype)}

    return translate.get_concrete_function()


def check_signatures(names, saved_model, inputs, tolerance):
    """Raise a `ValueError` unless the signatures of a loaded SavedModel answer as its call does, rounded.

    Args:
        names: Sequence of "uint8" and "uint16".
        saved_model: Loaded SavedModel with a call on floats.
        inputs: Array of float images in [0, 1]; rounded to the whole numbers of the signature.
        tolerance: What two compilations of the network may differ by; see `equality.tolerance`.
    """
    for name in names:
        limit = np.iinfo(name).max
        images = np.round(limit * np.clip(inputs, 0.0, 1.0).astype("float64")).astype(name)
        floats = (images / np.float32(limit)).astype(inputs.dtype)
        (expected,) = tf.nest.flatten(saved_model(tf.constant(floats), training=False))
        found = np.asarray(saved_model.signatures[SIGNATURES[name]](images=tf.constant(images))[OUTPUT])
        difference = np.abs(limit * np.clip(tf.cast(expected, tf.float64), 0.0, 1.0) - found).max(initial=0.0)
        if not difference <= 0.5 + tolerance * limit:
            raise ValueError(
                f"model is not fit to publish: its signature {SIGNATURES[name]} differs from its call by {difference}."
            )


def _check_image_to_image(spec, outputs):
    shapes = [tuple(output.shape) if output.shape.rank is not None else None for output in outputs]
    is_image = len(outputs) == 1 and outputs[0].shape.rank == 4 and outputs[0].dtype.is_floating
    if not (is_image and spec.shape.rank == 4 and spec.dtype.is_floating):
        raise ValueError(
            "signatures on whole numbers are those of a model from images to images, float "
            f"(batch, height, width, channels): this one takes {tuple(spec.shape)} and returns {shapes}."
        )
