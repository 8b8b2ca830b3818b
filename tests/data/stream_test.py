import hashlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_repvis import data

AUGMENT = data.Augment(rotation=0.2, zoom=0.1, shift=1, flip=True, brightness=0.1, contrast=0.2)


@pytest.fixture(scope="module")
def source():
    return data.Source("repvis_digits", "test")


def batches(stream, **position):
    return [(images.numpy(), labels.numpy()) for images, labels in stream.dataset(**position)]


def digests(stream, **position):
    return [hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() for x, y in batches(stream, **position)]


def test_delivers_the_pixels_over_255_in_the_order_it_states(source):
    stream = data.Stream(source, 64, seed=3)
    assert stream.steps_per_epoch == 7
    found = batches(stream, epoch=2)
    order = stream.order(2)
    np.testing.assert_array_equal(order, np.random.default_rng([3, 2]).permutation(500))
    images = np.concatenate([x for x, _ in found])
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, (source.load(order[:448]) / 255.0).astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), source.labels[order[:448]])


def test_every_example_once_an_epoch_and_no_batch_across_epochs(source):
    stream = data.Stream(source, 150, drop_remainder=False)
    assert stream.steps_per_epoch == 4
    found = batches(stream, epochs=2)
    assert [len(y) for _, y in found] == [150, 150, 150, 50] * 2
    for epoch in (0, 1):
        labels = np.concatenate([y for _, y in found[4 * epoch : 4 * epoch + 4]])
        np.testing.assert_array_equal(np.bincount(labels), np.bincount(source.labels))


def test_without_shuffling_the_order_is_that_of_the_source(source):
    stream = data.Stream(source, 128, shuffle=False, drop_remainder=False)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches(stream)]), source.labels)


@pytest.mark.parametrize("cache, drop_remainder", [(True, True), (True, False), (False, False)])
def test_resumed_batches_are_those_of_the_uninterrupted_run(source, cache, drop_remainder):
    options = dict(augment=AUGMENT, seed=1, image_size=10, cache=cache, drop_remainder=drop_remainder)
    stream = data.Stream(source, 64, **options)
    steps = stream.steps_per_epoch
    whole = digests(stream, epochs=3)
    assert len(set(whole)) == len(whole) == 3 * steps
    for consumed in (1, steps, steps + 3, 3 * steps - 1):
        position = data.Position().advance(consumed, steps)
        again = data.Stream(source, 64, **options)
        rest = digests(again, epochs=3 - position.epoch, epoch=position.epoch, step=position.step)
        assert rest == whole[consumed:], consumed


def test_the_cache_changes_nothing(source):
    first, second, third = (
        digests(data.Stream(source, 50, image_size=12, augment=AUGMENT, cache=cache), epochs=2)
        for cache in (True, False, "auto")
    )
    assert first == second == third


def test_seed_and_epoch_change_the_order(source):
    stream = data.Stream(source, 100, seed=1)
    assert digests(stream) == digests(stream) == digests(data.Stream(source, 100, seed=1))
    assert set(digests(stream)).isdisjoint(digests(stream, epoch=1))
    assert set(digests(stream)).isdisjoint(digests(data.Stream(source, 100, seed=2)))


def test_resuming_decodes_only_what_it_delivers(source, monkeypatch):
    stream = data.Stream(source, 10, cache=False)
    asked = []
    load = source.load
    monkeypatch.setattr(source, "load", lambda indices, *args: asked.extend(indices) or load(indices, *args))
    assert len(batches(stream, epoch=5, step=48)) == 2
    np.testing.assert_array_equal(np.sort(asked), np.sort(stream.order(5)[480:]))


def test_shapes_and_length_are_known_beforehand(source):
    fixed = data.Stream(source, 64, image_size=(9, 11)).dataset(epochs=2, step=3)
    assert fixed.element_spec == (tf.TensorSpec([64, 9, 11, 1], tf.float32), tf.TensorSpec([64], tf.int32))
    assert int(fixed.cardinality()) == len(list(fixed)) == 11
    ragged = data.Stream(source, 64, drop_remainder=False).dataset()
    assert ragged.element_spec[0].shape == [None, 8, 8, 1]


def test_without_end(source):
    dataset = data.Stream(source, 250).dataset(epochs=None)
    assert [len(labels) for _, labels in dataset.take(7)] == [250] * 7
    assert int(dataset.cardinality()) < 0


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_converted(source, channels):
    images = batches(data.Stream(source, 500, channels=channels, shuffle=False))[0][0]
    assert images.shape == (500, 8, 8, channels)
    grey = batches(data.Stream(source, 500, shuffle=False))[0][0]
    np.testing.assert_array_equal(images, np.repeat(grey, channels, -1))


@pytest.mark.parametrize("policy", ["squash", "crop", "pad"])
def test_images_of_several_sizes_come_to_one(policy):
    photographs = data.Source("repvis_photos", "train[:4]")
    stream = data.Stream(photographs, 4, image_size=(20, 30), resize=policy, shuffle=False, cache=False)
    found = batches(stream)[0][0]
    expected = [data.resize.resize(photographs.image(i), (20, 30), policy) for i in range(4)]
    np.testing.assert_array_equal(found, (np.stack(expected) / 255.0).astype(np.float32))
    with pytest.raises(ValueError, match="image_size=None.*several sizes"):
        data.Stream(photographs, 4).dataset()


def test_two_replicas_share_each_batch(source):
    devices = tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in devices[:2]], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    stream = data.Stream(source, 64, seed=1)
    for (images, labels), (whole, whole_labels) in zip(
        strategy.experimental_distribute_dataset(stream.dataset()), batches(stream)
    ):
        parts = strategy.experimental_local_results(images)
        assert [len(part) for part in parts] == [32, 32]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
        np.testing.assert_array_equal(np.concatenate(strategy.experimental_local_results(labels)), whole_labels)


@pytest.fixture
def damaged_folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)).save(path)
    (tmp_path / "a/04.png").write_bytes((tmp_path / "a/04.png").read_bytes()[:900])
    return tmp_path


def test_a_corrupt_file_is_named_with_and_without_cache(damaged_folder):
    source = data.Source(str(damaged_folder))
    with pytest.raises(ValueError, match="a/04.png' cannot be used: .*truncated"):
        data.Stream(source, 2, image_size=8, cache=True).dataset()
    with pytest.raises(tf.errors.OpError, match="a/04.png' cannot be used: .*truncated"):
        batches(data.Stream(source, 2, image_size=8, cache=False))


@pytest.mark.parametrize("cache", [True, False])
def test_skipped_files_leave_the_number_of_steps_right(damaged_folder, cache):
    source = data.Source(str(damaged_folder), skip_corrupt=True)
    stream = data.Stream(source, 3, image_size=8, cache=cache, drop_remainder=False)
    with pytest.warns(UserWarning, match="1 of 12"):
        assert stream.steps_per_epoch == 4
    found = batches(stream)
    assert [len(labels) for _, labels in found] == [3, 3, 3, 2]
    assert [skipped.name for skipped in stream.skipped] == [str(damaged_folder / "a/04.png")]


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=0), dict(batch_size=2.5), dict(image_size=0), dict(resize="stretch"), dict(seed=-1),
        dict(seed=1.5), dict(cache="yes"), dict(channels=2),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(source, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))}="):
        data.Stream(source, **{"batch_size": 4, **options})


@pytest.mark.parametrize("position", [dict(epochs=0), dict(epoch=-1), dict(step=7), dict(step=-1), dict(step=0.5)])
def test_bad_positions_are_named(source, position):
    with pytest.raises(ValueError, match=f"{next(iter(position))}="):
        data.Stream(source, 64).dataset(**position)


def test_a_batch_larger_than_the_set_is_an_error(source):
    with pytest.raises(ValueError, match="batch_size=501.*500 examples"):
        data.Stream(source, 501).dataset()
    assert data.Stream(source, 501, drop_remainder=False).steps_per_epoch == 1


@pytest.mark.parametrize("shards", [2, 3, 5])
@pytest.mark.parametrize("augment", [None, AUGMENT])
def test_pieces_make_up_the_batches_of_one_reader_after_any_resume(source, shards, augment):
    def joined(pieces):
        return [np.concatenate(parts) for parts in zip(*pieces)]

    stream = data.Stream(source, 60, seed=5, augment=augment)
    whole = batches(stream, epochs=2)[3:]
    workers = [batches(stream, epochs=2, step=3, shards=shards, shard=[number]) for number in range(shards)]
    assert len(workers[0]) == len(whole)
    # Vectorised arithmetic rounds otherwise at the end of an array, so augmented pixels agree up to that.
    tolerance = 0 if augment is None else 2e-6
    for (images, labels), *pieces in zip(whole, *workers):
        found_images, found_labels = joined(pieces)
        np.testing.assert_allclose(found_images, images, rtol=0, atol=tolerance)
        np.testing.assert_array_equal(found_labels, labels)
        assert {len(piece[1]) for piece in pieces} == {60 // shards}
    in_turn = batches(stream, step=3, shards=shards)[:shards]
    np.testing.assert_array_equal(joined(in_turn)[1], whole[0][1])


def test_no_piece_is_empty_and_every_example_is_counted_once(source):
    # 500 examples: batches of 166, 166, 166 and 2, cut in three.
    stream = data.Stream(source, 166, shuffle=False, drop_remainder=False)
    assert (stream.steps(), stream.steps(2), stream.steps(3)) == (4, 4, 3)
    pieces = batches(stream, shards=3)
    assert [len(y) for _, y in pieces] == [55, 55, 56, 55, 55, 56, 56, 56, 56]
    np.testing.assert_array_equal(np.concatenate([y for _, y in pieces]), source.labels)
    resumed = batches(stream, shards=3, step=2)
    np.testing.assert_array_equal(np.concatenate([y for _, y in resumed]), source.labels[332:])
    with pytest.raises(ValueError, match="shards=3 is not accepted: the data set has only 2 examples"):
        data.Stream(data.Source("repvis_digits", "test[:2]"), 4, drop_remainder=False).steps(3)


def test_says_whether_batches_split_evenly(source):
    assert data.Stream(source, 60).splits_evenly(3)
    assert not data.Stream(source, 50).splits_evenly(3)
    assert not data.Stream(source, 60, drop_remainder=False).splits_evenly(3)  # 500 = 8 * 60 + 20
    assert data.Stream(source, 60, drop_remainder=False).splits_evenly(4)
