"""The sections of a model card: each makes Markdown of entries of the manifest, "" where there is nothing to say."""

import re

from keras_repvis.zoo.layout import FOLDED, LITERT_VARIANTS, SALIENCY_FILE

_NOT_STATED = "Not stated by the publisher."
# What `keras_repvis.zoo.translation` adds to the settings of training; it has a section of its own.
_OF_TRANSLATION = ("direction", "inverse", "pair", "preprocessing")


def interface(tensors):
    """Return the table of the tensors of the signatures; see `card.tensors`."""
    rows = [(f"`{row[0]}`", row[1], f"`{row[2]}`", *row[3:]) for row in tensors]
    return table(("signature", "", "tensor", "type", "shape"), rows)


def cost(found):
    """Return the table of what a call costs; see `card.measure_cost`."""
    multiply_adds = found["multiply_adds"]
    rows = [
        ("parameters", f"{found['parameters']:,}"),
        ("trainable", f"{found['trainable']:,}"),
        ("multiply-adds per example", "not counted" if multiply_adds is None else f"{multiply_adds:,}"),
    ]
    if "bytes" in found:
        rows.append(("weights, bytes", f"{found['bytes']:,}"))
    return table(("cost", "number"), rows)


def metrics(found, calibration):
    """Return the table of measured numbers and, where there is evidence, what they were measured on."""
    text = table(("metric", "value"), flatten(found)) or "None were given."
    if not calibration:
        return text
    data = {name: _plain(value) for name, value in calibration["data"].items()}
    return (
        f"{text}\n\n`accuracy`, `loss`, the calibration and the picture below are of the {calibration['examples']:,} "
        f"examples of `{data['name']}`, split `{data['split']}`, with the SHA-256 `{data['fingerprint']}`."
    )


def calibration(found):
    """Return what the manifest says of the calibration, with the bins of the reliability table that have examples."""
    if not found:
        return ""
    means = ("confidence", "accuracy")
    rows = [
        ("expected calibration error", f"{found['expected_calibration_error']:.4f}"),
        ("maximum calibration error", f"{found['maximum_calibration_error']:.4f}"),
        ("Brier score, summed over classes", f"{found['brier_score']:.4f}"),
        ("negative log-likelihood, nats", f"{found['negative_log_likelihood']:.4f}"),
        ("mean confidence", f"{found['mean_confidence']:.4f}"),
        ("accuracy", f"{found['accuracy']:.4f}"),
    ]
    bins = [
        (f"{one['low']:.3f} to {one['high']:.3f}", str(one["count"]), *(f"{one[of]:.3f}" for of in means))
        for one in found["bins"]
        if one["count"]
    ]
    numbers = table(("measure", f"with {len(found['bins'])} bins of equal width"), rows)
    reliability = table(("confidence", "examples", "mean confidence", "accuracy"), bins)
    return f"{numbers}\n\n{reliability}"


def saliency(found):
    """Return the picture of images and their saliency maps, which is there where calibration was measured."""
    if not found:
        return ""
    data = found["data"]
    return (
        f"![Images of {_plain(data['name'])} and their saliency maps]({SALIENCY_FILE})\n\n"
        "Above: images with the class that the model answers, red where it is wrong. Below: the size of the gradient "
        "of that class's logit; bright are the pixels whose small changes move it most, each map on its own scale. "
        f"Images drawn with seed {data['seed']}."
    )


def variants(published, refused):
    """Return the table of variants, and why others were refused."""
    rows = [
        (
            name,
            f"`{one['file']}`",
            f"{one['bytes']:,}",
            f"{one['difference']:.1e}",
            f"{one['tolerance']:.1e}",
            "" if one.get("agreement") is None else f"{one['agreement']:.1%} of {one['examples']}",
        )
        for name, one in sorted((published or {}).items())
    ]
    header = ("variant", "file", "bytes", "largest difference", "tolerance", "same class")
    parts = [table(header, rows)] if rows else []
    if rows:
        parts.append("Differences from the reference model are relative to its largest output.")
    parts += [f"Not published, `{name}`: {_plain(reason)}." for name, reason in sorted((refused or {}).items())]
    return "\n\n".join(parts)


def data(found):
    """Return the table of what the publisher says of the data."""
    return table(("data", ""), flatten(found)) or _NOT_STATED


def training(found):
    """Return the exact settings as a flagfile: the list under "flagfile" as it is, else one line a setting."""
    settings = {name: value for name, value in found.items() if name not in _translation(found)}
    lines = settings.pop("flagfile", None)
    if lines is None:
        lines, settings = _flags(settings), {}
    if not lines and not settings:
        return _NOT_STATED
    parts = [_fenced(lines)] if lines else []
    return "\n\n".join([*parts, *filter(None, [table(("setting", ""), flatten(settings))])])


def translation(found):
    """Return what the settings say of a model that was published with its inverse."""
    facts = _translation(found)
    if not facts:
        return ""
    images = facts["preprocessing"]
    height, width = images["image_size"]
    free = f"multiples of {images['multiple']}, at least {images['smallest']}"
    sides = [free if images[side] is None else f"only {images[side]}" for side in ("height", "width")]
    rows = [
        ("direction", facts["direction"].replace("2", " to ")),
        ("inverse", f"`{facts['inverse']}`, the version with the pair `{facts['pair'][:16]}`"),
        ("trained on images of", f"{height} x {width} pixels"),
        ("takes images of", f"height {sides[0]}; width {sides[1]}"),
        ("channels", f"{images['channels']} to {images['output_channels']}"),
    ]
    return table(("translation", ""), rows)


def provenance(facts):
    """Return the table of where the version comes from."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts["versions"].items()))
    checks = ", ".join(f"{file} {value:.1e}" for file, value in sorted(facts["check"]["differences"].items()))
    rows = [
        ("published", facts["created"]),
        ("parent", facts["parent"] or "none"),
        ("licence", facts["licence"]),
        ("made with", versions),
        ("largest difference after reloading, relative to the largest output", checks),
    ]
    return table(("", ""), rows)


def loading(handle, published):
    """Return how to load the version, and those of its variants that were published."""
    lines = [
        "from keras_repvis import zoo",
        "",
        f'model = zoo.load("{handle}")  # a Keras model, verified; compile and fit it to fine-tune',
        f'graph = zoo.load_saved_model("{handle}")  # the SavedModel: graph(images, training=False)',
    ]
    if FOLDED in published:
        lines.append(f'served = zoo.load_saved_model("{handle}", variant="{FOLDED}")  # the same answers in less time')
    for name in sorted(set(published) & set(LITERT_VARIANTS)):
        lines.append(f'{name} = zoo.LiteRT("{handle}", variant="{name}")  # {name}(images)')
    return (
        "\n".join(["```python", *lines, "```"])
        + "\n\nThe directory of the version is also read by `tf.saved_model.load`, TensorFlow Hub, TF Serving and\n"
        '`keras.layers.TFSMLayer(path, call_endpoint="serving_default")`.'
    )


def flatten(mapping, prefix=""):
    """Return a list of (dotted name, value as text), one of every leaf of a nested mapping."""
    rows = []
    for name, value in sorted(mapping.items()):
        if isinstance(value, dict):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows


def table(header, rows):
    """Return a Markdown table; "" without rows."""
    rows = [tuple(_plain(cell).replace("|", "\\|") for cell in row) for row in rows]
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ("---",) * len(header), *rows])


def _translation(settings):
    """Return the settings that `keras_repvis.zoo.translation` wrote; all of them or none."""
    is_pair = all(name in settings for name in _OF_TRANSLATION) and isinstance(settings["preprocessing"], dict)
    return {name: settings[name] for name in _OF_TRANSLATION} if is_pair else {}


def _flags(settings, prefix=""):
    """Return settings as the lines of a flagfile; what was left unset has no line."""
    lines = []
    for name, value in sorted(settings.items()):
        if isinstance(value, dict):
            lines += _flags(value, prefix if name == "flags" else f"{prefix}{name}.")
        elif value is not None:
            lines.append(f"--{prefix}{name}={_flag_value(value)}")
    return lines


def _flag_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(_flag_value(one) for one in value)
    return str(value)


def _fenced(lines):
    text = "\n".join(_plain(line) for line in lines)
    # Longer than any run of backticks within, so that no value ends the block.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}\n{text}\n{fence}"


def _plain(text):
    return " ".join(str(text).split("\n"))
