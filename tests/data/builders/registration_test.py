import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

import keras_repvis
from keras_repvis.data import catalog
from keras_repvis.data import digits

NAMES = [path.stem for path in (pathlib.Path(keras_repvis.__file__).parent / "data" / "builders").glob("repvis_*.py")]
LOAD = """
import keras_repvis, tensorflow_datasets as tfds
dataset, info = tfds.load("repvis_digits", split="test", as_supervised=True, with_info=True)
image, label = next(iter(dataset))
print(info.splits["train"].num_examples, image.shape, int(label))
"""
FIND = """
import tensorflow_datasets as tfds, keras_repvis
print(tfds.builder("repvis_digits").info.full_name)
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_tfds_load_knows_the_builders_of_a_package_imported_before():
    assert run(LOAD) == f"1297 (8, 8, 1) {digits.generate('test')[1][0]}"


def test_tfds_load_knows_the_builders_of_a_package_imported_after():
    assert run(FIND) == "repvis_digits/1.0.0"


def test_importing_this_package_does_not_import_tfds():
    code = "import sys, keras_repvis; sys.exit('tensorflow_datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_builder_is_documented(name):
    builder = tfds.builder(name)
    assert str(builder.version) == "1.0.0" and builder.RELEASE_NOTES
    assert len(builder.info.description) > 100 and builder.info.citation and builder.info.redistribution_info.license
    assert name in keras_repvis.data.names()
    label = "label" if catalog.entry(name).one_label else "labels"
    assert builder.info.supervised_keys == ("image", label)
