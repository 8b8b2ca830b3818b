"""Total variation of masks: a ramp, a NumPy loop, finite differences, flat masks."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis.analysis.attribution.mask_variation import total_variation


def by_definition(mask, power):
    total = 0.0
    for i, j in np.ndindex(mask.shape):
        down = mask[i + 1, j] - mask[i, j] if i + 1 < mask.shape[0] else 0
        across = mask[i, j + 1] - mask[i, j] if j + 1 < mask.shape[1] else 0
        total += (down**2 + across**2) ** (power / 2)
    return total


@pytest.mark.parametrize("power", [1, 1.5, 2, 3])
def test_value_and_gradient(power):
    masks = np.random.default_rng(0).uniform(size=(2, 5, 7)).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(variable := tf.constant(masks))
        value = total_variation(variable, power)
    np.testing.assert_allclose(value, [by_definition(mask, power) for mask in masks], rtol=1e-5)
    gradient = tape.gradient(value, variable).numpy()[1]
    for place in np.ndindex(5, 7):
        moved = np.stack([masks[1]] * 2).astype("float64")
        moved[:, *place] += [1e-5, -1e-5]
        difference = (by_definition(moved[0], power) - by_definition(moved[1], power)) / 2e-5
        assert gradient[place] == pytest.approx(difference, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_of_a_ramp_and_of_a_flat_mask(power):
    ramp = np.tile(0.5 * np.arange(6, dtype="float32"), (1, 4, 1))
    assert total_variation(tf.constant(ramp), power).numpy()[0] == pytest.approx(4 * 5 * 0.5**power)
    with tf.GradientTape() as tape:
        tape.watch(flat := tf.fill((1, 4, 5), 0.3))
        value = total_variation(flat, power)
    assert value.numpy() == 0 and not tape.gradient(value, flat).numpy().any()
