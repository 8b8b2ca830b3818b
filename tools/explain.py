"""Explain what a trained model looks at: attribution maps of several methods over images, and one report.

Examples:
  repvis-explain --model=repvis/mobilenet_v2_digits --images='digits/*.png'
  repvis-explain --model=runs/cats/model.keras --images='cats/**/*.jpg' --methods=gradient,guided_backprop --targets=3
  repvis-explain --model=repvis/mobilenet_v2_digits --images=7.png --methods=information_bottleneck \\
      --reference_images='digits/*.png' --layer=block_2_project_norm
  repvis-explain --model=exported/1 --images=cat.jpg --methods=gradient --output_dir=cat
  repvis-explain --list

The model is a handle of the zoo, a .keras file or the directory of a SavedModel. Images are brought to the size that it
takes. The output directory receives report.html (methods side by side, a legend, the numbers that tell whether to
believe them), overlays/<image>_<method>.png and maps.npz (raw maps and diagnostics). Nothing existing is overwritten
unless --overwrite says so. A method that cannot be right for the model is left out, and the report says why. The last
line on stdout is the path of the report.
"""

import os
import pathlib
import shlex
import shutil
import sys
import tempfile

from absl import app, flags

from keras_repvis import checks
from keras_repvis.analysis.attribution import catalog
from keras_repvis_tools import image_files, program

_MODEL = flags.DEFINE_string("model", None, "Handle of the zoo, .keras file or directory of a SavedModel.")
_IMAGES = flags.DEFINE_list("images", [], "Image files, or patterns such as 'photos/**/*.jpg'.")
_METHODS = flags.DEFINE_list("methods", ["gradient", "guided_backprop"], "Names that --list prints, or all.")
_TARGETS = flags.DEFINE_list("targets", [], "Class index to explain, one for all or one an image; else the answer.")
_LAYER = flags.DEFINE_string("layer", None, "Layer for methods that look at one; by default the method's own choice.")
_REFERENCE = flags.DEFINE_list("reference_images", [], "Many images such as the model knows: information_bottleneck.")
_SIZE = flags.DEFINE_integer("image_size", 224, "Height and width in pixels where the model takes any.")
_RESIZE = flags.DEFINE_string("resize", "pad", "How images come to the model's size: squash, crop or pad.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images through the model at once; bounds the memory.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "repvis-explain", "Directory to make.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace report, overlays and maps in an existing directory.")
_ZOO_ROOT = flags.DEFINE_string("zoo_root", None, "Root of the zoo; by default KERAS_REPVIS_ZOO or the user's own zoo.")
_ALLOW = flags.DEFINE_list("allow_operations", [], "Operations a SavedModel may use beyond those that only compute.")
_LIST = flags.DEFINE_bool("list", False, "List the methods and what their maps say.")

_REPORT, _OVERLAYS, _MAPS = "report.html", "overlays", "maps.npz"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag (quote patterns of --images).")
    if _LIST.value:
        for name in catalog.names():
            print(f"{name}\n    {catalog.ENTRIES[name].reading}\n    {catalog.ENTRIES[name].caution}")
        return
    methods = method_names(_METHODS.value)
    files = image_files.find("images", _IMAGES.value)
    reference = image_files.find("reference_images", _REFERENCE.value) if _REFERENCE.value else []
    output = pathlib.Path(_OUTPUT_DIR.value).expanduser()
    check_output(output)
    if not _MODEL.value:
        raise app.UsageError("--model is missing.")
    program.say("starting TensorFlow")
    program.import_tensorflow()

    from keras_repvis import zoo
    from keras_repvis_tools import explanation

    model = zoo.open_model(_MODEL.value, root=_ZOO_ROOT.value, allow_operations=_ALLOW.value)
    shape = explanation.image_shape(model, _SIZE.value)
    images, reference = (explanation.read_images(some, shape, _RESIZE.value) for some in (files, reference))
    targets = read_targets(_TARGETS.value, len(files))
    found = explanation.explain(model, images, methods, targets, _LAYER.value, _BATCH_SIZE.value, reference)
    for method, why in found.refusals:
        program.say(f"{method}: {why}")
    if not found.results:
        raise ValueError("none of the methods can be right for this model.")
    command = " ".join(["repvis-explain", *map(shlex.quote, sys.argv[1:])])
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as scratch:
        explanation.write(pathlib.Path(scratch), found, images, image_files.labels(files), _MODEL.value, command)
        put(pathlib.Path(scratch), output)
    print(f"methods: {', '.join(found.results)}")
    print(f"report: {(output / _REPORT).resolve()}")


def method_names(wanted):
    """Return the names of the methods that the flag asks for."""
    if wanted == ["all"]:
        return list(catalog.names())
    if not wanted:
        raise ValueError("methods= is not accepted: expected at least one name; --list prints them.")
    return list(dict.fromkeys(checks.one_of("methods", name, catalog.names()) for name in wanted))


def read_targets(texts, count):
    """Return None, one class index or a list of `count` of them."""
    try:
        numbers = [int(text) for text in texts]
    except ValueError:
        numbers = [-1]
    if min(numbers, default=0) < 0 or len(numbers) not in (0, 1, count):
        raise ValueError(
            f"targets={','.join(texts)!r} is not accepted: expected one class index >= 0, or {count}, one an image."
        )
    return numbers if len(numbers) > 1 else next(iter(numbers), None)


def check_output(output):
    """Raise a `ValueError` if something is there that was not asked to be replaced."""
    if output.exists() and not output.is_dir():
        raise ValueError(f"output_dir={str(output)!r} is not accepted: it is a file.")
    if output.is_dir() and any(output.iterdir()) and not _OVERWRITE.value:
        raise ValueError(
            f"output_dir={str(output)!r} is not empty: name another, or give --overwrite to replace "
            f"{_REPORT}, {_MAPS} and {_OVERLAYS}/ in it."
        )


def put(scratch, output):
    """Move what was written to its place; what else is in `output` stays."""
    output.mkdir(parents=True, exist_ok=True)
    if (output / _OVERLAYS).is_dir():
        shutil.rmtree(output / _OVERLAYS)
    for name in (_OVERLAYS, _MAPS, _REPORT):
        os.replace(scratch / name, output / name)


def run():
    program.run(main)


if __name__ == "__main__":
    run()
