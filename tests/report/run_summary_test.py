"""The page of a run says what was trained, how it went and how to repeat it, whatever state the run is in."""

import base64
import html
import io
import math
import os
import re
import subprocess

import matplotlib.figure
import numpy as np
import PIL.Image
import pytest

from keras_repvis import report

ENTRIES = [
    {"epoch": 1, "step": 5, "seconds": 8.0, "learning_rate": 0.1, "loss": 2.0, "accuracy": 0.25, "val_loss": 2.5,
     "val_accuracy": 0.125},
    {"epoch": 2, "step": 10, "seconds": 2.0, "learning_rate": 0.05, "loss": 1.0, "accuracy": 0.75, "val_loss": 1.5,
     "val_accuracy": 0.5},
    {"epoch": 3, "step": 15, "seconds": 2.0, "learning_rate": 0.0, "loss": 0.5, "accuracy": 0.875, "val_loss": 1.75,
     "val_accuracy": 0.4375},
]
SETTINGS = {"model": "mobilenet_v2", "dataset": "repvis_digits", "train_split": "train[:80%]", "epochs": 3,
            "learning_rate": 0.1 + 0.2, "flip": False, "dropout": None, "freeze": [], "milestones": [0.5]}


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


def words(page):
    """What a reader sees."""
    text = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def tables(page):
    """Each table as a list of rows of cells."""
    found = []
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        found.append([[html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows])
    return found


def arguments(command):
    """What a shell makes of a command."""
    script = f'set -- {command}\nprintf "%s\\n" "$@"'
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()


def lines_of(figure):
    return {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].get_lines()}


def test_a_complete_run(write_run, figures):
    path = write_run("digits", ENTRIES, SETTINGS, result={"test_accuracy": 0.9375, "test_loss": 0.25, "seed": 5})
    page = report.run_page(path)
    text = words(page)
    assert "mobilenet_v2 on repvis_digits: 3 of 3 epochs in 12.0 s. The run is complete." in text
    for fact in ("best val_accuracy, epoch 2 0.5000", "test accuracy 0.9375", "test loss 0.2500"):
        assert fact in text
    assert tables(page)[0] == [
        ["metric", "training, last", "validation, last", "validation, best", "in epoch"],
        ["accuracy", "0.8750", "0.4375", "0.5000", "2"],
        ["loss", "0.5000", "1.7500", "1.5000", "2"],
    ]
    assert set(figures) == {"accuracy", "loss", "learning rate", "seconds an epoch"}
    assert lines_of(figures["loss"])["training"] == [[1, 2], [2, 1], [3, 0.5]]
    assert lines_of(figures["loss"])["validation"] == [[1, 2.5], [2, 1.5], [3, 1.75]]
    assert lines_of(figures["loss"])["_marked"] == [[2, 1.5]]
    assert next(iter(lines_of(figures["learning rate"]).values())) == [[1, 0.1], [2, 0.05], [3, 0]]
    assert next(iter(lines_of(figures["seconds an epoch"]).values())) == [[1, 8], [2, 2], [3, 2]]
    assert "src=" in page and set(re.findall(r'src="(.{14})', page)) == {"data:image/png"} and "http" not in page


def test_settings_are_all_there_and_readable(write_run):
    table = tables(report.run_page(write_run(entries=ENTRIES, settings=SETTINGS)))[-1]
    cells = {tuple(row[start:start + 2]) for row in table[1:] for start in (0, 2)} - {("", "")}
    assert cells == {
        ("model", "mobilenet_v2"), ("dataset", "repvis_digits"), ("train_split", "train[:80%]"), ("epochs", "3"),
        ("learning_rate", "0.3"), ("flip", "no"), ("dropout", "not set"), ("freeze", "not set"),
        ("milestones", "[0.5]"),
    }
    assert sum(cell != "" for row in table[1:] for cell in row) == 2 * len(SETTINGS)


def test_the_commands_are_those_of_the_run(write_run):
    flags = ["--model=mobilenet_v2", "--train_split=train[:80%]", "--noflip", "# a remark", "--run_dir=/old place",
             *(f"--filler_{number}={number}" for number in range(20)), "--dataset=my photos/"]
    path = write_run("of mine", ENTRIES, flags=flags)
    go_on, again = (html.unescape(code) for code in re.findall(r"<code>(.*?)</code>", report.run_page(path), re.DOTALL))
    assert arguments(go_on) == ["repvis-train", f"--flagfile={path}/flagfile.txt"]
    kept = [flag for flag in flags if flag.startswith("--") and not flag.startswith("--run_dir")]
    assert arguments(again) == ["repvis-train", *kept, "--run_dir=NEW_DIRECTORY"]
    assert max(map(len, again.splitlines())) <= 100


def test_a_run_that_stopped_says_so_at_the_top_and_in_its_events(write_run):
    entries = [*ENTRIES, {"epoch": 4, "loss": math.nan, "val_loss": math.nan}]
    events = [{"event": "resumed", "epoch": 1, "step": 0, "message": ""},
              {"event": "skipped_step", "epoch": 2, "step": 3, "message": "gradient of <kernel>"},
              {"event": "stopped", "epoch": 3, "step": 4, "message": "loss is NaN in step 19"}]
    page = report.run_page(write_run("bad", entries, {**SETTINGS, "epochs": 9}, events))
    assert "4 of 9 epochs in 12.0 s. It was stopped: loss is NaN in step 19." in words(page)
    assert "steps skipped 1" in words(page) and "A cross on the axis" in words(page)
    assert tables(page)[1] == [
        ["what", "after", "message"],
        ["resumed", "1 epoch", ""],
        ["step skipped", "2 epochs, 3 steps", "gradient of <kernel>"],
        ["stopped", "3 epochs, 4 steps", "loss is NaN in step 19"],
    ]
    assert tables(page)[0][2] == ["loss", "NaN", "NaN", "1.5000", "2"]


def test_what_could_not_be_read_is_said(write_run):
    path = write_run(entries=ENTRIES)
    with open(path / "log.jsonl", "a") as file:
        file.write('{"epoch": 4')
    assert "log.jsonl: 1 line could not be read." in words(report.run_page(path))


@pytest.mark.parametrize("entries", [[], [{"epoch": 1}], ENTRIES[:1], [{"epoch": 1, "loss": 0.5}]],
                         ids=["nothing", "no metric", "one epoch", "no validation"])
def test_short_runs_have_a_page(write_run, entries):
    page = report.run_page(write_run("short", entries))
    assert f"A model: {len(entries)} epoch{'s' * (len(entries) != 1)}" in words(page)
    assert ("No epoch with a metric" in page) == all("loss" not in entry for entry in entries)


def test_newest_grid_of_each_series_is_inside(write_run):
    path = write_run(entries=ENTRIES)
    (path / "images").mkdir()
    greys = {"epoch_00002": 2, "epoch_00010": 10, "epoch_99999": 99, "epoch_100000": 100, "a_to_b_00003": 3, "other": 1}
    for name, grey in greys.items():
        PIL.Image.fromarray(np.full((4, 4), grey, "uint8")).save(path / "images" / f"{name}.png")
    (path / "images" / ".epoch_00011.png.half").write_bytes(b"torn")
    page = report.run_page(path)
    found = {}
    for uri, caption in re.findall(r'<img src="data:image/png;base64,([^"]+)"[^>]*>\n<figcaption>([^<]*)', page):
        found[caption] = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(uri)))).flat[0]
    assert {caption: grey for caption, grey in found.items() if "after epoch" in caption} == {
        "Images after epoch 100000.": 100, "a_to_b after epoch 3.": 3}


def test_page_is_written_into_the_run_whole_or_not_at_all(write_run, monkeypatch):
    path = write_run(entries=ENTRIES)
    written = report.write_run_page(path)
    assert written == path / "summary.html" and "3 epochs" in words(written.read_text())
    (path / "log.jsonl").write_text('{"epoch": 1}')

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        report.write_run_page(path)
    assert "3 epochs" in words(written.read_text())
    assert sorted(entry.name for entry in path.iterdir()) == ["log.jsonl", "summary.html"]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no log\.jsonl"):
        report.write_run_page(tmp_path)
    assert list(tmp_path.iterdir()) == []
