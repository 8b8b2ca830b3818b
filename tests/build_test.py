"""The BUILD files, read as the Python-like text they are, against the sources. Needs no Bazel."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
RULES = {"repvis_py_library", "repvis_py_test", "repvis_py_binary"}
HIDDEN = re.compile(r"(^|/)(\.(?!ci/)[^/]*|__pycache__|build|dist|runs)/")
HINT = "run: python .ci/build_files.py --write"


def sources():
    """Every Python file of the tree, as posix paths."""
    paths = (path.relative_to(ROOT).as_posix() for path in ROOT.glob("**/*.py"))
    return {path for path in paths if not HIDDEN.search(path)}


def absolute(label, package):
    """`:x`, `//a/b` and `//a/b:x` as (package, name)."""
    if label.startswith(":"):
        return package, label[1:]
    where, _, name = label.removeprefix("//").partition(":")
    return where, name or where.rsplit("/", 1)[-1]


def targets():
    """{(package, name): fields of the call, and the rule} over every BUILD file."""
    found = {}
    for file in sorted(ROOT.glob("**/BUILD")):
        package = file.parent.relative_to(ROOT).as_posix().removeprefix(".") if file.parent == ROOT else \
            file.parent.relative_to(ROOT).as_posix()
        if HIDDEN.search(f"{package}/"):
            continue
        text = file.read_text(encoding="utf-8")
        for statement in ast.parse(text).body:
            call = getattr(statement, "value", None)
            if isinstance(call, ast.Call) and call.func.id in RULES:
                fields = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                fields["rule"] = call.func.id
                fields["pip"] = set(re.findall(r"# pip: (\S+)", ast.get_source_segment(text, call)))
                key = package, fields["name"]
                assert key not in found, f"two targets are called //{package}:{fields['name']}"
                found[key] = fields
    return found


TARGETS = targets()
OWNERS = {}
for (_package, _name), _fields in TARGETS.items():
    for _source in _fields.get("srcs", []):
        OWNERS.setdefault(f"{_package}/{_source}", []).append((_package, _name))


def file_of(module):
    """The source that `import module` loads, or None if it is none of ours."""
    path = module.replace(".", "/")
    path = re.sub(r"^keras_repvis_tools(?=/|$)", "tools", path)
    return next((name for name in (f"{path}.py", f"{path}/__init__.py") if (ROOT / name).is_file()), None)


def imports_of(source):
    """(our files, top-level names of others) that the file `source` imports anywhere in its text."""
    ours, others = set(), set()
    for node in ast.walk(ast.parse((ROOT / source).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [[alias.name] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            wanted = [[f"{node.module}.{alias.name}", node.module] for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args \
                and isinstance(node.args[0], ast.Constant):
            wanted = [[node.args[0].value]]
        else:
            continue
        for candidates in wanted:
            file = next(filter(None, map(file_of, candidates)), None)
            if file:
                ours.add(file)
            elif candidates[-1].split(".")[0] not in sys.stdlib_module_names:
                others.add(candidates[-1].split(".")[0])
    return ours, others


def implied_by(source):
    """What `source` needs without an import: a package its contents, a test the conftest.py files above it."""
    folder, _, name = source.rpartition("/")
    if name == "__init__.py":
        inside = {other for other in sources() if other.startswith(f"{folder}/")}
        return {other for other in inside if other.removeprefix(f"{folder}/").count("/") == 0 and other != source} | {
            other for other in inside if re.fullmatch(rf"{folder}/[^/]+/__init__\.py", other)}
    if name.endswith("_test.py"):
        parents = [parent.as_posix() for parent in pathlib.PurePosixPath(source).parents]
        return {f"{parent}/conftest.py" for parent in parents} & sources()
    return set()


def test_every_source_file_is_in_exactly_one_target():
    owners = {source: OWNERS.get(source, []) for source in sources()}
    assert {source: found for source, found in owners.items() if len(found) != 1} == {}, HINT


def test_no_target_names_a_file_that_is_not_there():
    assert set(OWNERS) - sources() == set(), HINT
    data = [f"{package}/{name}" for (package, _), fields in TARGETS.items() for name in fields.get("data", [])]
    assert [name for name in data if not (ROOT / name).is_file()] == [], HINT


@pytest.mark.parametrize("source", sorted(sources()))
def test_deps_equal_imports(source):
    (package, name), = OWNERS.get(source, [(None, None)])
    assert package is not None, HINT
    ours, _ = imports_of(source)
    wanted = {OWNERS[file][0] for file in (ours | implied_by(source)) - {source}}
    listed = [absolute(entry, package) for entry in TARGETS[package, name].get("deps", [])]
    assert len(listed) == len(set(listed))
    assert set(listed) == wanted, HINT


@pytest.mark.parametrize("source", sorted(sources()))
def test_third_party_imports_are_comments(source):
    (package, name), = OWNERS.get(source, [(None, None)])
    assert package is not None, HINT
    _, others = imports_of(source)
    names = {"absl": "absl-py", "google": "protobuf", "PIL": "Pillow"}
    names |= {"skimage": "scikit-image", "sklearn": "scikit-learn"}
    wanted = {re.sub("[-_]", "-", names.get(other, other)).lower() for other in others}
    assert {re.sub("[-_]", "-", pip).lower() for pip in TARGETS[package, name]["pip"]} == wanted, HINT


def test_tests_are_tests_and_everything_else_a_library():
    kinds = {source: TARGETS[owners[0]]["rule"] for source, owners in OWNERS.items()}
    expected = {source: "repvis_py_test" if source.endswith("_test.py") else "repvis_py_library" for source in kinds}
    assert kinds == expected


def test_targets_depend_on_each_other_in_no_circle():
    edges = {key: [absolute(entry, key[0]) for entry in fields.get("deps", [])] for key, fields in TARGETS.items()}
    done, path = set(), []

    def visit(key):
        assert key not in path, " -> ".join(f"//{package}:{name}" for package, name in [*path, key])
        if key not in done:
            path.append(key)
            for other in edges.get(key, []):
                visit(other)
            done.add(path.pop())

    for key in edges:
        visit(key)


def test_build_files_are_what_the_program_writes():
    command = [sys.executable, ROOT / ".ci" / "build_files.py"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
