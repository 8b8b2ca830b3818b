"""Every public name has a docstring with the sections of the house, and every example in it runs."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import os
import pathlib
import re
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "keras_repvis").rglob("*.py")
)
ROOMS = [name for name in MODULES if (ROOT / name.replace(".", "/")).is_dir()]
WITH_EXAMPLES = [
    name for name in MODULES
    if ">>> " in (ROOT / f"{name.replace('.', '/')}{'/__init__' * (name in ROOMS)}.py").read_text(encoding="utf-8")
]
SECTION = re.compile(r"^(\w[\w ]*):\s*$", re.MULTILINE)


def public_names(room):
    """{name: object} of what a room lists, without the modules and rooms inside it."""
    module = importlib.import_module(room)
    found = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    return {name: value for name, value in found.items() if not inspect.ismodule(value) and not name.startswith("__")}


def parameters(value):
    """Names of the arguments that a user passes, without *args, **kwargs and self."""
    function = value.__init__ if inspect.isclass(value) else value
    if inspect.isclass(value) and "__init__" not in vars(value) and "__new__" not in vars(value):
        return []
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [name for name, one in signature.parameters.items() if one.kind in named and name not in ("self", "cls")]


def is_record(value):
    """Whether a class only holds results or is an exception: its fields are its documentation."""
    return inspect.isclass(value) and (
        hasattr(value, "__dataclass_fields__") or hasattr(value, "_fields") or issubclass(value, BaseException)
    )


def record_fields(value):
    """Names of the fields that a dataclass or a named tuple is made from."""
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value) if field.init]
    return list(getattr(value, "_fields", []))


def complaints(room, name, value):
    """What the docstring of a public name lacks."""
    text = inspect.cleandoc(getattr(value, "__doc__", None) or "") if callable(value) else ""
    if not callable(value):
        return []  # A constant: its module says what it is.
    if not text:
        return ["a docstring"]
    sections = set(SECTION.findall(text))
    lacking = []
    described = text[text.find("Args:"):] if "Args" in sections else text[text.find("Attributes:"):]
    for parameter in record_fields(value) or parameters(value):
        if not re.search(rf"^\s*(\w+, )*\*{{0,2}}{parameter}(, \*{{0,2}}\w+)*( \([^)]*\))?:", described, re.MULTILINE):
            lacking.append(f"{parameter!r} among its Args")
    if inspect.isfunction(value) and not sections & {"Returns", "Yields"} and returns_something(value):
        lacking.append("Returns")
    if not is_record(value) and "Example" not in sections and "Examples" not in sections:
        lacking.append("Example")
    if "Example" in " ".join(sections) and ">>> " not in text:
        lacking.append("an Example that runs (>>>)")
    if needs_reference(room, value) and "Reference" not in sections:
        lacking.append("Reference")
    return lacking


def returns_something(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    return any(isinstance(node, ast.Return) and node.value is not None or isinstance(node, (ast.Yield, ast.YieldFrom))
               for node in ast.walk(tree))


def needs_reference(room, value):
    """Layers and losses come from papers, and so do the models' constructors (CamelCase functions)."""
    kind = room.split(".")[1] if "." in room else ""
    if kind in ("layers", "losses"):
        return inspect.isclass(value)
    return kind == "models" and callable(value) and value.__name__[0].isupper() and not is_record(value)


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_documented(room):
    found = {name: complaints(room, name, value) for name, value in public_names(room).items()}
    assert {name: lacking for name, lacking in found.items() if lacking} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_public_methods_are_documented(room):
    """Also the methods that Keras does not define already."""
    silent = []
    for name, value in public_names(room).items():
        for attribute, member in vars(value).items() if inspect.isclass(value) else ():
            member = getattr(member, "__func__", getattr(member, "fget", member))
            inherited = any(hasattr(base, attribute) for base in value.__mro__[1:])
            if inspect.isfunction(member) and not attribute.startswith("_") and not inherited and not member.__doc__:
                silent.append(f"{name}.{attribute}")
    assert silent == []


@pytest.mark.parametrize("module", MODULES)
def test_modules_say_what_they_are(module):
    path = ROOT / f"{module.replace('.', '/')}{'/__init__' * (module in ROOMS)}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert docstring.split("\n")[0].endswith((".", ":")), f"{module}: the docstring starts with a sentence on one line"


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_in_alphabetical_order(room):
    """Those of each module; `lazy_loader` sorts the whole list itself."""
    source = (ROOT / room.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("attach"):
            fields = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
            listed = list(fields.get("submod_attrs", {}))
            assert listed == sorted(listed)
            for names in [fields.get("submodules", []), *fields.get("submod_attrs", {}).values()]:
                assert list(names) == sorted(names)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module, tmp_path, monkeypatch):
    """With nothing to hand but `keras_repvis` and the module's own public names."""
    import keras_repvis

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_REPVIS_ZOO", os.fspath(tmp_path / "zoo"))
    loaded = importlib.import_module(module)
    own = {name: value for name, value in vars(loaded).items()
           if not name.startswith("_") and getattr(value, "__module__", None) == module}
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    report = []
    for example in finder.find(loaded, module, globs={"keras_repvis": keras_repvis, **own}):
        runner.run(example, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 0
