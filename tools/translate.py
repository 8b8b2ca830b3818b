"""Translate image files by a generator: any published model from images to images.

Examples:
  repvis-translate --handle=me/maps_a2b --images=photos --output=maps
  repvis-translate --handle=me/maps_a2b --images='photos/**/*.jpg' --output=maps --format=png
  repvis-translate --handle=runs/maps/generator_ab.keras --images=town.tif --output=maps --size_policy=tile --tile=256

Every image keeps its name, its place in a folder, its size, its bits a channel, and what the file says besides its
pixels (EXIF with the orientation, colour profile, resolution, texts, opacity of a PNG, tags of a TIFF), as far as the
format can hold it; what is lost is counted. The preview in EXIF is left out, for it would show the image as it was.
JPEG, PNG, BMP, TIFF of any number of bands and .npy arrays are read and written, GIF is read.

A generator takes only some sizes, often multiples of 4:
  pad     continues an image by its reflection and cuts the answer back (the default);
  tile    cuts large images into overlapping tiles and blends the answers. Memory is bounded, but a generator with
          instance norm sees other statistics in each tile, SO TILES CHANGE THE RESULT;
  resize  scales the image and the answer back, which loses detail.
JPEG changes faint signals in the answer; --format=png keeps them.

Nothing is overwritten unless --overwrite says so: files that are there are kept and counted. Each file appears whole.
What cannot be read or translated is named, the others go on, and the exit code is 1 at the end.
"""

import pathlib

from absl import app, flags

from keras_repvis_tools import program

_HANDLE = flags.DEFINE_string("handle", None, "Handle of the zoo, .keras file or directory of a SavedModel.")
_IMAGES = flags.DEFINE_list("images", [], "Image files, folders, or patterns such as 'photos/**/*.jpg'.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the answers; made when missing.")
_SIZE_POLICY = flags.DEFINE_enum("size_policy", "pad", ["pad", "tile", "resize"], "What is done to the size of images.")
_TILE = flags.DEFINE_integer("tile", None, "tile: side in pixels; by default that of training images if known, or 256.")
_OVERLAP = flags.DEFINE_integer("overlap", None, "tile: pixels neighbours share at least; by default a quarter tile.")
_FEATHER = flags.DEFINE_integer("feather", None, "tile: pixels of an overlap that are blended; by default half of it.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "resize: side in pixels; by default the next to an image's own.")
_MULTIPLE = flags.DEFINE_integer("multiple", None, "Sides are multiples of this; by default it is found out.")
_MAX_PIXELS = flags.DEFINE_integer("max_pixels", 2**22, "Most pixels to translate as one image; bounds the memory.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Tiles through the model at once; bounds the memory.")
_FORMAT = flags.DEFINE_enum("format", "keep", ["keep", "bmp", "jpeg", "npy", "png", "tiff"], "Format of the files.")
_QUALITY = flags.DEFINE_integer("quality", 95, "Of JPEG files, 1 to 100.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace files that exist in the output folder.")
_ZOO_ROOT = flags.DEFINE_string("zoo_root", None, "Root of the zoo; by default KERAS_REPVIS_ZOO or the user's own zoo.")
_ALLOW = flags.DEFINE_list("allow_operations", [], "Operations a SavedModel may use beyond those that only compute.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag (quote patterns of --images).")
    for name, value in (("handle", _HANDLE.value), ("images", _IMAGES.value), ("output", _OUTPUT.value)):
        if not value:
            raise app.UsageError(f"--{name} is missing.")

    from keras_repvis_tools import translation

    file_format = None if _FORMAT.value == "keep" else _FORMAT.value.upper()
    jobs = translation.plan(_IMAGES.value, pathlib.Path(_OUTPUT.value).expanduser(), file_format, _OVERWRITE.value)
    translation.check_quality(_QUALITY.value)
    if not any(job.is_due for job in jobs):
        return translation.report(translation.Outcome(kept=len(jobs)), _OUTPUT.value)
    program.say("starting TensorFlow")
    program.import_tensorflow()

    from keras_repvis import zoo

    model = zoo.open_model(_HANDLE.value, root=_ZOO_ROOT.value, allow_operations=_ALLOW.value)
    name, trained_on = translation.origin(_HANDLE.value, _ZOO_ROOT.value)
    translator = zoo.Translator(
        model,
        _SIZE_POLICY.value,
        tile=_TILE.value or trained_on,
        overlap=_OVERLAP.value,
        feather=_FEATHER.value,
        size=_IMAGE_SIZE.value,
        batch_size=_BATCH_SIZE.value,
        multiple=_MULTIPLE.value,
        max_pixels=_MAX_PIXELS.value,
    )
    channels = (getattr(model, "output_shape", None) or [None])[-1]
    outcome = translation.run(jobs, translator, channels, file_format, _QUALITY.value, _OVERWRITE.value)
    return translation.report(outcome, _OUTPUT.value, name)


def run():
    program.run(main)


if __name__ == "__main__":
    run()
