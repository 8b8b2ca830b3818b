"""Training translations from a record: what a run leaves, how it goes on, what it refuses before it begins."""

import dataclasses
import json

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_repvis import training

pytestmark = [
    pytest.mark.usefixtures("eagerly"),
    pytest.mark.filterwarnings("ignore:.*experimental_run_functions_eagerly"),
]

SIZE = 16
# 2 steps an epoch.
SMALL = training.Translation(
    split_a="trainA[:4]", split_b="trainB[:3]", image_size=SIZE, blocks=1, filters=2, discriminator_layers=1,
    discriminator_filters=2, pool_size=3, epochs=2, batch_size=2, seed=3,
)  # fmt: skip


def train(config, run=None, **options):
    return training.train_translation(config, run, progress=False, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that is left alone: its result and its directory."""
    run = tmp_path_factory.mktemp("run") / "maps"
    config = dataclasses.replace(SMALL, validation_split_a="testA[:3]", validation_split_b="testB[:3]", noise=0.1)
    return config, train(config, run), run


def state(trained):
    return training.LearnerState(trained.model).read()


def assert_equal_states(one, other):
    for mine, theirs in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def entries(trained):
    return [dict(entry, seconds=0) for entry in trained.history]


def test_history_and_files(finished):
    config, trained, run = finished
    assert [(entry["epoch"], entry["step"]) for entry in trained.history] == [(1, 2), (2, 4)]
    first, last = trained.history
    # As it is when an epoch has ended: that of the next one.
    assert first["learning_rate"] == last["learning_rate"] == pytest.approx(1e-4)
    assert {"cycle_a_error", "val_cycle_a_error", "told_apart_b", "val_contrast_ab"} <= last.keys()
    assert trained.train.skipped == [] and trained.train.steps_per_epoch == 2
    assert sorted(path.name for path in (run / "images").iterdir()) == ["epoch_00001.png", "epoch_00002.png"]
    assert len((run / "log.jsonl").read_text().splitlines()) == 2


def test_the_image_grid_shows_an_image_of_each_domain_there_and_back(finished):
    config, trained, run = finished
    with PIL.Image.open(run / "images" / "epoch_00002.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (3 * (SIZE + 2) - 2, 6 * (SIZE + 2) - 2, 3)
    a, b = next(iter(training.open_validation_pairs(dataclasses.replace(config, batch_size=3)).dataset()))
    there, back = trained.model.generator_ab, trained.model.generator_ba
    columns = [a, there(a), back(there(a)), b, back(b), there(back(b))]
    for column, images in enumerate(columns):
        for row, image in enumerate(np.asarray(images)):
            cell = pixels[row * (SIZE + 2) :, column * (SIZE + 2) :][:SIZE, :SIZE]
            # What was drawn in a batch of another size may be rounded to the next grey level.
            np.testing.assert_allclose(cell, 255 * image, atol=1.01, err_msg=f"row {row}, column {column}")


def test_an_interrupted_run_goes_on_to_the_same_bits(finished, tmp_path):
    config, whole, _ = finished

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, save_steps=1, callbacks=[After(3)])
    again = train(config, tmp_path, save_steps=1)
    assert_equal_states(again, whole)
    assert entries(again) == entries(whole)


class After(keras.callbacks.Callback):
    """Breaks off in the middle of step `step`, before it is saved."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_swapped_domains_are_refused(finished):
    config, _, run = finished
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    swapped = dataclasses.replace(config, split_a=config.split_b, split_b=config.split_a)
    with pytest.raises(
        training.ChangedSettingsError,
        match=r"split_a was 'trainA\[:4\]', is 'trainB\[:3\]', split_b was 'trainB\[:3\]', is 'trainA\[:4\]'",
    ):
        train(swapped, run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def folders(path, **domains):
    """Folders of images: {name: list of (size, mode)}."""
    random = np.random.default_rng(0)
    for name, images in domains.items():
        (path / name).mkdir()
        for number, (size, mode) in enumerate(images):
            shape = size if mode == "L" else (*size, 3)
            PIL.Image.fromarray(random.integers(0, 256, shape, "uint8")).save(path / name / f"{number}.png")
    return [str(path / name) for name in domains]


def test_two_folders_and_swapped_ones(tmp_path):
    a, b = folders(tmp_path, day=[((20, 24), "RGB")] * 3, night=[((18, 18), "RGB")] * 2)
    config = dataclasses.replace(SMALL, domain_a=a, domain_b=b, epochs=1, batch_size=1)
    assert train(config, tmp_path / "run").history[0]["step"] == 3
    with pytest.raises(training.ChangedSettingsError, match=f"domain_a was {a!r}, is {b!r}, domain_b was {b!r}"):
        train(dataclasses.replace(config, domain_a=b, domain_b=a), tmp_path / "run")


def test_grey_to_colour(tmp_path):
    """Domains of different channels have no identity loss; the grids show grey as colour."""
    a, b = folders(tmp_path, grey=[((20, 20), "L")] * 2, colour=[((20, 20), "RGB")] * 2)
    config = dataclasses.replace(SMALL, domain_a=a, domain_b=b, epochs=1, identity_weight=0.0)
    trained = train(config, tmp_path / "run")
    assert trained.model.generator_ab.input_shape[-1] == 1 and trained.model.generator_ab.output_shape[-1] == 3
    with PIL.Image.open(tmp_path / "run" / "images" / "epoch_00001.png") as image:
        first = np.asarray(image)[:SIZE, :SIZE].astype(int)
    np.testing.assert_array_equal(first[..., 0], first[..., 2])
    with pytest.raises(ValueError, match="identity_weight=0.5 is not accepted for domains of 1 and 3 channels"):
        train(dataclasses.replace(config, identity_weight=0.5), tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": "unet", "norm": "batch", "precision": "mixed_bfloat16", "guess_weight": 1.0, "dropout": 0.5},
        {"discriminator": "pixel", "norm": "instance_affine", "upsampling": "resize", "precision": "mixed_float16"},
        {"objective": "wasserstein", "schedule": "constant", "pool_size": 0, "cycle_weight_b": 0.0, "load_size": 0},
    ],
    ids=["unet", "pixel", "wasserstein"],
)
def test_every_kind_of_network_and_objective_learns(changes):
    # In float16 the first steps are left out, until the loss scale has fallen to where gradients are finite.
    epochs = 6 if changes.get("precision") == "mixed_float16" else 1
    config = dataclasses.replace(SMALL, epochs=epochs, **changes)
    keras.utils.set_random_seed(config.seed)
    before = [w.numpy() for w in training.build_cyclegan(config).generator_variables]
    trained = train(config)
    assert np.all(np.isfinite([value for value in trained.history[-1].values()]))
    after = trained.model.generator_variables
    assert sum(not np.array_equal(old, new) for old, new in zip(before, after, strict=True)) > len(after) / 2
    loss_scale = 2.0**15 if config.precision == "mixed_float16" else None
    assert trained.model.generator_optimizer.loss_scale == loss_scale


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    config = dataclasses.replace(SMALL, epochs=1)
    one, same, other = (train(each) for each in (config, config, dataclasses.replace(config, seed=4)))
    assert_equal_states(one, same)
    kernels = [each.model.generator_ab.get_weights()[0] for each in (one, other)]
    assert not np.array_equal(*kernels)


def test_mirrored_trains_and_validates():
    config = dataclasses.replace(
        SMALL, epochs=1, strategy="mirrored", norm="none", pool_size=0,
        validation_split_a="testA[:3]", validation_split_b="testB[:3]",
    )  # fmt: skip
    two, one = train(config), train(dataclasses.replace(config, strategy="one_device"))
    for mine, theirs in zip(two.model.get_weights(), one.model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)
    for name, value in one.history[0].items():
        if name != "seconds":
            assert two.history[0][name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain_a": "repvis_map/64"}, "repvis_map"),
        ({"split_b": "trainC"}, "trainC"),
        ({"domain_b": "folder:no/such"}, "no/such"),
        ({"image_size": 18, "load_size": 0}, "18"),  # Not a multiple of 4.
        ({"discriminator_layers": 3}, "16"),  # A patch would be larger than the image.
        ({"image_size": 80, "load_size": 0}, "image_size=.80, 80. is not accepted: image .* is only 64x64"),
        ({"batch_size": 5}, "batch_size=5"),
        ({"norm": "group"}, "norm='group'"),
        ({"blocks": 0.5}, "blocks=0.5"),
    ],
)
def test_what_cannot_be_trained_is_named_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        train(dataclasses.replace(SMALL, **changes), tmp_path / "run")
    assert "Exception encountered" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_bad_images_are_named_before_anything_is_written(tmp_path):
    a, b = folders(tmp_path, day=[((20, 20), "RGB")] * 2, night=[((20, 20), "RGB"), ((20, 20), "L")])
    config = dataclasses.replace(SMALL, domain_a=a, domain_b=b)
    with pytest.raises(ValueError, match="has 1 channel.*Give channels=3"):
        train(config, tmp_path / "run")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="has no image"):
        train(dataclasses.replace(config, domain_b=str(empty)), tmp_path / "run")
    broken = tmp_path / "night" / "1.png"
    broken.write_bytes((tmp_path / "night" / "0.png").read_bytes()[:200])
    # Found while batches are made, it comes by way of TensorFlow.
    with pytest.raises((ValueError, tf.errors.OpError), match="1.png"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    skipping = train(dataclasses.replace(config, skip_corrupt=True, epochs=1))
    assert [one.name for one in skipping.train.skipped] == [str(broken)]


def test_settings_of_a_run_are_those_of_the_record(finished):
    config, _, run = finished
    checkpoint = training.RunDirectory(run).checkpoints.latest()
    assert checkpoint.settings == json.loads(json.dumps(config.settings()))
