import json

import numpy as np
import pytest

from keras_repvis import data

LABELS = np.random.default_rng(5).permutation(np.arange(200) % 10)


def draw(num_labels=50, fold=0, labels=LABELS):
    return data.LabelSubset.draw("toy", "train", labels, num_labels, fold)


def test_follows_the_published_rule():
    expected = set()
    for label in range(10):
        of_class = np.flatnonzero(LABELS == label)
        expected |= set(np.random.default_rng([99, 2]).permutation(of_class)[:5])
    assert set(draw(fold=2).indices) == expected


def test_classes_are_balanced_and_indices_ascend():
    subset = draw()
    assert list(subset.indices) == sorted(set(subset.indices))
    np.testing.assert_array_equal(np.bincount(LABELS[list(subset.indices)]), [5] * 10)


def test_smaller_subsets_nest_and_folds_differ():
    assert set(draw(10).indices) < set(draw(50).indices)
    assert draw(fold=0).indices != draw(fold=1).indices


def test_examples_without_a_label_are_never_drawn():
    labels = np.where(np.arange(200) < 100, -1, LABELS)
    assert min(draw(10, labels=labels).indices) >= 100


def test_file_is_read_back_and_verified(tmp_path):
    path = tmp_path / "subset.json"
    subset = draw()
    assert subset.write(path) == subset.sha256
    assert data.LabelSubset.read(path) == subset
    assert [file.name for file in tmp_path.iterdir()] == ["subset.json"]
    content = json.loads(path.read_text())
    assert content["indices"] == list(subset.indices) and content["sha256"] == subset.sha256

    content["indices"][0] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="subset.json.*was changed"):
        data.LabelSubset.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1, "indices": 3}'])
def test_other_files_are_errors(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="other.json.*is not a label subset"):
        data.LabelSubset.read(path)


def test_belongs_to_one_split_of_one_data_set():
    subset = draw()
    np.testing.assert_array_equal(subset.check("toy", "train", LABELS), subset.indices)
    with pytest.raises(ValueError, match="belongs to 'toy', split 'train'"):
        subset.check("toy", "test", LABELS)
    with pytest.raises(ValueError, match="another version"):
        subset.check("toy", "train", LABELS[::-1])


@pytest.mark.parametrize("num_labels", [0, -10, 5, 2.5, "10"])
def test_bad_numbers_are_errors(num_labels):
    with pytest.raises(ValueError, match="num_labels="):
        draw(num_labels)


def test_too_few_examples_name_the_class():
    with pytest.raises(ValueError, match="class 0 has only 20"):
        draw(210)


def test_selects_from_a_source(tmp_path):
    whole = data.Source("repvis_digits")
    subset = whole.label_subset(100, fold=1)
    path = tmp_path / "subset.json"
    subset.write(path)
    part = data.Source("repvis_digits", labels=path)
    assert part.num_examples == 100
    np.testing.assert_array_equal(np.bincount(part.labels), [10] * 10)
    np.testing.assert_array_equal(part.image(7), whole.image(subset.indices[7]))
    assert part.fingerprint != whole.fingerprint
    with pytest.raises(ValueError, match="belongs to 'repvis_digits', split 'train'"):
        len(data.Source("repvis_digits", "test", labels=subset))
