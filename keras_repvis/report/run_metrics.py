"""The numbers of runs: which belong together, which way is better, where the best one is, and how they are written."""

import numpy as np

# Parts of names, between underscores. What is in neither is drawn and never called best.
_LOWER = {"cost", "crossentropy", "divergence", "error", "fid", "loss", "mae", "mse", "nll", "perplexity", "rmse"}
_HIGHER = {"acc", "accuracy", "auc", "dice", "f1", "iou", "precision", "psnr", "recall", "ssim"}
_NOT_METRICS = ("learning_rate", "seconds", "images_per_second")
_VALIDATION = "val_"


def names(runs):
    """Return the metrics of runs, each once, losses last: "loss" stands for "loss" and "val_loss".

    Args:
        runs: Sequence of `Run`.

    Returns:
        List of strings.
    """
    found = {}
    for run in runs:
        for name in run.metrics:
            if name not in _NOT_METRICS and not name.endswith("learning_rate"):
                found[name.removeprefix(_VALIDATION)] = None
    return sorted(found, key=lambda name: ("loss" in name, list(found).index(name)))


def validation(metric):
    """Return the name under which `metric` is logged for the validation data."""
    return _VALIDATION + metric


def better(metric):
    """Return "lower" or "higher" as the metric's name tells which is better, or None."""
    parts = set(metric.lower().split("_"))
    if parts & _LOWER:
        return "lower"
    return "higher" if parts & _HIGHER else None


def best(run, metric):
    """Return (value, epoch) of the best finite value of a logged metric, the first of equals; None if there is none."""
    epochs, values = run.series(metric)
    finite = np.isfinite(values)
    direction = better(metric)
    if direction is None or not finite.any():
        return None
    epochs, values = epochs[finite], values[finite]
    place = int(np.argmin(values) if direction == "lower" else np.argmax(values))
    return float(values[place]), int(epochs[place])


def last(run, metric):
    """Return the metric's value in the last epoch in which it was logged, or None."""
    _, values = run.series(metric)
    return float(values[-1]) if len(values) else None


def headline(runs):
    """Return the logged name that tells best how good runs are, or None: of validation, and no loss, if there is one.

    Args:
        runs: Sequence of `Run`.

    Returns:
        String such as "val_accuracy".
    """
    logged = [name for run in runs for name in run.metrics]
    candidates = [*map(validation, names(runs)), *names(runs)]
    return next((name for name in candidates if name in logged and better(name)), None)


def written(value):
    """Return a number with four digits after the point, or in powers of ten if that would hide it; None is "-"."""
    if value is None:
        return "-"
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else f"{value}"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}"
    return f"{value:.3e}"


def duration(seconds):
    """Return a time in words, in the two largest units: "1 h 5 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
