"""Writes the BUILD files from the sources: one target a file, `deps` equal to its imports.

    python .ci/build_files.py --write     rewrite every BUILD file that is out of date
    python .ci/build_files.py             name the BUILD files that are out of date; exit code 1 if there are any

The rules, which tests/build_test.py checks by other means:
  - A module `x.py` is the library `:x`; a test `x_test.py` the test `:x_test`; every other Python file of the tree
    (a figure of docs/, a recipe of zoo/, this program) is a library too.
  - A package's `__init__.py` is a target named as its folder. It depends on everything in the folder and on its
    sub-packages, because rooms import by name when a name is first used. Modules in turn do not depend on the
    `__init__.py` above them, which would be a circle.
  - A test depends on the conftest.py files from its folder upwards, as pytest does.
  - Imports inside functions count. Third-party packages are comments: `# pip: keras`.
"""

import argparse
import ast
import configparser
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TOOLS_PACKAGE = "keras_repvis_tools"
SKIPPED = {"__pycache__", "build", "dist", "runs"}
# Import name -> name on the package index, where they differ by more than - and _.
PIP_NAMES = {"absl": "absl-py", "google": "protobuf", "PIL": "Pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}


def python_files(root):
    """Return the Python files of the tree, relative to `root`, sorted; hidden folders but .ci are left out."""
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).parts[:-1]
        if not any(part in SKIPPED or (part.startswith(".") and part != ".ci") for part in parts):
            found.append(path.relative_to(root))
    return sorted(found, key=lambda path: path.as_posix())


def label(path):
    """Return the label of the target that holds the file `path`."""
    folder = path.parent.as_posix()
    name = path.parent.name if path.name == "__init__.py" else path.stem
    if folder == ".":
        return f"//:{name}"
    return f"//{folder}" if name == path.parent.name else f"//{folder}:{name}"


def module_name(path):
    """Return the dotted name by which the file `path` is imported."""
    parts = list(path.with_suffix("").parts)
    if parts[0] == "tools":
        parts[0] = TOOLS_PACKAGE
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree):
    """Yield (module, name or None) for every import of a parsed file, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"relative import of {node.module!r}: write the full path")
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            if node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, None


def requirements(root):
    """Return {normalised name: name} of the distributions that setup.cfg asks for, extras included."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    for extra in config["options.extras_require"].values():
        lines += extra.splitlines()
    names = [re.split(r"[<>=!~\[; ]", line.strip())[0] for line in lines if line.strip()]
    return {re.sub(r"[-_.]+", "-", name).lower(): name for name in names}


class Tree:
    """The sources and what they import."""

    def __init__(self, root):
        self.root = root
        self.files = python_files(root)
        self.modules = {module_name(path): path for path in self.files}
        self.requirements = requirements(root)

    def dependencies(self, path):
        """Return (labels, pip names) of what the file `path` imports, each sorted."""
        text = (self.root / path).read_text(encoding="utf-8")
        labels, pips = set(), set()
        for module, name in imported_names(ast.parse(text, str(path))):
            target = self.modules.get(f"{module}.{name}") or self.modules.get(module)
            top = module.split(".")[0]
            if target is not None:
                labels.add(label(target))
            elif top in ("keras_repvis", TOOLS_PACKAGE):
                raise ValueError(f"{path} imports {module}, which does not exist")
            elif top not in sys.stdlib_module_names:
                pips.add(self._pip(top, path))
        if path.name == "__init__.py":
            labels |= {label(other) for other in self.files if _directly_under(other, path.parent)}
        if path.name.endswith("_test.py"):
            labels |= {label(folder / "conftest.py") for folder in path.parents if folder / "conftest.py" in self.files}
        if label(path) in labels - {label(path)} or (label(path) in labels and path.name != "__init__.py"):
            raise ValueError(f"{path} imports itself")
        return sorted(labels - {label(path)}, key=_label_order), sorted(pips, key=str.lower)

    def _pip(self, top, path):
        wanted = re.sub(r"[-_.]+", "-", PIP_NAMES.get(top, top)).lower()
        if wanted not in self.requirements:
            raise ValueError(f"{path} imports {top}, which setup.cfg does not ask for")
        return self.requirements[wanted]

    def data(self, path):
        """Return the files beside `path` that are no Python: those it names; an `__init__.py` takes what is left."""
        beside = [
            other.relative_to(self.root / path.parent).as_posix()
            for other in sorted((self.root / path.parent).rglob("*"))
            if other.is_file() and other.suffix not in (".py", ".pyc") and other.name != "BUILD"
            and self._nearest_folder(other) == path.parent
        ]
        text = (self.root / path).read_text(encoding="utf-8")
        named = [name for name in beside if pathlib.Path(name).name in text]
        if path.name != "__init__.py":
            return named
        siblings = [other for other in self.files if other.parent == path.parent and other != path]
        taken = {name for other in siblings for name in self.data(other)}
        return [name for name in beside if name not in taken]

    def _nearest_folder(self, file):
        folders = {path.parent for path in self.files}
        return next((folder for folder in file.relative_to(self.root).parents if folder in folders), None)


def _directly_under(path, folder):
    if path.name == "__init__.py":
        return path.parent.parent == folder
    return path.parent == folder


def _label_order(name):
    return name.replace(":", "/!")


def _shortened(name, folder):
    """Write a label of the same package as `:x`, as Bazel's own formatter does."""
    prefix = f"//{folder}" if folder != "." else "//"
    if name == prefix:
        return f":{pathlib.PurePosixPath(folder).name}"
    return name[len(prefix):] if name.startswith(f"{prefix}:") else name


def _list(field, entries, comments=()):
    if not entries and not comments:
        return []
    if len(entries) == 1 and not comments:
        return [f'    {field} = ["{entries[0]}"],']
    lines = [f'        "{entry}",' for entry in entries] + [f"        # pip: {comment}" for comment in comments]
    return [f"    {field} = [", *lines, "    ],"]


def target(tree, path):
    """Return the lines of the target that holds the file `path`."""
    folder = path.parent.as_posix()
    labels, pips = tree.dependencies(path)
    test = path.name.endswith("_test.py")
    name = path.parent.name if path.name == "__init__.py" else path.stem
    data = tree.data(path) if path.parts[0] in ("keras_repvis", "tools") else []
    return [
        f"repvis_py_{'test' if test else 'library'}(",
        f'    name = "{name}",',
        f'    srcs = ["{path.name}"],',
        *_list("data", data),
        *([f'    package = "{TOOLS_PACKAGE}",'] if folder == "tools" else []),
        *_list("deps", sorted((_shortened(entry, folder) for entry in labels), key=_label_order), pips),
        ")",
    ]


def programs(root):
    """Return the lines of the programs: the console scripts of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(root / "setup.cfg")
    lines = []
    for line in sorted(config["options.entry_points"]["console_scripts"].split("\n")):
        if line.strip():
            name, entry = (part.strip() for part in line.split("="))
            module = entry.split(":")[0].removeprefix(f"{TOOLS_PACKAGE}.").replace(".", "/")
            lines += ["", "repvis_py_binary(", f'    name = "{name}",', f'    entry = "{entry}",',
                      f'    deps = [":{module}"],', ")"]
    return lines


def build_files(root):
    """Return {path of a BUILD file: its text} for every folder with Python files."""
    tree = Tree(root)
    texts = {}
    for folder in sorted({path.parent for path in tree.files}):
        files = [path for path in tree.files if path.parent == folder]
        body = [line for path in files for line in ["", *target(tree, path)]]
        body += programs(root) if folder.as_posix() == "tools" else []
        kinds = sorted({line.rstrip("(") for line in body if line.startswith("repvis_py_")})
        loads = ", ".join(f'"{kind}"' for kind in kinds)
        head = ["# Written by .ci/build_files.py --write; do not edit.", f'load("//:build_defs.bzl", {loads})', "",
                'package(default_visibility = ["//visibility:public"])']
        texts[folder / "BUILD"] = "\n".join(head + body) + "\n"
    return texts


def main():
    """Compare or rewrite the BUILD files; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="rewrite what is out of date")
    write = parser.parse_args().write
    texts = build_files(ROOT)
    present = {path.relative_to(ROOT) for top in {folder.parts[0] for folder in texts} for path in
               (ROOT / top).rglob("BUILD") if path.is_file() and ".git" not in path.parts}
    stale = sorted(path for path, text in texts.items()
                   if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text)
    for path in stale + sorted(present - set(texts)):
        if not write:
            print(f"{path} is out of date: run python .ci/build_files.py --write", file=sys.stderr)
        elif path in texts:
            (ROOT / path).write_text(texts[path], encoding="utf-8")
        else:
            (ROOT / path).unlink()
    return 0 if write or not stale + sorted(present - set(texts)) else 1


if __name__ == "__main__":
    sys.exit(main())
