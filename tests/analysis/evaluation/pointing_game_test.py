import itertools

import numpy as np
import pytest
from scipy import stats

from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import pointing_game


def brute_force_hit(mask, point, tolerance):
    """Every pixel of the image against the point, as the protocol is worded."""
    return any(
        (row - point[0]) ** 2 + (column - point[1]) ** 2 < tolerance**2
        for row, column in itertools.product(*map(range, mask.shape))
        if mask[row, column]
    )


def one_pixel(row, column, size=(64, 64)):
    mask = np.zeros(size, bool)
    mask[row, column] = True
    return mask


def test_points_that_hit_one_pixel_are_the_697_lattice_points_inside_the_circle():
    """Gauss's circle: 709 points up to the radius 15, of which 12 lie on it and miss."""
    mask = one_pixel(32, 32)
    hits = [pointing_game.is_hit(mask, point, 15) for point in itertools.product(range(64), range(64))]
    assert sum(hits) == 697
    assert not pointing_game.is_hit(mask, (32, 17), 15) and not pointing_game.is_hit(mask, (41, 20), 15)
    assert pointing_game.is_hit(mask, (32, 18), 15) and pointing_game.is_hit(mask, (42, 21), 15)


@pytest.mark.parametrize("tolerance", [0.5, 1, 2, 4.3, 15, 40])
def test_hits_equal_brute_force(tolerance):
    random = np.random.default_rng(int(10 * tolerance))
    seen = set()
    for _ in range(60):
        size = random.integers(1, 24, 2)
        mask = random.random(size) < random.choice([0.01, 0.3])
        point = tuple(random.integers(0, size)) if random.random() < 0.5 else tuple(size / 2)
        expected = brute_force_hit(mask, point, tolerance)
        assert pointing_game.is_hit(mask, point, tolerance) == expected
        seen.add(expected)
    assert seen == {False, True}


@pytest.mark.parametrize("tolerance", [1, 2, 4.3, 15])
def test_near_is_where_a_point_hits(tolerance):
    random = np.random.default_rng(0)
    for share in (0, 0.003, 0.05, 1):
        mask = random.random((19, 27)) < share
        expected = [[brute_force_hit(mask, (row, column), tolerance) for column in range(27)] for row in range(19)]
        np.testing.assert_array_equal(pointing_game.near(mask, tolerance), expected)


def test_chance_is_the_mean_over_all_points():
    mask = one_pixel(3, 4, (10, 12))
    game = evaluation.PointingGame(3, tolerance=3)
    (share,) = game.update_chance([mask], [1])
    # 25 lattice points with d^2 < 9, all inside.
    assert share == pytest.approx(25 / 120)
    assert game.score() == pytest.approx(25 / 120)


def test_chance_on_a_half_is_a_half_and_the_tolerance():
    mask = np.zeros((20, 40), bool)
    mask[:, :20] = True
    game = evaluation.PointingGame(1, tolerance=5)
    assert game.update_chance([mask], [0]) == pytest.approx([24 / 40])


def test_score_is_the_mean_over_classes_not_over_pairs():
    """Class 0: 3 of 4; class 2: 0 of 1; class 1 has no pair."""
    game = evaluation.PointingGame(3, tolerance=1)
    masks = [one_pixel(5, 5)] * 5
    points = [(5, 5), (5, 5), (5, 5), (0, 0), (9, 9)]
    hits = game.update_points(points, masks, [0, 0, 0, 0, 2], difficult=[True, False, False, True, False])
    np.testing.assert_array_equal(hits, [True, True, True, False, False])
    np.testing.assert_array_equal(game.counts(), [[3, 0, 0], [4, 0, 1]])
    np.testing.assert_array_equal(game.class_scores(), [0.75, np.nan, 0])
    assert game.score() == 0.375
    assert game.score("difficult") == 0.5
    np.testing.assert_array_equal(game.class_scores("difficult"), [0.5, np.nan, np.nan])


def test_an_image_of_one_half_is_hit_from_the_centre_only_within_the_tolerance():
    """The centre (h / 2, w / 2) lies between pixels where the sides are even."""
    for distance, expected in ((14, True), (15, False)):
        mask = np.zeros((100, 101), bool)
        mask[50 + distance] = True
        game = evaluation.PointingGame(1)
        assert game.update_points([(50, 50.5)], [mask], [0]) == [expected and (distance**2 + 0.25 < 225)]


def test_maps_of_several_sizes_in_one_batch():
    game = evaluation.PointingGame(2, tolerance=3)
    maps = [np.arange(16.0).reshape(4, 4), np.arange(6.0).reshape(2, 3)]
    masks = [one_pixel(27, 36, (30, 40)), one_pixel(0, 0, (20, 10))]
    points = [evaluation.most_salient(map_, mask.shape) for map_, mask in zip(maps, masks)]
    expected = [brute_force_hit(mask, point, 3) for mask, point in zip(masks, points)]
    np.testing.assert_array_equal(game.update(maps, masks, np.array([0, 1])), expected)
    assert sorted(expected) == [False, True]


def test_the_whole_protocol_equals_one_written_plainly():
    """Maps of random sizes, smoothing, classes, difficult pairs: scores from nothing but the definition."""
    from scipy import ndimage

    random = np.random.default_rng(5)
    smoothing = evaluation.Smoothing(0.03)
    game = evaluation.PointingGame(4, 6, smoothing)
    tally = {subset: [[] for _ in range(4)] for subset in ("all", "difficult")}
    for _ in range(20):
        maps, masks, labels, difficult = [], [], [], []
        for _ in range(random.integers(1, 6)):
            size = random.integers(30, 60, 2)
            grid = random.normal(size=random.integers(2, 9, 2))
            mask = np.zeros(size, bool)
            top, left = random.integers(0, size - 25)
            mask[top : top + 25, left : left + 25] = True
            label, hard = random.integers(4), random.random() < 0.4
            at = np.meshgrid(*((np.arange(n) + 0.5) * m / n - 0.5 for m, n in zip(grid.shape, size)), indexing="ij")
            whole = ndimage.map_coordinates(grid, at, order=1, mode="nearest")
            sigma = 0.03 * max(size)
            whole = ndimage.gaussian_filter(whole, sigma, mode="nearest", radius=int(np.ceil(4 * sigma)))
            point = divmod(int(whole.argmax()), whole.shape[1])
            for subset in ("all", "difficult")[: 1 + hard]:
                tally[subset][label].append(brute_force_hit(mask, point, 6))
            maps.append(grid), masks.append(mask), labels.append(label), difficult.append(hard)
        game.update(maps, masks, labels, difficult)
    for subset, of_class in tally.items():
        means = [np.mean(hits) for hits in of_class if hits]
        assert 0 < np.mean(means) < 1
        assert game.score(subset) == pytest.approx(np.mean(means), abs=1e-12)


def test_batches_do_not_matter():
    random = np.random.default_rng(0)
    maps, masks = random.random((10, 6, 6)), random.random((10, 30, 30)) < 0.002
    labels, images = random.integers(0, 3, 10), random.integers(0, 4, 10)
    whole, parts = (evaluation.PointingGame(3, 4) for _ in range(2))
    whole.update(maps, masks, labels, images=images)
    for i in range(10):
        parts.update(maps[i : i + 1], masks[i : i + 1], labels[i : i + 1], images=images[i : i + 1])
    np.testing.assert_array_equal(whole.class_scores(), parts.class_scores())
    assert whole.interval(seed=3) == parts.interval(seed=3)


def add(game, hits, labels=None, images=None, difficult=False):
    """Record hits and misses directly."""
    masks = [one_pixel(0, 0, (9, 9))] * len(hits)
    points = [(0, 0) if hit else (8, 8) for hit in hits]
    game.update_points(points, masks, [0] * len(hits) if labels is None else labels, difficult, images)


def test_interval_of_one_class_is_that_of_a_binomial():
    """The bootstrap of n coin flips of which k are heads is Binomial(n, k / n) / n; quantiles within 5 sigma of 4,000
    resamplings, which is one step of 1 / n here."""
    game = evaluation.PointingGame(1, 2)
    add(game, [True] * 30 + [False] * 20)
    expected = stats.binom.ppf([0.025, 0.975], 50, 0.6) / 50
    np.testing.assert_allclose(game.interval(samples=4000), expected, atol=1 / 50 + 1e-9)
    narrow = game.interval(level=0.5, samples=4000)
    np.testing.assert_allclose(narrow, stats.binom.ppf([0.25, 0.75], 50, 0.6) / 50, atol=1 / 50 + 1e-9)


def test_pairs_of_one_image_stay_together():
    """Every pair four times adds nothing if the copies are known to be of the same image."""
    once, together, apart = (evaluation.PointingGame(1, 2) for _ in range(3))
    hits = [True] * 12 + [False] * 8
    add(once, hits)
    add(together, hits * 4, images=list(range(20)) * 4)
    add(apart, hits * 4)
    assert once.interval() == together.interval()
    widths = [high - low for low, high in (once.interval(), apart.interval())]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.25)
    alone = evaluation.PointingGame(1, 2)
    add(alone, hits, images=["a"] * 20)
    assert alone.interval() == (0.6, 0.6)


def test_interval_equals_resampling_written_plainly():
    """Three classes, several pairs an image, one image at a time."""
    random = np.random.default_rng(1)
    hits, labels, images = random.random(60) < 0.6, random.integers(0, 3, 60), np.repeat(np.arange(20), 3)
    game = evaluation.PointingGame(3, 2)
    add(game, hits, labels, images)
    drawn = np.random.default_rng(7).multinomial(20, np.full(20, 1 / 20), 100)
    scores = []
    for weights in drawn:
        rows = [row for image, weight in enumerate(weights) for row in np.flatnonzero(images == image).repeat(weight)]
        of_class = [np.mean(hits[rows][labels[rows] == c]) for c in range(3) if (labels[rows] == c).any()]
        scores.append(np.mean(of_class))
    np.testing.assert_allclose(game.interval(samples=100, seed=7), np.quantile(scores, [0.025, 0.975]), atol=1e-12)


def test_interval_of_the_difficult_draws_from_their_images_only():
    game = evaluation.PointingGame(1, 2)
    add(game, [True] * 30)
    add(game, [True, False] * 5, difficult=True)
    alone = evaluation.PointingGame(1, 2)
    add(alone, [True, False] * 5)
    assert game.interval("difficult") == alone.interval()


def test_nothing_recorded_is_nan():
    game = evaluation.PointingGame(2)
    assert np.isnan([game.score(), game.score("difficult"), *game.interval()]).all()
    add(game, [True])
    assert game.score() == 1 and np.isnan(game.score("difficult"))


def test_an_empty_mask_is_always_missed():
    game = evaluation.PointingGame(1)
    assert not game.update(np.ones((1, 4, 4)), np.zeros((1, 8, 8)), [0])
    assert game.update_chance(np.zeros((1, 8, 8)), [0]) == [0]


def test_union_of_boxes_cut_to_the_image():
    mask = evaluation.box_mask([(1, 1, 3, 3), (2, 2, 9, 4), (-4, 5, 0, 6)], (4, 6))
    np.testing.assert_array_equal(
        mask.astype(int), [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0]]
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": [0, 3]}, "labels=.*from 0 to 2"),
        ({"labels": [0.0, 1.0]}, "labels=.*integers"),
        ({"labels": [0]}, "labels of length 1.*2 masks"),
        ({"maps": np.zeros((3, 4, 4))}, "maps of length 3.*2 masks"),
        ({"images": ["a"]}, "images of length 1"),
        ({"difficult": [True] * 3}, "difficult of length 3"),
        ({"masks": np.zeros((2, 8))}, "mask of shape .8,."),
        ({"maps": np.full((2, 4, 4), np.nan)}, "NaN"),
    ],
)
def test_what_does_not_fit_is_an_error_and_counts_nothing(change, message):
    game = evaluation.PointingGame(3)
    arguments = {"maps": np.zeros((2, 4, 4)), "masks": np.ones((2, 8, 8), bool), "labels": [0, 1], **change}
    with pytest.raises(ValueError, match=message):
        game.update(**arguments)
    assert game.counts()[1].sum() == 0


@pytest.mark.parametrize("arguments", [{"classes": 0}, {"classes": 2.0}, {"classes": 2, "tolerance": 0}])
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match="is not accepted"):
        evaluation.PointingGame(**arguments)


def test_subset_and_level_are_checked():
    game = evaluation.PointingGame(1)
    with pytest.raises(ValueError, match="subset='hard'.*all, difficult"):
        game.score("hard")
    with pytest.raises(ValueError, match="level"):
        game.interval(level=1)
