"""The pages of docs/ and the README point at things that exist."""

import configparser
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), *sorted((ROOT / "zoo").glob("**/*.md"))]
COLUMNS = ("System", "Module", "Recipe", "Program", "Claim")
NOT_YET = re.compile(r"not yet \(([\w/]+)\)")


def claims():
    folders = (ROOT / "keras_repvis" / "claims").glob("*/")
    return {path.stem for folder in folders for path in folder.glob("*.py") if path.stem != "__init__"}


def programs():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].splitlines()
    return {line.split("=")[0].strip() for line in lines if line}


def rows():
    """Every row of the tables in docs/TALKS.md, as {column: cell}."""
    found = []
    for line in (ROOT / "docs" / "TALKS.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and not line.startswith("| ---"):
            cells = tuple(cell.strip() for cell in line.strip("|").split(" | "))
            assert len(cells) == len(COLUMNS), f"{len(cells)} cells: {line}"
            if cells != COLUMNS:
                found.append(dict(zip(COLUMNS, cells)))
    return found


def named(column):
    return {name for row in rows() for name in re.findall(r"`([^`]+)`", row[column])}


def exists(place):
    """Whether a place of the package, written as `losses/shade`, is a file or a folder."""
    bases = [ROOT] if place.startswith("benchmarks/") else [ROOT / "keras_repvis"]
    return any((base / f"{place}.py").is_file() or (base / place / "__init__.py").is_file() for base in bases)


def test_talks_are_all_there():
    text = (ROOT / "docs" / "TALKS.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^## \d\. ", text, re.MULTILINE)) == 5
    assert all(all(row.values()) for row in rows())


def test_talks_name_modules_that_exist():
    missing = [name for name in named("Module") if not exists(name.removeprefix("keras_repvis.").replace(".", "/"))]
    assert missing == []


def test_talks_name_recipes_programs_and_claims_that_exist():
    assert [path for path in named("Recipe") if not (ROOT / path / "recipe.py").is_file()] == []
    assert named("Program") - programs() == set()
    assert named("Claim") - claims() == set()


def test_talks_keep_up_with_the_tree():
    """A row that says "not yet" is out of date once its place exists; recipes and claims of the talks have a row."""
    assert [row["System"] for row in rows() for place in NOT_YET.findall(row["Module"]) if exists(place)] == []
    assert claims() - named("Claim") == set()
    recipes = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").glob("*/*/recipe.py")}
    assert recipes - named("Recipe") == set()


def test_talks_say_where_each_missing_module_will_be():
    for row in rows():
        if "`" not in row["Module"] and row["Module"] != "–":
            assert NOT_YET.fullmatch(row["Module"]), row
        for column in COLUMNS[2:]:
            assert row[column] in ("–", "not yet") or row[column].startswith("`"), row


def anchors(page):
    """Anchors that GitHub gives to the headings of a page, and the explicit ones."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_resolve(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for link in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_architecture_names_every_room_and_no_other():
    """docs/ARCHITECTURE.md and its figure show the rooms that are there."""
    rooms = {path.parent.name for path in (ROOT / "keras_repvis").glob("*/__init__.py")}
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = {name for name in re.findall(r"^\| `keras_repvis/(\w+)/`", page, re.MULTILINE)}
    assert table == rooms
    drawing = (ROOT / "docs" / "figures" / "architecture.svg").read_text(encoding="utf-8")
    assert {room for room in rooms | {"tools"} if f"<!-- {room} -->" not in drawing} == set()
