"""TFDS builder of `repvis_photo10`."""

import tensorflow_datasets as tfds

from keras_repvis.data import digits
from keras_repvis.data import photo10

_DESCRIPTION = """
Crops, 32x32 in colour, of ten photographs that scikit-image and scikit-learn bring along, in the role of CIFAR-10: the
label is the photograph. 5,000 training crops come from the left 60 % of each photograph, 2,000 test crops from the
right 35 %. Size, place, mirror image and order of the channels are random and colours are whitened. Generated from a
seed; nothing is downloaded.
"""
_CITATION = """
@article{vanderwalt2014scikit,
  title = {scikit-image: image processing in {Python}},
  author = {van der Walt, St{\\'e}fan and others},
  journal = {PeerJ},
  volume = {2},
  pages = {e453},
  year = {2014},
}
"""


class RepvisPhoto10(tfds.core.GeneratorBasedBuilder):
    """Crops of ten photographs."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(32, 32, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(photo10.PHOTOGRAPHS)),
                }
            ),
            supervised_keys=("image", "label"),
            citation=_CITATION,
            license="CC0, CC BY 2.0, public domain and others: see repvis_photos",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in digits.SPLITS}

    def _generate_examples(self, split):
        for i, (image, label) in enumerate(zip(*photo10.generate(split))):
            yield i, {"image": image, "label": label}
