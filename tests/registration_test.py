"""Tests of keras_repvis.registration, with a library and a room of their own in a fresh process."""

import subprocess
import sys

import pytest

SOURCES = {
    "library.py": "registered = []",
    "room/__init__.py": "",
    "room/base.py": "import library\nclass Base: pass\nlibrary.registered.append('base')",
    "room/derived.py": (
        "import library\nfrom room.base import Base\nclass Derived(Base): pass\nlibrary.registered.append('derived')"
    ),
    "room/plain.py": "name = 'plain'",
    "house/__init__.py": "",
    "house/foundation.py": "import library\nclass Foundation: pass",
    "house/attic.py": (
        "import library\nfrom house.foundation import Foundation\nclass Attic(Foundation): pass\n"
        "library.registered.append('attic')"
    ),
    "house/cellar.py": "import library\nlibrary.registered.append('cellar')",
}


@pytest.mark.parametrize(
    "statements",
    [
        "import library",
        "import room.base",
        "import room.derived",
        "from room.derived import Derived",
        "import room.plain; import library",
        "import library.absent",
    ],
)
@pytest.mark.parametrize("order", ["before", "after"])
def test_every_module_registers_whatever_comes_first(tmp_path, statements, order):
    """In particular a module that others build on, and that itself is the first to import the library."""
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    guarded = f"try:\n    {statements}\nexcept ModuleNotFoundError: pass"
    watch = "from keras_repvis import registration; registration.after_import('library', 'room')"
    parts = [watch, guarded] if order == "before" else [guarded, watch]
    program = "\n".join([*parts, "import library; print(sorted(library.registered))"])
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "['base', 'derived']\n"


@pytest.mark.parametrize("statement", ["import library", "import house.attic", "import house.foundation"])
def test_single_modules_register_whatever_comes_first(tmp_path, statement):
    """In particular a module that is not listed itself, that a listed one builds on, and that imports the library."""
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    program = (
        "from keras_repvis import registration; registration.after_import('library', 'house.attic')\n"
        f"{statement}\nimport library; print(library.registered)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "['attic']\n"


def test_two_libraries_can_be_watched_for_one_package(tmp_path):
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    (tmp_path / "other.py").write_text("import library")
    program = (
        "from keras_repvis import registration; registration.after_import('library', 'house.attic')\n"
        "registration.after_import('other', 'house.cellar')\n"
        "import house, library; print(library.registered); import other; print(library.registered)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "['attic']\n['attic', 'cellar']\n"


def test_nothing_is_imported_before_the_library(tmp_path):
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    program = (
        "from keras_repvis import registration; registration.after_import('library', 'room')\n"
        "import room.plain, sys; print('room.base' in sys.modules, 'library' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
