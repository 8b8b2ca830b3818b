"""The table of the methods that every_model_test.py and zoo_models_test.py put through every kind of model.

To add a method, add a row, with few steps, samples or masks: what is checked there does not depend on their number.
"""

import dataclasses
import typing

import numpy as np
import pytest

from keras_repvis import analysis
from keras_repvis.analysis import attribution


@dataclasses.dataclass(frozen=True)
class Row:
    """A method: how it is made for a model, where its map is, and what it refuses.

    Args:
        make: Function of a model and `batch_size` that returns the method.
        at_layer: Whether its maps have the size of the layer "spatial", else that of the image.
        refuses: Dict from a kind of model (`KINDS`, "v1" to "v3") to a pattern of the error's message.
        tolerance: By how much maps of the same function may differ, relative to their largest value.
    """

    make: typing.Callable
    at_layer: bool = False
    refuses: dict = dataclasses.field(default_factory=dict)
    tolerance: float = 1e-4


def row(name, at_layer=False, refuses=None, tolerance=1e-4, **options):
    """Return the row of a class of the package, made with `options`."""
    def make(model, **more):
        return getattr(attribution, name)(model, **options, **more)

    return Row(make, at_layer, refuses or {}, tolerance)


def bottleneck(model, **more):
    """Return an information bottleneck at the layer "spatial", with statistics of noise."""
    size = model.inputs[0].shape[1:] if getattr(model, "inputs", None) else (12, 12, 3)
    images = np.random.default_rng(4).random((16, *size), "float32")
    statistics = attribution.estimate_statistics(model, images)
    # Small steps: the first of Adam has the sign of the gradient only, also where that is rounding.
    options = {"steps": 2, "samples": 2, "learning_rate": 0.1}
    return attribution.InformationBottleneck(model, None, statistics, **options, **more)


ROWS = {
    "deconvnet": row("DeConvNet"),
    "excitation_backprop": row(
        "ExcitationBackprop",
        at_layer=True,
        refuses={"v2": "may have negative inputs", "v3": "may have negative inputs"},
        tolerance=1e-3,
    ),
    "extremal_perturbation": row("ExtremalPerturbation", areas=(0.1, 0.3), steps=2, tolerance=1e-3),
    "grad_cam": row("GradCAM", at_layer=True),
    "grad_cam_plus_plus": row("GradCAMPlusPlus", at_layer=True),
    "gradient": row("Gradient"),
    "guided_backprop": row("GuidedBackprop"),
    "guided_grad_cam": row("GuidedGradCAM"),
    "information_bottleneck": Row(bottleneck, at_layer=True, tolerance=1e-2),
    "integrated_gradients": row("IntegratedGradients", steps=3),
    "layer_cam": row("LayerCAM", at_layer=True),
    "linear_approximation": row("LinearApproximation", at_layer=True),
    "lrp": row("LRP", tolerance=1e-3),
    "meaningful_perturbation": row("MeaningfulPerturbation", steps=3, score="output", tolerance=1e-3),
    "occlusion": row("Occlusion", window=4, tolerance=1e-3),
    "rise": row("RISE", masks=5, score="output"),
    "score_cam": row("ScoreCAM", at_layer=True),
    "smooth_grad": row("SmoothGrad", samples=3),
}

# The same function of the same weights as "flat".
EQUAL = ("nested", "subclassed", "reloaded")
KINDS = ("flat", *EQUAL, "mixed_float16")


def close(found, expected, tolerance):
    """Compare maps by their own scale: sums in another order differ by rounding."""
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def explain(row, model, kind, images, targets, layer_size):
    """Return the result, or None where the row says that the method refuses the model, and it does."""
    if kind in row.refuses:
        with pytest.raises(analysis.UnsupportedModelError, match=row.refuses[kind]):
            row.make(model)(images, targets)
        return None
    before = [np.array(weight) for weight in model.weights]
    result = row.make(model)(images, targets)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight, value)
    assert isinstance(result.maps, np.ndarray) and result.maps.dtype == np.float32
    assert result.maps.shape == (len(images), *(layer_size if row.at_layer else images.shape[1:3]))
    assert np.isfinite(result.maps).all() and np.ptp(result.maps) > 0
    for name, value in result.diagnostics.items():
        assert len(value) == len(images) and np.isfinite(value).all(), name
    return result
