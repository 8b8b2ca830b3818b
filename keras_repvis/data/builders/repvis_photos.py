"""TFDS builder of `repvis_photos`."""

import numpy as np
import tensorflow_datasets as tfds

from keras_repvis.data import photographs

_DESCRIPTION = """
The photographs that scikit-image and scikit-learn bring along, whole and in their own sizes, for inverting
representations and for image priors: one example and one label a photograph, with its licence and source as the package
that brings it states them. Grey photographs have three equal channels and `grey` set. Nothing is downloaded.
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


class RepvisPhotos(tfds.core.GeneratorBasedBuilder):
    """Photographs in their own sizes."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[photograph.name for photograph in photographs.TABLE]),
                    "name": tfds.features.Text(),
                    "licence": tfds.features.Text(),
                    "source": tfds.features.Text(),
                    "grey": tfds.features.Scalar(np.bool_),
                }
            ),
            supervised_keys=("image", "label"),
            citation=_CITATION,
            license="One licence a photograph: see the feature `licence`",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for photograph in photographs.TABLE:
            pixels = photographs.load(photograph.name)
            grey = pixels.ndim == 2
            yield photograph.name, {
                "image": np.repeat(pixels[..., None], 3, axis=-1) if grey else pixels,
                "label": photograph.name,
                "name": photograph.name,
                "licence": photograph.licence,
                "source": photograph.source,
                "grey": grey,
            }
