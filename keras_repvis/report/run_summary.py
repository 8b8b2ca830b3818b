"""The page of one training run: what was trained, how it went, how good it became, and how to do it again."""

import base64
import itertools
import json
import re
import shlex

import numpy as np

from keras_repvis.report import curves, figures, page, run_events, run_metrics
from keras_repvis.report.runs import read_run

_COLUMNS = 94
_IMAGE = re.compile(r"(?P<series>.*)_(?P<epoch>\d+)\.png")


def run_page(path):
    """Return the page of a run as HTML, also of a run that is still training or was stopped.

    Args:
        path: Directory of the run, see `read_run`.

    Returns:
        String: a whole HTML document with figures and image grids inside; nothing is loaded from elsewhere.

    Raises:
        ValueError: If `path` is not the directory of a run.

    Example:
        >>> import pathlib, tempfile
        >>> directory = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (directory / "log.jsonl").write_text('{"epoch": 1, "loss": 0.5, "val_loss": 0.75}')
        >>> "1 epoch" in keras_repvis.report.run_page(directory)
        True
    """
    run = read_run(path)
    sections = [_metrics(run), _pace(run), _images(run), _events(run), _settings(run), _command(run)]
    return page.render(run.name, _lead(run), [section for section in sections if section], _facts(run))


def write_run_page(path):
    """Write the page of a run to summary.html in its directory, whole or not at all.

    Args:
        path: Directory of the run, see `read_run`.

    Returns:
        `pathlib.Path` of the page.

    Raises:
        ValueError: If `path` is not the directory of a run.

    Example:
        >>> import pathlib, tempfile
        >>> directory = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (directory / "log.jsonl").write_text('{"epoch": 1, "loss": 0.5}')
        >>> keras_repvis.report.write_run_page(directory).name
        'summary.html'
    """
    run = read_run(path)
    return page.write(run.path / "summary.html", run_page(run.path))


def _lead(run):
    settings = run.settings
    what = settings.get("model", "A model")
    data = f" on {settings['dataset']}" if "dataset" in settings else ""
    done = run.entries[-1]["epoch"] if run.entries else 0
    asked = settings.get("epochs")
    epochs = f"{done} of {asked} epochs" if isinstance(asked, int) else f"{done} epoch{'s' * (done != 1)}"
    seconds = run.series("seconds")[1]
    time = f" in {run_metrics.duration(float(seconds.sum()))}" if len(seconds) else ""
    return f"{what}{data}: {epochs}{time}. {run_events.state(run)}"


def _facts(run):
    facts = []
    name = run_metrics.headline([run])
    found = run_metrics.best(run, name) if name else None
    if found:
        facts.append((run_metrics.written(found[0]), f"best {name}, epoch {found[1]}"))
    facts += [(run_metrics.written(value), name.replace("_", " ")) for name, value in run.tested.items()]
    skipped = run_events.count(run, "skipped_step")
    if skipped:
        facts.append((skipped, "steps skipped"))
    return facts[:5]


def _metrics(run):
    names = run_metrics.names([run])
    if not names:
        return page.Section("Metrics", [page.Text("No epoch with a metric has been logged yet.")])
    pictures = [_curve(run, name) for name in names]
    ring = " A ring marks the best validation epoch." if any(_best_validation(run, name) for name in names) else ""
    cross = "" if _finite(run) else " A cross on the axis stands for NaN or infinity."
    rows = [
        (
            name,
            run_metrics.written(run_metrics.last(run, name)),
            run_metrics.written(run_metrics.last(run, run_metrics.validation(name))),
            *_value_and_epoch(_best_validation(run, name)),
        )
        for name in names
    ]
    header = ("metric", "training, last", "validation, last", "validation, best", "in epoch")
    caption = f"Training values are averages over the epoch, while the weights change.{ring}{cross}"
    return page.Section("Metrics", [page.Table(header, rows, caption), *pictures])


def _curve(run, name):
    lines = [
        curves.Line(*run.series(name), label="training", look=0),
        curves.Line(
            *run.series(run_metrics.validation(name)),
            label="validation",
            look=1,
            marked=(_best_validation(run, name) or (None, None))[1],
        ),
    ]
    figure = curves.curves([("", lines)], name, logarithmic=run_metrics.better(name) == "lower")
    return _picture(curves.with_legend(figure), name)


def _pace(run):
    pictures = []
    rates = [name for name in run.metrics if name.endswith("learning_rate")]
    if rates:
        lines = [curves.Line(*run.series(name), label=name, look=look) for look, name in enumerate(rates)]
        figure = curves.curves([("", lines)], "learning rate", logarithmic=True)
        figure = curves.with_legend(figure) if len(rates) > 1 else figure
        pictures.append(_picture(figure, "learning rate", "Learning rate at the end of each epoch."))
    if "seconds" in run.metrics:
        seconds = curves.Line(*run.series("seconds"))
        figure = curves.curves([("", [seconds])], "seconds an epoch", from_zero=True)
        caption = "Time of each epoch; the first after a start includes tracing the model."
        pictures.append(_picture(figure, "time per epoch", caption))
    return page.Section("Learning rate and time", pictures) if pictures else None


def _images(run):
    newest = {}
    for file in sorted((run.path / "images").glob("*.png")):
        found = _IMAGE.fullmatch(file.name)
        if found:
            epoch = int(found["epoch"])
            newest[found["series"]] = max((epoch, file), newest.get(found["series"], (0, file)))
    pictures = []
    for series, (epoch, file) in newest.items():
        what = "Images" if series == "epoch" else series
        uri = "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")
        pictures.append(page.Figure(uri, f"{what} of epoch {epoch}", f"{what} after epoch {epoch}."))
    return page.Section("Images", pictures) if pictures else None


def _events(run):
    rows, left_out = run_events.rows(run)
    if not rows and not run.problems:
        return None
    blocks = [page.Text(problem) for problem in run.problems]
    if rows:
        caption = f"{left_out} events in between are left out; events.jsonl has them all." if left_out else ""
        blocks.append(page.Table(("what", "after", "message"), rows, caption))
    return page.Section("Events", blocks)


def _settings(run):
    if not run.settings:
        return None
    cells = [(name, setting(value)) for name, value in run.settings.items()]
    half = (len(cells) + 1) // 2
    rows = [(*left, *right) for left, right in itertools.zip_longest(cells[:half], cells[half:], fillvalue=("", ""))]
    header = ("name", "value", "name", "value")
    return page.Section("Settings", [page.Table(header, rows, "Everything that determines the run.")])


def _command(run):
    if not run.flags:
        return None
    go_on = ["repvis-train", f"--flagfile={run.path / 'flagfile.txt'}"]
    again = ["repvis-train", *(flag for flag in run.flags if not _names_run_dir(flag)), "--run_dir=NEW_DIRECTORY"]
    return page.Section(
        "Do it again",
        [
            page.Code(_in_lines(go_on), "Go on with this run, if it is not complete:"),
            page.Code(_in_lines(again), "Repeat it elsewhere:"),
        ],
    )


def setting(value):
    """Return the value of a setting as the pages write it."""
    if value is None or value in ("", []):
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    return value if isinstance(value, str) else json.dumps(value)


def _in_lines(words):
    """Return a command for a shell, broken into lines that fit the page."""
    lines = [""]
    for word in map(shlex.quote, words):
        if lines[-1] and len(lines[-1]) + len(word) > _COLUMNS:
            lines.append(" ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _names_run_dir(flag):
    return flag.lstrip("-").split("=")[0] == "run_dir"


def _best_validation(run, name):
    return run_metrics.best(run, run_metrics.validation(name))


def _finite(run):
    return all(np.isfinite(run.series(name)[1]).all() for name in run.metrics)


def _value_and_epoch(found):
    return (run_metrics.written(found[0]), found[1]) if found else ("-", "-")


def _picture(figure, name, caption=""):
    return page.Figure(figures.data_uri(figure), f"{name} over the epochs", caption, wide=False)
