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
    """Import `rooms` right after `library` is imported, or now if it already is: modules, and whole packages."""
    if library in sys.modules:
        _import_modules(rooms)
    else:
        sys.meta_path.insert(0, _Watcher(library, rooms))


def _import_modules(rooms):
    for room in rooms:
        for module in pkgutil.iter_modules(getattr(importlib.import_module(room), "__path__", ())):
            importlib.import_module(f"{room}.{module.name}")


class _Watcher(importlib.abc.MetaPathFinder):
    """Finds nothing itself: sees `library` and this package's modules pass, and imports all of `rooms` once it can.

    That is as soon as `library` has executed, unless a module of this package was what asked for it: such a module is
    half made at that moment, and those of `rooms` that build on it would fail to import. Then it waits for the
    outermost one to end.
    """

    def __init__(self, library, rooms):
        self.library = library
        self.rooms = rooms
        self.packages = {room.partition(".")[0] for room in rooms}
        self.library_has_run = False
        self.running = 0

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.library and fullname.partition(".")[0] not in self.packages:
            return None
        # Those before this one had their turn; another watcher may be among those after it.
        finders = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(fullname, path, target) for finder in finders)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._watched(spec.loader.exec_module, fullname == self.library)
        return spec

    def _watched(self, execute, is_library):
        def execute_then_register(module):
            self.running += 1
            try:
                execute(module)
            finally:
                self.running -= 1
            self.library_has_run |= is_library
            if self.library_has_run and not self.running and self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_modules(self.rooms)

        return execute_then_register
