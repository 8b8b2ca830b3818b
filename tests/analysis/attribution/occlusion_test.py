"""Occlusion against the closed form of a linear output and a NumPy loop over the windows."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution import Occlusion

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(4, 11, 8, 2)).astype("float32")
WEIGHTS = RNG.normal(size=(11, 8, 2, 3)).astype("float32")


def linear(x):
    return tf.einsum("bhwk,hwkc->bc", x, WEIGHTS)


def squared(x):
    return tf.square(linear(x))


def windows_of(size, window, stride):
    """Windows from the definition: one after the other, until one reaches the border."""
    found = []
    for top in range(0, size[0], stride[0]):
        for left in range(0, size[1], stride[1]):
            mask = np.zeros(size)
            mask[top : top + window[0], left : left + window[1]] = 1
            found.append(mask)
            if left + window[1] >= size[1]:
                break
        if top + window[0] >= size[0]:
            break
    return np.array(found)


@pytest.mark.parametrize("window, stride", [((3, 3), (2, 2)), ((4, 2), (4, 2)), ((5, 8), (3, 1)), ((20, 20), (7, 7))])
@pytest.mark.parametrize("fill", [0.0, [0.5, -1.0], "mean"])
def test_fall_of_a_linear_output_is_that_of_the_window(window, stride, fill):
    windows = windows_of((11, 8), window, stride)
    assert (windows.sum(axis=0) > 0).all()
    back = IMAGES.mean(axis=(1, 2), keepdims=True) if isinstance(fill, str) else np.asarray(fill)
    shares = ((IMAGES - back) * WEIGHTS[..., 1]).sum(-1)
    falls = np.einsum("bhw,nhw->bn", shares, windows)
    expected = np.einsum("bn,nhw->bhw", falls, windows) / windows.sum(axis=0)
    result = Occlusion(linear, window=window, stride=stride, fill=fill, batch_size=7)(IMAGES, 1)
    np.testing.assert_allclose(result.maps, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.diagnostics["largest_fall"], falls.max(axis=1), rtol=1e-4, atol=1e-5)


def test_maps_are_those_of_a_loop_over_the_windows():
    expected = np.zeros((4, 11, 8))
    windows = windows_of((11, 8), (3, 5), (2, 3))
    for image, target, saliency in zip(IMAGES, [0, 1, 2, 0], expected):
        whole = np.einsum("hwk,hwkc->c", image, WEIGHTS)[target] ** 2
        for window in windows:
            covered = np.where(window[..., None] > 0, 0.25, image)
            saliency += window * (whole - np.einsum("hwk,hwkc->c", covered, WEIGHTS)[target] ** 2)
    result = Occlusion(squared, window=(3, 5), stride=(2, 3), fill=0.25)(IMAGES, [0, 1, 2, 0])
    np.testing.assert_allclose(result.maps, expected / windows.sum(axis=0), rtol=1e-3, atol=1e-3)


def test_one_pixel_at_a_time_is_the_share_of_each():
    maps = Occlusion(linear, window=1)(IMAGES, 2).maps
    np.testing.assert_allclose(maps, (IMAGES * WEIGHTS[..., 2]).sum(-1), rtol=1e-3, atol=1e-5)


def test_batches_change_nothing():
    maps = [Occlusion(squared, window=3, stride=1, batch_size=size)(IMAGES).maps for size in (1, 3, 500)]
    alone = Occlusion(squared, window=3, stride=1)
    maps.append(np.concatenate([alone(IMAGES[[index]]).maps for index in range(4)]))
    for some in maps[1:]:
        np.testing.assert_allclose(some, maps[0], rtol=1e-4, atol=1e-5)


def test_the_class_is_that_of_the_whole_image():
    """Also where every window changes it."""
    images = np.ones((2, 4, 4, 1), "float32")

    def model(x):
        whole = tf.reduce_min(x, axis=(1, 2, 3))
        return tf.stack([whole, 1 - whole], axis=-1)

    result = Occlusion(model, window=2, stride=2)(images)
    assert result.diagnostics["target"].tolist() == [0, 0]
    np.testing.assert_allclose(result.maps, 1)


def test_sizes_of_images_may_change_and_wrong_arguments_are_named():
    method = Occlusion(lambda x: tf.reduce_sum(x, axis=(1, 2)), window=4)
    assert method.stride == (2, 2) and Occlusion(linear).window == (8, 8)
    for side in (4, 9, 4, 5):
        np.testing.assert_allclose(method(np.ones((1, side, 4, 1), "float32"), 0).maps[0, 0, 0], 16)
    wrong = ({"window": 0}, {"window": (1, 2, 3)}, {"stride": 0}, {"window": 2, "stride": 3}, {"fill": "black"})
    for arguments in wrong:
        with pytest.raises(ValueError, match=f"{list(arguments)[-1]}="):
            Occlusion(linear, **arguments)
