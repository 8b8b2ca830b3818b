"""Tests of keras_repvis.models.cyclegan.patch_discriminator; tests/parity/ compares it with PyTorch."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import models

COUNTS = {1: 136_385, 2: 662_977, 3: 2_764_737, 4: 6_959_553, 5: 11_154_369, 6: 15_349_185}
FIELDS = {1: 16, 2: 34, 3: 70, 4: 142, 5: 286, 6: 574}


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def open_gates(layers):
    """Return a discriminator through which every pixel of a patch is seen: positive kernels, no norm."""
    model = models.PatchDiscriminator(layers=layers, filters=1, norm="none")
    model.set_weights([np.full(weight.shape, 0.1) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("layers", COUNTS)
def test_parameter_counts(layers):
    assert trainable(models.PatchDiscriminator(layers=layers)) == COUNTS[layers]


def test_parameter_count_of_pix2pix():
    """Pairs of images, batch norm, no bias before it."""
    assert trainable(models.PatchDiscriminator((256, 256, 6), norm="batch")) == 2_768_705


@pytest.mark.parametrize("size, scores", [(256, 30), (128, 14), (24, 1), (33, 2)])
def test_sizes_of_the_map_of_scores(size, scores):
    assert models.PatchDiscriminator((size, 256, 3), filters=2).output_shape == (None, scores, 30, 1)


def test_layers():
    """The published list: C64, C128, C256, C512, and a convolution to one score."""
    model = models.PatchDiscriminator((256, 256, 3))
    convolutions = [layer for layer in model.layers if layer.weights]
    assert [(layer.kernel.shape, layer.strides[0], layer.output.shape[1]) for layer in convolutions] == [
        ((4, 4, 3, 64), 2, 128),
        ((4, 4, 64, 128), 2, 64),
        ((4, 4, 128, 256), 2, 32),
        ((4, 4, 256, 512), 1, 31),
        ((4, 4, 512, 1), 1, 30),
    ]
    norms = [layer.name for layer in model.layers if layer.name.endswith("norm")]
    slopes = [round(float(layer.negative_slope), 6) for layer in model.layers if layer.name.endswith("relu")]
    assert norms == ["down_1_norm", "down_2_norm", "down_3_norm"] and slopes == 4 * [0.2]
    assert model.layers[-1].name == "last_conv"  # raw scores


@pytest.mark.parametrize("layers", FIELDS)
def test_receptive_field_in_closed_form(layers):
    assert models.patch_receptive_field(layers) == FIELDS[layers]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_receptive_field_by_gradient(layers):
    """The pixels that one score in the middle of a large map depends on."""
    side = FIELDS[layers]
    images = tf.zeros((1, 2 * side, 2 * side + 2**layers, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = open_gates(layers)(images)
        score = scores[0, scores.shape[1] // 2, scores.shape[2] // 2, 0]
    seen = np.asarray(tape.gradient(score, images))[0, :, :, 0] != 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert (len(rows), len(columns)) == (side, side) and seen[np.ix_(rows, columns)].all()
    assert rows[0] > 0 and columns[0] > 0 and rows[-1] < seen.shape[0] - 1 and columns[-1] < seen.shape[1] - 1


def test_any_size_and_any_number_of_channels():
    model = models.PatchDiscriminator((None, None, 4), layers=2, filters=2)
    assert model(np.zeros((2, 13, 30, 4), "float32")).shape == (2, 1, 5, 1)


def test_multiply_adds():
    cost = models.cost(models.PatchDiscriminator(layers=1, filters=4), (16, 12, 3))
    assert cost.multiply_adds == 16 * (8 * 6 * 3 * 4 + 7 * 5 * 4 * 8 + 6 * 4 * 8)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"layers": 0}, "layers=0 is not accepted: expected an integer >= 1 and <= 6"),
        ({"layers": 7}, "layers=7 is not accepted: expected an integer >= 1 and <= 6"),
        ({"input_shape": (23, 64, 3)}, "height 23 are not accepted: expected at least 24"),
        ({"input_shape": (191, None, 3), "layers": 6}, "height 191 are not accepted: expected at least 192"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        models.PatchDiscriminator(**{"filters": 2, **arguments})


def test_the_receptive_field_of_a_network_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="layers=7"):
        models.patch_receptive_field(7)


def test_the_smallest_image_gives_one_score():
    for layers in FIELDS:
        smallest = 3 * 2**layers
        assert models.PatchDiscriminator((smallest, smallest, 1), layers, 1).output_shape == (None, 1, 1, 1)
