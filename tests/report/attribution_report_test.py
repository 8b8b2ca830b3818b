"""The page shows each image, what each method says and does not say, its numbers, and what was refused."""

import re

import numpy as np
import pytest

from keras_repvis import report
from keras_repvis.analysis.attribution import Attribution, catalog

IMAGES = np.random.default_rng(0).random((8, 16, 16, 1))
NAMES = [f"image_{index}" for index in range(8)]


def test_everything_is_there():
    numbers = {"score": np.arange(8) + 0.123, "target": np.arange(8), "per_area": np.ones((8, 2))}
    results = {"gradient": Attribution(np.ones((8, 16, 16)), numbers), "deconvnet": Attribution(np.ones((8, 4, 4)), {})}
    refusals = [("guided_backprop", "it has <no> rectifier")]
    html = report.attribution_page(IMAGES, NAMES, ["class 1"] * 8, results, refusals, "repvis-explain --x", "Lead.")
    assert html.count("data:image/png") == 2  # Six rows a picture.
    for name in ("gradient", "deconvnet"):
        assert catalog.ENTRIES[name].reading in html and catalog.ENTRIES[name].caution in html
    assert "it has &lt;no&gt; rectifier" in html and "repvis-explain --x" in html
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    for name, score in zip(NAMES, numbers["score"]):
        assert name in cells and f"{score:.4g}" in cells
    assert catalog.DIAGNOSTICS["target"] in html and "per_area" not in html


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="at least one method"):
        report.attribution_page(IMAGES, NAMES, [""] * 8, {})
