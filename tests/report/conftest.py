"""Directories of runs, written by hand: no training."""

import json

import pytest


@pytest.fixture
def write_run(tmp_path):
    """A function that writes the directory of a run and returns its path."""

    def write(name="digits", entries=(), settings=None, events=(), result=None, flags=None):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        (directory / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        if settings is not None:
            (directory / "settings.json").write_text(json.dumps(settings))
        if events:
            (directory / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        if result is not None:
            (directory / "result.json").write_text(json.dumps(result))
        if flags is not None:
            (directory / "flagfile.txt").write_text("\n".join(flags) + "\n")
        return directory

    return write
