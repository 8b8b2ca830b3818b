"""Publish models to a versioned local zoo, look at what is there, and keep it in order.

Commands:
    repvis-zoo list                                        every version, a line each
    repvis-zoo show repvis/mobilenet_v2_digits             what the manifest says of one
    repvis-zoo publish model.keras me/my_model --metrics=test_accuracy=0.981 --description="Digits." --licence=MIT
    repvis-zoo publish runs/first me/my_model              a run of repvis-train, with settings, data and evidence
    repvis-zoo publish runs/maps me/maps                   one that trained two generators: me/maps_a2b and me/maps_b2a
    repvis-zoo verify [me/my_model/3]                      every byte, of one version or of all
    repvis-zoo diff me/my_model/2 me/my_model/3            weights, signatures, operations, metrics, behaviour
    repvis-zoo alias me/my_model/3 champion                me/my_model@champion means version 3 now
    repvis-zoo rollback me/my_model                        champion means again what it meant before
    repvis-zoo gc --keep=latest:2 --dry_run                what would be deleted; without --dry_run: delete it
    repvis-zoo export me/my_model/3 my_model.tar.gz        an archive with all of a version
    repvis-zoo export me/my_model/3 serving/ --serving     the folded SavedModel where TF Serving looks for it
    repvis-zoo import my_model.tar.gz
    repvis-zoo sign me/my_model/3 --key=private.pem
    repvis-zoo make repvis/mobilenet_v2_digits             train and publish by a recipe: a handle, or a recipe.py
    repvis-zoo reproduce repvis/mobilenet_v2_digits        train again from the manifest: does the result agree?

A handle is publisher/model for the latest version, publisher/model/3 for one version, publisher/model@champion for what
an alias means, or a path that starts with / or ./. --json prints what a program can read. `list`, `show`, `verify`,
`alias`, `rollback`, `gc`, `export` and `import` read manifests and files alone and do not start TensorFlow.
"""

import dataclasses
import itertools
import json
import math
import pathlib
import sys
import zipfile

from absl import flags

from keras_repvis import checks, zoo
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo import layout, provenance
from keras_repvis_tools import program, zoo_tables

_ZOO_ROOT = flags.DEFINE_string(
    "zoo_root", None, "Root of the zoo; without it the variable KERAS_REPVIS_ZOO, else a folder among the user's data."
)
_JSON = flags.DEFINE_bool("json", False, "Print JSON instead of tables.")
_SHIPPED = flags.DEFINE_bool("shipped", True, "list, verify: the models that ship with the package too.")
_METRICS = flags.DEFINE_list(
    "metrics", [], "publish: measured numbers, as name=value,name=value; those of one generator as a2b.name=value."
)
_DESCRIPTION = flags.DEFINE_string("description", "", "publish: one sentence on the model.")
_LICENCE = flags.DEFINE_string("licence", "Apache-2.0", "publish: SPDX name of the licence of the weights.")
_PARENT = flags.DEFINE_string("parent", None, "publish: handle of the version this one was made from.")
_INTENDED_USE = flags.DEFINE_string("intended_use", "", "publish: what the model is for.")
_LIMITS = flags.DEFINE_string("limits", "", "publish: what it cannot do.")
_VARIANTS = flags.DEFINE_list(
    "variants", [], f"publish: further forms: {', '.join(layout.VARIANTS)}. int8 only from a run."
)
_SIGNATURES = flags.DEFINE_list(
    "signatures", None, f"publish, of models from images to images: {', '.join(layout.SIGNATURE_TYPES)}, signatures on "
    "whole numbers. By default none, of two generators both."
)
_TEST_SPLIT = flags.DEFINE_string("test_split", "test", "publish, of a run: split to measure the evidence on.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data; its own default if unset.")
_ALLOW = flags.DEFINE_list("allow_operations", [], "publish: operations to allow beyond those that only compute.")
_KEEP = flags.DEFINE_multi_string("keep", [], "gc: all, latest, latest:2 or specific:1,4; may be given again.")
_MODEL = flags.DEFINE_string("model", None, "gc: only versions of this publisher/model.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "gc: only tell what would be deleted.")
_SERVING = flags.DEFINE_bool("serving", False, "export: a folder for TF Serving instead of an archive.")
_VARIANT = flags.DEFINE_enum("variant", None, [layout.FOLDED, "reference"], "export --serving: which SavedModel.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "export, sign: replace a file that exists.")
_REMOVE = flags.DEFINE_bool("remove", False, "alias: remove the alias.")
_VALUES = flags.DEFINE_bool("values", True, "diff: compare values of weights and behaviour too, by TensorFlow.")
_KEY = flags.DEFINE_string("key", None, "sign: file of the private key; verify: file of the public key.")


def main(argv):
    if len(argv) < 2:
        raise flags.Error(f"expected a command: {', '.join(sorted(_COMMANDS))}.")
    command, usages = _COMMANDS[checks.one_of("command", argv[1], sorted(_COMMANDS))]
    operands = argv[2:]
    if len(operands) not in [len(usage.split()) for usage in usages]:
        wanted = " or ".join(f"repvis-zoo {argv[1]} {usage}".rstrip() for usage in usages)
        raise flags.Error(f"{argv[1]} does not take {len(operands)} arguments: {wanted}")
    command(*operands)


def run():
    program.run(main)


def _list():
    versions = zoo.list_versions(_ZOO_ROOT.value, _SHIPPED.value)
    entries = [zoo_tables.summary(version, aliases) for version, aliases in _with_aliases(versions)]
    if _JSON.value:
        print(json.dumps(entries, indent=1))
    elif not entries:
        print(f"Nothing is published in {zoo.find_root(_ZOO_ROOT.value)}.")
    else:
        zoo_tables.print_list(entries)


def _show(handle):
    ((version, aliases),) = _with_aliases([zoo.resolve(handle, _ZOO_ROOT.value)])
    record = version.verify(hashes=False)
    if _JSON.value:
        print(json.dumps({"path": str(version.path), "aliases": aliases, **record}, indent=1))
    else:
        zoo_tables.print_version(version, record, aliases)


def _with_aliases(versions):
    """Yield each of `versions`, ordered by model, with its aliases; those of a model are read once."""
    for model, group in itertools.groupby(versions, lambda version: version.handle.rpartition("/")[0]):
        try:
            known = zoo.list_aliases(model, _ZOO_ROOT.value)
        except zoo.IntegrityError:
            known = {}
        for version in group:
            yield version, sorted(alias for alias, number in known.items() if number == version.version)


def _publish(file, handle):
    # Everything that can be refused is refused before TensorFlow takes its seconds.
    parsed = handles.parse(handle)
    if parsed.version is not None or parsed.alias is not None:
        raise ValueError(f"handle={handle!r} is not accepted: the zoo gives the number, expected publisher/model.")
    facts = {
        "metrics": dict(_parse_metric(text) for text in _METRICS.value),
        "licence": provenance.text("licence", _LICENCE.value, required=True),
        "description": _DESCRIPTION.value,
        "intended_use": _INTENDED_USE.value,
        "limits": _LIMITS.value,
        "root": zoo.find_root(_ZOO_ROOT.value),
        "variants": tuple(checks.one_of("variants", name, layout.VARIANTS) for name in _VARIANTS.value),
        "allow_operations": tuple(_ALLOW.value),
    }
    if _SIGNATURES.value is not None:
        facts["signatures"] = tuple(checks.one_of("signatures", n, layout.SIGNATURE_TYPES) for n in _SIGNATURES.value)
    facts["parent"] = None if _PARENT.value is None else zoo.resolve(_PARENT.value, facts["root"]).handle
    given = pathlib.Path(file)
    if (given / layout.GENERATOR_FILES[0]).exists():
        _publish_generators(given, handle, facts)
        return
    path = _keras_file(given / "model.keras" if given.is_dir() else given)
    settings = _settings(given) if given.is_dir() else None
    program.import_tensorflow()
    program.say(f"publishing {handle}: written by a new process, read back and compared")
    if settings is None:
        version = zoo.publish(_load(path), handle, training={"file": path.name}, **facts)
    else:
        version = _publish_run(path, handle, settings, facts)
    _print_published(version)


def _publish_generators(directory, handle, facts):
    """Publish what a run that trained two generators left, each with the settings of the run."""
    paths = [_keras_file(directory / name) for name in layout.GENERATOR_FILES]
    settings = _settings(directory)
    if facts.pop("parent") is not None:
        raise ValueError("--parent is that of one model: two generators are published.")
    given = facts.pop("metrics")
    shared = {name: value for name, value in given.items() if not name.startswith(("a2b.", "b2a."))}
    metrics = {
        one: {**shared, **{n.removeprefix(f"{one}."): v for n, v in given.items() if n.startswith(f"{one}.")}}
        for one in ("a2b", "b2a")
    }
    data = {name: settings[name] for name in ("domain_a", "split_a", "domain_b", "split_b") if name in settings}
    program.import_tensorflow()
    program.say(f"publishing {handle}_a2b and {handle}_b2a: written by a new process, read back and compared")
    versions = zoo.publish_translation(*map(_load, paths), handle, settings, metrics=metrics, data=data, **facts)
    if _JSON.value:
        print(json.dumps([_entry(version) for version in versions]))
    else:
        print("\n".join(f"{version.handle}\n{version.path}" for version in versions))


def _publish_run(path, handle, settings, facts):
    from keras_repvis import training

    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    config = training.Classification(**values, data_dir=_DATA_DIR.value)
    return zoo.publish_classifier(_load(path), handle, config, _TEST_SPLIT.value, **facts)


def _print_published(version, **more):
    if _JSON.value:
        print(json.dumps({**_entry(version), **more}))
    else:
        print(f"{version.handle}\n{version.path}")


def _entry(version):
    return {"handle": version.handle, "path": str(version.path), "version": version.version}


def _keras_file(path):
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(f"MODEL.keras='{path}' is not accepted: expected an existing file that ends in .keras.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"MODEL.keras='{path}' is not accepted: it is not what model.save(...) writes, a zip archive.")
    return path


def _settings(directory):
    path = directory / "settings.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise ValueError(f"RUN_DIR='{directory}' is not accepted: {path.name} is missing or damaged.") from None


def _load(path):
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"MODEL.keras='{path}' cannot be read: {error}") from error


def _parse_metric(text):
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not name or not math.isfinite(number):
        raise ValueError(f"metrics={text!r} is not accepted: expected name=number.")
    return name.strip(), number


def _verify(handle=None):
    if handle is None and _KEY.value:
        raise flags.Error("--key belongs to one version: name it.")
    if handle is None:
        versions = zoo.list_versions(_ZOO_ROOT.value, _SHIPPED.value)
    else:
        versions = [zoo.resolve(handle, _ZOO_ROOT.value)]
    found = {version.handle: _fault(version) for version in versions}
    if _KEY.value and not found[versions[0].handle]:
        zoo.verify_signature(versions[0], _KEY.value)
    if _JSON.value:
        print(json.dumps(found, indent=1))
    else:
        for name, fault in found.items():
            print(f"{name}: {fault or 'every byte is as published'}{', and signed' * bool(_KEY.value and not fault)}")
    if any(found.values()):
        sys.exit(1)


def _fault(version):
    try:
        version.verify()
    except (OSError, zoo.IntegrityError) as error:
        return str(error)
    return None


def _diff(a, b):
    if _VALUES.value:
        program.import_tensorflow()
    difference = zoo.diff(a, b, _ZOO_ROOT.value, values=_VALUES.value)
    if _JSON.value:
        print(json.dumps(difference.to_dict(), indent=1))
        return
    for title, header, rows in difference.tables():
        print(title)
        zoo_tables.print_table(header, rows)


def _alias(handle, alias):
    if _REMOVE.value:
        _print_aliases(zoo.remove_alias(handle, alias, _ZOO_ROOT.value))
    else:
        _print_aliases(zoo.set_alias(handle, alias, _ZOO_ROOT.value))


def _rollback(handle):
    _print_aliases(zoo.rollback(handle, _ZOO_ROOT.value))


def _print_aliases(aliases):
    print(json.dumps(aliases) if _JSON.value else "\n".join(f"{name}: {aliases[name]}" for name in sorted(aliases)))


def _gc():
    collection = zoo.gc(_KEEP.value, _ZOO_ROOT.value, _MODEL.value, _DRY_RUN.value)
    if _JSON.value:
        print(json.dumps(dataclasses.asdict(collection), indent=1))
        return
    word = "would be deleted" if _DRY_RUN.value else "deleted"
    rows = [(handle, word) for handle in collection.deleted]
    rows += [(handle, f"kept: {reason}") for handle, reason in sorted(collection.kept.items())]
    zoo_tables.print_table(("handle", ""), rows)


def _export(handle, destination):
    if _SERVING.value:
        print(zoo.export_for_serving(handle, destination, _ZOO_ROOT.value, _VARIANT.value))
    else:
        zoo.export_version(handle, destination, _ZOO_ROOT.value, _OVERWRITE.value)
        print(destination)


def _import(file):
    _print_published(zoo.import_version(file, _ZOO_ROOT.value))


def _sign(handle):
    if not _KEY.value:
        raise flags.Error("sign needs --key, the file of a private key.")
    print(zoo.sign(zoo.resolve(handle, _ZOO_ROOT.value), _KEY.value, overwrite=_OVERWRITE.value))


def _make(name):
    path = zoo.find_recipe(name)
    program.import_tensorflow()
    version, accuracies = zoo.make(zoo.load_recipe(path), _ZOO_ROOT.value)
    for seed, accuracy in accuracies.items():
        program.say(f"seed {seed}: test accuracy {accuracy:.4f}")
    _print_published(version, accuracies=accuracies)


def _reproduce(handle):
    zoo.resolve(handle, _ZOO_ROOT.value)
    program.import_tensorflow()
    found = zoo.reproduce(handle, _ZOO_ROOT.value, _DATA_DIR.value)
    if _JSON.value:
        print(json.dumps({**dataclasses.asdict(found), "agrees": found.agrees}))
    else:
        rows = [
            ("published accuracy", f"{found.published:.4f}"),
            ("accuracy now", f"{found.found:.4f}"),
            ("difference allowed", f"{found.allowed:.4f}, three standard errors on {found.examples} examples"),
            ("weights", "the same, byte for byte" if found.same_weights else "not the same bytes"),
            ("result", "agrees" if found.agrees else "DOES NOT AGREE"),
        ]
        zoo_tables.print_table((found.handle, ""), rows)
    if not found.agrees:
        sys.exit(1)


_COMMANDS = {
    "alias": (_alias, ["HANDLE ALIAS"]),
    "diff": (_diff, ["HANDLE HANDLE"]),
    "export": (_export, ["HANDLE FILE"]),
    "gc": (_gc, [""]),
    "import": (_import, ["FILE"]),
    "list": (_list, [""]),
    "make": (_make, ["RECIPE"]),
    "publish": (_publish, ["MODEL.keras HANDLE", "RUN_DIR HANDLE"]),
    "reproduce": (_reproduce, ["HANDLE"]),
    "rollback": (_rollback, ["HANDLE"]),
    "show": (_show, ["HANDLE"]),
    "sign": (_sign, ["HANDLE"]),
    "verify": (_verify, ["", "HANDLE"]),
}


if __name__ == "__main__":
    run()
