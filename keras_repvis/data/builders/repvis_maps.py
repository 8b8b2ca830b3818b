"""TFDS builder of `repvis_maps`."""

import dataclasses

import tensorflow_datasets as tfds
from PIL import Image

from keras_repvis.data import two_domain_maps

_DESCRIPTION = """
Aerial photographs (A) and maps (B) of made-up towns, drawn from the same seeded street plans: two domains of very
different entropy for unpaired image-to-image translation, with the splits and features of `cycle_gan`. The photographs
are textured with pieces of photographs of scikit-image; the maps have six flat colours. No town of trainA is in trainB;
example i of testA and example i of testB show the same town, so that a translation can be compared with the truth.
Generated from a seed; nothing is downloaded.
"""
_CITATION = """
@inproceedings{zhu2017unpaired,
  title = {Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  author = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle = {ICCV},
  year = {2017},
}
"""


@dataclasses.dataclass
class MapsConfig(tfds.core.BuilderConfig):
    """A size of images."""

    size: int = 64


class RepvisMaps(tfds.core.GeneratorBasedBuilder):
    """Aerial photographs and maps."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        MapsConfig(name=str(size), size=size, description=f"{size}x{size} pixels") for size in two_domain_maps.SIZES
    ]

    def _info(self):
        size = self.builder_config.size
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=["A", "B"]),
                }
            ),
            supervised_keys=("image", "label"),
            citation=_CITATION,
            license="CC0 1.0, and not stated for the photograph `moon` (see repvis_photos)",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("trainA", "trainB", "testA", "testB")}

    def _generate_examples(self, split):
        for i, image in enumerate(two_domain_maps.images(split, size=self.builder_config.size)):
            yield i, {"image": Image.fromarray(image), "label": split[-1]}  # Pillow encodes several times as fast.
