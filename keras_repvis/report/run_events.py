"""What happened to a run besides training: resumed, saved, skipped a step, stopped, in words."""

import itertools

_WORDS = {
    "finished": "finished",
    "resumed": "resumed",
    "save_failed": "checkpoint not saved",
    "saved": "checkpoint saved",
    "skipped_step": "step skipped",
    "stopped": "stopped",
}
# Of a run with more rows than twice this, the first and the last ones are shown.
_ENDS = 20


def count(run, kind):
    """Return how many events of a kind a run has."""
    return sum(event["event"] == kind for event in run.events)


def state(run):
    """Return a sentence that says whether the run is complete, was stopped, or is neither.

    Args:
        run: `Run`.

    Returns:
        String; for a run that was stopped and did not go on, with the reason.
    """
    if run.result or (run.events and run.events[-1]["event"] == "finished"):
        return "The run is complete."
    for event in reversed(run.events):
        if event["event"] == "resumed":
            break
        if event["event"] == "stopped":
            message = str(event.get("message") or "no reason was recorded").rstrip(".")
            return f"It was stopped: {message}."
    return "It is not complete: it is still training, or it was interrupted."


def rows(run):
    """Return the rows of a table of events and how many events are left out of it.

    Events of one kind in a row that say the same, checkpoints above all, share a row.

    Args:
        run: `Run`.

    Returns:
        (list of (what, after how many epochs and steps, message), integer).
    """
    groups = [list(group) for _, group in itertools.groupby(run.events, key=_same)]
    left_out = groups[_ENDS:-_ENDS]
    shown = [*groups[:_ENDS], *groups[len(groups) - min(_ENDS, max(len(groups) - _ENDS, 0)):]]
    return [_row(group) for group in shown], sum(map(len, left_out))


def _same(event):
    # Each checkpoint has its own path in its message.
    return event["event"], None if event["event"] == "saved" else event.get("message")


def _row(group):
    kind = group[0]["event"]
    words = _WORDS.get(kind, kind.replace("_", " "))
    times = f", {len(group)} times" if len(group) > 1 else ""
    first, last = _position(group[0]), _position(group[-1])
    return f"{words}{times}", first if first == last else f"{first} – {last}", str(group[-1].get("message") or "")


def _position(event):
    """Return the epochs done before an event, and the steps done in the next one."""
    counts = ((event.get("epoch"), "epoch"), (event.get("step") or None, "step"))
    return ", ".join(f"{count} {unit}{'s' * (count != 1)}" for count, unit in counts if count is not None)
