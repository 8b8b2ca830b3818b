"""The page of hidden signals holds what was measured, in words and numbers, with and without its optional parts."""

import re

import numpy as np
import pytest

from keras_repvis import report
from keras_repvis.analysis import information
from keras_repvis.report import stego_figures, stego_sections

NAMES = ["town <1>", "town 2"]


@pytest.fixture(scope="module")
def study(hidden_code):
    """Everything measured of a pair whose code is known, at amplitude 0.02."""
    images, pair = hidden_code.images(6), information.TranslationPair(*hidden_code(0.02))
    first, second = (information.replace_patch(images, 8, corner, corner) for corner in (0, 16))
    grey = np.full_like(images, 0.5)
    encoder, decoder = hidden_code(0.02)
    codes = pair.encode(images[:2])
    return {
        "examples": information.translate_examples(pair, images[:2], grey[:2], paired=True),
        "sensitivity": information.ReconstructionSensitivity(pair)(images),
        "hidden": information.HiddenSignal(pair)(images, grey),
        "scores": information.ReconstructionScores(pair)(images, grey),
        "edits": information.EditEffects(pair)(images, first, second),
        "edit_examples": information.edit_examples(pair, images[:2], first[:2], images[2:4]),
        "jacobian": {"F at x": information.JacobianSpectrum(encoder, rank=4)(images[:2]),
                     "G at F(x)": information.JacobianSpectrum(decoder, rank=4)(codes)},
        "linearity": information.LocalLinearity(decoder, amplitudes=(0.01, 0.1), singular=1)(codes),
        "adversarial": (information.AdversarialEncoding(decoder, 4.0, steps=10)(images[:2], grey[:2]), images[:2],
                        grey[:2]),
    }


def cells(html):
    return re.findall(r"<td[^>]*>([^<]*)</td>", html)


def test_everything_is_there(study):
    html = report.stego_page(NAMES, **study, refusals=[("a & b", "no <gradient>")], lead="Two models.",
                             command="repvis-stego --handle=F")
    # A sheet of each image, noise, corruptions, spectrum, bands, edits twice, values, linearity, directions, codes.
    assert html.count("data:image/png") == 2 + 10
    for words in ("Two models.", "town &lt;1&gt;", "a &amp; b", "no &lt;gradient&gt;", "repvis-stego --handle=F"):
        assert words in html, words
    headings = re.findall(r"<h2>([^<]*)</h2>", html)
    assert headings == [
        "Images on their way", "How little destroys it", "Where it is hidden", "Edits: local, and nearly additive?",
        "What is expanded, and how linearly", "Encodings made to order", "Scores", "What the words mean", "Not shown",
        "Repeat this",
    ]
    assert "http" not in html


def test_numbers_are_those_that_were_measured(study):
    html = report.stego_page(NAMES, **study)
    facts = dict(zip(re.findall(r"<dt>([^<]*)</dt>", html), re.findall(r"<dd>([^<]*)</dd>", html)))
    assert facts["times as strong comes noise out of G (SN)"] == "25"
    assert facts["error of G(F(x)), grey levels"] == "0"
    assert float(facts["white noise, in grey levels, that doubles it"]) == pytest.approx(0.05, abs=0.005)
    assert float(facts["honesty (RH): 1 is honest, 0 hides all"]) < 0.3
    clean, low_pass = study["hidden"].reconstruction, study["hidden"].low_pass
    lost = low_pass.in_float.error[:, low_pass.levels.index(0.25)].mean()
    assert f"is {lost:.3g} instead of" in html and clean.error.mean() < 0.01
    found = cells(html)
    for one in study["hidden"].band_stop.in_float.mean("error"):
        assert stego_sections.interval(one) in found
    for row in study["sensitivity"].rows():
        assert ("blurred" in row["corruption"]) or stego_sections.interval(row["error"]) in found
    gain = study["jacobian"]["G at F(x)"].values[:, 0].mean()
    # A chess board on 2 x 2 pixels comes out 1 / a = 50 times as strong, the other three directions not at all.
    assert gain == pytest.approx(50, rel=1e-3) and "50 (50 to 50)" in found


def test_the_page_does_without_what_is_optional(study):
    needed = {name: study[name] for name in ("examples", "sensitivity", "hidden", "scores")}
    html = report.stego_page(NAMES, **needed)
    assert html.count("data:image/png") == 2 + 4 and "Repeat this" not in html and "Edits" not in html
    alone = report.stego_page(NAMES, **needed, edits=study["edits"], linearity=study["linearity"])
    assert alone.count("data:image/png") == 2 + 6


def test_one_grey_image_without_real_ones(hidden_code):
    images, pair = hidden_code.images(1, channels=1), information.TranslationPair(*hidden_code(channels=1))
    html = report.stego_page(
        ["one"], information.translate_examples(pair, images), information.ReconstructionSensitivity(pair)(images),
        information.HiddenSignal(pair)(images), information.ReconstructionScores(pair)(images),
    )
    assert "No real images of the domain of y were given" in html and "honesty" not in html
    words = re.sub(r'"data:[^"]*"', "", html)
    assert "nan" not in words and "inf" not in words


def test_intervals_are_written_short():
    write = stego_sections.interval
    assert write(stego_sections.MeanInterval(1.23456, 1.0, 2.0, 5)) == "1.23 [1, 2]"
    assert write(stego_sections.MeanInterval(12345.6, 1000.0, 23456.0, 9)) == "12,346 [1,000, 23,456]"
    assert write(stego_sections.MeanInterval(1.5, -np.inf, np.inf, 1)) == "1.5"
    assert write(stego_sections.MeanInterval(np.nan, np.nan, np.nan, 0)) == "-"
    assert write(stego_sections.MeanInterval(3e-8, -1e-7, 1e-7, 9)) == "0 [0, 0]"


def lines(figure):
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].get_lines() if line.get_label()[0] != "_"}


def test_figures_hold_their_values(study):
    sensitivity, hidden = study["sensitivity"], study["hidden"]
    curve = sensitivity.curves["white noise"]
    drawn = lines(stego_figures.noise_figure(sensitivity))
    np.testing.assert_allclose(drawn["white noise"][:, 1], curve.in_float.error.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(drawn["white noise, 8 bits"][:, 1], curve.in_8bit.error.mean(axis=0), atol=1e-9)
    np.testing.assert_array_equal(drawn["white noise"][:, 0], curve.levels)
    assert {"noise, blurred by 4 px", "twice the error without noise", "encoding of another image"} <= set(drawn)
    axes = stego_figures.corruption_figure(sensitivity).axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[:3] == ["nothing, as floats", "rounding to 8 bits", "rounding to 7 bits"]
    assert labels[-1] == "1/4 of the size and back" and axes.get_xlim()[1] > sensitivity.reconstruction.chance.mean()
    drawn = lines(stego_figures.band_figure(hidden))["without everything above"]
    np.testing.assert_allclose(drawn[:, 1], hidden.low_pass.in_float.error.mean(axis=0), atol=1e-9)
    bars = stego_figures.band_figure(hidden).axes[0].patches
    tops = [bar.get_y() + bar.get_height() for bar in bars]
    np.testing.assert_allclose(tops, hidden.band_stop.in_float.error.mean(axis=0), atol=1e-9)
    assert set(lines(stego_figures.spectrum_figure(hidden))) == {"F(x)", "real y", "x"}
    profile = lines(stego_figures.edit_figure(study["edits"]))["as floats"]
    np.testing.assert_allclose(profile[:, 1], study["edits"].in_float.profile.mean(axis=0))
    values = lines(stego_figures.singular_value_figure(study["jacobian"]))["G at F(x)"]
    np.testing.assert_allclose(values[:, 1], 50, rtol=1e-3)
    assert set(lines(stego_figures.linearity_figure(study["linearity"]))) == {
        "random directions", "data directions", "singular directions",
    }
