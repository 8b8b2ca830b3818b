"""A block: a layer made of layers, usable as one node of a graph or written out into it."""

import keras


class Block(keras.layers.Layer):
    """Base of the composite layers: sub-layers made in `build`, applied in `call`.

    Used like any Keras layer, a block is one node of a functional model. `inline` applies the same sub-layers to a
    symbolic tensor one by one instead, so that a functional model consists of plain convolutions, normalisations and
    activations. The models of this package are written that way: every tool that walks `model.layers` sees through
    them, and their `.keras` files load without this package.

    Subclasses make every sub-layer with `self._add_layer(role, layer)` and name nothing themselves: sub-layers are
    called `<block name>_<role>`.
    """

    def inline(self, inputs):
        """Apply the sub-layers to the symbolic tensor `inputs` and return the symbolic output.

        Args:
            inputs: Symbolic tensor, the output of a `keras.Input` or of another layer.

        Returns:
            Symbolic tensor, equal to `self(inputs)` in value, whose graph holds the sub-layers.
        """
        if not self.built:
            self.build(inputs.shape)
            self.built = True
        return self.call(inputs)

    def _sublayer_name(self, role):
        return f"{self.name}_{role}"
