"""TFDS builder of `repvis_digits_m`."""

import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import digits
from keras_repvis.data import digits_m

_DESCRIPTION = """
Digits blended into photographs, 32x32 in colour, in the role of MNIST-M: each of scikit-learn's 8x8 digits is turned,
scaled, shifted and subtracted from a patch of a photograph (absolute difference). 6,485 training images, five of each
of 1,297 base digits, and 2,000 test images, four of each of 500 others, on other photographs. `index` is the number
of the base digit in `sklearn.datasets.load_digits()`. Generated from a seed; nothing is downloaded.
"""
_CITATION = """
@inproceedings{ganin2015unsupervised,
  title = {Unsupervised Domain Adaptation by Backpropagation},
  author = {Ganin, Yaroslav and Lempitsky, Victor},
  booktitle = {International Conference on Machine Learning},
  year = {2015},
}
"""


class RepvisDigitsM(tfds.core.GeneratorBasedBuilder):
    """Digits blended into photographs."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(32, 32, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                    "index": tfds.features.Scalar(np.int64),
                }
            ),
            supervised_keys=("image", "label"),
            citation=_CITATION,
            license="CC BY 4.0 (digits); CC0, CC BY 2.0 and others (photographs, see repvis_photos)",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in digits.SPLITS}

    def _generate_examples(self, split):
        for i, (image, label, index) in enumerate(zip(*digits_m.generate(split))):
            yield i, {"image": image, "label": label, "index": index}
