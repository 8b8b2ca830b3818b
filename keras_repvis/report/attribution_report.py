"""The page of an explanation: images, what the model answers, and maps of several methods side by side."""

import numpy as np

from keras_repvis.analysis.attribution import catalog
from keras_repvis.report import figures, page
from keras_repvis.report.overlays import overlay_grid

_ROWS = 6


def attribution_page(images, names, answers, results, refusals=(), command="", lead=""):
    """Return the HTML of a page that shows maps of several methods on the same images.

    Args:
        images: Array (images, height, width, 1 or 3) in [0, 1], what the model was given.
        names: Sequence of strings, one an image.
        answers: Sequence of strings, one an image: what the model says.
        results: Dict of method name -> `Attribution`.
        refusals: Sequence of pairs (method name, why it cannot be right for the model).
        command: The command that repeats this, or "".
        lead: Sentence under the title.

    Returns:
        String: a whole HTML document.

    Raises:
        ValueError: If there is neither a result nor a refusal.

    Example:
        >>> import numpy as np
        >>> found = keras_repvis.analysis.attribution.Attribution(np.ones((1, 8, 8)), {"score": np.ones(1)})
        >>> html = keras_repvis.report.attribution_page(np.zeros((1, 8, 8, 1)), ["a.png"], ["7"], {"gradient": found})
        >>> "Pixels where a small change" in html
        True
    """
    if not results and not refusals:
        raise ValueError("results={} is not accepted: expected at least one method.")
    sections = [_pictures(images, names, answers, results)] if results else []
    if refusals:
        caption = "A method that cannot be right for this model gives no map."
        sections.append(page.Section("Not shown", [page.Table(("method", "why"), list(refusals), caption)]))
    if results:
        sections += [_legend(results), _numbers(names, results)]
    if command:
        sections.append(page.Section("Repeat this", [page.Code(command)]))
    return page.render("What the model looks at", lead, sections)


def _pictures(images, names, answers, results):
    maps = {name.replace("_", " "): found.maps for name, found in results.items()}
    blocks = [
        page.Text(
            "Each row is an image, each column a method. Warm: evidence for what is explained, or importance. Blue: "
            "evidence against it. Each map has its own scale, so colours do not compare between maps; the raw values "
            "are in maps.npz."
        )
    ]
    for start in range(0, len(images), _ROWS):
        some = slice(start, start + _ROWS)
        titles = [f"{name}\n{answer}" for name, answer in zip(names[some], answers[some])]
        figure = overlay_grid(images[some], {name: found[some] for name, found in maps.items()}, titles)
        said = "; ".join(f"{name}: {answer}" for name, answer in zip(names[some], answers[some]))
        blocks.append(page.Figure(figures.data_uri(figure), f"maps of {', '.join(maps)} over the images. {said}"))
    return page.Section("Maps", blocks)


def _legend(results):
    rows = [(name.replace("_", " "), catalog.ENTRIES[name].reading, catalog.ENTRIES[name].caution) for name in results]
    return page.Section("How to read them", [page.Table(("method", "a strong place means", "but"), rows)])


def _numbers(names, results):
    """Return the section of the diagnostics: one table a method, one row an image."""
    blocks, seen = [], {}
    for method, found in results.items():
        shown = {name: values for name, values in found.diagnostics.items() if np.ndim(values) == 1}
        if shown:
            rows = [(names[row], *(_text(values[row]) for values in shown.values())) for row in range(len(names))]
            blocks.append(page.Table(("image", *shown), rows, method.replace("_", " ")))
            seen.update(dict.fromkeys(shown))
    meanings = [(name, catalog.DIAGNOSTICS.get(name, "see the documentation of the method")) for name in seen]
    words = page.Table(("number", "what it is"), meanings, "What the numbers are")
    return page.Section("Whether to believe them", [words, *blocks])


def _text(value):
    return str(int(value)) if np.issubdtype(np.asarray(value).dtype, np.integer) else f"{float(value):.4g}"
