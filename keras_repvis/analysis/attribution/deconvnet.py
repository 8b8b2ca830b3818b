"""DeConvNet: only positive signals go back through a rectifier.

The output f_c is propagated back to the image as a gradient is, but at each rectifier y = max(x, 0) the signal p from
above becomes p [p > 0], whatever x was. Maps are sharp and select poorly in space: much of their structure does not
depend on the class.

Through convolutions, averages and these rectifiers it depends on the weights and the class alone: the image has a say
only where there is something else, a max-pooling's switches, a product or a smooth activation.
"""

from keras_repvis.analysis.attribution.gradient import Gradient


class DeConvNet(Gradient):
    """Map of f_c propagated back with the rule p [p > 0] at rectifiers.

    Args:
        model: Keras model from images (batch, height, width, channels) to scores (batch, classes).
        layer: Where to stop: None (default) for the image, or a layer as in `analysis.Representation`.
        reduction: "max_abs", "l2" or "sum"; see `Gradient`.
        report_score: Whether the diagnostics hold the score. Without it, maps of given classes, of the "output", need
            no forward pass of a network of nothing but convolutions, averages and rectifiers, as long as all batches
            have one size.
        **options: `input_index`, `score`, `batch_size`; see `Method`.

    Call arguments:
        images: float32 array (batch, height, width, channels) in [0, 1]; any batch size.
        targets: Class index, or array of `batch` class indices, or None for the class with the largest score.

    Returns:
        `Attribution`, as `Gradient` does.

    Raises:
        UnsupportedModelError: As `Gradient`; and if the model has no rectifier, or one that cannot be seen.
        ValueError: If images, targets or the layer do not fit the model.

    Example:
        >>> import numpy as np
        >>> model = keras_repvis.models.MobileNetV1(input_shape=(32, 32, 1), classes=10, width_multiplier=0.1)
        >>> method = keras_repvis.analysis.attribution.DeConvNet(model)
        >>> method(np.full((2, 32, 32, 1), 0.5, "float32"), targets=3).maps.shape
        (2, 32, 32)

    Reference:
        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014; as one of three reversals in
        Mahendran and Vedaldi, "Salient Deconvolutional Networks", 2016.
    """

    _rule = "deconvnet"

    def __init__(self, model, layer=None, reduction="max_abs", report_score=True, **options):
        super().__init__(model, layer, reduction, **options)
        self.report_score = report_score

    def _explain(self, query):
        maps, diagnostics = super()._explain(query)
        if not self.report_score:
            del diagnostics["score"]
        return maps, diagnostics
