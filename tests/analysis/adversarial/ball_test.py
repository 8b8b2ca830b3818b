"""Balls of perturbations: bounds that hold to the last bit, projections and steps in closed form."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_repvis.analysis.adversarial import ball

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 5, 4, 3), "float32")
IMAGES[0], IMAGES[1], IMAGES[2, :2] = 0.0, 1.0, np.nextafter(np.float32(0), np.float32(1)) * 2**25
# Not one of them is a float32 but the last; 1e-9 is less than the spacing of most pixels.
EPSILONS = (0.1, 8 / 255, 1 / 3, 1e-9, 0.3, 0.7, 1.5, 0.25)


def project(images, norm, epsilon, points):
    """Traced, as attacks do it."""
    return tf.function(lambda: ball.Ball(tf.constant(images), norm, epsilon).project(points), autograph=False)().numpy()


def check_bounds(found, images, norm, epsilon):
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    moved = found.astype("float64") - images
    if norm == "linf":
        assert np.abs(moved).max() <= epsilon
        assert np.abs(found - images).max() <= np.float32(epsilon)
    else:
        assert np.sqrt((moved**2).sum((1, 2, 3))).max() <= epsilon


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("norm", ball.NORMS)
def test_no_point_is_further_than_epsilon_by_rounding_either(norm, epsilon):
    for scale in (0.5, 1.0, 1.0000001, 3.0, 100.0):
        for points in (IMAGES + scale * epsilon * RNG.choice([-1.0, 1.0], IMAGES.shape),
                       IMAGES + scale * epsilon * RNG.normal(size=IMAGES.shape)):
            check_bounds(project(IMAGES, norm, epsilon, points), IMAGES, norm, epsilon)


def test_linf_bounds_are_the_last_numbers_that_fit():
    """One unit in the last place further out is outside of the ball or of [0, 1]."""
    epsilon = 0.1
    for side, outwards in ((5.0, 2.0), (-5.0, -1.0)):
        found = project(IMAGES, "linf", epsilon, IMAGES + side)
        beyond = np.nextafter(found, np.float32(outwards)).astype("float64")
        assert ((np.abs(beyond - IMAGES) > epsilon) | (beyond > 1) | (beyond < 0)).all()


def test_points_inside_stay():
    images = np.full((1, 3, 3, 1), 0.5, "float32")
    points = (images + RNG.uniform(-0.05, 0.05, images.shape)).astype("float32")
    np.testing.assert_array_equal(project(images, "linf", 0.1, points), points)
    np.testing.assert_array_equal(project(images, "l2", 0.2, points), points)


def test_l2_projects_along_the_line_to_the_centre():
    images = np.full((2, 3, 3, 2), 0.5, "float32")
    away = RNG.normal(size=images.shape)
    away /= np.sqrt((away**2).sum((1, 2, 3), keepdims=True))
    found = project(images, "l2", 0.25, images + 7 * away)
    np.testing.assert_allclose(found, images + 0.25 * away, rtol=0, atol=1e-7)


@pytest.mark.parametrize("scale", [1.0, 1e-30])
def test_steps_go_along_the_steepest_ascent(scale):
    """The sign for linf; g / |g| for l2, also where the squares of a float32 gradient would vanish."""
    images = np.full((2, 3, 3, 2), 0.5, "float32")
    gradient = RNG.normal(size=images.shape)
    gradient[1] = 0
    for norm, direction in (("linf", np.sign(gradient)), ("l2", gradient / np.sqrt((gradient**2).sum()))):
        allowed = ball.Ball(tf.constant(images), norm, 0.4)
        found = allowed.step(tf.constant(images), tf.constant(scale * gradient, "float32"), 0.1)
        np.testing.assert_allclose(found, images + 0.1 * direction, rtol=0, atol=1e-7)


@pytest.mark.parametrize("norm", ball.NORMS)
def test_random_points_fill_the_ball_evenly(norm):
    """In d dimensions the size of a uniform point is distributed as u^(1/d); Kolmogorov-Smirnov, one fixed seed."""
    points = ball.random_point(np.random.default_rng(1), (4000, 2, 2, 1), norm).reshape(4000, 4)
    sizes = np.abs(points).max(-1) if norm == "linf" else np.linalg.norm(points, axis=-1)
    assert sizes.max() <= 1
    assert stats.kstest(sizes**4, "uniform").pvalue > 1e-3
    assert np.abs(points.mean(0)).max() < 5 / np.sqrt(4000)


@pytest.mark.parametrize("norm", ball.NORMS)
def test_random_extremes_lie_on_the_border(norm):
    points = ball.random_extreme(np.random.default_rng(1), (2000, 2, 2, 1), norm).reshape(2000, 4)
    sizes = np.abs(points) if norm == "linf" else np.linalg.norm(points, axis=-1)
    np.testing.assert_allclose(sizes, 1, rtol=1e-12)
    assert np.abs(points.mean(0)).max() < 5 / np.sqrt(2000)


@pytest.mark.parametrize("draw", [ball.random_point, ball.random_extreme])
@pytest.mark.parametrize("norm", ball.NORMS)
def test_random_numbers_do_not_depend_on_how_images_are_cut_into_chunks(draw, norm):
    whole = draw(np.random.default_rng(2), (5, 3, 3, 1), norm)
    generator = np.random.default_rng(2)
    parts = [draw(generator, (count, 3, 3, 1), norm) for count in (2, 1, 2)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
