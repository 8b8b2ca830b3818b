"""A versioned local zoo of SavedModels: publish, resolve, verify, load, compare, retain."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "admissible_sizes": ["AdmissibleSizes", "find_sizes"],
        "aliases": ["list_aliases", "remove_alias", "rollback", "set_alias"],
        "comparing": ["diff"],
        "difference": ["Behaviour", "Change", "Difference", "WeightChange"],
        "evidence": ["Evidence", "gather_evidence"],
        "exchange": ["export_for_serving", "export_version", "import_version"],
        "keras_layer": ["KerasLayer"],
        "listing": ["list_versions"],
        "litert": ["LiteRT"],
        "loading": ["load", "load_saved_model"],
        "manifest": ["IntegrityError", "verify"],
        "opening": ["SavedFunction", "open_model"],
        "operations": ["UnsafeOperationError", "check_operations", "endpoint_operations"],
        "publishing": ["publish"],
        "recipe": ["Recipe", "Reproduction", "make", "publish_classifier", "reproduce"],
        "recipe_file": ["find_recipe", "load_recipe"],
        "replaying": ["replay"],
        "resolving": ["Version", "read_manifest", "reading", "resolve"],
        "retention": ["Collection", "gc"],
        "root": ["find_root"],
        "signing": ["sign", "verify_signature"],
        "transaction": ["VersionExistsError"],
        "translating": ["Translator"],
        "translation": ["find_inverse", "publish_translation"],
    },
)
