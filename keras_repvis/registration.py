"""Registers this package's parts with a library as soon as that library is imported, and not before.

Keras finds a custom layer, and TensorFlow Datasets a builder, only after the module that defines it was imported. To
import those modules here would cost every ``import keras_repvis`` the six seconds of TensorFlow; to leave it to the
user would make ``keras.saving.load_model`` and ``tfds.load("repvis_digits")`` fail for a reason that is hard to guess.
"""

import importlib
import importlib.abc
import importlib.util
import pkgutil
import sys


def after_import(library, *rooms):
    """Import every module of the packages `rooms` right after `library` is imported, or now if it already is."""
    if library in sys.modules:
        _import_modules(rooms)
    else:
        sys.meta_path.insert(0, _Watcher(library, rooms))


def _import_modules(rooms):
    for room in rooms:
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__):
            importlib.import_module(f"{room}.{module.name}")


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds nothing itself: lets the other finders locate `library` and imports `rooms` once it has executed."""

    def __init__(self, library, rooms):
        self.library = library
        self.rooms = rooms

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.library:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_then_register(module):
                execute(module)
                _import_modules(self.rooms)

            spec.loader.exec_module = execute_then_register
        return spec
