"""A block: a layer made of a chain of layers, usable as one node of a graph or written out into it."""

import keras

from keras_repvis import checks


class Block(keras.layers.Layer):
    """Base of the composite layers: a branch of sub-layers, joined to the block's input by at most one layer.

    y = branch(x), or y = join(x, branch(x)) with `join` an addition (residual blocks) or a product (gates).

    Called like any Keras layer, a block is one node of a functional model. `inline` applies the same sub-layers to a
    symbolic tensor one by one instead, so that a functional model consists of plain convolutions, normalisations and
    activations. The models of this package are written that way: every tool that walks `model.layers` sees through
    them, and their `.keras` files load without this package.

    A subclass says what the branch is made of in `make_branch(channels)` and how it joins in `make_join(channels)`, and
    makes each sub-layer with `self.sublayer(role, LayerClass, ...)`, which names it `<block name>_<role>`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._branch_layers = None
        self._join_layer = None

    def make_branch(self, channels):
        """Return the list of new sub-layers that are applied in turn to an input with `channels` channels."""
        raise NotImplementedError(f"{type(self).__name__} must implement make_branch(channels).")

    def make_join(self, channels):
        """Return a new layer that takes [input, end of the branch], or None if the end of the branch is the output."""
        return None

    @property
    def branch(self):
        """Sub-layers in the order in which they are applied; empty before the block is built."""
        return tuple(self._branch_layers or ())

    @property
    def join(self):
        """Layer that joins the input and the end of the branch, or None."""
        return self._join_layer

    def sublayer(self, role, layer_class, *args, **kwargs):
        """Return a new layer named after this block and `role`, with this block's dtype policy."""
        return layer_class(*args, name=f"{self.name}_{role}", dtype=self.dtype_policy, **kwargs)

    def activation_layers(self, role, activation):
        """Return [the layer of an activation given by name], or [] for no activation."""
        if activation in (None, "linear"):
            return []
        return [activation_layer(activation, name=f"{self.name}_{role}", dtype=self.dtype_policy)]

    def inline(self, inputs):
        """Apply the sub-layers to the symbolic tensor `inputs` and return the symbolic output.

        Args:
            inputs: Symbolic tensor `(batch, height, width, channels)`: a `keras.Input` or the output of a layer.

        Returns:
            Symbolic tensor, equal to `self(inputs)` in value, whose graph holds the sub-layers.
        """
        self._make_sublayers(inputs.shape)
        outputs = inputs
        for layer in self._branch_layers:
            outputs = layer.inline(outputs) if isinstance(layer, Block) else layer(outputs)
        return outputs if self._join_layer is None else self._join_layer([inputs, outputs])

    def build(self, input_shape):
        self._make_sublayers(input_shape)
        shape = input_shape
        for layer in self._branch_layers:
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)
        if self._join_layer is not None and not self._join_layer.built:
            self._join_layer.build([input_shape, shape])

    def call(self, inputs, training=None):
        # Keras hands `training` down to the sub-layers through the call context.
        outputs = inputs
        for layer in self._branch_layers:
            outputs = layer(outputs)
        return outputs if self._join_layer is None else self._join_layer([inputs, outputs])

    def compute_output_shape(self, input_shape):
        self._make_sublayers(input_shape)
        shape = input_shape
        for layer in self._branch_layers:
            shape = layer.compute_output_shape(shape)
        if self._join_layer is not None:
            shape = self._join_layer.compute_output_shape([input_shape, shape])
        return tuple(shape)

    def _make_sublayers(self, input_shape):
        if self._branch_layers is not None:
            return
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                f"input_shape={tuple(input_shape)} is not accepted by {self.name}: expected "
                "(batch, height, width, channels) with a known number of channels."
            )
        channels = int(input_shape[-1])
        self._branch_layers = self.make_branch(channels)
        self._join_layer = self.make_join(channels)


class NormalizedBlock(Block):
    """Base of the blocks whose convolutions are each followed by batch normalisation.

    Args:
        activation: Name of the activation, as in `keras.activations`.
        momentum: Momentum of the batch normalisations' moving statistics, in [0, 1].
        epsilon: Number added to their variance, > 0.
        kernel_initializer: Initialiser of all kernels: name, config or instance.
    """

    def __init__(
        self, activation="relu", momentum=0.99, epsilon=1e-3, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.activation = checked_activation("activation", activation)
        self.momentum = checks.number("momentum", momentum, low=0, high=1)
        self.epsilon = checks.number("epsilon", epsilon, above=0)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def conv(self, role, filters, kernel_size=1, strides=1, activation=None):
        """Return [convolution without bias, batch norm, activation] under TF "same" padding."""
        convolution = self.sublayer(
            role,
            keras.layers.Conv2D,
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer=fresh_initializer(self.kernel_initializer),
        )
        return [convolution, *self._norm_and_activation(role, activation)]

    def depthwise(self, role, kernel_size, strides=1, activation=None):
        """Return [depthwise convolution without bias, batch norm, activation] under TF "same" padding."""
        convolution = self.sublayer(
            role,
            keras.layers.DepthwiseConv2D,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            depthwise_initializer=fresh_initializer(self.kernel_initializer),
        )
        return [convolution, *self._norm_and_activation(role, activation)]

    def get_config(self):
        return {
            **super().get_config(),
            "activation": self.activation,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }

    def _norm_and_activation(self, role, activation):
        norm = self.sublayer(
            f"{role}_norm", keras.layers.BatchNormalization, momentum=self.momentum, epsilon=self.epsilon
        )
        return [norm, *self.activation_layers(f"{role}_activation", activation)]


def activation_layer(activation, **kwargs):
    """Return the layer of an activation: `ReLU` for rectifiers, which other tools know by class, else `Activation`."""
    if activation in ("relu", "relu6"):
        return keras.layers.ReLU(max_value=6.0 if activation == "relu6" else None, **kwargs)
    return keras.layers.Activation(activation, **kwargs)


def fresh_initializer(initializer):
    """Return a new initialiser like the given one: a single instance gives the same numbers to all equal shapes."""
    initializer = keras.initializers.get(initializer)
    return initializer.__class__.from_config(initializer.get_config())


def checked_activation(argument, name):
    """Return `name` if Keras knows an activation of that name (or it is None), else raise a `ValueError`."""
    known = isinstance(name, str) and callable(getattr(keras.activations, name, None))
    if name is None or (known and name not in ("get", "serialize", "deserialize")):
        return name
    raise ValueError(
        f"{argument}={name!r} is not accepted: expected the name of a function in keras.activations, for instance "
        "'relu', 'relu6' or 'hard_silu', or None."
    )
