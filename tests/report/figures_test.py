"""Figures show the data they are given, without touching matplotlib's global state."""

import base64
import io
import sys

import numpy as np
import PIL.Image
import pytest

from keras_repvis import report


def pixels(figure):
    uri = report.data_uri(figure, dpi=60)
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_curve_holds_the_values():
    figure = report.training_curve([[3.0, 2.0, 1.0], [2.5, 1.5, 0.5]], "loss", ["a", "b"])
    lines = figure.axes[0].get_lines()
    np.testing.assert_array_equal(lines[1].get_xydata(), [[1, 2.5], [2, 1.5], [3, 0.5]])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b"]


def test_confusion_matrix_writes_counts_where_they_belong():
    counts = np.array([[5, 1, 0], [0, 7, 0], [2, 0, 3]])
    axes = report.confusion_matrix(counts, ["x", "y", "z"]).axes[0]
    written = {tuple(map(int, text.get_position())): int(text.get_text()) for text in axes.texts}
    assert written == {(column, row): counts[row, column] for row, column in np.argwhere(counts)}
    np.testing.assert_allclose(axes.images[0].get_array()[2], [0.4, 0.0, 0.6])


def test_confusion_matrix_refuses_wrong_names():
    with pytest.raises(ValueError, match=r"\(3, 3\) do not fit 2 class names"):
        report.confusion_matrix(np.eye(3), ["a", "b"])


def test_maps_are_white_at_zero_and_coloured_by_sign():
    maps = np.zeros((1, 3, 3), "float32")
    maps[0, 0, 0], maps[0, 2, 2] = 4.0, -4.0
    image = report.image_rows([maps], ["map"]).axes[0].images[0]
    colour = {place: image.cmap(image.norm(float(maps[(0, *place)] / 4))) for place in [(0, 0), (1, 1), (2, 2)]}
    assert min(colour[1, 1][:3]) > 0.95
    assert colour[0, 0][2] > colour[0, 0][0] and colour[2, 2][0] > colour[2, 2][2]


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"rows have \[2, 3\] columns"):
        report.image_rows([np.zeros((2, 4, 4)), np.zeros((3, 4, 4))], ["a", "b"])


def test_a_figure_becomes_a_picture_without_pyplot():
    picture = pixels(report.image_rows([np.full((2, 8, 8, 3), 0.5)], ["grey"], ["a", "b"]))
    assert picture.shape[0] > 30 and (np.abs(picture.astype(int) - 127.5) <= 1).all(axis=-1).any()
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
