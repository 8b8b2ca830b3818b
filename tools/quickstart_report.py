"""The report of the quickstart: what was trained, how well it does, what it looks at, and how to go on."""

import dataclasses
import shlex

import numpy as np

from keras_repvis import models, report
from keras_repvis.analysis.attribution import Gradient

_COLUMNS = 12


@dataclasses.dataclass(frozen=True)
class Result:
    """One seed's run: `seed`, `history` (one dict of metrics an epoch) and `evaluation` on the test images."""

    seed: int
    history: list
    evaluation: object


def write(path, *, model, version, zoo_root, config, results, images, difference, seconds):
    """Write the page and return its path.

    Args:
        path: File to write.
        model: Keras model loaded from the zoo.
        version: `zoo.Version` it was loaded from.
        zoo_root: Root of the zoo as the user gave it, or None.
        config: `training.Classification` of the runs.
        results: List of `Result`, the published one first.
        images: float32 array (examples, height, width, 1), the test images.
        difference: Largest difference of the reloaded SavedModel's outputs, relative to the largest logit.
        seconds: Time the whole run took.
    """
    accuracies = np.array([result.evaluation.accuracy for result in results])
    count = len(images)
    several = f", the mean of {len(results)} seeds from {accuracies.min():.1%} to {accuracies.max():.1%}"
    lead = (
        f"A MobileNetV2 of width {config.width_multiplier} reads {accuracies.mean():.1%} of {count} test digits "
        f"correctly{several if len(results) > 1 else ''}."
    )
    cost = models.cost(model)
    facts = [
        (f"{accuracies.mean():.1%}", "test accuracy, mean"),
        (f"{cost.total:,}", "parameters"),
        (f"{cost.multiply_adds / 1e6:.2f} M", "multiply-adds an image"),
        (version.handle, "in the zoo"),
    ]
    sections = [
        _accuracy(results, count),
        _mistakes(results[0].evaluation, images),
        _training(results, config),
        _saliency(model, results[0].evaluation, images),
        _cost(cost),
        _next_steps(version, zoo_root, config, difference),
    ]
    html = report.render(
        "Quickstart: digits from pixels to zoo", f"{lead} The whole run took {seconds:.0f} seconds.", sections, facts
    )
    return report.write(path, html)


def _accuracy(results, count):
    rows = [
        (
            result.seed,
            f"{result.evaluation.accuracy:.2%}",
            round((1 - result.evaluation.accuracy) * count),
            f"{result.evaluation.loss:.3f}",
        )
        for result in results
    ]
    classes = [str(digit) for digit in range(len(results[0].evaluation.confusion))]
    figure = report.confusion_matrix(results[0].evaluation.confusion, classes)
    return report.Section(
        "Accuracy",
        [
            report.Table(
                ("seed", "accuracy", f"wrong of {count}", "cross-entropy, nats"),
                rows,
                "No test image was trained on, but this recipe's settings were chosen with the test accuracy in view: "
                "expect slightly less on new digits. The first seed's model is published.",
            ),
            report.Figure(
                report.data_uri(figure),
                "confusion matrix of the published model",
                "Test images of the published model: rows are true digits, columns what the model said.",
                wide=False,
            ),
        ],
    )


def _mistakes(evaluation, images):
    every = np.flatnonzero(evaluation.predictions != evaluation.labels)
    wrong = every[:_COLUMNS]
    if not len(wrong):
        return report.Section("Mistakes", [report.Text("The published model made no mistake on the test images.")])
    names = [f"{evaluation.labels[i]}, said {evaluation.predictions[i]}" for i in wrong]
    figure = report.image_rows([_blank_to(_COLUMNS, images[wrong])], ["image"], names + [""] * (_COLUMNS - len(names)))
    caption = f"{len(wrong)} of {len(every)} misread test images."
    return report.Section("Mistakes", [report.Figure(report.data_uri(figure), "misread digits", caption)])


def _blank_to(count, images):
    """Return `images` followed by white ones, `count` in all, so that rows keep one scale."""
    return np.concatenate([images, np.ones((count - len(images), *images.shape[1:]), "float32")])


def _training(results, config):
    names = [f"seed {result.seed}" for result in results]
    figures = []
    for metric, label in (("loss", "cross-entropy, nats"), ("accuracy", "accuracy")):
        curves = [[entry[metric] for entry in result.history] for result in results]
        figure = report.training_curve(curves, label, names)
        caption = f"Training {metric}, on augmented images, averaged over each epoch."
        figures.append(report.Figure(report.data_uri(figure), f"training {metric}", caption, wide=False))
    text = (
        f"{config.epochs} epochs of Adam, batches of {config.batch_size}, peak rate {config.learning_rate:g} with "
        f"cosine decay, random shifts of up to {config.shift} px at {config.image_size} x {config.image_size}."
    )
    return report.Section("Training", [report.Text(text), *figures])


def _saliency(model, evaluation, images):
    labels = evaluation.labels
    digits = range(int(labels.max()) + 1)
    chosen = [np.flatnonzero(labels == digit)[0] for digit in digits if np.any(labels == digit)][:_COLUMNS]
    result = Gradient(model, reduction="max_abs")(images[chosen], targets=labels[chosen])
    signed = Gradient(model, reduction="sum")(images[chosen], targets=labels[chosen])
    figure = report.image_rows(
        [images[chosen], result.maps, signed.maps], ["image", "size", "signed"], [f"{labels[i]}" for i in chosen]
    )
    text = (
        "The gradient of the true digit's score with respect to each pixel: where a small change of the image changes "
        "the score most. It is the model's linear approximation around that image, exact for small changes and noisy "
        "by nature; it does not say what would happen if a region were removed."
    )
    caption = (
        "The first test image of each digit. Size: dark blue is a strong influence in either direction. Signed: blue, "
        "more ink raises the score; red, more ink lowers it. Each map has its own scale."
    )
    uri = report.data_uri(figure)
    blocks = [report.Text(text), report.Figure(uri, "digits and their gradient saliency", caption)]
    return report.Section("What it looks at: gradient saliency", blocks)


def _cost(cost):
    groups = {}
    for row in cost.rows:
        stage = row.name.split("_")[0] if not row.name.startswith("block_") else "_".join(row.name.split("_")[:2])
        parameters, multiply_adds = groups.get(stage, (0, 0))
        groups[stage] = (parameters + row.parameters, multiply_adds + row.multiply_adds)
    rows = [
        (stage, f"{parameters:,}", f"{multiply_adds:,}", f"{multiply_adds / cost.multiply_adds:.1%}")
        for stage, (parameters, multiply_adds) in groups.items()
        if parameters or multiply_adds
    ]
    rows.append(("all", f"{cost.total:,}", f"{cost.multiply_adds:,}", f"{1:.1%}"))
    return report.Section(
        "Cost",
        [
            report.Table(
                ("part", "parameters", "multiply-adds", "share"),
                rows,
                "Convolutions and dense layers, for one image; parameters with batch-norm statistics.",
            )
        ],
    )


def _next_steps(version, zoo_root, config, difference):
    root = "" if zoo_root is None else f", root={str(zoo_root)!r}"
    flag = "" if zoo_root is None else f" --zoo_root={shlex.quote(str(zoo_root))}"
    load = f"from keras_repvis import zoo\nmodel = zoo.load({version.handle!r}{root})"
    size = config.image_size
    fine_tune = f"""import keras
from keras_repvis import data, zoo

stream = data.Stream(data.Source("repvis_digits"), batch_size=64, image_size=({size}, {size}), seed=0)
model = zoo.load({version.handle!r}{root})
model.compile(
    optimizer=keras.optimizers.Adam(1e-4),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(stream.dataset(epochs=2), epochs=2, steps_per_epoch=stream.steps_per_epoch)"""
    elsewhere = f'import tensorflow as tf\nmodel = tf.saved_model.load("{version.path}")\nlogits = model(images)'
    checked = (
        f"{version.handle} was loaded from its SavedModel in a new process that knows nothing of this package; over "
        f"all test images its logits differ from the trained model's by at most {difference:.1e} of the largest logit."
    )
    return report.Section(
        "Load it, fine-tune it",
        [
            report.Text(checked),
            report.Code(load, "As a Keras model, verified against its manifest:"),
            report.Code(fine_tune, "Fine-tune it:"),
            report.Code(elsewhere, "Without this package; also read by TensorFlow Hub and TF Serving:"),
            report.Code(f"repvis-zoo show {version.handle}{flag}", "What is known of it:"),
        ],
    )
