"""Metrics are paired, judged by their names and written so that they can be read."""

import math
import pathlib

import pytest

from keras_repvis import report
from keras_repvis.report import run_metrics


def make_run(**series):
    length = max(map(len, series.values()), default=0)
    entries = [{"epoch": epoch + 1, **{name: values[epoch] for name, values in series.items() if epoch < len(values)}}
               for epoch in range(length)]
    return report.Run(pathlib.Path("x"), "x", entries=tuple(entries))


def test_names_pair_training_with_validation_and_end_with_losses():
    rates = {"learning_rate": [1], "d_learning_rate": [1]}
    run = make_run(loss=[1], seconds=[1], **rates, accuracy=[1], val_loss=[1], val_psnr=[1])
    assert run_metrics.names([run, make_run(g_loss=[1], accuracy=[1])]) == ["accuracy", "psnr", "loss", "g_loss"]


@pytest.mark.parametrize(
    ("name", "better"),
    [("val_loss", "lower"), ("word_error", "lower"), ("top_5_accuracy", "higher"), ("val_AUC", "higher"),
     ("accurate", None), ("glossy", None), ("norm", None)],
)
def test_direction_is_read_from_whole_words(name, better):
    assert run_metrics.better(name) == better


def test_best_is_the_first_best_finite_value():
    run = make_run(loss=[math.nan, 2.0, 1.0, 1.0, -math.inf], accuracy=[0.5, math.inf, 0.9, 0.9], norm=[1.0])
    assert run_metrics.best(run, "loss") == (1.0, 3)
    assert run_metrics.best(run, "accuracy") == (0.9, 3)
    assert run_metrics.best(run, "norm") is None  # Nobody said which norm is good.
    assert run_metrics.best(run, "missing") is None
    assert run_metrics.best(make_run(loss=[math.nan]), "loss") is None


def test_last_may_be_nan_or_missing():
    run = make_run(loss=[1.0, math.nan], val_loss=[3.0])
    assert math.isnan(run_metrics.last(run, "loss"))
    assert run_metrics.last(run, "val_loss") == 3.0
    assert run_metrics.last(run, "accuracy") is None


def test_headline_prefers_validation_and_then_no_loss():
    run = make_run(norm=[1], loss=[1], accuracy=[1])
    assert run_metrics.headline([run]) == "accuracy"
    run = make_run(norm=[1], loss=[1], accuracy=[1], val_loss=[1], val_norm=[1])
    assert run_metrics.headline([run]) == "val_loss"
    run = make_run(val_loss=[1], val_accuracy=[1])
    assert run_metrics.headline([run]) == "val_accuracy"
    assert run_metrics.headline([make_run(norm=[1])]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.97125, "0.9712"), (0, "0.0000"), (-12.5, "-12.5000"), (1e-3, "0.0010"), (0.00025, "2.500e-04"),
     (123456.0, "1.235e+05"), (math.nan, "NaN"), (-math.inf, "-inf"), (None, "-")],
)
def test_numbers_are_written_with_four_digits_or_powers_of_ten(value, text):
    assert run_metrics.written(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3599.6, "1 h 0 min"), (3900, "1 h 5 min")],
)
def test_durations_have_two_units(seconds, text):
    assert run_metrics.duration(seconds) == text
