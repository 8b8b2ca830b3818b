"""The model card, a page in TensorFlow Hub's Markdown form, made from the manifest's evidence alone."""

import math
import re

from keras_repvis.zoo import card_sections

# The programs read it from here.
flatten = card_sections.flatten

# By the name of an output, in TensorFlow Hub's words.
_TASKS = {
    "features": "image-feature-vector",
    "logits": "image-classification",
    "probabilities": "image-classification",
}


def render(facts):
    """Return the card of a version as Markdown.

    Args:
        facts: Entries of the manifest; see `keras_repvis.zoo.publishing`. Those on calibration and variants may be
            missing.

    Returns:
        String, ending in a newline.
    """
    handle = facts["handle"]
    stated = {name: facts[name] or "Not stated by the publisher." for name in ("intended_use", "limits")}
    blocks = [
        f"# Module {handle}",
        facts["description"] or f"{facts['architecture']}, published without a description.",
        "\n".join(f"<!-- {name}: {_one_line(value)} -->" for name, value in _metadata(facts)),
        _section("Intended use", stated["intended_use"]),
        _section("Limits", stated["limits"]),
        _section("Interface", card_sections.interface(tensors(facts["signatures"]))),
        _section("Translation", card_sections.translation(facts["training"])),
        _section("Cost", card_sections.cost(facts["cost"])),
        _section("Metrics", card_sections.metrics(facts["metrics"], facts.get("calibration"))),
        _section("Calibration", card_sections.calibration(facts.get("calibration"))),
        _section("What its answers depend on", card_sections.saliency(facts.get("calibration"))),
        _section("Variants", card_sections.variants(facts.get("variants"), facts.get("variants_refused"))),
        _section("Data", card_sections.data(facts["data"])),
        _section("Training", card_sections.training(facts["training"])),
        _section("Provenance", card_sections.provenance(facts)),
        _section("How to load", card_sections.loading(handle, facts.get("variants") or {})),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def measure_cost(model):
    """Return {"parameters", "trainable", "bytes", "multiply_adds"} of a Keras model for the manifest.

    The bytes are those of the weights in memory. Multiply-adds are those of one example, None where they cannot be
    counted: free sizes, or layers without a rule.
    """
    # Here, not above: a card is also shown without TensorFlow.
    from keras_repvis import models

    try:
        multiply_adds = int(models.cost(model).multiply_adds)
    except ValueError:
        multiply_adds = None
    return {
        "bytes": sum(weight.value.dtype.size * math.prod(weight.shape) for weight in model.weights),
        "multiply_adds": multiply_adds,
        "parameters": sum(math.prod(weight.shape) for weight in model.weights),
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
    }


def tensors(signatures):
    """Return a list of (signature, "inputs" or "outputs", name, type, shape), one of every tensor of `signatures`."""
    return [
        (signature, direction, name, spec["dtype"], _shape(spec["shape"]))
        for signature, parts in sorted(signatures.items())
        for direction in ("inputs", "outputs")
        for name, spec in parts[direction].items()
    ]


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
    # Both ends of a comment that HTML knows; the longest match, so that none forms of what is left.
    return " ".join(re.sub("-{2,}!?>", "", str(value)).split())


def _section(title, body):
    return f"## {title}\n\n{body}" if body else ""


def _shape(shape):
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
