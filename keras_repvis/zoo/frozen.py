"""A model whose weights are constants of its graph: nothing to train, nothing to read at each call."""

import keras
import numpy as np
import tensorflow as tf

from keras_repvis.zoo import export


class _Reusable(tf.Module):
    """An object that TensorFlow saves with these attributes, which a `tf.Module` has as properties."""

    variables = None
    trainable_variables = None


def freeze(model, spec):
    """Return a concrete function of a tensor of `spec` that answers as `model` does now and holds no variable.

    Args:
        model: Built `keras.Model`; weights that change later do not change the function.
        spec: `tf.TensorSpec` of its input; see `export.input_spec`.
    """
    constants = [(variable, np.asarray(variable.value)) for variable in model.variables]

    @tf.function(input_signature=[spec])
    def network(inputs):
        # Opened while the graph is traced, so that each weight becomes one constant of it.
        with keras.StatelessScope(state_mapping=constants):
            return model(inputs, training=False)

    return network.get_concrete_function()


def save(model, directory, like=None, signatures=()):
    """Write `model` to `directory` as a SavedModel without variables.

    The loaded object has `__call__(inputs, training=False)`, which refuses `training=True`, empty lists `variables`,
    `trainable_variables` and `regularization_losses`, and the signatures of `export.save`.

    Args:
        model: Built `keras.Model` with one input tensor.
        directory: Path of the directory to write.
        like: Model whose names the outputs get; `model` itself when None.
        signatures: As in `export.save`.

    Returns:
        The signatures, as `export.save` does.
    """
    like = model if like is None else like
    spec = export.input_spec(like)
    network = freeze(model, spec)

    @tf.function
    def call(inputs, training=False):
        if training:
            raise ValueError("training=True is not accepted: the weights are constants.")
        # TensorFlow traces `call` again when it saves, but not what is traced already: the weights are written once.
        return network(inputs)

    call.get_concrete_function(spec, training=False)
    reusable = _Reusable()
    setattr(reusable, "__call__", call)
    reusable.variables = []
    reusable.trainable_variables = []
    reusable.regularization_losses = []
    return export.save_reusable(reusable, spec, export.named_outputs(like), directory, signatures)
