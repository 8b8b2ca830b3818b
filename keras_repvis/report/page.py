"""A self-contained HTML page: text, tables, figures and commands in one file that needs nothing from elsewhere."""

import dataclasses
import datetime
import os
import pathlib
import uuid

import jinja2

from keras_repvis.version import VERSION


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph.

    Args:
        text: String; markup in it is shown, not interpreted.

    Example:
        >>> keras_repvis.report.Text("Trained on three seeds.").kind
        'text'
    """

    text: str
    kind: str = dataclasses.field(default="text", init=False)


@dataclasses.dataclass(frozen=True)
class Code:
    """Commands or code to copy.

    Args:
        code: String of one or more lines.
        caption: What it does.

    Example:
        >>> keras_repvis.report.Code("repvis-zoo list", caption="What is in the zoo").kind
        'code'
    """

    code: str
    caption: str = ""
    kind: str = dataclasses.field(default="code", init=False)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table; numbers are set to the right.

    Args:
        header: Sequence of column names.
        rows: Sequence of rows of cells: strings or numbers.
        caption: What the table says.

    Example:
        >>> keras_repvis.report.Table(("layer", "parameters"), [("stem", 864)]).kind
        'table'
    """

    header: tuple
    rows: list
    caption: str = ""
    kind: str = dataclasses.field(default="table", init=False)

    def numeric(self, column):
        """Return whether every cell of the column with this index is a number or looks like one."""
        cells = [str(row[column]).replace(",", "").rstrip("%") for row in self.rows]
        return bool(cells) and all(cell in ("", "-") or _is_number(cell) for cell in cells)


@dataclasses.dataclass(frozen=True)
class Figure:
    """A picture.

    Args:
        image: Data URI of an image, for instance from `report.data_uri`.
        alternative: What the picture shows, for people who cannot see it.
        caption: What to read from it.
        wide: Whether it takes the full width of the page; else two stand side by side.

    Example:
        >>> keras_repvis.report.Figure("data:image/png;base64,", "a curve").kind
        'figure'
    """

    image: str
    alternative: str
    caption: str = ""
    wide: bool = True
    kind: str = dataclasses.field(default="figure", init=False)


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Args:
        heading: String.
        blocks: Sequence of `Text`, `Code`, `Table` and `Figure`.

    Example:
        >>> keras_repvis.report.Section("Accuracy", [keras_repvis.report.Text("97 %")]).heading
        'Accuracy'
    """

    heading: str
    blocks: tuple


def render(title, lead, sections, facts=()):
    """Return a page as HTML.

    Args:
        title: String.
        lead: String, one or two sentences under the title: the result.
        sections: Sequence of `Section`.
        facts: Sequence of (number or short text, what it is), shown large under the lead.

    Returns:
        String: a whole HTML document with style and images inside, no script, nothing loaded from elsewhere.

    Example:
        >>> html = keras_repvis.report.render("Title", "Lead.", [])
        >>> html.startswith("<!doctype html>"), "http" in html
        (True, False)
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_repvis", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return environment.get_template("page.html").render(
        title=title, lead=lead, sections=sections, facts=facts, made=made, version=VERSION
    )


def write(path, html):
    """Write `html` to `path`, whole or not at all, and return the path.

    Args:
        path: File name; its directory is made when missing.
        html: String.

    Returns:
        `pathlib.Path`, absolute.

    Example:
        >>> import pathlib, tempfile
        >>> path = keras_repvis.report.write(pathlib.Path(tempfile.mkdtemp(), "page.html"), "<!doctype html>")
        >>> path.read_text()
        '<!doctype html>'
    """
    path = pathlib.Path(path).expanduser().resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_text(html, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
