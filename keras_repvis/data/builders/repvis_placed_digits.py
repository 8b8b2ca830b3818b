"""TFDS builder of `repvis_placed_digits`."""

import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import placed_digits

_DESCRIPTION = """
Two or three digits of different classes placed on crops of photographs, 64x64 in colour, with the class that every
pixel shows: where an explanation of a classifier should point is known. Digits are the scans of scikit-learn, in
random places, sizes and contrasts; photographs are those of scikit-image and scikit-learn. 4,000 training, 500
validation and 1,000 test images share neither a scan nor a photograph across splits. `labels` is 1 for the classes
present; `mask` is 0 where no digit shows and else its class + 1; `objects` holds for each digit its class, the number
of its scan in `sklearn.datasets.load_digits()` and the box around what shows. Generated from a seed; nothing is
downloaded.
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
_NAMES = [str(digit) for digit in range(placed_digits.CLASSES)]


class RepvisPlacedDigits(tfds.core.GeneratorBasedBuilder):
    """Digits placed on photographs, with masks."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self):
        side = placed_digits.SIDE
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(side, side, 3), encoding_format="png"),
                    "labels": tfds.features.Tensor(shape=(placed_digits.CLASSES,), dtype=np.uint8),
                    "mask": tfds.features.Image(shape=(side, side, 1), encoding_format="png"),
                    "objects": tfds.features.Sequence(
                        {
                            "label": tfds.features.ClassLabel(names=_NAMES),
                            "index": tfds.features.Scalar(np.int64),
                            "bbox": tfds.features.BBoxFeature(),
                        }
                    ),
                }
            ),
            supervised_keys=("image", "labels"),
            citation=_CITATION,
            license="CC BY 4.0 (digits); CC0, CC BY 2.0 and others (photographs, see repvis_photos)",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "validation", "test")}

    def _generate_examples(self, split):
        for i, placed in enumerate(placed_digits.generate(split)):
            yield i, {
                "image": placed.image,
                "labels": np.isin(np.arange(placed_digits.CLASSES), placed.labels).astype(np.uint8),
                "mask": placed.mask[..., None],
                "objects": [
                    {"label": label, "index": index, "bbox": tfds.features.BBox(*box / placed_digits.SIDE)}
                    for label, index, box in zip(placed.labels, placed.indices, placed.boxes)
                ],
            }
