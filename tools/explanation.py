"""The work of repvis-explain: images of any size, several methods on one model, and what is written of them."""

import dataclasses
import inspect

import numpy as np
import rich.console
import rich.progress

from keras_repvis import analysis, report
from keras_repvis.analysis.attribution import catalog, estimate_statistics
from keras_repvis.data import decode, resize


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What was found.

    Args:
        outputs: Array (images, ...), what the model puts out.
        results: Dict of method name -> `Attribution`.
        refusals: List of (method name, why it cannot be right for the model).
    """

    outputs: np.ndarray
    results: dict
    refusals: list


def image_shape(model, size):
    """Return (height, width, channels) of the images that a model takes; `size` where it takes any."""
    spec = getattr(model, "spec", None)
    shapes = [tuple(tensor.shape) for tensor in getattr(model, "inputs", None) or ([spec] if spec is not None else [])]
    if not shapes:
        return size, size, 3
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] not in (1, 3, None):
        raise analysis.UnsupportedModelError(
            f"model takes {', '.join(map(str, shapes))}: expected images (batch, height, width, 1 or 3)."
        )
    _, height, width, channels = shapes[0]
    return height or size, width or size, channels or 3


def read_images(files, shape, policy):
    """Return float32 array (files, height, width, channels) in [0, 1]."""
    found = [np.empty((0, *shape), "uint8")]
    for file in files:
        with open(file, "rb") as stream:
            pixels = decode.decode(stream.read(), file, shape[2], upright=True)
        found.append(resize.resize(pixels, shape[:2], policy)[None])
    return np.concatenate(found).astype("float32") / 255.0


def explain(model, images, methods, targets=None, layer=None, batch_size=32, reference=()):
    """Run the methods one after the other, each with a bar on stderr; return an `Explanation`.

    `reference` are many images such as the model knows, for methods that need the statistics of a layer.
    """
    results, refusals = {}, []
    columns = ("{task.description:>24}", rich.progress.BarColumn(), rich.progress.TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bars:
        for name in methods:
            task = bars.add_task(name.replace("_", " "), total=1.0)
            try:
                method = _build(name, model, layer, batch_size, reference)
                results[name] = method(images, targets, progress=lambda share: bars.update(task, completed=share))
            except analysis.UnsupportedModelError as error:
                refusals.append((name, str(error)))
                bars.remove_task(task)
    return Explanation(analysis.Representation(model, "output", batch_size)(images), results, refusals)


def _build(name, model, layer, batch_size, reference):
    method, options = catalog.get(name), {"batch_size": batch_size}
    if layer is not None and "layer" in inspect.signature(method).parameters:
        options["layer"] = layer
    if catalog.ENTRIES[name].needs == "statistics":
        if len(reference) < 2:
            raise analysis.UnsupportedModelError("it needs --reference_images, many images such as the model knows.")
        options["statistics"] = estimate_statistics(model, reference, layer, batch_size=batch_size)
        options["layer"] = options["statistics"].layer
    return method(model, **options)


def write(directory, found, images, names, model, command):
    """Write report.html, overlays/ and maps.npz into `directory`."""
    from PIL import Image

    overlays = directory / "overlays"
    overlays.mkdir()
    arrays = {}
    for method, result in found.results.items():
        arrays[f"{method}/maps"] = result.maps
        arrays.update({f"{method}/{name}": values for name, values in result.diagnostics.items()})
        for name, image, one_map in zip(names, images, result.maps):
            Image.fromarray(report.overlay(image, one_map)).save(overlays / f"{name}_{method}.png")
    np.savez_compressed(directory / "maps.npz", **arrays)
    many = "images" if len(images) != 1 else "image"
    lead = f"{model} on {len(images)} {many}, {len(found.results)} methods side by side."
    answers = describe(found.outputs)
    html = report.attribution_page(images, names, answers, found.results, found.refusals, command, lead)
    report.write(directory / "report.html", html)


def describe(outputs):
    """Return what the model says of each image: the class with the largest score and its probability."""
    if outputs.ndim != 2:
        return [""] * len(outputs)
    is_distribution = (outputs >= 0).all() and np.allclose(outputs.sum(axis=-1), 1, atol=1e-3)
    shares = outputs if is_distribution else _softmax(outputs)
    return [f"class {share.argmax()} ({share.max():.0%})" for share in shares]


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
