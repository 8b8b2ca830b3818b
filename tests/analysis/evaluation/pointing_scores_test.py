import dataclasses
import types

import keras
import numpy as np
import pytest

from keras_repvis.analysis import attribution
from keras_repvis.analysis import evaluation
from keras_repvis.analysis.evaluation import pointing_game
from keras_repvis.analysis.evaluation import pointing_scores

SIZES = [(30, 47), (40, 20), (33, 33)]


class Pairs:
    """Grey noise with one brighter square a class; the square of class 2 is in every third image."""

    name, masks, tolerance, class_names = "squares", "pixels", 2, ("a", "b", "c")

    def __init__(self, count=9, channels=3):
        self.count = count
        self.channels = channels

    def __iter__(self):
        for i in range(self.count):
            random = np.random.default_rng(i)
            size = SIZES[i % 3]
            image = random.integers(0, 100, (*size, self.channels)).astype(np.uint8)
            masks = {}
            for label in (0, 1, 2)[: 3 if i % 3 == 0 else 2]:
                top, left = random.integers(0, np.subtract(size, 8))
                mask = masks[label] = np.zeros(size, bool)
                mask[top : top + 8, left : left + 8] = True
                image[mask] += np.uint8(40 * (label + 1))
            for label, mask in masks.items():
                yield evaluation.PointingPair(image, label, mask, i % 2 == 0, f"image {i}")


class Recorded:
    """A method that notes what it is given; its maps are the class-th channel of the images."""

    def __init__(self, shape=None, classes=3):
        self.batches = []
        output = types.SimpleNamespace(shape=(None, classes))
        inputs = None if shape is None else [types.SimpleNamespace(shape=(None, *shape))]
        self.model = types.SimpleNamespace(inputs=inputs, outputs=[output])

    def __call__(self, images, targets):
        self.batches.append((images, targets))
        return types.SimpleNamespace(maps=images[np.arange(len(images)), :, :, targets % images.shape[-1]])


def brute_force(pairs, point_of, subset, tolerance=2):
    """Mean over classes of the shares of hits, for a function from a pair to its point or to a share of a hit."""
    tally = {}
    for pair in pairs:
        if subset == "all" or pair.difficult:
            found = point_of(pair)
            hit = found if np.ndim(found) == 0 else pointing_game.is_hit(pair.mask, found, tolerance)
            tally.setdefault(pair.label, []).append(hit)
    return np.mean([np.mean(hits) for hits in tally.values()])


def test_images_are_stretched_to_the_size_of_the_model():
    method = Recorded((24, 32, 3))
    scores = evaluation.play_pointing_game({"mine": method}, Pairs())
    (images, targets), = method.batches
    assert images.shape == (21, 24, 32, 3) and images.dtype == np.float32 and 0 <= images.min() < images.max() <= 1
    np.testing.assert_array_equal(targets, [pair.label for pair in Pairs()])
    assert scores.rows()[0]["input"] == "24 x 32"


def test_a_model_of_any_size_keeps_the_proportions():
    method = Recorded((None, None, 3))
    scores = evaluation.play_pointing_game({"mine": method}, Pairs(), short_side=32)
    # 32 x 47 / 30 = 50.1.
    assert sorted((images.shape[1:3], len(images)) for images, _ in method.batches) == [
        ((32, 32), 6), ((32, 50), 9), ((64, 32), 6),
    ]
    assert scores.rows()[0]["input"] == "short side 32"


def test_a_method_without_a_declared_size_needs_one():
    with pytest.raises(ValueError, match="size of method 'mine'.*give it"):
        evaluation.play_pointing_game({"mine": Recorded()}, Pairs())
    with pytest.raises(ValueError, match=r"size of method 'mine'.*\(None, 32\)"):
        evaluation.play_pointing_game({"mine": Recorded((None, 32, 3))}, Pairs())
    method = Recorded()
    evaluation.play_pointing_game({"mine": method}, Pairs(), size={"mine": (16, 20)})
    assert method.batches[0][0].shape[1:] == (16, 20, 3)


def test_colour_follows_the_model():
    grey, colour = Recorded((16, 16, 1)), Recorded((16, 16, 3))
    evaluation.play_pointing_game({"grey": grey, "colour": colour}, Pairs(channels=1))
    assert grey.batches[0][0].shape[-1] == 1 and colour.batches[0][0].shape[-1] == 3
    np.testing.assert_array_equal(colour.batches[0][0][..., :1], grey.batches[0][0])


def test_scores_equal_a_loop_written_plainly():
    methods = {"fixed": Recorded((20, 20, 3)), "free": Recorded((None, None, 3))}
    scores = evaluation.play_pointing_game(methods, Pairs(), short_side=25)
    from PIL import Image

    for name, size_of in {
        "fixed": lambda pair: (20, 20),
        "free": lambda pair: [25 * side // min(pair.mask.shape) for side in pair.mask.shape],
    }.items():

        def point_of(pair, name=name, size_of=size_of):
            height, width = size_of(pair)
            small = np.asarray(Image.fromarray(pair.image).resize((width, height), Image.Resampling.BILINEAR)) / 255
            fed = [images for images, _ in methods[name].batches if images.shape[1:] == small.shape]
            assert any(np.abs(image - small).max() < 1e-6 for images in fed for image in images)
            return evaluation.most_salient(small[..., pair.label], pair.mask.shape)

        for subset in ("all", "difficult"):
            assert scores.games[name].score(subset) == pytest.approx(brute_force(Pairs(), point_of, subset))
    assert scores.games["fixed"].counts()[1].tolist() == [9, 9, 3]


@pytest.mark.parametrize("tolerance", [2, 12])
def test_chance_equals_its_definition(tolerance):
    scores = evaluation.play_pointing_game({"mine": Recorded((8, 8, 3))}, Pairs(), tolerance=tolerance)

    def centre(pair):
        return pair.mask.shape[0] / 2, pair.mask.shape[1] / 2

    def share(pair):
        points = np.ndindex(pair.mask.shape)
        return np.mean([pointing_game.is_hit(pair.mask, point, tolerance) for point in points])

    for subset in ("all", "difficult"):
        expected = brute_force(Pairs(), centre, subset, tolerance)
        assert scores.games["centre"].score(subset) == pytest.approx(expected)
        expected = brute_force(Pairs(), share, subset, tolerance)
        assert scores.games["random point"].score(subset) == pytest.approx(expected)


def test_how_pairs_are_read_does_not_matter(monkeypatch):
    whole = evaluation.play_pointing_game({"mine": Recorded((16, 16, 3))}, Pairs())
    monkeypatch.setattr(pointing_scores, "_READ_AT_ONCE", 2)
    method = Recorded((16, 16, 3))
    calls = []
    parts = evaluation.play_pointing_game({"mine": method}, Pairs(), progress=calls.append)
    # No image is read in two parts.
    assert len(method.batches) == 9 and calls == [3, 5, 7, 10, 12, 14, 17, 19, 21]
    assert str(whole) == str(parts)


def test_each_method_has_the_smoothing_of_torchray():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, activation="relu"),
                              keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])
    methods = {"one": attribution.Gradient(model), "two": attribution.GuidedBackprop(model)}
    methods["three"] = Recorded((8, 8, 3))
    scores = evaluation.play_pointing_game(methods, Pairs(3))
    assert [scores.games[name].smoothing for name in methods] == [evaluation.Smoothing(0.02)] * 2 + [None]
    mine = evaluation.Smoothing(0.1)
    scores = evaluation.play_pointing_game(methods, Pairs(3), smoothing={"three": mine})
    assert [scores.games[name].smoothing for name in methods] == [None, None, mine]
    scores = evaluation.play_pointing_game(methods, Pairs(3), smoothing=mine)
    assert [scores.games[name].smoothing for name in methods] == [mine] * 3
    with pytest.raises(ValueError, match="smoothing='torchry'"):
        evaluation.play_pointing_game(methods, Pairs(3), smoothing="torchry")


def test_outputs_stand_for_classes_as_targets_say():
    method = Recorded((8, 8, 3), classes=1000)
    with pytest.raises(ValueError, match="'mine' explains 1000 outputs, but there are 3 classes"):
        evaluation.play_pointing_game({"mine": method}, Pairs())
    evaluation.play_pointing_game({"mine": method}, Pairs(2), targets=[900, 5, 7])
    np.testing.assert_array_equal(method.batches[0][1], [900, 5, 7, 900, 5])
    with pytest.raises(ValueError, match="'mine' explains 1000 outputs"):
        evaluation.play_pointing_game({"mine": method}, Pairs(), targets=[0, 1, 1000])
    for targets in ([1, 2], [0.5, 1, 2], [-1, 0, 1]):
        with pytest.raises(ValueError, match="targets=.*3 integers"):
            evaluation.play_pointing_game({"mine": method}, Pairs(), targets=targets)


def test_a_map_that_is_the_mask_never_misses():
    """Channel c of an image is light on the object of class c alone, and is the map of c."""

    class Light(Pairs):
        def __iter__(self):
            pairs = list(super().__iter__())
            for pair in pairs:
                image = np.zeros((*pair.mask.shape, 3), np.uint8)
                for other in pairs:
                    if other.name == pair.name:
                        image[other.mask, other.label] = 255
                yield dataclasses.replace(pair, image=image)

    scores = evaluation.play_pointing_game({"image": Recorded((30, 30, 3))}, Light())
    assert scores.games["image"].score() == 1
    assert scores.games["image"].interval() == (1, 1)


def test_the_table_names_what_was_done():
    scores = evaluation.play_pointing_game({"mine": Recorded((8, 8, 3))}, Pairs(), tolerance=3)
    assert scores.pairs == "squares: masks of pixels, 21 pairs of 9 images" and scores.tolerance == 3
    assert [row["map"] for row in scores.rows()] == ["mine", "centre", "random point"]
    assert [row["all"].images for row in scores.rows()] == [9] * 3 and scores.rows()[0]["difficult"].images == 5
    lines = str(scores).splitlines()
    assert lines[0].split() == ["map", "all", "difficult", "input"] and len(lines) == 4
    row = scores.rows()[0]["all"]
    assert (row.low, row.high) == scores.games["mine"].interval() and row.mean == scores.games["mine"].score()


@pytest.mark.parametrize("methods", [{}, {"centre": Recorded((8, 8, 3))}])
def test_no_methods_and_taken_names_are_errors(methods):
    with pytest.raises(ValueError, match="methods="):
        evaluation.play_pointing_game(methods, Pairs())


def test_no_pairs_are_an_error():
    with pytest.raises(ValueError, match="pairs='squares'.*there are none"):
        evaluation.play_pointing_game({"mine": Recorded((8, 8, 3))}, Pairs(0))
