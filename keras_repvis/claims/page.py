"""The page of the claims, written from their records alone."""

import pathlib

from keras_repvis.claims import record

_HEADER = """\
# The talks' claims, measured

Each claim is an experiment in `keras_repvis/claims/`: what is measured, with what budget, and what would settle it was
fixed before it was run. `repvis-reproduce` measures over at least five seeds and decides by the 95 % t-interval of the
mean effect; exact claims follow from definitions and are computed once. Negative results are published as such.

- **reproduced**: the interval lies on the claimed side.
- **not reproduced**: it excludes the claimed effect at the size that matters.
- **reversed**: it lies on the other side.
- **undecided**: the budget was too small to tell.

A seed fixes weights and data. Training still repeats only up to rounding, which depends on the number of threads and
can grow to a few points of accuracy; the intervals over seeds contain that.

This page is written by `repvis-reproduce` from the records in `docs/claims/`; edits here are lost.
"""


def render(records):
    """Return the page as Markdown.

    Args:
        records: List of records, from `record.read_all`.

    Returns:
        `str`.
    """
    rows = [f"| [{one['statement']}](#{one['claim']}) | {effect(one)} | **{_verdict(one)}** |" for one in records]
    table = "\n".join(["| Claim | Effect | Verdict |", "| --- | --- | --- |", *rows])
    return "\n".join([_HEADER, table, "", *map(_section, records)])


def write(output_dir):
    """Write the page of the records in `output_dir` beside that folder, as `<output_dir>.md`.

    Args:
        output_dir: Folder of records.

    Returns:
        `pathlib.Path` of the page.
    """
    written = path(output_dir)
    record.write_text(written, render(record.read_all(output_dir)))
    return written


def path(output_dir):
    """Return the path of the page that belongs to the records in `output_dir`."""
    folder = pathlib.Path(output_dir)
    folder = folder if folder.name else folder.absolute()
    return folder.with_name(f"{folder.name}.md")


def effect(one):
    """Return the effect of the record `one` with its interval, as text."""
    result = one["result"]
    if one["exact"]:
        return f"{_number(result['mean'])} (exact)"
    if result["low"] is None or result["high"] is None:
        return f"{_number(result['mean'])} (one seed)"
    return f"{_number(result['mean'])} [{_number(result['low'])}, {_number(result['high'])}]"


def _section(one):
    versions = ", ".join(f"{name} {number}" for name, number in one["versions"].items())
    seeds = "computed once" if one["exact"] else f"mean and 95 % interval over {one['result']['seeds']} seeds"
    lines = [
        f'<a id="{one["claim"]}"></a>',
        f"## {one['claim']}",
        "",
        one["statement"],
        "",
        f"- **{_verdict(one).capitalize()}**: {effect(one)}, {seeds}",
        f"- Effect: {one['effect']}",
        f"- Rule: the effect is {one['rule']['text']}",
        f"- Source: {one['talk']}; {one['place']}: “{one['sentence']}”",
        f"- Budget: {one['budget']}",
        *([f"- Limits: {one['limits']}"] if one["limits"] else []),
        f"- Command: `{one['command']}`",
        f"- Measured on {one['date']} with {versions}",
        "",
        _numbers(one["seeds"]),
        "",
    ]
    return "\n".join(lines)


def _numbers(seeds):
    """Table of every number: one column per seed, and their mean if there are several."""
    names = list(dict.fromkeys(name for entry in seeds for name in entry["numbers"]))
    heads = [f"seed {entry['seed']}" for entry in seeds] if len(seeds) > 1 else ["value"]
    lines = ["| Number | " + " | ".join(heads) + (" | mean |" if len(seeds) > 1 else " |")]
    lines.append("| --- |" + " ---: |" * (len(heads) + (len(seeds) > 1)))
    for name in names:
        values = [entry["numbers"].get(name) for entry in seeds]
        known = [value for value in values if value is not None]
        cells = ["" if value is None else _number(value) for value in values]
        cells += [_number(sum(known) / len(known))] * (len(seeds) > 1)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value):
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 10_000 else f"{value:.4g}"


def _verdict(one):
    return one["result"]["verdict"]
