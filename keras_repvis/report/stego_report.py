"""The page of what a translation hides in its images, and of how little it takes to destroy that."""

import numpy as np

from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.report import figures, page, stego_figures, stego_sections
from keras_repvis.report.sheets import amplified, image_sheet
from keras_repvis.report.stego_sections import interval, number


def stego_page(
    names,
    examples,
    sensitivity,
    hidden,
    scores,
    edits=None,
    edit_examples=None,
    jacobian=None,
    linearity=None,
    adversarial=None,
    refusals=(),
    lead="",
    command="",
):
    """Return the HTML of a page about the signal that an encoder F hides for its decoder G.

    Args:
        names: Sequence of strings, one an image of the examples.
        examples: `analysis.information.TranslationExamples` of a few images.
        sensitivity: `analysis.information.Sensitivity`.
        hidden: `analysis.information.HiddenCode`.
        scores: `analysis.information.ScoredReconstruction`.
        edits: `analysis.information.Edits`, or None.
        edit_examples: `analysis.information.EditExamples` of a few images, or None.
        jacobian: Dict of the name of a model and a place ("G at F(x)") -> `analysis.information.JacobianSpectra`, or
            None.
        linearity: `analysis.information.LinearityErrors` of G at F(x), or None.
        adversarial: Tuple of `analysis.information.AdversarialCodes`, the images x and the starts y_0, or None.
        refusals: Sequence of (what was not measured, why).
        lead: Sentence under the title: which models, which images.
        command: The command that repeats this, or "".

    Returns:
        String: a whole HTML document, with nothing to load.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from keras_repvis.analysis import information
        >>> image = keras.Input((16, 16, 1))
        >>> same = keras.Model(image, keras.layers.Identity()(image))
        >>> images = np.random.default_rng(0).random((2, 16, 16, 1))
        >>> pair = information.TranslationPair(same, same)
        >>> found = [getattr(information, name)(pair)(images) for name in (
        ...     "ReconstructionSensitivity", "HiddenSignal", "ReconstructionScores")]
        >>> shown = information.translate_examples(pair, images)
        >>> "What the words mean" in keras_repvis.report.stego_page(["a", "b"], shown, *found)
        True
    """
    sections = [
        _pictures(names, examples),
        _sensitivity(sensitivity),
        _frequencies(hidden),
        *([] if edits is None else [stego_sections.edits(edits, edit_examples, names)]),
        *([] if jacobian is None and linearity is None else [stego_sections.local(jacobian, linearity)]),
        *([] if adversarial is None else [stego_sections.adversarial(*adversarial, names)]),
        _scores(scores),
        _words(hidden),
    ]
    if refusals:
        sections.append(page.Section("Not shown", [page.Table(("what", "why"), list(refusals))]))
    if command:
        sections.append(page.Section("Repeat this", [page.Code(command)]))
    lead = " ".join(filter(None, [lead, _finding(hidden)]))
    return page.render("What the translation hides", lead, sections, _facts(sensitivity, hidden, scores))


def _finding(hidden):
    """Return what the reconstruction loses without the frequencies above the cutoff that is nearest to 1/4."""
    place = int(np.abs(np.array(hidden.low_pass.levels) - 0.25).argmin())
    cutoff = hidden.low_pass.levels[place]
    above = [number for number, (low, _) in enumerate(hidden.bands) if low >= cutoff]
    amplitude = np.sqrt(np.square(hidden.code_bands[:, above]).sum(axis=1)).mean()
    error, without = hidden.reconstruction.error.mean(), hidden.low_pass.in_float.error[:, place].mean()
    return (
        f"Above {cutoff:.2g} cycles per pixel F(x) has an amplitude of {amplitude:.2g} grey levels; without it the "
        f"error of the reconstruction is {number(without)} instead of {number(error)} grey levels."
    )


def _facts(sensitivity, hidden, scores):
    clean = sensitivity.reconstruction
    facts = [
        (number(clean.error.mean(), 2), "error of G(F(x)), grey levels"),
        (number(clean.error_8bit.mean(), 2), "the same through 8 bits"),
    ]
    if "white noise" in sensitivity.curves:
        doubled = sensitivity.amplitude().median
        last = sensitivity.curves["white noise"].levels[-1]
        shown = number(doubled, 2) if np.isfinite(doubled) else f"> {last:g}"
        facts.append((shown, "white noise, in grey levels, that doubles it"))
    facts.append((number(scores.noise_gain().mean, 2), "times as strong comes noise out of G (SN)"))
    if scores.honesty is not None:
        facts.append((number(scores.honesty.mean, 2), "honesty (RH): 1 is honest, 0 hides all"))
    return facts


def _pictures(names, examples):
    strong, factor = amplified(examples.residual)
    rows = []
    for place, name in enumerate(names[: len(examples.images)]):
        cells = [("x", examples.images[place]), ("F(x)", examples.codes[place])]
        if examples.enhanced is not None:
            cells.append(("F(x),\ncontrast enhanced", examples.enhanced[place]))
        cells.append((f"F(x) less its local\nmedian, x {factor}", strong[place]))
        if examples.partners is not None:
            cells.append(("real y", examples.partners[place]))
        if examples.partners_enhanced is not None:
            cells.append(("real y,\ncontrast enhanced", examples.partners_enhanced[place]))
        back = []
        for title, found in examples.reconstructions.items():
            words = title if title.startswith("G(") else f"G, {title}"
            back.append((f"{words}\nerror {examples.errors(title)[place]:.1f}", found[place]))
        rows.append((name, cells, back))
    blocks = [page.Text(
        "F translates x, and G translates back. Where F(x) looks plain and G(F(x)) still has every detail, the details "
        "came through F(x) in a way that eyes miss. Contrast enhancement shows faint patterns; those of a real y are "
        "the measure of what is normal. Below are reconstructions: from F(x) as it is, and from F(x) that was rounded, "
        "compressed, disturbed by noise (its standard deviation in grey levels), or lost its high frequencies. Errors "
        "are mean absolute differences from x in grey levels, 1/255 of the range."
    )]
    for title, cells, back in rows:
        figure = image_sheet([(title, cells), ("", back)])
        said = "; ".join(label.replace("\n", " ") for label, _ in [*cells, *back])
        blocks.append(page.Figure(figures.data_uri(figure), f"{title}: {said}"))
    return page.Section("Images on their way", blocks)


def _sensitivity(sensitivity):
    blocks = [page.Text(
        "What happens to the reconstruction when F(x) is changed a little. Noise of less than about a grey level is "
        "seen by nobody. White noise has all frequencies alike; blurred noise has the same strength, but only low "
        "frequencies. Bands and bars are 95 % intervals of the increase of the error, each image compared with "
        "itself."
    )]
    noises = [name for name in sensitivity.curves if "noise" in name]
    if noises:
        blocks.append(_figure(
            stego_figures.noise_figure(sensitivity), "error of G against noise in F(x)",
            "Error of the reconstruction against the strength of noise in F(x). Dotted: F(x) with noise rounded to 8 "
            "bits, as in a file. An encoding of another image (dotted line) is what remains when nothing of x comes "
            "through.",
        ))
        blocks.append(_amplitudes(sensitivity, noises))
    blocks.append(_figure(
        stego_figures.corruption_figure(sensitivity), "error of G after other changes of F(x)",
        "Error after other changes of F(x), all through 8 bits. Dashed: twice the error without any. Dotted: the "
        "encoding of another image.",
    ))
    blocks.append(_levels(sensitivity))
    return page.Section("How little destroys it", blocks)


def _levels(sensitivity):
    """Return the table of all corruptions but noise of a width, which the figure shows."""
    rows = [row for row in sensitivity.rows() if "blurred" not in row["corruption"]]
    caption = (
        "In grey levels: how much arrives in F(x), the errors with 95 % intervals, their increase, and how far the "
        "reconstruction moves"
    )
    return page.Table(*_cells(rows), caption)


def _amplitudes(sensitivity, noises):
    rows = []
    for name in noises:
        found = [sensitivity.amplitude(name, threshold, through) for threshold in ("doubled", "halfway")
                 for through in (False, True)]
        rows.append((name, *(_median(one, sensitivity.curves[name].levels[-1]) for one in found)))
    header = ("noise", "doubled", "doubled, 8 bits", "halfway to chance", "halfway, 8 bits")
    return page.Table(
        header, rows,
        "Noise in grey levels at which the error reaches twice its value without noise (which counts as half a grey "
        "level at least), or the middle between that value and the error of another image's encoding: median over the "
        "images and its 95 % interval.",
    )


def _median(found, last):
    def word(value):
        return f"{value:.2g}" if np.isfinite(value) else f"> {last:g}"

    if not found.images:
        return "-"
    interval = f" [{word(found.low)}, {word(found.high)}]" if np.isfinite(found.low) else ""
    return word(found.median) + interval


def _frequencies(hidden):
    blocks = [
        page.Text(
            "Left: how much of F(x) lies at which spatial frequency, from slow changes (0) to a chess board of single "
            "pixels (0.707). A surplus over real images at the right end is what the domain has no use for. Right: "
            "what G needs. Where taking out a band of little amplitude makes a large error, the code is there."
        ),
        _figure(stego_figures.spectrum_figure(hidden), "amplitude against spatial frequency",
                "Amplitude as that of white noise of the same power.", wide=False),
        _figure(stego_figures.band_figure(hidden), "error of G without bands of F(x)",
                "Error of the reconstruction without one band of F(x) (bars), and without everything above a cutoff "
                "(line).", wide=False),
        page.Table(*_cells(hidden.rows()), "By bands: amplitudes and errors in grey levels, with 95 % intervals"),
        _residuals(hidden),
    ]
    return page.Section("Where it is hidden", blocks)


def _residuals(hidden):
    meanings = {
        "median": "without the median of each pixel's neighbours",
        "low_pass": "above a quarter of a cycle per pixel",
        "rounding": "what rounding to 8 bits takes away",
    }
    rows = []
    for kind, meaning in meanings.items():
        real = hidden.reference_residuals
        row = (meaning, _text(MeanInterval.of(hidden.code_residuals[kind])))
        rows.append(row if real is None else (*row, _text(MeanInterval.of(real[kind]))))
    header = ("what is left", "F(x)") + (() if hidden.reference_residuals is None else ("real y",))
    return page.Table(header, rows, "Amplitude of what eyes hardly see: root mean square in grey levels")


def _scores(scores):
    header, rows = _cells(scores.rows())
    text = page.Text(
        "RH compares two errors of G: from F(x), and from the true partner of x, both through 8 bits. 1: F(x) tells no "
        "more than the true partner does. Towards 0: F(x) tells what the partner cannot. SN is how many times stronger "
        "white noise comes out of G than it went in. The definitions have a version, because other ones are in use."
    )
    return page.Section("Scores", [text, page.Table(header, rows)])


def _words(hidden):
    rows = [
        ("F, G", "the encoder (x to y) and the decoder (y to x); x and y are images of two domains"),
        ("grey level", "1/255 of the range from black to white, a step of an 8-bit image"),
        ("through 8 bits", "with F(x) clipped and rounded as a file keeps it; else it is as precise as floats are"),
        ("error", "mean absolute difference between G and x over pixels and channels"),
        ("change", "mean absolute difference between G and G(F(x))"),
        ("cycles per pixel", "spatial frequency; 0.5 is a stripe a pixel, 0.707 a chess board of pixels"),
        ("[a, b]", "95 % interval of the mean over the images, by the t-distribution"),
    ]
    text = (
        "A faint pattern is a code only if G needs it: look at both halves of \"Where it is hidden\". Images that were "
        "brought to another size, or come from JPEG files, have other high frequencies than those that F was trained "
        "to imitate."
    )
    if hidden.reference_spectrum is None:
        text += " No real images of the domain of y were given, so nothing here says what is normal there."
    return page.Section("What the words mean", [page.Table(("word", "meaning"), rows), page.Text(text)])


def _figure(figure, alternative, caption, wide=True):
    return page.Figure(figures.data_uri(figure), alternative, caption, wide)


def _cells(rows):
    """Return (header, rows of text) of the dicts that a result's `rows()` returns."""
    return tuple(rows[0]), [[_text(value) for value in row.values()] for row in rows]


def _text(value):
    if isinstance(value, MeanInterval):
        return interval(value)
    return number(value) if isinstance(value, float) else str(value)
