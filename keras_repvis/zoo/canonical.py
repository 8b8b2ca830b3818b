"""The same bytes for the same content: takes times, addresses and chance out of what TensorFlow and Keras write.

The rest is done by `keras_repvis.zoo.exporting`, whose fresh process numbers everything from the start.
"""

import hashlib
import json
import os
import pathlib
import shutil
import uuid
import zipfile

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # The first moment a zip archive can tell.
_READABLE = 0o644 << 16


def canonical_keras_file(path):
    """Rewrite a `.keras` file without the moment it was written and the addresses of objects in memory."""
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.canonical")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(temporary, "w") as target:
        for name in sorted(source.namelist()):
            member = zipfile.ZipInfo(name, _EARLIEST)
            member.external_attr = _READABLE
            with source.open(name) as before, target.open(member, "w", force_zip64=True) as after:
                if name in ("config.json", "metadata.json"):
                    after.write(json.dumps(_without_chance(json.load(before), {})).encode())
                else:
                    shutil.copyfileobj(before, after)
    os.replace(temporary, path)


def _without_chance(value, numbers):
    """Return a JSON value without `date_saved`, and with shared objects numbered 1, 2, ... as they come."""
    if isinstance(value, list):
        return [_without_chance(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        if name == "shared_object_id":
            kept[name] = numbers.setdefault(item, len(numbers) + 1)
        elif name != "date_saved":
            kept[name] = _without_chance(item, numbers)
    return kept


def canonical_saved_model(directory):
    """Replace the random number in a SavedModel's `fingerprint.pb` by one made of its content; drop empty folders."""
    from tensorflow.core.protobuf import fingerprint_pb2

    directory = pathlib.Path(directory)
    for name in ("assets", "assets.extra"):
        if (directory / name).is_dir() and not any((directory / name).iterdir()):
            (directory / name).rmdir()
    path = directory / "fingerprint.pb"
    if not path.exists():
        return
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    content = hashlib.sha256((directory / "saved_model.pb").read_bytes())
    for file in sorted((directory / "variables").glob("*")):
        content.update(file.read_bytes())
    fingerprint.uuid = str(uuid.UUID(bytes=content.digest()[:16]))
    path.write_bytes(fingerprint.SerializeToString(deterministic=True))
