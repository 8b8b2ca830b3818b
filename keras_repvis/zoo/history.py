"""The history of a model: one JSON object a line for every change, appended, never rewritten.

    {"event": "published", "version": 3, "digest": "ab12...", "time": "2026-03-01T12:00:00+00:00", "user": "ann"}
    {"event": "alias", "alias": "champion", "from": 2, "to": 3, ...}
    {"event": "deleted", "version": 1, ...}

Where a process was killed between a change and its line, or the line and its change, `repair` adds what sets the
history right, with `"found": true`, before the next change.
"""

import datetime
import getpass
import json
import os
import pathlib

from keras_repvis.zoo import layout, manifest

FILE = "history.jsonl"


def read(model_directory):
    """Return the events of the model in `model_directory` as a list of dicts, oldest first."""
    try:
        lines = pathlib.Path(model_directory, FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [event for event in map(_parse, lines) if event is not None]


def append(model_directory, event, **facts):
    """Add one event; the caller holds the model's directory. A line that cannot be written whole leaves nothing."""
    record = {"event": event, **facts, "time": _now(), "user": _user()}
    text = json.dumps(record, sort_keys=True).encode() + b"\n"
    descriptor = os.open(os.path.join(model_directory, FILE), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = b"\n" + text
        try:
            if os.write(descriptor, text) != len(text):
                raise OSError(f"{os.path.join(model_directory, FILE)}: could not be written, is the disk full?")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def published(model_directory):
    """Return a dict of version number -> digest for every version that ever was, deleted ones included."""
    return {event["version"]: event.get("digest") for event in read(model_directory) if _adds(event)}


def repair(model_directory, aliases):
    """Add what a killed process could not say any more; the caller holds the model's directory.

    Args:
        model_directory: Path of the model's directory.
        aliases: Dict of alias -> number that holds now.
    """
    present, told = _replay(read(model_directory))
    numbers = set(layout.version_numbers(model_directory))
    for number in sorted(numbers - present):
        digest = _digest(os.path.join(model_directory, str(number)))
        append(model_directory, "published", version=number, digest=digest, found=True)
    for number in sorted(present - numbers):
        append(model_directory, "deleted", version=number, found=True)
    for alias in sorted(aliases.keys() | told.keys()):
        if aliases.get(alias) != told.get(alias):
            tell_alias(model_directory, alias, told.get(alias), aliases.get(alias), found=True)


def tell_alias(model_directory, alias, old, new, **facts):
    """Add the event that `alias` meant the number `old` and means `new` now; None is none."""
    append(model_directory, "alias", alias=alias, **{"from": old, "to": new}, **facts)


def _replay(events):
    """Return (set of numbers present, dict of aliases) after `events`."""
    present, aliases = set(), {}
    for event in events:
        if _adds(event):
            present.add(event["version"])
        elif event["event"] == "deleted":
            present.discard(event["version"])
        elif event["event"] == "alias":
            aliases[event["alias"]] = event["to"]
    return present, {alias: number for alias, number in aliases.items() if number is not None}


def _adds(event):
    return event["event"] in ("imported", "published")


def _parse(line):
    try:
        event = json.loads(line)
    except ValueError:
        return None  # Empty, or torn when the machine went down.
    return event if isinstance(event, dict) and "event" in event else None


def _digest(directory):
    try:
        return manifest.read(directory)["digest"]
    except manifest.IntegrityError:
        return None


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A user without a name, as in some containers.
        return str(os.getuid())
