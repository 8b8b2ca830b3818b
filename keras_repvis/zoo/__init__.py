"""A versioned local zoo of SavedModels: publish, resolve, verify, load."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "listing": ["list_versions"],
        "loading": ["load", "load_saved_model"],
        "manifest": ["IntegrityError", "verify"],
        "publishing": ["publish"],
        "replaying": ["replay"],
        "resolving": ["Version", "read_manifest", "resolve"],
        "root": ["find_root"],
    },
)
