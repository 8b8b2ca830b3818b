"""Measure what one image-to-image model hides for the one that translates back, and write it on one page.

Examples:
  repvis-stego --handle=me/photo_to_map --decoder=me/map_to_photo --images='photos/*.png' --targets='maps/*.png'
  repvis-stego --handle=F.keras --decoder=G.keras --images='testA/*.jpg' --targets='testB/*.jpg' --paired
  repvis-stego --handle=exported/F --decoder=exported/G --images='photos/*.png' --jacobian_images=0 --output=hidden.html

The encoder F (--handle) translates the images, the decoder G translates back; each is a handle of the zoo, a .keras
file or the directory of a SavedModel that takes floats in [0, 1]. --decoder may be left out where the manifest of F
names its partner as training option "inverse". --targets are real images of the domain that F translates to, for
comparison; with --paired they are, in the order of their names, the true translations of the images.

The page shows the images, F(x) with its contrast enhanced, the reconstructions after rounding, JPEG and noise, the
error against the strength of each, spectra, how far edits spread, Jacobians, and encodings made to order. The last line
on stdout is its path. A file that exists is not overwritten unless --overwrite says so.
"""

import pathlib
import shlex
import sys

from absl import app, flags

from keras_repvis_tools import image_files, partner, program

_HANDLE = flags.DEFINE_string("handle", None, "Encoder F: handle of the zoo, .keras file or directory of a SavedModel.")
_DECODER = flags.DEFINE_string("decoder", None, "Decoder G, the same; by default the partner that F's manifest names.")
_IMAGES = flags.DEFINE_list("images", [], "Image files to translate, or patterns such as 'photos/**/*.jpg'.")
_TARGETS = flags.DEFINE_list("targets", [], "Real images of the domain that F translates to, or patterns.")
_PAIRED = flags.DEFINE_bool("paired", False, "The targets are the true translations of the images, in order of name.")
_SIZE = flags.DEFINE_integer("image_size", 128, "Height and width in pixels where the encoder takes any.")
_RESIZE = flags.DEFINE_string("resize", "crop", "How images come to that size: squash, crop or pad.")
_SHOWN = flags.DEFINE_integer("shown", 4, "Images to show on the page; all are measured.", lower_bound=1)
_JACOBIAN = flags.DEFINE_integer(
    "jacobian_images", 2, "Images for Jacobians, linearity and encodings made to order, minutes each; 0 for none.",
    lower_bound=0,
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Images through a model at once; bounds the memory.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the noise and of random directions.", lower_bound=0)
_OUTPUT = flags.DEFINE_string("output", "repvis-stego.html", "File to write.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the file if it exists.")
_ZOO_ROOT = flags.DEFINE_string("zoo_root", None, "Root of the zoo; by default KERAS_REPVIS_ZOO or the user's own zoo.")
_ALLOW = flags.DEFINE_list("allow_operations", [], "Operations a SavedModel may use beyond those that only compute.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag (quote patterns of --images).")
    if not _HANDLE.value:
        raise app.UsageError("--handle is missing.")
    files = image_files.find("images", _IMAGES.value)
    targets = image_files.find("targets", _TARGETS.value) if _TARGETS.value or _PAIRED.value else []
    if _PAIRED.value and len(targets) != len(files):
        raise ValueError(f"--paired: there are {len(files)} images and {len(targets)} targets, expected as many.")
    output = pathlib.Path(_OUTPUT.value).expanduser()
    if output.is_dir() or (output.exists() and not _OVERWRITE.value):
        raise ValueError(f"output={str(output)!r} exists: name another, or give --overwrite to replace a file.")
    decoder = _DECODER.value or partner.find(_HANDLE.value, _ZOO_ROOT.value)
    program.say("starting TensorFlow")
    program.import_tensorflow()

    from keras_repvis_tools import stego_study

    study = stego_study.StegoStudy(
        *stego_study.open_pair(_HANDLE.value, decoder, _ZOO_ROOT.value, _ALLOW.value), _BATCH_SIZE.value, _SEED.value
    )
    images = study.read_images(files, _SIZE.value, _RESIZE.value)
    found = study.measure(images, study.read_targets(targets, _RESIZE.value), _PAIRED.value, _SHOWN.value,
                          _JACOBIAN.value)
    for what, why in found["refusals"]:
        program.say(f"{what}: {why}")
    command = " \\\n  ".join(["repvis-stego", *map(shlex.quote, sys.argv[1:])])
    many = "images" if len(files) != 1 else "image"
    height, width = images.shape[1:3]
    lead = f"{_HANDLE.value} and {decoder} on {len(files)} {many} of {height} x {width} pixels."
    path = stego_study.write(output, image_files.labels(files), found, lead, command)
    print(found["scores"])
    print(f"report: {path}")


def run():
    program.run(main)


if __name__ == "__main__":
    run()
