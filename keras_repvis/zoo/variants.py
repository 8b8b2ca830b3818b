"""Variants of a version: the same network in forms that are smaller or faster, each compared with the model.

`folded` is a SavedModel with batch normalisation folded into the convolutions and the weights frozen to constants: the
same answers in float32, and the form to serve. `float16` and `int8` are LiteRT files, half and a quarter of the size.
"""

import pathlib
import shutil

import numpy as np
import tensorflow as tf

from keras_repvis import checks, models
from keras_repvis.zoo import canonical, equality, export, frozen, litert
from keras_repvis.zoo.layout import FOLDED, VARIANTS

FILES = {FOLDED: "folded", "float16": "float16.tflite", "int8": "int8.tflite"}
# Relative to the largest output. Measured on MobileNetV1, V2 and V3-Small trained on digits, 500 test images: float16
# is off by up to 0.006, in batches of 16 up to 0.012, exactly what weights rounded to float16 give in float32; int8,
# calibrated on 512 images, by up to 0.09, 0.13 and 0.24. That is the one worst of 5,000 logits, beyond the range that
# calibration saw; 0.99 of the images kept their class. Calibrated on too few images, or with channels of very different
# sizes in one layer, int8 is off by 0.3 to 1.
TOLERANCES = {"float16": 2e-2, "int8": 0.25}
LEAST_AGREEMENT = 0.9
FEWEST_IMAGES = 32
_MOST_IMAGES = 1024
_CHUNK = 64


def write(model, directory, names, inputs, expected, calibration_images=None, signatures=()):
    """Write variants of `model` into the directory of its version and compare each with the model.

    A variant is read back from its file and run. If it answers otherwise than its tolerance allows, or if it cannot be
    made, its file is removed and it is refused with the reason.

    `int8` is calibrated on three of four `calibration_images` and compared on the others, as its activations are right
    only for images like those; it must also agree with the model on the class of at least 0.9 of them.

    Args:
        model: Built `keras.Model` with one input tensor.
        directory: Path of the version's directory.
        names: Sequence of names in `layout.VARIANTS`.
        inputs: Array, a batch to compare `folded` and `float16` on.
        expected: Outputs of the model on it; see `equality.outputs`.
        calibration_images: Array of at least 32 inputs such as the model will meet, needed for `int8`, better some
            hundreds; of more than 1,024 an evenly spaced part is used.
        signatures: Signatures of `folded` on whole numbers, as in `export.save`.

    Returns:
        Two dicts. The first has for each variant that was written {"file": relative name, "bytes": size of the file or
        of all files of the directory, "difference": largest difference from the model, relative to the largest output,
        "tolerance": largest one accepted, "agreement": share of inputs with the same class or None if the model is no
        classifier, "examples": number of inputs compared}, and for `int8` "calibrated_on", a number of images. The
        second has the reason for each that was refused.

    Raises:
        ValueError: If a name is not known or the calibration images do not fit the model.
        OSError: If a file cannot be written.
    """
    names = {checks.one_of("variants", name, VARIANTS) for name in names}
    images = _checked_images(model, calibration_images)
    folded, hidden = _fold(model, inputs) if names else (None, None)
    published, refused = {}, {}
    for name in sorted(names, key=VARIANTS.index):
        path = pathlib.Path(directory, FILES[name])
        try:
            if name == FOLDED:
                facts = _write_folded(model, folded, hidden, path, inputs, expected, signatures)
            elif name == "float16":
                facts = _write_float16(model, folded, path, inputs, expected)
            else:
                facts = _write_int8(model, folded, path, images)
            published[name] = {"file": FILES[name], "bytes": _size(path), **facts}
        except ValueError as error:
            refused[name] = str(error)
        finally:
            if name not in published:
                _remove(path)
    return published, refused


def _fold(model, sample):
    """Return (`model` folded, None), or (None, the error) if its graph is hidden or folding changes its answers."""
    try:
        folded = models.fold_batch_norm(model, equality.tolerance(model), sample=sample)
    except ValueError as error:
        return None, error
    export.settle_generators(folded)  # Their states become constants of the graph.
    return folded, None


def _write_folded(model, folded, hidden, path, inputs, expected, signatures):
    if folded is None:
        raise hidden
    frozen.save(folded, path, like=model, signatures=signatures)
    canonical.canonical_saved_model(path)
    found = equality.outputs(tf.saved_model.load(str(path)), inputs)
    return _compare(model, expected, found, equality.tolerance(model))


def _write_float16(model, folded, path, inputs, expected):
    # What cannot be folded here is converted as it is: the converter folds what it can.
    path.write_bytes(litert.convert(folded or model, like=model))
    return _compare(model, expected, _outputs_of_file(model, path, inputs), TOLERANCES["float16"])


def _write_int8(model, folded, path, images):
    if images is None:
        raise ValueError("no calibration images were given")
    if len(images) < FEWEST_IMAGES:
        raise ValueError(f"{len(images)} calibration images were given, at least {FEWEST_IMAGES} are needed")
    images = images[:: -(-len(images) // _MOST_IMAGES)]
    is_held_out = np.arange(len(images)) % 4 == 3
    calibration, held_out = images[~is_held_out], images[is_held_out]
    path.write_bytes(litert.convert(folded or model, like=model, images=calibration))
    chunks = [equality.outputs(model, held_out[start : start + _CHUNK]) for start in range(0, len(held_out), _CHUNK)]
    expected = [np.concatenate(parts) for parts in zip(*chunks)]
    facts = _compare(model, expected, _outputs_of_file(model, path, held_out), TOLERANCES["int8"])
    if facts["agreement"] is not None and facts["agreement"] < LEAST_AGREEMENT:
        raise ValueError(f"it agrees on the class of {facts['agreement']:.3g} of the images, below {LEAST_AGREEMENT}")
    return {**facts, "calibrated_on": len(calibration)}


def _outputs_of_file(model, path, inputs):
    """Return the outputs of a LiteRT file as a list in the order of `equality.outputs`."""
    try:
        outputs = litert.LiteRT(path)(inputs)
    except RuntimeError as error:
        raise ValueError(f"the LiteRT interpreter cannot run it: {error}") from error
    return [outputs[name] for name in _names(model)] if isinstance(outputs, dict) else [outputs]


def _names(model):
    """Return the names of the outputs of `model` in the order in which TensorFlow flattens them."""
    structure = getattr(model, "output", [0])
    names = list(export.named_outputs(model)(structure))
    return sorted(names) if isinstance(structure, dict) else names


def _compare(model, expected, found, limit):
    """Return what the manifest says of the outputs `found`; raise a `ValueError` if they differ too much."""
    if [array.shape for array in expected] != [array.shape for array in found]:
        raise ValueError("its outputs have other shapes than those of the model")
    difference = equality.relative_difference(expected, found)
    if not difference <= limit:
        raise ValueError(f"its outputs differ by {difference:.3g}, relative to the largest one: more than {limit:g}")
    agreement = None
    if _is_classifier(model, expected):
        agreement = float(np.mean(expected[0].argmax(axis=-1) == found[0].argmax(axis=-1)))
    facts = {"difference": difference, "tolerance": limit, "agreement": agreement}
    return {**facts, "examples": len(expected[0])}


def _is_classifier(model, outputs):
    """Return whether the one output has a number a class."""
    return len(outputs) == 1 and outputs[0].ndim == 2 and _names(model) != ["features"]


def _checked_images(model, images):
    if images is None:
        return None
    spec = export.input_spec(model)
    try:
        array = np.asarray(images, spec.dtype.as_numpy_dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"calibration_images are not accepted: expected an array of numbers. {error}") from None
    if not spec.shape.is_compatible_with(array.shape):
        raise ValueError(f"calibration_images have shape {array.shape}: expected {tuple(spec.shape)}.")
    return array


def _size(path):
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
