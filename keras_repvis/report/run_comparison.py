"""Training runs beside one another: the same metric in one figure, values in one table, settings where they differ."""

import os
import pathlib
import re

import numpy as np

from keras_repvis.report import curves, figures, page, run_metrics
from keras_repvis.report.run_summary import setting
from keras_repvis.report.runs import read_run

# Longer names are cut where the runs have them in common.
_SHORT = 28
_DATA = ("dataset", "validation_split")


def compare_page(paths):
    """Return a page that shows runs beside one another, as HTML.

    Args:
        paths: Sequence of two or more directories of runs, see `read_run`.

    Returns:
        String: a whole HTML document with figures inside; nothing is loaded from elsewhere.

    Raises:
        ValueError: If there are fewer than two paths, or one is not the directory of a run.

    Example:
        >>> import pathlib, tempfile
        >>> directories = [pathlib.Path(tempfile.mkdtemp()) for _ in range(2)]
        >>> for number, directory in enumerate(directories):
        ...     _ = (directory / "log.jsonl").write_text('{"epoch": 1, "val_accuracy": 0.%d}' % (number + 5))
        ...     _ = (directory / "settings.json").write_text('{"seed": %d, "epochs": 1}' % number)
        >>> html = keras_repvis.report.compare_page(directories)
        >>> "seed" in html, "0.6000" in html
        (True, True)
    """
    if isinstance(paths, (str, pathlib.PurePath)) or len(paths) < 2:
        raise ValueError(f"runs={paths!r} is not accepted: expected two or more directories of runs.")
    runs = [read_run(path) for path in paths]
    names = [f"{number} {name}" for number, name in enumerate(_shortened(_names(runs)), 1)]
    differing = _differing(runs)
    sections = [_overview(runs, names), _settings(runs, names, differing)]
    metrics = run_metrics.names(runs)
    sections += [_metric(runs, names, metric) for metric in metrics]
    sections += [_rates(runs, names)]
    problems = [page.Text(f"{name}: {problem}") for run, name in zip(runs, names) for problem in run.problems]
    sections += [page.Section("What could not be read", problems)] if problems else []
    title = f"{len(runs)} runs beside one another"
    return page.render(title, _lead(runs, names, differing), [section for section in sections if section])


def _lead(runs, names, differing):
    metric = run_metrics.headline(runs)
    found = [(run_metrics.best(run, metric), name) for run, name in zip(runs, names)] if metric else []
    found = [(value, name) for value, name in found if value]
    if not found:
        return "None of the runs has logged a metric whose best value is known."
    choose = min if run_metrics.better(metric) == "lower" else max
    (value, epoch), name = choose(found, key=lambda pair: pair[0][0])
    data = [setting for setting in _DATA if setting in differing]
    warning = f" They differ in {' and '.join(data)}, so these values do not compare." if data else ""
    return f"The best {metric} is {run_metrics.written(value)}, of run {name}, in epoch {epoch}.{warning}"


def _overview(runs, names):
    tests = list(dict.fromkeys(key for run in runs for key in run.tested))
    rows = []
    for run, name in zip(runs, names):
        seconds = run.series("seconds")[1]
        time = run_metrics.duration(float(seconds.sum())) if len(seconds) else "-"
        tested = [run_metrics.written(run.tested.get(key)) for key in tests]
        rows.append((name, len(run.entries), time, "yes" if run.result else "no", *tested))
    header = ("run", "epochs", "time", "complete", *(key.replace("_", " ") for key in tests))
    directories = "\n".join(f"{number:2} {run.path}" for number, run in enumerate(runs, 1))
    return page.Section("Runs", [page.Table(header, rows), page.Code(directories, "Their directories:")])


def _settings(runs, names, differing):
    if not any(run.settings for run in runs):
        return None
    if not differing:
        return page.Section("Settings", [page.Text("The runs have the same settings.")])
    rows = [
        (name, *(setting(run.settings[key]) if key in run.settings else "-" for key in differing))
        for run, name in zip(runs, names)
    ]
    return page.Section("Settings that differ", [page.Table(("run", *differing), rows)])


def _metric(runs, names, metric):
    logged = [name for name in (metric, run_metrics.validation(metric)) if any(name in run.metrics for run in runs)]
    titles = {metric: "training", run_metrics.validation(metric): "validation"}
    panels = [(titles[name], _lines(runs, name)) for name in logged]
    figure = curves.curves(panels, metric, logarithmic=run_metrics.better(metric) == "lower")
    judged = logged[-1]
    rows = []
    for run, name in zip(runs, names):
        value, epoch = run_metrics.best(run, judged) or (None, "-")
        finals = [run_metrics.written(run_metrics.last(run, one)) for one in logged]
        rows.append((name, *finals, run_metrics.written(value), epoch))
    header = ("run", *(f"{titles[name]}, last" for name in logged), f"{titles[judged]}, best", "in epoch")
    finite = all(np.isfinite(line.values).all() for _, lines in panels for line in lines)
    caption = "" if finite else "A cross on the axis stands for NaN or infinity."
    return page.Section(metric, [_key(names), _picture(figure, metric, caption), page.Table(header, rows)])


def _rates(runs, names):
    rates = [name for name in ("learning_rate", "seconds") if any(name in run.metrics for run in runs)]
    if not rates:
        return None
    pictures = []
    for name in rates:
        label = "learning rate" if name == "learning_rate" else "seconds an epoch"
        panels = [("", _lines(runs, name))]
        figure = curves.curves(panels, label, logarithmic=name == "learning_rate", from_zero=name == "seconds")
        pictures.append(_picture(figure, label, "", wide=False))
    return page.Section("Learning rate and time", [_key(names), *pictures])


def _lines(runs, name):
    return [curves.Line(*run.series(name), look=look) for look, run in enumerate(runs)]


def _key(names):
    looks = curves.LOOKS
    caption = f"After the {looks}th run, colours and dashes repeat." if len(names) > looks else ""
    return page.Figure(figures.data_uri(curves.key(names)), "which line is which run", caption)


def _picture(figure, name, caption, wide=True):
    return page.Figure(figures.data_uri(figure), f"{name} over the epochs, one line a run", caption, wide)


def _differing(runs):
    """Return the settings that not all runs share, in the order of their first appearance."""
    keys = {key: None for run in runs for key in run.settings if key != "run_dir"}
    missing = object()
    return [key for key in keys if any(run.settings.get(key, missing) != runs[0].settings.get(key, missing)
                                       for run in runs)]


def _names(runs):
    """Return the runs' names, with as many of their parents as it takes to tell them apart."""
    parts = [run.path.parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            return names
    return [str(run.path) for run in runs]


def _shortened(names):
    """Return the names; long ones without the words that all have in common, as far as it takes, or their middle."""
    words = [re.split(r"(?<=[_\-/ ])", name) for name in names]
    head = min(len(os.path.commonprefix(words)), min(map(len, words)) - 1)
    tail = len(os.path.commonprefix([word[:head:-1] for word in words]))
    for skipped, end in [(0, 0), *((skipped, tail) for skipped in range(head + 1))]:
        short = [_between(word, skipped, end) for word in words]
        if max(map(len, short)) <= _SHORT:
            break
    half = _SHORT // 2
    return [name if len(name) <= _SHORT else f"{name[:half]}…{name[-half:]}" for name in short]


def _between(words, skipped, end):
    text = "".join(words[skipped:len(words) - end])
    return f"{'…' * (skipped > 0)}{text}{'…' * (end > 0)}"
