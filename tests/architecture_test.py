"""The house rules that hold for the tree as a whole, read from the sources."""

import ast
import configparser
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# An import goes left only; rooms on one line do not import each other.
ORDER = (
    ("checks", "registration", "version"),
    ("data",),
    ("layers",),
    ("models",),
    ("losses",),
    ("training",),
    ("analysis",),
    ("report", "zoo"),
    ("claims",),
    ("tools",),
)
ROOMS = sorted(path.parent for path in (ROOT / "keras_repvis").rglob("__init__.py"))
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
HEAVY = ("tensorflow", "keras", "matplotlib", "tensorflow_datasets", "tensorflow_probability", "sklearn", "skimage")
LIBRARY = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("keras_repvis", "tools")
    for path in (ROOT / top).rglob("*.py")
    if "__pycache__" not in path.parts
)


def tree_of(source):
    return ast.parse((ROOT / source).read_text(encoding="utf-8"), source)


def imports_of(source):
    """(line, dotted name) of every import in a file, inside functions too."""
    for node in ast.walk(tree_of(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "import_module":
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.lineno, node.args[0].value


def room_of(source):
    parts = pathlib.PurePosixPath(source).with_suffix("").parts
    return "tools" if parts[0] == "tools" else parts[1]


def wrong_arrows(source):
    """The imports of a file that do not go left."""
    here = room_of(source)
    for line, name in imports_of(source):
        parts = name.split(".")
        if parts[0] == "keras_repvis_tools":
            there = "tools"
        elif parts[0] == "keras_repvis":
            there = parts[1] if len(parts) > 1 else "(the whole package)"
        else:
            continue
        if there == here or (here == "tools" and there == "(the whole package)"):
            continue
        if there not in RANK or RANK[there] >= RANK[here]:
            yield f"{source}:{line}: {here} imports {name}"


def setup_cfg():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def python(code, *arguments):
    """Run code in a new interpreter and return what it prints as JSON on its last line."""
    answer = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout.splitlines()[-1])


def test_every_room_has_its_place_in_the_order():
    rooms = {room_of(source) for source in LIBRARY} - {"__init__"}
    assert rooms - set(RANK) == set()


def test_imports_only_go_left():
    sources = [source for source in LIBRARY if source != "keras_repvis/__init__.py"]
    assert [arrow for source in sources for arrow in wrong_arrows(source)] == []


def test_imports_are_absolute():
    relative = [f"{source}:{line}" for source in LIBRARY for line, name in imports_of(source) if name.startswith(".")]
    assert relative == []


def test_library_code_has_no_bare_assert():
    found = [f"{source}:{node.lineno}" for source in LIBRARY for node in ast.walk(tree_of(source))
             if isinstance(node, ast.Assert)]
    assert found == []


def test_lines_fit_120_columns():
    sources = [*LIBRARY, *(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py"))]
    found = [f"{source}:{number}: {len(line)}" for source in sources
             for number, line in enumerate((ROOT / source).read_text(encoding="utf-8").splitlines(), 1)
             if len(line) > 120]
    assert found == []


def test_nothing_imports_libraries_that_change_keras_for_the_whole_process():
    """tensorflow_model_optimization switches the process to Keras 2; tensorflow_hub needs a setuptools of the past."""
    banned = {"tensorflow_model_optimization", "tensorflow_hub"}
    found = [f"{source}:{line}: {name}" for source in LIBRARY for line, name in imports_of(source)
             if name.split(".")[0] in banned]
    assert found == []


def test_setup_cfg_lists_every_package():
    folders = {pathlib.PurePosixPath(source).parent.as_posix() for source in LIBRARY} | {"zoo"}
    packages = {re.sub(r"^(tools|zoo)", r"keras_repvis_\1", folder).replace("/", ".") for folder in folders}
    missing = [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
    assert missing == []
    assert sorted(lines_of(setup_cfg()["options"]["packages"])) == sorted(packages)


def test_setup_cfg_installs_every_data_file():
    patterns = {package: lines_of(text) for package, text in setup_cfg()["options.package_data"].items()}
    lost = []
    for path in (ROOT / "keras_repvis").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "BUILD":
            package = next(parent for parent in path.parents if (parent / "__init__.py").is_file())
            name = path.relative_to(package).as_posix()
            accepted = patterns.get(package.relative_to(ROOT).as_posix().replace("/", "."), [])
            if not any(fnmatch.fnmatch(name, pattern) for pattern in accepted):
                lost.append(path.relative_to(ROOT).as_posix())
    assert lost == []


def test_import_is_lazy_and_fast():
    code = (
        "import json, sys, time; start = time.process_time(); import keras_repvis; used = time.process_time() - start;"
        f"print(json.dumps([used, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    runs = [python(code) for _ in range(5)]
    assert all(loaded == [] for _, loaded in runs)
    assert min(used for used, _ in runs) < 0.3


def test_rooms_open_without_tensorflow():
    packages = sorted(
        pathlib.PurePosixPath(source).parent.as_posix().replace("/", ".")
        for source in LIBRARY
        if source.startswith("keras_repvis/") and source.endswith("__init__.py")
    )
    code = (
        "import importlib, json, sys; [importlib.import_module(name) for name in sys.argv[1:]];"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert python(code, *packages) == []


def decorated_classes():
    """Names under which the sources register classes and functions with Keras."""
    for source in LIBRARY:
        for node in ast.walk(tree_of(source)):
            for decorator in getattr(node, "decorator_list", []):
                if "register_keras_serializable" in ast.unparse(decorator):
                    package = ast.literal_eval(decorator.args[0]) if isinstance(decorator, ast.Call) else None
                    yield f"{package}>{node.name}"


def builder_names():
    """Names of the data sets that the sources define."""
    for source in LIBRARY:
        for node in ast.walk(tree_of(source)):
            if isinstance(node, ast.ClassDef) and source.startswith("keras_repvis/data/builders/"):
                is_builder = any(ast.unparse(base).endswith("Builder") for base in node.bases)
                if is_builder and not node.name.startswith("_"):
                    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", node.name))
                    yield name.lower()


@pytest.mark.parametrize(
    "order",
    ["keras_repvis keras tensorflow_datasets", "keras tensorflow_datasets keras_repvis"],
    ids=["before", "after"],
)
def test_parts_are_registered_in_either_order_of_import(order):
    code = (
        "import importlib, json, sys; [importlib.import_module(name) for name in sys.argv[1:]];"
        "import keras, tensorflow_datasets as tfds;"
        "print(json.dumps([sorted(keras.saving.get_custom_objects()),"
        " tfds.list_builders(with_community_datasets=False)]))"
    )
    registered, builders = python(code, *order.split())
    assert set(decorated_classes()) - set(registered) == set()
    assert set(builder_names()) - set(builders) == set()


def test_serialisable_parts_are_registered_under_the_package_name():
    assert [name for name in decorated_classes() if not name.startswith("keras_repvis>")] == []


ENTRY_POINTS = dict(line.replace(" ", "").split("=") for line in
                    lines_of(setup_cfg()["options.entry_points"]["console_scripts"]))


@pytest.mark.parametrize("program", sorted(ENTRY_POINTS))
def test_programs_exist_and_start_without_tensorflow(program):
    module, function = ENTRY_POINTS[program].split(":")
    code = (
        "import importlib, json, sys; module = importlib.import_module(sys.argv[1]);"
        f"print(json.dumps([callable(getattr(module, sys.argv[2])), [n for n in {HEAVY!r} if n in sys.modules]]))"
    )
    assert python(code, module, function) == [True, []]


def test_every_program_is_on_the_path():
    with_run = {
        source.removeprefix("tools/").removesuffix(".py").replace("/", ".")
        for source in LIBRARY if source.startswith("tools/")
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" and not node.args.args
               for node in tree_of(source).body)
    }
    listed = {entry.removeprefix("keras_repvis_tools.").removesuffix(":run") for entry in ENTRY_POINTS.values()}
    assert with_run == listed
    assert all(name == f"repvis-{entry.split(':')[0].split('.')[-1].replace('_', '-')}"
               for name, entry in ENTRY_POINTS.items())


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_no_public_name_is_also_a_module(room):
    # Importing the module would put it in the place of the function: `models.cost` would no longer be callable.
    lists = re.findall(r'"[\w.]+": \[(.*?)\]', (room / "__init__.py").read_text(encoding="utf-8"), re.DOTALL)
    public = {name for names in lists for name in re.findall(r'"(\w+)"', names)}
    assert public & {path.stem for path in room.iterdir()} == set()
