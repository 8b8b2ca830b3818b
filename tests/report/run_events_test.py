"""Events become sentences and a short table."""

import pathlib

import pytest

from keras_repvis import report
from keras_repvis.report import run_events


def make_run(*events, result=None):
    return report.Run(pathlib.Path("x"), "x", events=tuple(events), result=result or {})


def event(kind, epoch=None, step=None, message=""):
    return {"event": kind, "epoch": epoch, "step": step, "message": message}


def test_checkpoints_in_a_row_share_a_row_and_other_events_do_not():
    run = make_run(
        *(event("saved", epoch, 0, f"checkpoint {epoch}") for epoch in (1, 2, 3)),
        event("skipped_step", 3, 1, "gradient of a"),
        event("skipped_step", 3, 8, "gradient of b"),
        event("saved", 4, 0, "checkpoint 4"),
        {"event": "image_pool_filled"},
    )
    assert run_events.rows(run) == (
        [
            ("checkpoint saved, 3 times", "1 epoch – 3 epochs", "checkpoint 3"),
            ("step skipped", "3 epochs, 1 step", "gradient of a"),
            ("step skipped", "3 epochs, 8 steps", "gradient of b"),
            ("checkpoint saved", "4 epochs", "checkpoint 4"),
            ("image pool filled", "", ""),
        ],
        0,
    )


@pytest.mark.parametrize("count", [1, 20, 21, 40, 41, 100])
def test_a_long_table_keeps_its_ends(count):
    rows, left_out = run_events.rows(make_run(*(event("skipped_step", 0, 5, str(step)) for step in range(count))))
    steps = [int(row[2]) for row in rows]
    assert len(steps) + left_out == count and len(steps) == min(count, 40)
    assert steps[:20] == list(range(min(count, 20))) and steps[-1] == count - 1 and steps == sorted(set(steps))


def test_state_tells_complete_from_stopped_from_neither():
    stop = event("stopped", 3, 1, "loss is NaN.")
    assert "complete" in run_events.state(make_run(stop, result={"test_accuracy": 1.0}))
    assert run_events.state(make_run(event("finished"))) == "The run is complete."
    assert run_events.state(make_run(event("resumed"), stop, event("saved"))) == "It was stopped: loss is NaN."
    assert run_events.state(make_run(stop, event("resumed"))).startswith("It is not complete")
    assert run_events.state(make_run()).startswith("It is not complete")


def test_count_is_of_one_kind():
    assert run_events.count(make_run(event("saved"), event("skipped_step"), event("saved")), "saved") == 2
