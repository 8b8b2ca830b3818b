"""Runs beside one another: same metric, same axes; settings only where they differ."""

import html
import json
import re
import subprocess
import sys

import matplotlib.figure
import pytest

from keras_repvis import report


def entries(*values, metric="accuracy", **others):
    return [{"epoch": number, "seconds": 2.0, metric: value, f"val_{metric}": value / 2, **others}
            for number, value in enumerate(values, 1)]


def words(page):
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def tables(page):
    """Each table as a list of rows of cells, by the heading of its section."""
    found = {}
    for section in re.findall(r"<section>.*?</section>", page, re.DOTALL):
        heading = re.search(r"<h2>(.*?)</h2>", section)[1]
        rows = re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)
        found[heading] = [[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
                          for row in rows]
    return found


@pytest.fixture
def figures(monkeypatch):
    """The figures drawn for a page, by the label of their vertical axis."""
    found = {}
    save = matplotlib.figure.Figure.savefig

    def keep(figure, *args, **kwargs):
        found[figure.axes[0].get_ylabel() if figure.axes else "key"] = figure
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return found


def test_curves_of_one_metric_share_a_figure_and_values_a_table(write_run, figures):
    first = write_run("a", entries(0.5, 1.0, 0.75), result={"test_accuracy": 0.25})
    second = write_run("b", entries(0.25, 0.5))
    page = report.compare_page([first, second])
    training, validation = figures["accuracy"].axes
    assert [line.get_xydata().tolist() for line in training.get_lines()] == [
        [[1, 0.5], [2, 1.0], [3, 0.75]], [[1, 0.25], [2, 0.5]]]
    assert [line.get_ydata().tolist() for line in validation.get_lines()] == [[0.25, 0.5, 0.375], [0.125, 0.25]]
    assert [text.get_text() for text in figures["key"].legends[0].get_texts()] == ["1 a", "2 b"]
    drawn = [line.get_color() for line in training.get_lines()]
    assert [line.get_color() for line in figures["key"].legends[0].get_lines()] == drawn and len(set(drawn)) == 2
    assert tables(page)["accuracy"] == [
        ["run", "training, last", "validation, last", "validation, best", "in epoch"],
        ["1 a", "0.7500", "0.3750", "0.5000", "2"],
        ["2 b", "0.5000", "0.2500", "0.2500", "2"],
    ]
    assert tables(page)["Runs"] == [
        ["run", "epochs", "time", "complete", "test accuracy"],
        ["1 a", "3", "6.0 s", "yes", "0.2500"],
        ["2 b", "2", "4.0 s", "no", "-"],
    ]
    assert "The best val_accuracy is 0.5000, of run 1 a, in epoch 2." in words(page)
    assert str(first) in page and str(second) in page and "http" not in page


def test_lowest_loss_is_best_and_metrics_that_one_run_lacks_are_dashes(write_run):
    paths = [write_run("a", entries(3.0, 1.0, metric="loss")), write_run("b", entries(0.5, metric="loss")),
             write_run("c", [{"epoch": 1, "norm": 1.0}])]
    page = report.compare_page(paths)
    assert "The best val_loss is 0.2500, of run 2 b, in epoch 1." in words(page)
    assert tables(page)["loss"][-1] == ["3 c", "-", "-", "-", "-"]
    assert tables(page)["norm"][-1] == ["3 c", "1.0000", "-", "-"]


def test_only_settings_that_differ_are_listed(write_run):
    common = {"model": "mobilenet_v2", "epochs": 1}
    paths = [write_run("a", entries(1.0), {**common, "rate": 0.1, "run_dir": "a"}),
             write_run("b", entries(1.0), {**common, "rate": 0.2, "run_dir": "b", "flip": True})]
    page = report.compare_page(paths)
    assert tables(page)["Settings that differ"] == [
        ["run", "rate", "flip"], ["1 a", "0.1", "-"], ["2 b", "0.2", "yes"]]
    same = report.compare_page([paths[0], paths[0]])
    assert "The runs have the same settings." in same
    assert "do not compare" not in words(page)


def test_runs_validated_on_different_data_come_with_a_warning(write_run):
    paths = [write_run(name, entries(1.0), {"dataset": name}) for name in ("a", "b")]
    assert "They differ in dataset, so these values do not compare." in words(report.compare_page(paths))


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["x/run", "y/run"], ["1 x/run", "2 y/run"]),
        (["x/a", "x/y/a"], ["1 x/a", "2 y/a"]),
        (
            [f"width_multiplier_0.35_weight_decay_{decay}_and_so_on_for_long" for decay in ("0.01", "0.1")],
            ["1 …0.35_weight_decay_0.01_…", "2 …0.35_weight_decay_0.1_…"],
        ),
        (["x" * 40, "y" * 40], ["1 xxxxxxxxxxxxxx…xxxxxxxxxxxxxx", "2 yyyyyyyyyyyyyy…yyyyyyyyyyyyyy"]),
    ],
    ids=["parent", "depth", "common words", "one word"],
)
def test_names_tell_runs_apart_in_little_space(write_run, names, shown):
    page = report.compare_page([write_run(name, entries(1.0)) for name in names])
    assert [row[0] for row in tables(page)["Runs"][1:]] == shown


def test_many_runs_have_a_page(write_run):
    paths = [write_run(f"seed_{number}", entries(0.5, 0.5 + number / 100)) for number in range(30)]
    page = report.compare_page(paths)
    assert "30 runs beside one another" in page and "After the 28th run" in page
    assert len(tables(page)["accuracy"]) == 31


def test_fewer_than_two_runs_are_refused(write_run, tmp_path):
    path = write_run("a", entries(1.0))
    for paths in ([], [path], str(path), path):
        with pytest.raises(ValueError, match="expected two or more directories of runs"):
            report.compare_page(paths)
    with pytest.raises(ValueError, match=r"missing' is not a directory"):
        report.compare_page([path, tmp_path / "missing"])


def test_pages_of_runs_need_neither_tensorflow_nor_pyplot(write_run):
    paths = [str(write_run(name, entries(1.0))) for name in ("a", "b")]
    code = (
        "import json, sys; from keras_repvis import report; report.compare_page(sys.argv[1:]);"
        "report.run_page(sys.argv[1]);"
        "print(json.dumps([name for name in ('tensorflow', 'keras', 'matplotlib.pyplot') if name in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout.splitlines()[-1]) == []
