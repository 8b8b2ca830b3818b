"""A Keras model as a reusable SavedModel: one that TensorFlow Hub, TF Serving and Keras can run and fine-tune."""

import keras
import tensorflow as tf

from keras_repvis.zoo import integer_images

# Output layers whose name says what comes out; any other single output is called "outputs".
_TELLING_NAMES = ("logits", "probabilities", "features")
SERVING = "serving_default"
ENCODED = "encoded_images"


def save(model, directory, signatures=()):
    """Write `model` to `directory` in the SavedModel format, with TensorFlow Hub's reusable interface.

    The loaded object has

    * `__call__(inputs, training=False)`, traced for both values of `training`, so that batch normalisation and dropout
      behave as in Keras when it is fine-tuned;
    * `variables`, `trainable_variables` and `regularization_losses` (functions without arguments);
    * the signature `serving_default` on the model's input, named `images` if it is float32 images `(batch, height,
      width, 1 or 3)` in [0, 1] and else `inputs`;
    * for images the signature `encoded_images`, on strings that hold one JPEG, PNG, GIF or BMP file
      each. They are resized to the model's height and width, bilinear with antialiasing; where these are free, the
      images of one batch must be of one size;
    * where they are asked for, `translate_uint8` and `translate_uint16`, from images to images of whole numbers; see
      `keras_repvis.zoo.integer_images`.

    A single output is called after its layer if that is `logits`, `probabilities` or `features`, else `outputs`;
    several outputs keep Keras' names.

    Args:
        model: Built `keras.Model` with one input tensor; the batch size is freed if it was fixed.
        directory: Path of the directory to write.
        signatures: Sequence of "uint8" and "uint16", signatures on whole numbers. Default none.

    Returns:
        Dict of signature name -> {"inputs", "outputs"} -> tensor name -> {"dtype", "shape"}, plain JSON values.

    Raises:
        ValueError: If `model` has no graph TensorFlow can save, or does not map images to images as a signature needs.
    """
    spec = input_spec(model)
    reusable = _reusable(model, spec)
    try:
        return save_reusable(reusable, spec, named_outputs(model), directory, signatures)
    except AssertionError as error:
        # TensorFlow's way to say that a layer holds state which Keras does not know of.
        raise ValueError(f"model={model.name!r} holds a resource that no layer tracks: {error}") from error


def save_reusable(reusable, spec, with_names, directory, signatures=()):
    """Write an object that TensorFlow can track to `directory`, with the signatures described in `save`.

    Args:
        reusable: Object whose `__call__(inputs, training=False)` is a `tf.function`.
        spec: `tf.TensorSpec` of the inputs; see `input_spec`.
        with_names: Function from outputs to named outputs; see `named_outputs`.
        directory: Path of the directory to write.
        signatures: As in `save`.

    Returns:
        What `save` returns.
    """
    call = getattr(reusable, "__call__")

    @tf.function(input_signature=[spec])
    def serve(inputs):
        return with_names(call(inputs, training=False))

    traced = {SERVING: serve.get_concrete_function()}
    if takes_images(spec):
        traced[ENCODED] = _encoded(serve, spec)
    for name in integer_images.check_names(signatures):
        traced[integer_images.SIGNATURES[name]] = integer_images.trace(serve, spec, name)
    tf.saved_model.save(reusable, str(directory), signatures=traced)
    return {name: _describe(signature) for name, signature in traced.items()}


def input_spec(model):
    """Return the `tf.TensorSpec` of the one input of `model`, with a free batch size.

    Raises:
        ValueError: If `model` is not a built Keras model with exactly one input tensor.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model={model!r} is not accepted: expected a keras.Model, not {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"model={model.name!r} is not built: give it an Input, or call it on a batch once.")
    inputs = getattr(model, "inputs", None)
    if inputs is not None and len(inputs) != 1:
        raise ValueError(f"model={model.name!r} has {len(inputs)} inputs: expected one tensor.")
    if inputs:
        shape, dtype = inputs[0].shape, inputs[0].dtype
    else:
        shape, dtype = (model.get_build_config() or {}).get("input_shape"), model.input_dtype
        if not isinstance(shape, (tuple, list)) or not all(size is None or isinstance(size, int) for size in shape):
            raise ValueError(f"model={model.name!r} does not take exactly one tensor: its input shape is {shape}.")
    spec = tf.TensorSpec((None, *shape[1:]), dtype)
    # Keras numbers the names of inputs by the tensors a process has made: they would differ from run to run.
    return tf.TensorSpec(spec.shape, spec.dtype, name="images" if takes_images(spec) else "inputs")


def takes_images(spec):
    """Return whether a tensor of `spec` holds grey or colour images: float `(batch, height, width, 1 or 3)`."""
    return spec.shape.rank == 4 and spec.shape[-1] in (1, 3) and spec.dtype.is_floating


def variables(model):
    """Return all variables a call of `model` uses, the states of its random generators included, as `tf.Variable`s."""
    return [variable.value for variable in model.variables]


def only_weights(model, values):
    """Return those of `values`, given in the order of `variables`, that belong to the weights of `model`."""
    weights = {id(weight) for weight in model.weights}
    return [value for variable, value in zip(model.variables, values) if id(variable) in weights]


def settle_generators(model):
    """Let the random generators of `model` begin from fixed states: no file keeps them, and new ones begin anywhere."""
    weights = {id(weight) for weight in model.weights}
    states = [variable for variable in model.variables if id(variable) not in weights]
    for index, state in enumerate(states):
        if state.path.endswith("seed_generator_state"):
            state.assign([index, 0])


def _reusable(model, spec):
    # TensorFlow traces `call` again when it saves, but not what is traced already: the network is written once a mode.
    modes = {training: _traced(model, spec, training) for training in (True, False)}

    @tf.function
    def call(inputs, training=False):
        return modes[bool(training)](inputs)

    reusable = tf.train.Checkpoint()
    for training in modes:
        call.get_concrete_function(spec, training=training)
    setattr(reusable, "__call__", call)
    reusable.variables = variables(model)
    reusable.trainable_variables = [variable.value for variable in model.trainable_variables]
    reusable.regularization_losses = [
        _regularization_loss(variable.regularizer, variable)
        for variable in model.trainable_variables
        if getattr(variable, "regularizer", None) is not None
    ]
    return reusable


def _traced(model, spec, training):
    @tf.function(input_signature=[spec])
    def network(inputs):
        return model(inputs, training=training)

    return network.get_concrete_function()


def _regularization_loss(regularizer, variable):
    @tf.function(input_signature=[])
    def loss():
        return tf.convert_to_tensor(regularizer(variable))

    loss.get_concrete_function()
    return loss


def named_outputs(model):
    """Return a function from what `model` returns to a dict of named tensors."""
    if isinstance(model, keras.Sequential):
        names = [model.layers[-1].name]
    else:
        names = list(getattr(model, "output_names", None) or [])

    def with_names(outputs):
        if isinstance(outputs, dict):
            return {str(name): value for name, value in outputs.items()}
        tensors = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        if len(tensors) == 1:
            return {names[0] if names and names[0] in _TELLING_NAMES else "outputs": tensors[0]}
        if len(names) != len(tensors):
            return {f"outputs_{index}": tensor for index, tensor in enumerate(tensors)}
        return dict(zip(names, tensors))

    return with_names


def _encoded(serve, spec):
    """Return the concrete function of `serve` on encoded images."""
    height, width, channels = spec.shape[1:]

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=channels, dtype=tf.float32, expand_animations=False)
        image.set_shape((None, None, channels))
        if height is not None and width is not None:
            image = tf.image.resize(image, (height, width), antialias=True)
        return tf.clip_by_value(image, 0.0, 1.0)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="encoded")])
    def serve_encoded(encoded):
        images = tf.map_fn(decode, encoded, fn_output_signature=tf.TensorSpec((height, width, channels), tf.float32))
        return serve(tf.cast(images, spec.dtype))

    return serve_encoded.get_concrete_function()


def _describe(signature):
    positional, keywords = signature.structured_input_signature
    inputs = {spec.name: spec for spec in [*positional, *keywords.values()]}
    return {"inputs": _plain(inputs), "outputs": _plain(signature.structured_outputs)}


def _plain(specs):
    return {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in sorted(specs.items())}
