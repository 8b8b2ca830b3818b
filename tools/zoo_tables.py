"""How repvis-zoo prints versions, differences and collections for people."""

import os

from keras_repvis import zoo
from keras_repvis.zoo import card, layout


def print_list(entries):
    """Print a table with a line a version; `entries` are dicts as `summary` returns."""
    rows = [
        (
            entry["handle"],
            ", ".join(entry["aliases"]),
            human(entry["bytes"]),
            f"{entry['cost']['parameters']:,}",
            ", ".join(f"{name} {value}" for name, value in card.flatten(entry["metrics"])),
            entry["created"][:10],
            entry["description"],
        )
        if "error" not in entry
        else (entry["handle"], "", "", "", "", "", f"DAMAGED: {entry['error']}")
        for entry in entries
    ]
    header = ("handle", "alias", "size", "parameters", "metrics", "published", "description")
    print_table(header, rows, right=(2, 3))


def summary(version, aliases):
    """Return what a list says of a version, damaged ones included."""
    entry = {"handle": version.handle, "path": str(version.path), "aliases": aliases}
    try:
        record = version.manifest
    except zoo.IntegrityError as error:
        return {**entry, "error": str(error)}
    names = ("architecture", "cost", "created", "description", "licence", "metrics", "parent")
    return {**entry, **{name: record[name] for name in names}, "bytes": size(record)}


def print_version(version, record, aliases):
    """Print all that the manifest says, in tables."""
    cost = record["cost"]
    multiply_adds = cost["multiply_adds"]
    facts = [
        ("path", str(version.path)),
        ("aliases", ", ".join(aliases) or "none"),
        ("published", record["created"]),
        ("licence", record["licence"]),
        ("parent", record["parent"] or "none"),
        ("architecture", record["architecture"]),
        ("parameters", f"{cost['parameters']:,} ({cost['trainable']:,} trainable)"),
        ("multiply-adds", "not counted" if multiply_adds is None else f"{multiply_adds:,} per example"),
        ("size", f"{human(size(record))} in {len(record['files'])} files"),
        ("digest", record["digest"]),
        ("made with", ", ".join(f"{name} {number}" for name, number in sorted(record["versions"].items()))),
    ]
    print(record["handle"], *([record["description"]] if record["description"] else []), sep="\n")
    print_table(("", ""), facts)
    for title in ("metrics", "data", "training"):
        if record[title]:
            print_table((title, ""), card.flatten(record[title]))
    if record["variants"]:
        rows = [
            (name, one["file"], human(one["bytes"]), f"{one['difference']:.1e}", f"{one['tolerance']:.0e}")
            for name, one in sorted(record["variants"].items())
        ]
        print_table(("variant", "file", "size", "difference", "tolerance"), rows, right=(2, 3, 4))
    print_table(("signature", "", "tensor", "type", "shape"), card.tensors(record["signatures"]))
    for title in ("intended_use", "limits"):
        if record[title]:
            print(f"{title.replace('_', ' ').capitalize()}: {record[title]}")
    print(f'\nzoo.load("{record["handle"]}")   # the model card: {version.path / layout.CARD_FILE}')


def print_table(header, rows, right=()):
    """Print a table on stdout; columns in `right` are numbers."""
    import rich.box
    import rich.console
    import rich.table
    import rich.text

    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_header=any(header), pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        # Text, not markup: a description may hold square brackets.
        table.add_row(*(rich.text.Text(str(cell)) for cell in row))
    # Without a terminal nothing is folded, so that a line stays a line for grep.
    width = None if os.isatty(1) else 1000
    rich.console.Console(width=width, highlight=False).print(table)


def size(record):
    """Return the bytes of all files of a manifest."""
    return sum(file["size"] for file in record["files"].values())


def human(count):
    """Return a number of bytes with its unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
