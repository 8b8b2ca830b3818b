"""A pair of generators is published with all that it takes to use them, and each finds the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import models, zoo

_OPTIONS = {"image_size": 32, "seed": 3, "cycle_weights": (10.0, 10.0), "norm": "instance"}


def pair(channels=(3, 1), shape=(None, None), seed=0):
    keras.utils.set_random_seed(seed)
    a, b = channels
    there = models.ResNetGenerator((*shape, a), output_channels=b, blocks=1, filters=2, name="there")
    return there, models.ResNetGenerator((*shape, b), output_channels=a, blocks=1, filters=2, name="back")


@pytest.fixture(scope="module", name="published")
def published_fixture(tmp_path_factory):
    root = tmp_path_factory.mktemp("zoo")
    generators = pair()
    metrics = {"a2b": {"l1": 0.25}}
    return root, generators, zoo.publish_translation(
        *generators, "me/maps", _OPTIONS, root, metrics=metrics, licence="MIT", description="Maps."
    )


def test_handles_options_and_what_is_taken(published):
    root, generators, versions = published
    assert [version.handle for version in versions] == ["me/maps_a2b/1", "me/maps_b2a/1"]
    there, back = (version.manifest for version in versions)
    for record, direction, inverse, channels in (
        (there, "a2b", "me/maps_b2a", (3, 1)), (back, "b2a", "me/maps_a2b", (1, 3))
    ):
        training = record["training"]
        assert {name: training[name] for name in _OPTIONS} == {**_OPTIONS, "cycle_weights": [10.0, 10.0]}
        assert (training["direction"], training["inverse"]) == (direction, inverse)
        assert training["preprocessing"] == {
            "channels": channels[0], "output_channels": channels[1], "height": None, "width": None,
            "image_size": [32, 32], "multiple": 4, "smallest": 8, "range": [0.0, 1.0],
        }
        assert set(record["signatures"]) == {
            "serving_default", "encoded_images", "translate_uint8", "translate_uint16"
        }
        assert (record["licence"], record["description"]) == ("MIT", "Maps.")
    assert there["training"]["pair"] == back["training"]["pair"]
    assert (there["metrics"], back["metrics"]) == ({"l1": 0.25}, {})
    image = np.random.default_rng(0).random((1, 20, 28, 3), "float32")
    np.testing.assert_allclose(zoo.load("me/maps_a2b", root)(image), generators[0](image), atol=1e-6)
    with np.load(versions[1].path / "check.npz") as check:
        assert check["inputs"].shape == (2, 32, 32, 1)


def test_the_card_has_a_section_and_its_flags_are_those_of_training(published):
    card = (published[2][0].path / "card.md").read_text()
    assert "## Translation" in card and "| inverse | `me/maps_b2a`, the version with the pair `" in card
    assert "| takes images of | height multiples of 4, at least 8; width multiples of 4, at least 8 |" in card
    assert "| channels | 3 to 1 |" in card and "| direction | a to b |" in card
    flags = card.partition("## Training")[2].partition("## Provenance")[0]
    assert "--cycle_weights=10.0,10.0\n--image_size=32\n--norm=instance\n--seed=3\n" in flags
    assert "inverse" not in flags and "pair" not in flags


def test_the_same_pair_is_not_published_twice(published):
    root, generators, versions = published
    metrics = {"a2b": {"l1": 0.25}}
    again = zoo.publish_translation(
        *generators, "me/maps", _OPTIONS, root, metrics=metrics, licence="MIT", description="Maps."
    )
    assert again == versions


def test_each_finds_the_version_that_it_was_published_with(tmp_path):
    first = zoo.publish_translation(*pair(), "me/maps", _OPTIONS, tmp_path)
    # One direction alone has a version more, so that the numbers of a pair differ.
    zoo.publish(pair(seed=5)[1], "me/maps_b2a", tmp_path, inputs=np.zeros((1, 8, 8, 1), "float32"))
    second = zoo.publish_translation(*pair(seed=1), "me/maps", _OPTIONS, tmp_path)
    assert [version.handle for version in second] == ["me/maps_a2b/2", "me/maps_b2a/3"]
    for there, back in (first, second):
        assert zoo.find_inverse(there.handle, tmp_path) == back and zoo.find_inverse(back.handle, tmp_path) == there
        assert zoo.find_inverse(there.path) == back
    with pytest.raises(ValueError, match="me/maps_b2a/2 was not published with an inverse"):
        zoo.find_inverse("me/maps_b2a/2", tmp_path)
    zoo.gc(["latest:1"], tmp_path, model="me/maps_b2a")
    with pytest.raises(ValueError, match="me/maps_a2b/1: its inverse, a version of me/maps_b2a, is not there"):
        zoo.find_inverse("me/maps_a2b/1", tmp_path)


def test_a_network_of_one_size_and_one_that_takes_no_small_images(tmp_path):
    networks = [models.UNetGenerator((None, None, 3), downsamplings=7, filters=1) for _ in range(2)]
    there, _ = zoo.publish_translation(*networks, "me/large", root=tmp_path, signatures=("uint8",))
    images = there.manifest["training"]["preprocessing"]
    assert (images["multiple"], images["image_size"]) == (128, [128, 128])
    loaded = tf.saved_model.load(str(there.path)).signatures["translate_uint8"]
    assert loaded(images=tf.zeros((1, 128, 256, 3), tf.uint8))["translated"].shape == (1, 128, 256, 3)
    there, _ = zoo.publish_translation(*pair((2, 2), (8, 12)), "me/fixed", root=tmp_path, signatures=())
    images = there.manifest["training"]["preprocessing"]
    assert (images["height"], images["width"], images["image_size"]) == (8, 12, [8, 12])
    assert "| takes images of | height only 8; width only 12 |" in (there.path / "card.md").read_text()
    assert list(there.manifest["signatures"]) == ["serving_default"]


@pytest.mark.parametrize(
    "change, message",
    [({"handle": "me/maps/1"}, "the zoo gives the number"), ({"handle": "maps"}, "handle='maps'"),
     ({"training": {"inverse": "x"}}, "training has 'inverse', which this function writes"),
     ({"training": {"image_size": 30}}, r"training\['image_size'\]=30 is not accepted: there does not take it"),
     ({"metrics": {"l1": 1.0}}, "expected a mapping with 'a2b' and 'b2a'"), ({"signatures": ("int8",)}, "int8"),
     ({"generator_ab": "there"}, "expected a keras.Model"),
     ({"generator_ab": pair((3, 2))[0]}, "generator_ab puts out 2 channels, and the other takes 1")],
)
def test_refused_arguments_leave_nothing(change, message, tmp_path):
    there, back = pair()
    arguments = {"generator_ab": there, "generator_ba": back, "handle": "me/maps", "training": _OPTIONS, **change}
    with pytest.raises(ValueError, match=message):
        zoo.publish_translation(root=tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
