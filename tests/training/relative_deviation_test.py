"""The ratio of standard deviations against NumPy, batch by batch and replica by replica."""

import numpy as np
import pytest

from keras_repvis.training.relative_deviation import RelativeDeviation

GENERATOR = np.random.default_rng(0)


def ratio(values, others, columns):
    """Over all places and examples, each column around its own mean."""
    spread = [part.reshape(-1, columns).var(axis=0).sum() for part in (values, others)]
    return np.sqrt(spread[0] / spread[1])


@pytest.mark.parametrize("shape", [(9, 6, 5, 3), (9, 7)])
def test_over_batches_of_any_size_it_is_that_of_all_values(shape):
    values = 0.3 + 0.02 * GENERATOR.normal(size=shape)
    others = GENERATOR.random(shape) + np.arange(shape[-1])  # The columns' own means do not count.
    metric = RelativeDeviation(shape[-1], "contrast")
    for start, stop in ((0, 4), (4, 8), (8, 9)):
        metric.update_state(values[start:stop], others[start:stop])
    assert float(metric.result()) == pytest.approx(ratio(values, others, shape[-1]), rel=1e-3)


def test_equal_images_give_one_and_one_colour_everywhere_zero():
    images = GENERATOR.random((4, 8, 8, 3)).astype("float32")
    metric = RelativeDeviation(3, "contrast")
    metric.update_state(images, images)
    assert float(metric.result()) == 1
    metric.reset_state()
    metric.update_state(np.ones_like(images) * np.float32([0.2, 0.5, 0.9]), images)
    assert float(metric.result()) < 1e-3


def test_before_anything_came_it_is_a_number():
    assert float(RelativeDeviation(3, "contrast").result()) == 0
