"""The photographs that scikit-image and scikit-learn bring along, with their licences and sources."""

import dataclasses
import functools
import hashlib
import os

import numpy as np

from keras_repvis import checks

_CC0 = "CC0 1.0"
_PUBLIC = "Public domain"
_NOT_KNOWN = "No known copyright restrictions"
_CC_BY = "CC BY 2.0"
_UNSTATED = "Not stated by its source; distributed with scikit-image (BSD 3-Clause)"


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph: where it lies, who made it, under which licence, and what its pixels must be.

    Attributes:
        name: The name used here.
        package: "skimage" or "sklearn".
        file: Its file in that package's data directory.
        licence: As stated by the package that brings it.
        source: Author or place it was taken from.
        sha256: SHA-256 of the shape and the decoded pixels, first 16 hexadecimal digits.
    """

    name: str
    package: str
    file: str
    licence: str
    source: str
    sha256: str


TABLE = (
    Photograph("astronaut", "skimage", "astronaut.png", _PUBLIC, "NASA, Eileen Collins", "7605af19ba2b9758"),
    Photograph("brick", "skimage", "brick.png", _CC0, "CC0Textures Bricks25", "7e395499d8653129"),
    Photograph("camera", "skimage", "camera.png", _CC0, "Lav Varshney", "4c25d57d0fcec8b2"),
    Photograph("chelsea", "skimage", "chelsea.png", _CC0, "Stefan van der Walt", "2a48da897e30584d"),
    Photograph("china", "sklearn", "china.jpg", _CC_BY, "danielbuechele, flickr.com 6061409035", "9459dffd4ad72e7b"),
    Photograph("clock", "skimage", "clock_motion.png", _PUBLIC, "Stefan van der Walt", "c20224d28006b791"),
    Photograph("coffee", "skimage", "coffee.png", _CC0, "Rachel Michetti", "013a8175a6f60538"),
    Photograph("coins", "skimage", "coins.png", _NOT_KNOWN, "Brooklyn Museum 51611", "6f62becaf20fd036"),
    Photograph("flower", "sklearn", "flower.jpg", _CC_BY, "vultilion, flickr.com 6056698931", "028008e42002966d"),
    Photograph("grass", "skimage", "grass.png", _CC0, "linolafett, DeviantArt Grass-01", "6ea9585c91a3dce4"),
    Photograph("gravel", "skimage", "gravel.png", _CC0, "CC0Textures Gravel04", "19089ac41f508026"),
    Photograph("hubble_deep_field", "skimage", "hubble_deep_field.jpg", _PUBLIC, "NASA", "b368ad50e13b6113"),
    Photograph("ihc", "skimage", "ihc.png", _NOT_KNOWN, "CMMI", "d5e9af0ebdb1dc92"),
    Photograph("moon", "skimage", "moon.png", _UNSTATED, "scikit-image", "8711e607fc0971cb"),
    Photograph("motorcycle_left", "skimage", "motorcycle_left.png", _UNSTATED, "Middlebury 2014", "6a51b16e82babbaf"),
    Photograph("motorcycle_right", "skimage", "motorcycle_right.png", _UNSTATED, "Middlebury 2014", "2d3f65989e244a9e"),
    Photograph("page", "skimage", "page.png", _UNSTATED, "scikit-image", "055d2f820151740d"),
    Photograph("retina", "skimage", "retina.jpg", _CC0, "Mikael Haggstrom, Wikimedia Commons", "7e469361f4e9005e"),
    Photograph("rocket", "skimage", "rocket.jpg", _PUBLIC, "SpaceX Photos 16511594820", "9d55b6a566c73f3c"),
)
_BY_NAME = {photograph.name: photograph for photograph in TABLE}


@functools.lru_cache(maxsize=None)
def load(name):
    """Return the photograph `name` as a read-only uint8 array `(height, width, 3)`, or `(height, width)` if it is grey.

    The pixels are compared with the published ones first: a decoder that rounds differently, or another picture under
    the same name, would change every data set made from them without a sign.

    Args:
        name: One of the names in `TABLE`.

    Returns:
        Array of pixels.

    Raises:
        ValueError: If the name is unknown.
        OSError: If the installed package lacks the photograph or its pixels differ from the published ones.

    Example:
        >>> from keras_repvis.data import photographs
        >>> photographs.load("coffee").shape
        (400, 600, 3)
    """
    photograph = _BY_NAME[checks.one_of("photograph", name, _BY_NAME)]
    pixels = _decode(_path(photograph))
    found = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]
    if found != photograph.sha256:
        raise OSError(
            f"The photograph {name!r} of {photograph.package} decodes to other pixels here ({found}) than the "
            f"published ones ({photograph.sha256}). Install {photograph.package} and Pillow from their official wheels."
        )
    pixels.setflags(write=False)
    return pixels


def _path(photograph):
    import skimage
    import sklearn

    folders = {
        "skimage": os.path.join(os.path.dirname(skimage.__file__), "data"),
        "sklearn": os.path.join(os.path.dirname(sklearn.__file__), "datasets", "images"),
    }
    return os.path.join(folders[photograph.package], photograph.file)


def _decode(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.array(image if image.mode == "L" else image.convert("RGB"))
