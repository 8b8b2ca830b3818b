import hashlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from keras_repvis import data
from keras_repvis.data import pixels
from keras_repvis.data import two_domain_maps

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def domains():
    return data.ImageDomain("repvis_maps/64", "trainA[:50]"), data.ImageDomain("repvis_maps/64", "trainB[:33]")


def save(folder, count, size=(12, 14), dtype=np.uint8, channels=3):
    folder.mkdir()
    for i in range(count):
        np.save(folder / f"{i:03}.npy", RNG.integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True))
    return data.ImageDomain(str(folder))


def batches(stream, **position):
    return [(a.numpy(), b.numpy()) for a, b in stream.dataset(**position)]


def digest(pairs, shards=1):
    """Hash batches whose pieces come one after the other."""
    result = hashlib.sha256()
    for start in range(0, len(pairs), shards):
        for side in zip(*pairs[start : start + shards]):
            result.update(np.concatenate(side).tobytes())
    return result.hexdigest()


def test_delivers_the_images_of_the_order_it_states(domains):
    stream = data.UnpairedStream(*domains, batch_size=4, flip=False, seed=3)
    assert (stream.num_examples, stream.steps_per_epoch, stream.batch_size) == (50, 12, 4)
    assert stream.image_shapes == ((64, 64, 3), (64, 64, 3))
    order = stream.order(2)
    for domain, numbers, side in zip(domains, order, zip(*batches(stream, epoch=2))):
        images = np.concatenate(side)
        assert images.dtype == np.float32 and images.shape == (48, 64, 64, 3)
        expected = np.stack([domain.image(i) for i in numbers[:48]])
        np.testing.assert_array_equal(images, expected.astype(np.float32) / np.float32(255))


def test_the_order_is_the_stated_one(domains):
    stream = data.UnpairedStream(*domains, seed=3)
    random = np.random.default_rng([3, 7])
    a, b = stream.order(7)
    np.testing.assert_array_equal(a, random.permutation(50))
    np.testing.assert_array_equal(b, random.integers(33, size=50))
    swapped = data.UnpairedStream(domains[1], domains[0], seed=3)
    np.testing.assert_array_equal(swapped.order(7)[0], np.random.default_rng([3, 7]).permutation(50) % 33)


@pytest.mark.parametrize("sizes", [(5, 12), (12, 5), (7, 7)])
def test_an_epoch_is_as_long_as_the_larger_domain_and_shows_a_equally_often(tmp_path, sizes):
    stream = data.UnpairedStream(*(save(tmp_path / str(i), size) for i, size in enumerate(sizes)), batch_size=3)
    assert stream.steps_per_epoch == max(sizes) // 3
    for epoch in range(5):
        counts = np.bincount(stream.order(epoch)[0], minlength=sizes[0])
        assert counts.min() >= max(sizes) // sizes[0] and counts.max() <= -(-max(sizes) // sizes[0])
    whole = data.UnpairedStream(stream.domain_a, stream.domain_b, batch_size=5, drop_remainder=False)
    assert [len(a) for a, _ in batches(whole)] == [5] * (max(sizes) // 5) + [max(sizes) % 5]


def test_images_of_b_are_drawn_uniformly_and_anew(domains):
    stream = data.UnpairedStream(*domains, seed=1)
    drawn = np.concatenate([stream.order(epoch)[1] for epoch in range(400)])
    assert stats.chisquare(np.bincount(drawn, minlength=33)).pvalue > 1e-4
    # Given the image of A, that of B is uniform too.
    a = np.concatenate([stream.order(epoch)[0] for epoch in range(400)])
    table = np.zeros((50, 33))
    np.add.at(table, (a, drawn), 1)
    assert stats.chisquare(table.ravel()).pvalue > 1e-4
    assert not np.array_equal(stream.order(0)[1], stream.order(1)[1])
    assert not np.array_equal(stream.order(0)[1], data.UnpairedStream(*domains, seed=2).order(0)[1])


OPTIONS = dict(batch_size=6, load_size=(70, 72), image_size=(40, 48), seed=5)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("shards", [1, 2, 3])
def test_batches_are_the_same_bit_for_bit_in_pieces_and_after_any_resume(domains, cache, shards):
    whole = batches(data.UnpairedStream(*domains, **OPTIONS), epochs=3)
    assert len(whole) == 3 * 8 and len({digest([pair]) for pair in whole}) == 24
    stream = data.UnpairedStream(*domains, **OPTIONS, cache=cache)
    assert stream.splits_evenly(shards) and stream.steps(shards) == 8
    for consumed in (0, 1, 8, 11, 23):
        position = data.Position().advance(consumed, 8)
        rest = batches(stream, epochs=3 - position.epoch, epoch=position.epoch, step=position.step, shards=shards)
        assert len(rest) == shards * (24 - consumed) and {len(a) for a, _ in rest} == {6 // shards}
        assert digest(rest, shards) == digest(whole[consumed:])


def test_workers_read_their_own_pieces(domains):
    stream = data.UnpairedStream(*domains, **OPTIONS)
    pieces = [batches(stream, shards=3, shard=[k]) for k in range(3)]
    in_turn = [piece for step in zip(*pieces) for piece in step]
    assert digest(in_turn, 3) == digest(batches(stream))


def test_two_replicas_share_each_batch(domains):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")[:2]]
    strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
    stream = data.UnpairedStream(*domains, **OPTIONS)
    shared = strategy.distribute_datasets_from_function(lambda context: stream.dataset(shards=2, shard=[0, 1]))
    found = []
    for pair in shared:
        for parts in zip(*(strategy.experimental_local_results(side) for side in pair)):
            found.append(tuple(part.numpy() for part in parts))
    assert digest(found, 2) == digest(batches(stream))


def test_windows_and_mirrors_are_those_of_the_scaled_image(domains):
    stream = data.UnpairedStream(*domains, **OPTIONS)
    (images, _), order = batches(stream)[0], stream.order(0)[0]
    places, mirrored = set(), []
    for image, number in zip(images, order):
        scaled = Image.fromarray(domains[0].image(number)).resize((72, 70), Image.Resampling.BICUBIC)
        scaled = (np.asarray(scaled) / np.float32(255)).astype(np.float32)
        windows = {
            (top, left, flip): scaled[top : top + 40, left : left + 48][:, :: -1 if flip else 1]
            for top in range(31)
            for left in range(25)
            for flip in (False, True)
        }
        [(top, left, flip)] = [place for place, window in windows.items() if np.array_equal(window, image)]
        places.add((top, left))
        mirrored.append(flip)
    assert len(places) == 6 and 0 < sum(mirrored) < 6


def test_places_and_mirrors_are_uniform_and_independent_on_the_two_sides(tmp_path):
    """Images whose pixels say where they are."""
    (tmp_path / "ramp").mkdir()
    np.save(tmp_path / "ramp/0.npy", np.arange(11 * 10, dtype=np.uint8).reshape(11, 10, 1))
    domain = data.ImageDomain(str(tmp_path / "ramp"))
    stream = data.UnpairedStream(domain, domain, image_size=(8, 8), seed=2)
    drawn = []
    for a, b in batches(stream, epochs=3000):
        corners = [np.round(255 * side[0, 0, [0, -1], 0]).astype(int) for side in (a, b)]
        drawn.append([(min(c) // 10, min(c) % 10, c[0] > c[1]) for c in corners])
    drawn = np.array(drawn, int)  # (epochs, sides, top and left and mirrored)
    for side in range(2):
        for column, count in enumerate((4, 3, 2)):
            found = np.bincount(drawn[:, side, column], minlength=count)
            assert len(found) == count and stats.chisquare(found).pvalue > 1e-4
    for column, count in enumerate((4, 3, 2)):
        table = np.zeros((count, count))
        np.add.at(table, tuple(drawn[:, :, column].T), 1)
        assert stats.chisquare(table.ravel()).pvalue > 1e-4


def test_an_image_that_comes_several_times_an_epoch_is_cut_anew_each_time(tmp_path):
    a, b = save(tmp_path / "a", 1, size=(40, 40)), save(tmp_path / "b", 30, size=(40, 40))
    windows = [images.tobytes() for images, _ in batches(data.UnpairedStream(a, b, image_size=8))]
    assert len(windows) == 30 and len(set(windows)) > 20


def test_without_shuffling_test_images_come_as_true_pairs():
    sides = [data.ImageDomain("repvis_maps/64", split) for split in ("testA", "testB")]
    stream = data.UnpairedStream(*sides, batch_size=5, shuffle=False)
    assert (stream.order(0)[0] == stream.order(9)[1]).all()
    a, b = batches(stream)[2]
    for i, town in enumerate(list(two_domain_maps.generate("testA", 15))[10:]):
        np.testing.assert_array_equal(a[i], town.aerial / np.float32(255))
        np.testing.assert_array_equal(b[i], town.map / np.float32(255))


def test_without_shuffling_the_centre_is_cut_out_and_the_smaller_domain_wraps_around(tmp_path):
    a, b = save(tmp_path / "a", 3), save(tmp_path / "b", 5)
    stream = data.UnpairedStream(a, b, batch_size=2, image_size=(10, 7), shuffle=False, drop_remainder=False)
    found = batches(stream)
    assert [len(pair[0]) for pair in found] == [2, 2, 1]
    images = np.concatenate([pair[0] for pair in found])
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image, a.image(i % 3)[1:11, 4:11] / np.float32(255))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("cache", [True, False])
def test_many_channels_of_any_depth(tmp_path, dtype, cache):
    a, b = save(tmp_path / "a", 3, dtype=dtype, channels=5), save(tmp_path / "b", 2, dtype=dtype, channels=1)
    stream = data.UnpairedStream(a, b, flip=False, shuffle=False, cache=cache)
    assert stream.image_shapes == ((12, 14, 5), (12, 14, 1))
    images = np.concatenate([pair[0] for pair in batches(stream)])
    expected = np.stack([a.image(i) for i in range(3)]).astype(np.float32) / np.float32(np.iinfo(dtype).max)
    np.testing.assert_array_equal(images, expected)
    scaled = batches(data.UnpairedStream(a, b, load_size=20, image_size=16, cache=cache))[0][0]
    assert scaled.shape == (1, 16, 16, 5) and 0.0 <= scaled.min() < scaled.max() <= 1.0


def test_images_of_several_sizes_are_cut_or_scaled(tmp_path):
    a = save(tmp_path / "a", 2, size=(20, 30))
    np.save(tmp_path / "a/9.npy", np.zeros((11, 40, 3), np.uint8))
    for options in (dict(image_size=11), dict(load_size=8), dict(load_size=(9, 8), image_size=8)):
        stream = data.UnpairedStream(a, a, batch_size=3, **options)
        assert stream.image_shapes[0][:2] == (options.get("image_size", 8),) * 2
        assert batches(stream)[0][0].shape == (3, *stream.image_shapes[0])
    with pytest.raises(ValueError, match="image_size=None is not accepted: the images of .* have several sizes"):
        data.UnpairedStream(a, a).dataset()


def test_images_too_small_are_named(tmp_path):
    a, b = save(tmp_path / "a", 2, size=(20, 30)), save(tmp_path / "b", 3, size=(20, 15))
    message = (
        r"image_size=\(16, 16\) is not accepted: image '.*b/000.npy' of domain_b is only 20x15 pixels \(2 more are too "
        r"small\). Give a load_size"
    )
    with pytest.raises(ValueError, match=message):
        data.UnpairedStream(a, b, image_size=16).dataset()
    assert batches(data.UnpairedStream(a, b, image_size=16, load_size=16))[0][1].shape == (1, 16, 16, 3)


def test_a_corrupt_file_is_named_with_and_without_cache_or_left_out(tmp_path):
    a, b = save(tmp_path / "a", 4), save(tmp_path / "b", 2)
    path = tmp_path / "a/002.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(data.CorruptImageError, match="002.npy' cannot be used"):
        data.UnpairedStream(a, b, cache=True).dataset()
    with pytest.raises(tf.errors.OpError, match="002.npy' cannot be used"):
        batches(data.UnpairedStream(a, b, cache=False))
    kept = data.UnpairedStream(data.ImageDomain(str(tmp_path / "a"), skip_corrupt=True), b, cache=False)
    with pytest.warns(UserWarning, match="1 of 4"):
        assert kept.steps_per_epoch == 3
    assert len(batches(kept)) == 3 and [each.name for each in kept.skipped] == [str(path)]


def test_shapes_and_length_are_known_beforehand(domains):
    dataset = data.UnpairedStream(*domains, **OPTIONS).dataset(epochs=2, step=3, shards=2)
    assert dataset.element_spec == (tf.TensorSpec([3, 40, 48, 3]), tf.TensorSpec([3, 40, 48, 3]))
    assert int(dataset.cardinality()) == len(list(dataset)) == 26
    endless = data.UnpairedStream(*domains, **OPTIONS).dataset(epochs=None)
    assert int(endless.cardinality()) < 0 and len(list(endless.take(9))) == 9


def test_resuming_decodes_only_what_it_delivers(domains, monkeypatch):
    stream = data.UnpairedStream(*domains, **OPTIONS, cache=False)
    asked = []
    image = domains[0].image
    monkeypatch.setattr(domains[0], "image", lambda index: asked.append(index) or image(index))
    assert len(batches(stream, epoch=5, step=7)) == 1
    np.testing.assert_array_equal(np.sort(asked), np.sort(stream.order(5)[0][42:48]))


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=0), dict(image_size=0), dict(load_size=(3, 4, 5)), dict(flip="yes"), dict(seed=-1),
        dict(shuffle=1.5), dict(drop_remainder=None), dict(cache="never"), dict(image_size=65, load_size=64),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(domains, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        data.UnpairedStream(*domains, **options)


def test_a_batch_larger_than_the_epoch_is_an_error(domains):
    with pytest.raises(ValueError, match="batch_size=51.*50 examples"):
        data.UnpairedStream(*domains, batch_size=51).dataset()


def test_the_crop_of_deep_images_is_exact(tmp_path):
    a = save(tmp_path / "a", 1, size=(5, 5), dtype=np.uint16, channels=3)
    image = batches(data.UnpairedStream(a, a, flip=False))[0][0][0]
    np.testing.assert_array_equal(image, pixels.to_float(a.image(0)))
