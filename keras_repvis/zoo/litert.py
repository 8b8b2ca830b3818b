"""LiteRT files (formerly TensorFlow Lite): a network in one small file for phones, and for processors at batch 1."""

import pathlib
import warnings

import numpy as np
import tensorflow as tf

from keras_repvis import checks
from keras_repvis.zoo import export, frozen
from keras_repvis.zoo.layout import LITERT_VARIANTS
from keras_repvis.zoo.resolving import reading

SUFFIX = ".tflite"
_DELETION_NOTICE = r"\s*Warning: tf\.lite\.Interpreter is deprecated"


class LiteRT:
    """Runs a LiteRT file on the processor.

    The interpreter is that of the package `ai-edge-litert` if it is installed (the extra `litert`), else the one inside
    TensorFlow. An object is for one thread at a time.

    Args:
        source: Handle or path of a published version, which is verified first; or the path of a file that ends in
            `.tflite`.
        variant: "float16" (default) or "int8"; a file is what it is.
        root: Root of the zoo; see `find_root`.
        threads: Integer >= 1, processor threads. Default 1.
        batch_size: Integer >= 1, images computed at once; bounds the memory. Default 32.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1], or what the model takes; any batch size.

    Returns:
        float32 array (batch, ...), or of a model with several outputs a dict of them.

    Raises:
        ValueError: If the version has no such variant, the file cannot be read, or the images do not fit.
        IntegrityError: If a file of the version is missing, extra or changed.

    Example:
        >>> LiteRT("no/such/file.tflite")
        Traceback (most recent call last):
        ...
        ValueError: source='no/such/file.tflite' is not accepted: there is no such file.
    """

    def __init__(self, source, variant="float16", root=None, threads=1, batch_size=32):
        checks.one_of("variant", variant, LITERT_VARIANTS)
        checks.number("threads", threads, low=1, integer=True)
        self.batch_size = checks.number("batch_size", batch_size, low=1, integer=True)
        content = _read(source, variant, root)
        try:
            self._interpreter = _interpreter_class()(model_content=content, num_threads=int(threads))
            self._run = self._interpreter.get_signature_runner(export.SERVING)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"source={str(source)!r} is not accepted: it holds no LiteRT model. {error}") from error
        ((self._input, details),) = self._run.get_input_details().items()
        self.input_shape = tuple(None if size < 0 else int(size) for size in details["shape_signature"])

    def __call__(self, images):
        images = self._checked(images)
        starts = range(0, len(images), self.batch_size)
        parts = [self._run(**{self._input: images[start : start + self.batch_size]}) for start in starts]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def _checked(self, images):
        array = np.asarray(images, "float32")
        expected = self.input_shape
        fits = array.ndim == len(expected) and array.shape[1:] == expected[1:]
        if not fits or not len(array):
            raise ValueError(f"images of shape {array.shape} are not accepted: expected {expected}, at least one.")
        return np.ascontiguousarray(array)


def convert(model, like, images=None):
    """Return the bytes of a LiteRT file of `model`, with a free batch size and the signature `serving_default`.

    Args:
        model: Built `keras.Model`, float32 of fixed sizes but for the batch.
        like: Model whose names the input and the outputs get.
        images: None for weights in float16; or float32 array (examples, ...) to calibrate on, for weights and
            activations in int8 with input and output in float32.

    Raises:
        ValueError: If the converter cannot.
    """
    spec = export.input_spec(like)
    if spec.dtype != tf.float32 or None in spec.shape[1:]:
        raise ValueError(f"input {spec.dtype.name} {tuple(spec.shape)}: expected float32 of fixed sizes for LiteRT")
    network, with_names = frozen.freeze(model, spec), export.named_outputs(like)

    @tf.function(input_signature=[spec])
    def serve(inputs):
        return with_names(network(inputs))

    holder = tf.train.Checkpoint(serve=serve)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], holder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if images is None:
        converter.target_spec.supported_types = [tf.float16]
    else:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images)
    content = _converted(converter)
    if images is not None and _holds_floats(content):
        raise ValueError("an operation between its layers has no integer form in LiteRT")
    return content


def _converted(converter):
    try:
        with warnings.catch_warnings():
            # Of the range of an input in int8, which ours is not.
            warnings.simplefilter("ignore")
            return converter.convert()
    except (MemoryError, OSError, tf.errors.OpError):
        raise
    except Exception as error:  # The converter's own errors have no public class.
        raise ValueError(f"the LiteRT converter refuses it: {_first_line(error)}") from error


def _holds_floats(content):
    """Return whether anything but inputs and outputs is float32: the converter leaves so what it cannot quantise."""
    interpreter = _interpreter_class()(model_content=content)
    ends = [detail["index"] for detail in interpreter.get_input_details() + interpreter.get_output_details()]
    floats = [detail["index"] for detail in interpreter.get_tensor_details() if detail["dtype"] == np.float32]
    return bool(set(floats) - set(ends))


def _read(source, variant, root):
    """Return the bytes of the file that `source` means."""
    if str(source).endswith(SUFFIX):
        path = pathlib.Path(source)
        if not path.is_file():
            raise ValueError(f"source={str(source)!r} is not accepted: there is no such file.")
        return path.read_bytes()
    with reading(source, root) as version:
        variants = version.verify("once")["variants"]
        checks.one_of(f"variant of {version.handle}", variant, [name for name in variants if name in LITERT_VARIANTS])
        return (version.path / variants[variant]["file"]).read_bytes()


def _interpreter_class():
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    except ImportError:
        return _interpreter_of_tensorflow


def _interpreter_of_tensorflow(**arguments):
    with warnings.catch_warnings():
        # It announces its deletion in favour of ai-edge-litert, which is used where there is one.
        warnings.filterwarnings("ignore", _DELETION_NOTICE)
        return tf.lite.Interpreter(**arguments)


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]
