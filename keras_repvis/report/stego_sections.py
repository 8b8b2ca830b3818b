"""Sections of the page about hidden signals: edits, the spectrum of the Jacobian, linearity, adversarial encodings."""

import numpy as np

from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.report import figures, page, stego_figures
from keras_repvis.report.sheets import across, amplified, image_sheet



def edits(found, examples, names):
    """Return the section of `Edits` and `EditExamples`, which may be None."""
    blocks = [page.Text(
        "A patch of x is replaced by a piece of another image. If the code is written piece by piece, F(x) changes "
        "only around the patch, and the change can be added to the encoding of another image z, where G makes the same "
        "edit of it. If F and G were linear, the relative errors below would be 0; at 1 nothing of the edit is there."
    )]
    if examples is not None:
        strong, factor = amplified(examples.code_edit)
        rows = []
        for place, name in enumerate(names[: len(examples.images)]):
            cells = [
                ("x", examples.images[place]),
                ("x', edited", examples.edited[place]),
                (f"F(x') - F(x),\nx {factor}", strong[place]),
                ("G(F(x'))", examples.reconstructed[place]),
                ("another image, z", examples.others[place]),
                ("G(F(z))", examples.others_reconstructed[place]),
                ("G(F(z) +\nF(x') - F(x))", examples.transplanted[place]),
            ]
            rows.append((name, cells))
        blocks.append(_sheet(rows, "edits on their way"))
    blocks.append(page.Figure(
        figures.data_uri(stego_figures.edit_figure(found)), "share of the edit against the distance from the patch",
        "Share of the energy of F(x') - F(x) within a distance from the patch: mean over the images, and the range of "
        "all of them.",
    ))
    rows = [
        ("the edit, as G shows it", "edit"),
        ("transplanted into another image", "transplanted"),
        ("two edits, added up in F(x)", "summed"),
        ("two edits at once, in F", "summed in the encoder"),
    ]
    cells = [
        (words, *(_mean(values[key], 2) for way in (found.in_float, found.in_8bit)
                  for values in (way.relative_error, way.cosine)))
        for words, key in rows if key in found.in_float.relative_error
    ]
    header = ("what is compared", "relative error", "cosine", "error, 8 bits", "cosine, 8 bits")
    blocks.append(page.Table(header, cells, "Means over the images, with 95 % intervals; a cosine of 1 is the same"))
    reach = [
        (name, _mean(way.outside(0)), _mean(way.distance(0.5)), _mean(way.distance(0.9)), _mean(way.distance(0.99)))
        for name, way in (("as floats", found.in_float), ("through 8 bits", found.in_8bit))
    ]
    header = ("encodings", "energy beyond the patch", "50 % within, pixels", "90 %", "99 %")
    blocks.append(page.Table(header, reach, "How far an edit of F(x) spreads"))
    return page.Section("Edits: local, and nearly additive?", blocks)


def local(spectra, found):
    """Return the section of {name: `JacobianSpectra`} and `LinearityErrors`, either of which may be None."""
    blocks, tables = [], []
    if spectra is not None:
        blocks.append(page.Text(
            "Left: how much stronger, or weaker, small changes of the input come out, for the directions that are "
            "expanded most. Above 1 (dashed) a direction is expanded, below it is contracted; dotted is the mean over "
            "all directions. A decoder that expands strongly reads signals, and noise, too faint to see."
        ))
        tables = [_gains(spectra), *_directions(spectra)]
    if found is not None:
        blocks.append(page.Text(
            "How well the Jacobian at F(x) predicts what G does when F(x) changes: along random directions, on the way "
            "to the encodings of other images, and along the directions that G expands most. Near 0 G is linear there; "
            "at 1 (dashed) the prediction is worth nothing."
        ))
    if spectra is not None:
        blocks.append(page.Figure(
            figures.data_uri(stego_figures.singular_value_figure(spectra)), "singular values of the Jacobians",
            "The largest singular values: geometric mean over the images, and their range.", wide=False,
        ))
    if found is not None:
        blocks.append(page.Figure(
            figures.data_uri(stego_figures.linearity_figure(found)), "error of the linear prediction",
            "Relative error of the linear prediction of G: mean over images and directions, and the range over the "
            "images.", wide=False,
        ))
    return page.Section("What is expanded, and how linearly", [*blocks, *tables])


def _gains(spectra):
    rows = [
        (name, _range(found.values[:, 0]), _range(found.mean_gain), _range(found.participation_ratio),
         len(found.values))
        for name, found in spectra.items()
    ]
    header = ("model and place", "largest singular value", "mean gain", "directions that share the gain", "images")
    return page.Table(header, rows, "Means over the images, and their range")


def _directions(spectra):
    rows = []
    for name, found in spectra.items():
        cells = [
            (f"direction {place + 1},\ngain {number(found.values[0, place])}", _scaled(direction))
            for place, direction in enumerate(found.right[0, : across(found.right.shape[3])])
        ]
        rows.append((f"{name}: the changes of the first image's input that come out strongest", cells))
    return [_sheet(rows, "input directions of the largest singular values")]


def adversarial(found, targets, starts, names):
    """Return the section of `AdversarialCodes`, the images x and the starts y_0."""
    strong, factor = amplified(found.codes - starts)
    rows = []
    for place, name in enumerate(names[: len(targets)]):
        cells = [
            ("x, to be made", targets[place]),
            ("y0, of\nanother image", starts[place]),
            (f"y*, within {found.distances[place]:.2g}\ngrey levels of y0", found.codes[place]),
            (f"y* - y0,\nx {factor}", strong[place]),
            (f"G(y*)\nerror {found.loss[place]:.1f}", found.reconstructions[place]),
        ]
        rows.append((name, cells))
    text = page.Text(
        "If G reads what cannot be seen, any y can be made to say anything: y* is searched for within a few grey "
        "levels of y0, which shows something else, such that G makes x of it."
    )
    header = ("", "mean, with 95 % interval")
    table = page.Table(header, [
        ("error of G(y0), grey levels", _mean(found.start_loss)),
        ("error of G(y*)", _mean(found.loss)),
        ("error of G(y*) through 8 bits", _mean(found.loss_8bit)),
        ("largest change of a value, |y* - y0|", _mean(found.distances)),
        ("mean change", _mean(found.mean_distances)),
    ])
    return page.Section("Encodings made to order", [text, _sheet(rows, "adversarial encodings"), table])


def _sheet(rows, alternative):
    return page.Figure(figures.data_uri(image_sheet(rows)), alternative)


def _scaled(direction):
    largest = float(np.abs(direction).max()) or 1.0
    return 0.5 + 0.5 * direction / largest


def _mean(values, digits=3):
    return interval(MeanInterval.of(values), digits)


def _range(values):
    mean, low, high = (number(value) for value in (values.mean(), values.min(), values.max()))
    return f"{mean} ({low} to {high})" if len(values) > 1 else mean


def interval(found, digits=3):
    """Return a `MeanInterval` as the page writes it: with the interval, where there is one."""
    if not found.images:
        return "-"
    mean, low, high = (number(value, digits) for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]" if np.isfinite(found.low) else mean


def number(value, digits=3):
    """Return a number in so many digits, or in whole numbers from a thousand on; below a thousandth it is rounding."""
    if abs(value) < 5e-4:
        return "0"
    return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"
