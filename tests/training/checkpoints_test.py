"""Of the checkpoints of a run those worth keeping are kept, and the newest good one is found."""

import json
import logging
import os
import shutil

import numpy as np
import pytest

from keras_repvis import data, training


def describe(arrays):
    return [
        {"name": f"variable_{number}", "shape": list(array.shape), "dtype": array.dtype.name}
        for number, array in enumerate(arrays)
    ]


SMALL = [np.arange(6, dtype="float32").reshape(2, 3), np.array(3, "int64"), np.array([True, False])]
VARIABLES = describe(SMALL)


def checkpoint(epoch, step=0, arrays=None, **options):
    # Every position has weights of its own, so that one checkpoint is not taken for another.
    arrays = [SMALL[0] + 100 * epoch + step, *SMALL[1:]] if arrays is None else arrays
    return training.Checkpoint(data.Position(epoch, step), describe(arrays), arrays, **options)


def assert_is(found, epoch, step=0):
    assert found.position == data.Position(epoch, step)
    for mine, theirs in zip(found.arrays, checkpoint(epoch, step).arrays, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def names(checkpoints):
    return sorted(path.name for path in checkpoints.directory.iterdir())


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_the_last_ones_are_kept_in_the_order_of_their_positions(tmp_path):
    checkpoints = training.Checkpoints(tmp_path, keep=3)
    for position in [(0, 5), (0, 1000000), (1, 0), (99999, 3), (100000, 0)]:
        checkpoints.save(checkpoint(*position))
    kept = ["epoch_00001_step_000000", "epoch_99999_step_000003", "epoch_100000_step_000000"]
    assert [path.name for path in checkpoints.paths()] == kept
    assert_is(checkpoints.latest(VARIABLES), 100000)
    assert training.Checkpoints(tmp_path / "none").latest(VARIABLES) is None


@pytest.mark.parametrize(
    "mode, values, best",
    [
        ("max", [0.5, 0.9, 0.7, 0.8], 2),
        ("min", [0.5, 0.2, 0.7, 0.8], 2),
        ("max", [0.5, 0.9, 0.9, 0.1], 2),  # Of equals the earliest.
        ("min", [0.2, 0.2, 0.7, 0.8], 1),
        ("max", [0.5, float("nan"), 0.4, 0.3], 1),
        ("min", [float("-inf"), 0.5, 0.6, 0.7], 2),
        ("max", [float("nan"), float("nan"), float("nan"), float("nan")], None),
        ("max", [None, None, 0.5, None], 3),
    ],
)
def test_the_best_on_the_validation_data_is_kept(tmp_path, mode, values, best):
    checkpoints = training.Checkpoints(tmp_path, keep=1, monitor="val_score", mode=mode)
    for epoch, value in enumerate(values, 1):
        metrics = {"score": -(epoch**2), "val_other": epoch}
        checkpoints.save(checkpoint(epoch, metrics=metrics if value is None else {**metrics, "val_score": value}))
        checkpoints.save(checkpoint(epoch, 5))  # In the middle of an epoch there is no metric to go by.
    kept = {f"epoch_0000{best}_step_000000", "epoch_00004_step_000005"} if best else {"epoch_00004_step_000005"}
    assert set(names(checkpoints)) == kept
    assert checkpoints.best() == (tmp_path / f"epoch_0000{best}_step_000000" if best else None)
    if best:
        assert_is(training.read_checkpoint(checkpoints.best(), VARIABLES), best)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"keep": 0}, "keep=0"),
        ({"keep": 1.5}, "keep=1.5"),
        ({"mode": "mix"}, "mode='mix'"),
        ({"monitor": "accuracy"}, "monitor='accuracy' is not accepted: expected a metric of the validation data"),
        ({"monitor": "test_accuracy"}, "monitor='test_accuracy' is not accepted"),
    ],
)
def test_wrong_arguments_are_named_and_leave_nothing(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        training.Checkpoints(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def cut(name, share):
    def damage(path):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[: int(share * len(whole))])

    return damage


def write(name, text):
    return lambda path: (path / name).write_text(text)


def reformat(path):
    (path / "checkpoint.json").write_text(
        json.dumps({**json.loads((path / "checkpoint.json").read_text()), "format": 2})
    )


def change_position(path):
    text = (path / "checkpoint.json").read_text()
    assert text.count('"step": 4') == 1
    (path / "checkpoint.json").write_text(text.replace('"step": 4', '"step": 5'))


def flip(path):
    whole = bytearray((path / "state.npz").read_bytes())
    whole[whole.index(np.float32(205).tobytes())] ^= 1  # In the first variable.
    (path / "state.npz").write_bytes(whole)


def replace_by_file(path):
    shutil.rmtree(path)
    path.write_text("something else")


def replace_by_directory(path):
    shutil.rmtree(path)
    path.mkdir()
    (path / "holiday.jpg").write_text("something else")


DAMAGES = {
    "state empty": cut("state.npz", 0),
    "state cut in its first array": cut("state.npz", 0.1),
    "state cut in the middle": cut("state.npz", 0.5),
    "state cut at its end": cut("state.npz", 0.99),
    "state with a flipped bit": flip,
    "state missing": lambda path: (path / "state.npz").unlink(),
    "state of something else": write("state.npz", "not an archive"),
    "header empty": cut("checkpoint.json", 0),
    "header cut": cut("checkpoint.json", 0.9),
    "header missing": lambda path: (path / "checkpoint.json").unlink(),
    "header no JSON": lambda path: (path / "checkpoint.json").write_bytes(b"\xff\xfe"),
    "header a list": write("checkpoint.json", "[]"),
    "header a number": write("checkpoint.json", "12"),
    "header with a changed digit": change_position,
    "header of another format": reformat,
    "directory of something else": replace_by_directory,
    "file": replace_by_file,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_one_is_named_and_the_one_before_it_is_taken(tmp_path, caplog, damage):
    checkpoints = training.Checkpoints(tmp_path)
    checkpoints.save(checkpoint(1, 2, history=[{"epoch": 1}]))
    path = checkpoints.save(checkpoint(2, 4))
    damage(path)
    assert_is(checkpoints.latest(VARIABLES), 1, 2)
    (warning,) = warnings(caplog)
    assert str(path) in warning
    assert (
        "format 2; expected 1" in warning if damage is reformat else ("damaged" in warning or "format None" in warning)
    )
    with pytest.raises(training.CheckpointError, match="epoch_00002_step_000004"):
        training.read_checkpoint(path, VARIABLES)


def test_one_of_another_learner_is_named_and_the_one_before_it_is_taken(tmp_path, caplog):
    checkpoints = training.Checkpoints(tmp_path)
    checkpoints.save(checkpoint(1))
    path = checkpoints.save(checkpoint(2, arrays=SMALL[:2]))
    assert_is(checkpoints.latest(VARIABLES), 1)
    (warning,) = warnings(caplog)
    assert str(path) in warning and "of another learner: it has 2 variables, expected 3" in warning


def test_when_none_is_good_nothing_is_started_afresh(tmp_path, caplog):
    checkpoints = training.Checkpoints(tmp_path)
    for epoch in (1, 2):
        cut("state.npz", 0.5)(checkpoints.save(checkpoint(epoch)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(training.CheckpointError, match="none of the 2 checkpoints in .*can be used"):
        checkpoints.latest(VARIABLES)
    assert len(warnings(caplog)) == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("damage", [flip, replace_by_file, replace_by_directory])
def test_a_damaged_one_does_not_take_the_place_of_a_good_one(tmp_path, damage):
    checkpoints = training.Checkpoints(tmp_path)
    checkpoints.save(checkpoint(1, 3))
    damage(checkpoints.save(checkpoint(2, 4, metrics={"val_score": 9.0})))
    # The run goes on from before it, and saves before it.
    again = training.Checkpoints(tmp_path, keep=1, monitor="val_score")
    again.save(checkpoint(1, 4))
    assert names(again) == ["epoch_00001_step_000004"]
    again.save(checkpoint(2, metrics={"val_score": 0.5}))
    again.save(checkpoint(2, 1))
    assert again.best().name == "epoch_00002_step_000000"


def test_left_overs_of_a_killed_process_are_ignored_and_removed(tmp_path):
    checkpoints = training.Checkpoints(tmp_path)
    path = checkpoints.save(checkpoint(1))
    shutil.copytree(path, tmp_path / ".incoming-1")
    (tmp_path / ".incoming-2").mkdir()
    (tmp_path / ".incoming-2" / "state.npz").write_text("half")
    (tmp_path / ".incoming-3").write_text("a file")
    assert checkpoints.paths() == [path]
    assert_is(checkpoints.latest(VARIABLES), 1)
    checkpoints.save(checkpoint(2))
    assert names(checkpoints) == ["epoch_00001_step_000000", "epoch_00002_step_000000"]


@pytest.mark.parametrize("damage", [lambda path: None, flip, replace_by_file, replace_by_directory])
def test_saving_over_an_existing_one(tmp_path, damage):
    checkpoints = training.Checkpoints(tmp_path, keep=1)
    damage(checkpoints.save(checkpoint(2, 4)))
    replacement = checkpoint(2, 4, settings={"again": True})
    checkpoints.save(replacement)
    found = checkpoints.latest(VARIABLES)
    assert_is(found, 2, 4)
    assert found.settings == {"again": True}
    checkpoints.save(checkpoint(3))
    assert names(checkpoints) == ["epoch_00003_step_000000"]


@pytest.mark.parametrize("operation", ["fsync", "rename", "mkdir"])
def test_a_failure_while_saving_leaves_the_earlier_ones(tmp_path, monkeypatch, operation):
    checkpoints = training.Checkpoints(tmp_path, keep=1)
    checkpoints.save(checkpoint(1))

    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr(os, operation, fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(checkpoint(2))
    monkeypatch.undo()
    assert names(checkpoints) == ["epoch_00001_step_000000"]
    assert_is(checkpoints.latest(VARIABLES), 1)
