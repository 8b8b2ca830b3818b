"""Tests of keras_repvis.models.cyclegan.porting; tests/parity/ ports the weights of PyTorch's networks."""

import numpy as np
import pytest

from keras_repvis import models


@pytest.fixture
def model():
    return models.PixelDiscriminator((8, 8, 3), filters=2, norm="batch")


def state(**changes):
    """A state dict of `model`: each array filled with its number, counted from 1."""
    shapes = {
        "net.0.weight": (2, 3, 1, 1),
        "net.0.bias": (2,),
        "net.2.weight": (4, 2, 1, 1),
        "net.3.weight": (4,),
        "net.3.bias": (4,),
        "net.3.running_mean": (4,),
        "net.3.running_var": (4,),
        "net.3.num_batches_tracked": (),
        "net.5.weight": (1, 4, 1, 1),
        **changes,
    }
    numbered = enumerate(shapes.items(), start=1)
    return {name: np.full(shape, float(number)) for number, (name, shape) in numbered if shape is not None}


def test_every_array_finds_its_place(model):
    assert models.port_cyclegan_weights(model, state()) is model
    filled = {weight.path.replace("/", "."): np.unique(np.array(weight)).tolist() for weight in model.weights}
    assert filled == {
        "pixel_0_conv.kernel": [1.0], "pixel_0_conv.bias": [2.0], "pixel_1_conv.kernel": [3.0],
        "pixel_1_norm.gamma": [4.0], "pixel_1_norm.beta": [5.0], "pixel_1_norm.moving_mean": [6.0],
        "pixel_1_norm.moving_variance": [7.0], "last_conv.kernel": [9.0],
    }  # fmt: skip


def test_axes_of_kernels():
    model = models.PatchDiscriminator(layers=1, filters=2)
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in {"0": (2, 3, 4, 4), "2": (4, 2, 4, 4), "5": (1, 4, 4, 4)}.items():
        arrays |= {f"{name}.weight": rng.normal(size=shape), f"{name}.bias": rng.normal(size=shape[0])}
    # What old checkpoints hold of an instance norm.
    arrays |= {"3.running_mean": np.zeros(4), "3.running_var": np.ones(4)}
    models.port_cyclegan_weights(model, arrays)
    kernel = model.get_layer("down_1_conv").get_weights()[0]
    np.testing.assert_allclose(kernel[1, 2, 0, 3], arrays["2.weight"][3, 0, 1, 2], rtol=1e-6)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"net.5.weight": None}, "arrays is not accepted: it has 3 layers with weights where 'pixel.*' has 4"),
        ({"net.2.weight": (4, 3, 1, 1)}, r"'net.2' has the shapes \[\(1, 1, 3, 4\)\].* where 'pixel_1_conv' has"),
        ({"net.2.bias": (4,)}, "'net.2' has the shapes"),
        ({"net.3.running_var": None}, "'net.3' has the shapes"),
    ],
)
def test_other_networks_are_refused_and_nothing_is_copied(model, changes, message):
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        models.port_cyclegan_weights(model, state(**changes))
    for now, then in zip(model.get_weights(), before):
        np.testing.assert_array_equal(now, then)
