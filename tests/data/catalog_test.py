import subprocess
import sys

import pytest

from keras_repvis import data
from keras_repvis.data import catalog


def test_names_are_sorted_and_hold_bundled_and_original_sets():
    assert list(data.names()) == sorted(set(data.names()))
    bundled = [name for name in data.names() if catalog.entry(name).bundled]
    assert bundled == [name for name in data.names() if name.startswith("repvis_")] and len(bundled) == 6
    for name in ("cifar10", "cifar100", "svhn_cropped", "stl10", "mnist", "imagenette", "caltech101"):
        assert not catalog.entry(name).bundled


def test_names_do_not_need_tensorflow():
    code = "import sys, keras_repvis; keras_repvis.data.names(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_entry_accepts_configuration_and_version():
    assert catalog.entry("imagenette/160px-v2").name == "imagenette"
    assert catalog.entry("mnist:3.0.1").name == "mnist"


def test_sets_of_two_domains_say_so():
    assert [name for name in data.names() if catalog.entry(name).domains] == ["cycle_gan", "repvis_maps"]


def test_sets_of_several_labels_are_refused_where_one_is_needed():
    assert catalog.one_label_entry("repvis_maps/64").name == "repvis_maps"
    with pytest.raises(ValueError, match="'coco/2017'.*several labels.*tfds.load"):
        catalog.one_label_entry("coco/2017")


def test_unknown_name_suggests_the_nearest_and_mentions_folders():
    with pytest.raises(ValueError, match="dataset='cifr10'.*Did you mean 'cifar10'.*folder:PATH"):
        catalog.entry("cifr10")


@pytest.mark.parametrize("split", ["train", "test[:10%]", "train[5:]+test"])
def test_known_splits_pass(split):
    assert catalog.check_split(catalog.entry("mnist"), split) == split


@pytest.mark.parametrize("split", ["trian", "validation", "train+tset", "train[:10%", ""])
def test_unknown_split_is_an_error_that_lists_the_splits(split):
    with pytest.raises(ValueError, match="split=.*Accepted: train, test"):
        catalog.check_split(catalog.entry("mnist"), split)


def test_splits_are_those_of_tensorflow_datasets_where_it_knows_them():
    """The builders state their splits only once prepared; their code is read instead."""
    import inspect

    import tensorflow_datasets as tfds

    for name in data.names():
        builder = tfds.builder_cls(name)
        modules = {cls.__module__ for cls in builder.__mro__ if cls is not object and ".core." not in cls.__module__}
        code = "".join(inspect.getsource(sys.modules[module]) for module in modules if module in sys.modules)
        for split in catalog.entry(name).splits:
            spelled = (f'"{split}"', f"'{split}'", f"Split.{split.upper()}", "digits.SPLITS")
            assert any(each in code for each in spelled), (name, split)
