"""Weights of the authors' PyTorch checkpoints, put into the networks of this package."""

import numpy as np


def port_cyclegan_weights(model, arrays):
    """Copy the arrays of a PyTorch state dict into a generator or discriminator of this package.

    Arrays are taken in the order of the dict, which is that of execution, and grouped by layer (the name up to its last
    dot). Kernels (out, in, height, width), of transposed convolutions (in, out, height, width), become (height, width,
    in, out) and (height, width, out, in). Layers without a weight, as instance norms with moving statistics of old
    checkpoints, are passed over. Nothing is copied if any layer does not fit.

    Args:
        model: Model made by `ResNetGenerator`, `UNetGenerator`, `PatchDiscriminator` or `PixelDiscriminator` with the
            same arguments. Note that it takes and gives [0, 1] where the checkpoint's network has [-1, 1].
        arrays: Dict of name to NumPy array, for instance
            `{name: tensor.numpy() for name, tensor in torch.load(path).items()}`.

    Returns:
        `model`.

    Raises:
        ValueError: If the arrays are not those of the same network.

    Example:
        >>> import numpy as np
        >>> from keras_repvis import models
        >>> model = models.PixelDiscriminator((8, 8, 3), filters=1)
        >>> shapes = {"0": (1, 3, 1, 1), "2": (2, 1, 1, 1), "5": (1, 2, 1, 1)}
        >>> arrays = {}
        >>> for name, shape in shapes.items():
        ...     arrays[f"net.{name}.weight"] = np.ones(shape, "float32")
        ...     arrays[f"net.{name}.bias"] = np.zeros(shape[0], "float32")
        >>> float(models.port_cyclegan_weights(model, arrays).weights[0][0, 0, 0, 0])
        1.0
    """
    targets = [layer for layer in model.layers if layer.weights]
    sources = _layers(arrays)
    if len(sources) != len(targets):
        raise ValueError(
            f"arrays is not accepted: it has {len(sources)} layers with weights where {model.name!r} has "
            f"{len(targets)}."
        )
    ported = [(layer, _fitting(layer, name, values)) for layer, (name, values) in zip(targets, sources.items())]
    for layer, values in ported:
        layer.set_weights(values)
    return model


def _layers(arrays):
    """Return {layer's name: its arrays in the order of Keras: kernel or gain, offset, moving mean and variance}."""
    layers = {}
    for name, array in arrays.items():
        layer, _, role = name.rpartition(".")
        if role != "num_batches_tracked":
            layers.setdefault(layer, {})[role] = np.asarray(array)
    return {name: list(roles.values()) for name, roles in layers.items() if "weight" in roles}


def _fitting(layer, name, values):
    values = [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for array in values]
    found, wanted = [array.shape for array in values], [tuple(weight.shape) for weight in layer.weights]
    if found != wanted:
        raise ValueError(
            f"arrays is not accepted: {name!r} has the shapes {found}, as Keras orders them, where {layer.name!r} has "
            f"{wanted}."
        )
    return values
