"""The record of a measured claim: a small JSON file that holds all that its page shows.

A finished claim is `<name>.json`. While seeds are still missing, those that are done wait in `<name>.partial.json`, so
that an interrupted run continues where it stopped. Files appear by rename: a reader never sees half of one.
"""

import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform

from keras_repvis import version
from keras_repvis.claims import decision

_PARTIAL = ".partial.json"
_LIBRARIES = ("keras", "numpy", "scipy", "tensorflow")


def settings(claim):
    """Return what must not change between the seeds of one record: the claim's definition and the versions."""
    return {
        "claim": claim.id,
        "talk": claim.source.talk,
        "place": claim.source.place,
        "sentence": claim.source.sentence,
        "statement": claim.statement,
        "effect": claim.effect,
        "rule": {**dataclasses.asdict(claim.rule), "text": str(claim.rule)},
        "exact": claim.exact,
        "budget": claim.budget,
        "limits": claim.limits,
        "versions": versions(),
    }


def versions():
    """Return the versions of Python, of this package and of the libraries that the measurements rest on."""
    found = {"keras_repvis": version.VERSION, "python": platform.python_version()}
    return {**found, **{library: importlib.metadata.version(library) for library in _LIBRARIES}}


def read_seeds(claim, output_dir):
    """Return the seeds of `claim` that an interrupted run left in `output_dir`.

    Args:
        claim: `Claim`.
        output_dir: Folder of records.

    Returns:
        Pair of a dict of seed to dict of numbers, and whether an unfinished record was found but dropped because the
        claim or a version has changed since.
    """
    path = _partial_path(claim, output_dir)
    if not path.is_file():
        return {}, False
    try:
        partial = json.loads(path.read_text(encoding="utf-8"))
        if partial["settings"] != settings(claim):
            return {}, True
        return {int(entry["seed"]): entry["numbers"] for entry in partial["seeds"]}, False
    except (KeyError, TypeError, ValueError):
        # Whatever this file is, it is not a record: the seeds are measured again.
        return {}, True


def write_seeds(claim, output_dir, seeds):
    """Keep the numbers of the finished `seeds`, a dict of seed to dict of numbers, until the claim is complete."""
    content = {"settings": settings(claim), "seeds": _entries(seeds)}
    _write(_partial_path(claim, output_dir), content)


def write(claim, output_dir, seeds):
    """Decide `claim`, write its record and remove the unfinished one.

    Args:
        claim: `Claim`.
        output_dir: Folder of records; made if it does not exist.
        seeds: Dict of seed to dict of numbers, "effect" among them.

    Returns:
        The record, a dict.
    """
    verdict = decision.decide(claim.rule, [numbers["effect"] for _, numbers in sorted(seeds.items())], claim.exact)
    options = "" if claim.exact or len(seeds) == decision.LEAST_SEEDS else f" --seeds={len(seeds)}"
    record = {
        **settings(claim),
        "command": f"repvis-reproduce {claim.id}{options}",
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "result": {name: _finite(value) for name, value in dataclasses.asdict(verdict).items()},
        "seeds": _entries(seeds),
    }
    _write(pathlib.Path(output_dir) / f"{claim.id}.json", record)
    _partial_path(claim, output_dir).unlink(missing_ok=True)
    return record


def read_all(output_dir):
    """Return the finished records in `output_dir`, sorted by name.

    Args:
        output_dir: Folder of records.

    Returns:
        List of dicts.

    Raises:
        ValueError: If a file of the folder is not a record.
    """
    records = []
    for path in sorted(pathlib.Path(output_dir).glob("*.json")):
        if not path.name.endswith(_PARTIAL):
            try:
                records.append(json.loads(path.read_text(encoding="utf-8")))
                records[-1]["result"]["verdict"], records[-1]["claim"]
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path} is not the record of a claim: {error}") from error
    return records


def write_text(path, text):
    """Write `text` to `path` by rename, making its folder if needed."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(path, content):
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _partial_path(claim, output_dir):
    return pathlib.Path(output_dir) / f"{claim.id}{_PARTIAL}"


def _entries(seeds):
    return [{"seed": seed, "numbers": numbers} for seed, numbers in sorted(seeds.items())]


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value
