"""The model card, a page in TensorFlow Hub's Markdown form, made from the manifest's evidence alone."""

FILE = "card.md"
# By the name of an output, in TensorFlow Hub's words.
_TASKS = {
    "features": "image-feature-vector",
    "logits": "image-classification",
    "probabilities": "image-classification",
}


def render(facts):
    """Return the card of a version as Markdown.

    Args:
        facts: Entries of the manifest; see `keras_repvis.zoo.publishing`.

    Returns:
        String, ending in a newline.
    """
    handle = facts["handle"]
    blocks = [
        f"# Module {handle}",
        facts["description"] or f"{facts['architecture']}, published without a description.",
        "\n".join(f"<!-- {name}: {_one_line(value)} -->" for name, value in _metadata(facts)),
        _section("Intended use", facts["intended_use"] or "Not stated by the publisher."),
        _section("Limits", facts["limits"] or "Not stated by the publisher."),
        _section("Interface", _interface(facts)),
        _section("Cost", _cost(facts["cost"])),
        _section("Metrics", _table(("metric", "value"), flatten(facts["metrics"])) or "None were given."),
        _section("Data", _table(("data", ""), flatten(facts["data"])) or "Not stated by the publisher."),
        _section("Training", _table(("setting", ""), flatten(facts["training"])) or "Not stated by the publisher."),
        _section("Provenance", _table(("", ""), _provenance(facts))),
        _section("How to load", _loading(handle)),
    ]
    return "\n\n".join(blocks) + "\n"


def measure_cost(model):
    """Return {"parameters", "trainable", "multiply_adds"} of a Keras model for the manifest.

    Multiply-adds are those of one example, None where they cannot be counted: free sizes, or layers without a rule.
    """
    # Here, not above: a card is also shown without TensorFlow.
    from keras_repvis import models

    parameters = sum(_size(weight) for weight in model.weights)
    trainable = sum(_size(weight) for weight in model.trainable_weights)
    try:
        multiply_adds = int(models.cost(model).multiply_adds)
    except ValueError:
        multiply_adds = None
    return {"multiply_adds": multiply_adds, "parameters": parameters, "trainable": trainable}


def tensors(signatures):
    """Return a list of (signature, "inputs" or "outputs", name, type, shape), one of every tensor of `signatures`."""
    return [
        (signature, direction, name, spec["dtype"], _shape(spec["shape"]))
        for signature, parts in sorted(signatures.items())
        for direction in ("inputs", "outputs")
        for name, spec in parts[direction].items()
    ]


def flatten(mapping, prefix=""):
    """Return a list of (dotted name, value as text), one of every leaf of a nested mapping."""
    rows = []
    for name, value in sorted(mapping.items()):
        if isinstance(value, dict):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, f"{value:.6g}" if isinstance(value, float) else str(value)))
    return rows


def _size(weight):
    size = 1
    for extent in weight.shape:
        size *= extent
    return int(size)


def _metadata(facts):
    outputs = facts["signatures"]["serving_default"]["outputs"]
    yield "asset-path", facts["handle"]
    yield "task", next((_TASKS[name] for name in outputs if name in _TASKS), "image-others")
    yield "fine-tunable", "true" if facts["cost"]["trainable"] else "false"
    yield "format", "saved_model_2"
    yield "network-architecture", facts["architecture"]
    if facts["data"].get("name"):
        yield "dataset", facts["data"]["name"]
    yield "license", facts["licence"]


def _one_line(value):
    return " ".join(str(value).replace("-->", "").split())


def _section(title, body):
    return f"## {title}\n\n{body}"


def _interface(facts):
    rows = [(f"`{row[0]}`", row[1], f"`{row[2]}`", *row[3:]) for row in tensors(facts["signatures"])]
    return _table(("signature", "", "tensor", "type", "shape"), rows)


def _shape(shape):
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _cost(cost):
    multiply_adds = cost["multiply_adds"]
    rows = [
        ("parameters", f"{cost['parameters']:,}"),
        ("trainable", f"{cost['trainable']:,}"),
        ("multiply-adds per example", "not counted" if multiply_adds is None else f"{multiply_adds:,}"),
    ]
    return _table(("cost", "number"), rows)


def _provenance(facts):
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts["versions"].items()))
    checks = ", ".join(f"{file} {value:.1e}" for file, value in sorted(facts["check"]["differences"].items()))
    return [
        ("published", facts["created"]),
        ("parent", facts["parent"] or "none"),
        ("licence", facts["licence"]),
        ("made with", versions),
        ("largest difference after reloading, relative to the largest output", checks),
    ]


def _loading(handle):
    return "\n".join(
        [
            "```python",
            "from keras_repvis import zoo",
            "",
            f'model = zoo.load("{handle}")  # a Keras model, verified; compile and fit it to fine-tune',
            f'graph = zoo.load_saved_model("{handle}")  # the SavedModel: graph(images, training=False)',
            "```",
            "",
            "The directory of the version is also read by `tf.saved_model.load`, TensorFlow Hub, TF Serving and",
            '`keras.layers.TFSMLayer(path, call_endpoint="serving_default")`.',
        ]
    )


def _table(header, rows):
    rows = [tuple(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ("---",) * len(header), *rows])
