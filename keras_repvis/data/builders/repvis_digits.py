"""TFDS builder of `repvis_digits`."""

import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import digits

_DESCRIPTION = """
The 1,797 scanned handwritten digits, 8x8 pixels, that scikit-learn brings along (the test half of the UCI set "Optical
Recognition of Handwritten Digits"), with a fixed split into 1,297 training and 500 test images. Grey levels are
round(255 count / 16). `index` is the number of the digit in `sklearn.datasets.load_digits()`. Nothing is downloaded.
"""
_CITATION = """
@misc{alpaydin1998optical,
  title = {Optical Recognition of Handwritten Digits},
  author = {Alpaydin, E. and Kaynak, C.},
  year = {1998},
  publisher = {UCI Machine Learning Repository},
  doi = {10.24432/C50P49},
}
"""


class RepvisDigits(tfds.core.GeneratorBasedBuilder):
    """The digits of scikit-learn with a fixed split."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                    "index": tfds.features.Scalar(np.int64),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            citation=_CITATION,
            license="CC BY 4.0",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in digits.SPLITS}

    def _generate_examples(self, split):
        for i, (image, label, index) in enumerate(zip(*digits.generate(split))):
            yield i, {"image": image, "label": label, "index": index}
