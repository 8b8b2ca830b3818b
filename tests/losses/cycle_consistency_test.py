"""The cycle-consistency loss: an L1 in the units of images in [-1, 1]."""

import numpy as np
import pytest

from keras_repvis.losses import CycleConsistencyLoss

GENERATOR = np.random.default_rng(0)
IMAGES, BACK = GENERATOR.random((2, 3, 8, 9, 3))


def test_is_the_mean_absolute_difference_of_images_between_minus_one_and_one():
    expected = np.abs((2 * BACK - 1) - (2 * IMAGES - 1))
    assert float(CycleConsistencyLoss()(IMAGES, BACK)) == pytest.approx(expected.mean(), rel=1e-6)
    each = CycleConsistencyLoss(reduction="none")(IMAGES, BACK)
    np.testing.assert_allclose(each, expected.mean(axis=(1, 2, 3)), rtol=1e-6)


def test_one_grey_level_is_two_of_255():
    image = np.full((1, 4, 4, 1), 100 / 255)
    assert float(CycleConsistencyLoss()(image, image + 1 / 255)) == pytest.approx(2 / 255, rel=1e-4)


def test_span_one_is_the_difference_of_the_images_themselves():
    assert float(CycleConsistencyLoss(1)(IMAGES, BACK)) == pytest.approx(np.abs(BACK - IMAGES).mean(), rel=1e-6)


def test_16_bit_images_are_compared_in_32_bits():
    image = np.full((1, 64, 64, 1), 0.5)
    nearly = (image + 1e-3).astype("float16")
    exact = 2 * np.abs(nearly.astype("float64") - 0.5).mean()
    assert float(CycleConsistencyLoss()(image, nearly)) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("span", [0, -1, "2"])
def test_a_wrong_span_is_named(span):
    with pytest.raises(ValueError, match=f"span={span!r} is not accepted: expected a number > 0"):
        CycleConsistencyLoss(span)
