"""Curves hold the values they are given, and lines can be told apart without seeing colours."""

import itertools
import math

import numpy as np
import pytest

from keras_repvis import report
from keras_repvis.report import curves


def drawn(axes):
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def luminance(colour):
    """Relative luminance after WCAG 2 of "#rrggbb"."""
    channels = np.array([int(colour[index:index + 2], 16) / 255 for index in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_panels_hold_their_lines_and_share_the_axis():
    figure = curves.curves(
        [("training", [curves.Line([1, 2], [3.0, 1.0], "a")]), ("validation", [curves.Line([2, 3], [9.0, 4.0], "b")])],
        "loss",
    )
    left, right = figure.axes
    np.testing.assert_array_equal(drawn(left)[0].get_xydata(), [[1, 3], [2, 1]])
    np.testing.assert_array_equal(drawn(right)[0].get_xydata(), [[2, 9], [3, 4]])
    assert left.get_ylim() == right.get_ylim() and left.get_ylim()[1] > 9
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("training", "validation")
    assert left.get_ylabel() == "loss"


def test_values_that_are_not_finite_break_the_line_and_leave_a_cross():
    axes = curves.curves([("", [curves.Line([1, 2, 3], [1.0, math.nan, math.inf], "a")])], "loss").axes[0]
    np.testing.assert_array_equal(drawn(axes)[0].get_ydata(), [1, math.nan, math.nan])
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert [line.get_xdata().tolist() for line in crosses] == [[2, 3]]
    assert axes.get_ylim()[1] < 2


def test_the_marked_epoch_has_a_ring():
    axes = curves.curves([("", [curves.Line([1, 2, 3], [3.0, 2.0, 1.0], marked=2)])], "loss").axes[0]
    ring, = (line for line in axes.get_lines() if line.get_fillstyle() == "none")
    assert ring.get_xydata().tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1, 0.01], "log"), ([1, 0.011], "linear"), ([1, 0], "linear"), ([1, -1], "linear"), ([math.nan], "linear"),
     ([], "linear")],
)
def test_axis_is_logarithmic_only_where_that_helps(values, scale):
    line = curves.Line(range(1, len(values) + 1), values)
    assert curves.curves([("", [line])], "loss", logarithmic=True).axes[0].get_yscale() == scale
    assert curves.curves([("", [line])], "loss").axes[0].get_yscale() == "linear"


def test_axis_begins_at_zero_on_request_and_cuts_nothing_off():
    low, high = curves.curves([("", [curves.Line([1, 2], [8.0, 3.0])])], "s", from_zero=True).axes[0].get_ylim()
    assert low == 0 and high > 8
    low, _ = curves.curves([("", [curves.Line([1, 2], [8.0, 3.0])])], "s").axes[0].get_ylim()
    assert low > 0


def test_a_single_epoch_is_a_visible_point_on_a_whole_number():
    axes = curves.curves([("", [curves.Line([7], [0.5])])], "loss").axes[0]
    assert axes.get_lines()[0].get_marker() == "o"
    assert axes.get_xticks().tolist() == [7]


def test_looks_differ_in_colour_or_dash_and_are_dark_enough_on_white():
    lines = [curves.Line([1, 2], [0.0, 1.0], str(look), look) for look in range(curves.LOOKS)]
    axes = curves.curves([("", lines)], "loss").axes[0]
    looks = [(line.get_color(), str(line._unscaled_dash_pattern)) for line in drawn(axes)]
    assert len(set(looks)) == curves.LOOKS == 28
    colours = list(dict.fromkeys(colour for colour, _ in looks))
    # Against white, (1 + 0.05) / (l + 0.05); lines are far wider than the strokes of text.
    assert min(1.05 / (luminance(colour) + 0.05) for colour in colours) > 2
    # The two that stand beside one another on every page differ in lightness, too.
    assert luminance(colours[1]) / luminance(colours[0]) > 1.4


def test_no_two_colours_look_alike_to_the_colour_blind():
    """Distance in linear RGB after the projections of Vienot, Brettel and Mollon (1999)."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    colours = [line.get_color() for line in curves.key([str(look) for look in range(7)]).legends[0].get_lines()]
    rgb = [np.array([int(colour[index:index + 2], 16) / 255 for index in (1, 3, 5)]) ** 2.2 for colour in colours]
    for seen in (np.eye(3), protan, deutan):
        distances = [np.linalg.norm(np.clip(seen @ (a - b), -1, 1)) for a, b in itertools.combinations(rgb, 2)]
        assert min(distances) > 0.09


def test_texts_are_taken_literally():
    """A dollar sign starts a formula in matplotlib, and a broken formula raises."""
    name = r"a$\b$c_^{"
    figure = curves.with_legend(curves.curves([(name, [curves.Line([1], [1.0], name)])], name))
    assert report.data_uri(figure).startswith("data:image/png")
    assert report.data_uri(curves.key([name, "_b"])).startswith("data:image/png")


def test_key_has_every_label_and_stays_within_the_page():
    for labels in ([f"{number} run" for number in range(30)], ["x" * 60, "y" * 60]):
        figure = curves.key(labels)
        report.data_uri(figure)  # Lays the legend out.
        assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="number of panels=0"):
        curves.curves([], "loss")
    with pytest.raises(ValueError, match="number of labels=0"):
        curves.key([])
