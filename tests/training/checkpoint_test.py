"""A checkpoint comes back bit for bit, or is refused."""

import numpy as np
import pytest
import tensorflow as tf

from keras_repvis import data, training

ARRAYS = [
    np.array([[1.5, -0.0, np.nan], [np.inf, 1e-45, 3.0]], "float32"),
    np.array([[1.0, -2.5], [3e38, 1e-40]], tf.bfloat16.as_numpy_dtype),
    np.array([6e-8, 65504.0], "float16"),
    np.array([np.pi, 5e-324]),
    np.array([2**62 + 1, -1], "int64"),
    np.array([2**32 - 1], "uint32"),
    np.array([True, False]),
    np.array(3.25, "float32"),
    np.array(-1.5, tf.bfloat16.as_numpy_dtype),
    np.array(7, "int64"),
    np.array(True),
    np.zeros((0, 3), "float32"),
    np.zeros((2, 0), tf.bfloat16.as_numpy_dtype),
    np.arange(12, dtype="float32").reshape(3, 4).T,
]


SMALL = [np.arange(6, dtype="float32").reshape(2, 3), np.array(3, "int64"), np.array([True, False])]


def describe(arrays):
    return [
        {"name": f"variable_{number}", "shape": list(array.shape), "dtype": array.dtype.name}
        for number, array in enumerate(arrays)
    ]


def save(directory, arrays, texts=None, **options):
    """Write a checkpoint of epoch 2, step 7; return its path."""
    checkpoint = training.Checkpoint(data.Position(2, 7), describe(arrays), arrays, **options)
    return training.Checkpoints(directory).save(checkpoint, texts)


def assert_same(found, arrays):
    for mine, theirs in zip(found.arrays, arrays, strict=True):
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
        assert mine.tobytes() == theirs.tobytes()


def test_every_kind_of_variable_comes_back_bit_for_bit(tmp_path):
    history = [{"epoch": 1, "loss": 0.1 + 0.2, "note": "é"}, {"epoch": 2, "loss": float("inf")}]
    rest = {"history": history, "settings": {"rate": 1e-3, "sizes": [1, 2]}, "metrics": {"loss": 0.25}}
    path = save(tmp_path, ARRAYS, {"flagfile.txt": "--seed=1\n"}, **rest)
    assert path == tmp_path / "epoch_00002_step_000007"
    assert sorted(file.name for file in path.iterdir()) == ["checkpoint.json", "flagfile.txt", "state.npz"]
    assert (path / "flagfile.txt").read_text() == "--seed=1\n"
    found = training.read_checkpoint(path, describe(ARRAYS))
    assert (found.position, found.variables) == (data.Position(2, 7), describe(ARRAYS))
    assert {name: getattr(found, name) for name in rest} == rest
    assert_same(found, ARRAYS)


def test_no_flipped_bit_goes_unnoticed(tmp_path):
    path = save(tmp_path, SMALL, history=[{"epoch": 1, "loss": 0.5}])
    random = np.random.default_rng(0)
    caught = 0
    for name in ("state.npz", "checkpoint.json"):
        whole = (path / name).read_bytes()
        for place in range(len(whole)):
            torn = bytearray(whole)
            torn[place] ^= 1 << random.integers(8)
            (path / name).write_bytes(torn)
            try:
                found = training.read_checkpoint(path, describe(SMALL))
            except training.CheckpointError:
                caught += 1
                continue
            # What is left of an archive are dates and the like.
            assert name == "state.npz"
            assert_same(found, SMALL)
        (path / name).write_bytes(whole)
    assert caught > 800


@pytest.mark.parametrize("name", ["state.npz", "checkpoint.json"])
def test_no_part_of_a_file_is_taken_for_the_whole(tmp_path, name):
    path = save(tmp_path, SMALL)
    whole = (path / name).read_bytes()
    for length in range(0, len(whole), 7):
        (path / name).write_bytes(whole[:length])
        with pytest.raises(training.CheckpointError, match="epoch_00002_step_000007"):
            training.read_checkpoint(path, describe(SMALL))


@pytest.mark.parametrize(
    "arrays, message",
    [
        ([SMALL[0].T, *SMALL[1:]], r"'variable_0' has float32 \[3, 2\], expected float32 \[2, 3\] for 'variable_0'"),
        ([SMALL[0].astype("float16"), *SMALL[1:]], r"'variable_0' has float16 \[2, 3\], expected float32"),
        ([*SMALL[:1], np.array(3, "int32"), SMALL[2]], r"'variable_1' has int32 \[\], expected int64"),
        (SMALL[:2], "2 variables, expected 3"),
        ([*SMALL, SMALL[0]], "4 variables, expected 3"),
    ],
)
def test_one_of_another_learner_is_refused(tmp_path, arrays, message):
    path = save(tmp_path, arrays)
    with pytest.raises(training.CheckpointError, match=f"is of another learner: .*{message}"):
        training.read_checkpoint(path, describe(SMALL))
    assert_same(training.read_checkpoint(path), arrays)  # Whoever does not say what for gets it.


def test_variables_may_have_other_names(tmp_path):
    others = [{**variable, "name": "dense_7"} for variable in describe(SMALL)]
    assert_same(training.read_checkpoint(save(tmp_path, SMALL), others), SMALL)
