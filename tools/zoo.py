"""Publish models to a local zoo and look at what is there.

Examples:
    repvis-zoo list
    repvis-zoo list --json
    repvis-zoo show repvis/mobilenet_v2_digits
    repvis-zoo show repvis/mobilenet_v2_digits/3 --json
    repvis-zoo publish model.keras me/my_model --metrics=test_accuracy=0.981 --description="Digits." --licence=MIT

HANDLE is publisher/model for the latest version, publisher/model/3 for one version, or a path that starts with / or ./.
Lists and tables are read from the manifests alone: `list` and `show` do not start TensorFlow.
"""

import json
import math
import os
import pathlib
import zipfile

from absl import flags

from keras_repvis import checks, zoo
from keras_repvis.zoo import card, provenance
from keras_repvis.zoo import handle as handles
from keras_repvis_tools import program

_ZOO_ROOT = flags.DEFINE_string(
    "zoo_root", None, "Root of the zoo; without it the variable KERAS_REPVIS_ZOO, else a folder among the user's data."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")
_METRICS = flags.DEFINE_list("metrics", [], "publish: measured numbers, as name=value,name=value.")
_DESCRIPTION = flags.DEFINE_string("description", "", "publish: one sentence on the model.")
_LICENCE = flags.DEFINE_string("licence", "Apache-2.0", "publish: SPDX name of the licence of the weights.")
_PARENT = flags.DEFINE_string("parent", None, "publish: handle of the version this one was made from.")
_INTENDED_USE = flags.DEFINE_string("intended_use", "", "publish: what the model is for.")
_LIMITS = flags.DEFINE_string("limits", "", "publish: what it cannot do.")


def main(argv):
    commands = {"list": _list, "publish": _publish, "show": _show}
    if len(argv) < 2:
        raise flags.Error(f"expected a command: {', '.join(sorted(commands))}.")
    commands[checks.one_of("command", argv[1], sorted(commands))](*_operands(argv))


def run():
    program.run(main)


def _operands(argv):
    expected = {"list": (), "publish": ("MODEL.keras", "HANDLE"), "show": ("HANDLE",)}[argv[1]]
    if len(argv) - 2 != len(expected):
        usage = " ".join(["repvis-zoo", argv[1], *expected])
        raise flags.Error(f"{argv[1]} takes {len(expected)} arguments, not {len(argv) - 2}: {usage}")
    return argv[2:]


def _list():
    versions = zoo.list_versions(_ZOO_ROOT.value)
    entries = [_summary(version) for version in versions]
    if _JSON.value:
        print(json.dumps(entries, indent=1))
    elif not entries:
        print(f"Nothing is published in {zoo.find_root(_ZOO_ROOT.value)}.")
    else:
        _print_list(entries)


def _summary(version):
    """Return what a list says of a version, damaged ones included."""
    entry = {"handle": version.handle, "path": str(version.path)}
    try:
        record = version.manifest
    except zoo.IntegrityError as error:
        return {**entry, "error": str(error)}
    names = ("architecture", "cost", "created", "description", "licence", "metrics", "parent")
    return {**entry, **{name: record[name] for name in names}, "bytes": _size(record)}


def _show(handle):
    version = zoo.resolve(handle, _ZOO_ROOT.value)
    record = zoo.verify(version.path, hashes=False)
    if _JSON.value:
        print(json.dumps({"path": str(version.path), **record}, indent=1))
    else:
        _print_version(version, record)


def _publish(file, handle):
    # Everything that can be refused is refused before TensorFlow takes its seconds.
    if handles.parse(handle).version is not None:
        raise ValueError(f"handle={handle!r} is not accepted: the zoo gives the number, expected publisher/model.")
    metrics = dict(_parse_metric(text) for text in _METRICS.value)
    path = pathlib.Path(file)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(f"MODEL.keras={file!r} is not accepted: expected an existing file that ends in .keras.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"MODEL.keras={file!r} is not accepted: it is not what model.save(...) writes, a zip archive.")
    licence = provenance.text("licence", _LICENCE.value, required=True)
    root = zoo.find_root(_ZOO_ROOT.value)
    parent = None if _PARENT.value is None else zoo.resolve(_PARENT.value, root).handle
    program.import_tensorflow()
    version = zoo.publish(
        _load(path),
        handle,
        root,
        metrics=metrics,
        training={"file": path.name},
        licence=licence,
        description=_DESCRIPTION.value,
        parent=parent,
        intended_use=_INTENDED_USE.value,
        limits=_LIMITS.value,
    )
    if _JSON.value:
        print(json.dumps({"handle": version.handle, "path": str(version.path), "version": version.version}))
    else:
        print(f"{version.handle}\n{version.path}")


def _load(path):
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"MODEL.keras='{path}' cannot be read: {error}") from error


def _parse_metric(text):
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or not math.isfinite(number):
        raise ValueError(f"metrics={text!r} is not accepted: expected name=number.")
    return name.strip(), number


def _print_list(entries):
    rows = [
        (
            entry["handle"],
            _human(entry["bytes"]),
            f"{entry['cost']['parameters']:,}",
            ", ".join(f"{name} {value}" for name, value in card.flatten(entry["metrics"])),
            entry["created"][:10],
            entry["description"],
        )
        if "error" not in entry
        else (entry["handle"], "", "", "", "", f"DAMAGED: {entry['error']}")
        for entry in entries
    ]
    _print_table(("handle", "size", "parameters", "metrics", "published", "description"), rows, right=(1, 2))


def _print_version(version, record):
    cost = record["cost"]
    multiply_adds = cost["multiply_adds"]
    facts = [
        ("path", str(version.path)),
        ("published", record["created"]),
        ("licence", record["licence"]),
        ("parent", record["parent"] or "none"),
        ("architecture", record["architecture"]),
        ("parameters", f"{cost['parameters']:,} ({cost['trainable']:,} trainable)"),
        ("multiply-adds", "not counted" if multiply_adds is None else f"{multiply_adds:,} per example"),
        ("size", f"{_human(_size(record))} in {len(record['files'])} files"),
        ("made with", ", ".join(f"{name} {number}" for name, number in sorted(record["versions"].items()))),
    ]
    print(record["handle"], *([record["description"]] if record["description"] else []), sep="\n")
    _print_table(("", ""), facts)
    for title in ("metrics", "data", "training"):
        if record[title]:
            _print_table((title, ""), card.flatten(record[title]))
    _print_table(("signature", "", "tensor", "type", "shape"), card.tensors(record["signatures"]))
    for title in ("intended_use", "limits"):
        if record[title]:
            print(f"{title.replace('_', ' ').capitalize()}: {record[title]}")
    print(f'\nzoo.load("{record["handle"]}")   # the model card: {version.path / card.FILE}')


def _print_table(header, rows, right=()):
    import rich.box
    import rich.console
    import rich.table
    import rich.text

    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_header=any(header), pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        # Text, not markup: a description may hold square brackets.
        table.add_row(*(rich.text.Text(cell) for cell in row))
    # Without a terminal nothing is folded, so that a line stays a line for grep.
    width = None if os.isatty(1) else 1000
    rich.console.Console(width=width, highlight=False).print(table)


def _size(record):
    return sum(file["size"] for file in record["files"].values())


def _human(size):
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


if __name__ == "__main__":
    run()
