"""No byte of a version changes unnoticed."""

import hashlib
import json
import os
import random
import shutil

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest

_FILES = {"saved_model.pb": b"graph" * 20, "variables/a": b"\0" * 50, "variables/b": b"\1" * 50, "empty": b""}


@pytest.fixture(name="version")
def version_fixture(tmp_path):
    directory = tmp_path / "1"
    for name, content in _FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (directory / "assets").mkdir()
    manifest.write(directory, {"handle": "a/b/1", "metrics": {"accuracy": 0.5}})
    return directory


def test_lists_every_file_with_size_and_digest(version):
    record = manifest.verify(version)
    assert record["metrics"] == {"accuracy": 0.5}
    assert record["files"] == {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for name, content in _FILES.items()
    }


def test_is_the_same_bytes_for_the_same_content(version):
    first = (version / manifest.FILE).read_bytes()
    manifest.write(version, {"metrics": {"accuracy": 0.5}, "handle": "a/b/1"})
    assert (version / manifest.FILE).read_bytes() == first


def test_a_flipped_bit_is_found_and_named(version):
    path = version / "variables/b"
    path.write_bytes(b"\1" * 30 + b"\3" + b"\1" * 19)
    with pytest.raises(zoo.IntegrityError, match="variables/b: its SHA-256 differs"):
        manifest.verify(version)
    manifest.verify(version, hashes=False)


def test_truncation_is_found_by_size_alone(version):
    (version / "variables/b").write_bytes(b"\1" * 49)
    with pytest.raises(zoo.IntegrityError, match="variables/b: has 49 bytes, the manifest says 50"):
        manifest.verify(version, hashes=False)


def test_missing_file(version):
    (version / "empty").unlink()
    with pytest.raises(zoo.IntegrityError, match="empty: is missing"):
        manifest.verify(version, hashes=False)


def test_extra_file(version):
    (version / "assets" / "more").write_bytes(b"")
    with pytest.raises(zoo.IntegrityError, match="assets/more: is not in the manifest"):
        manifest.verify(version, hashes=False)


@pytest.mark.parametrize("name", ["variables/b", "extra", "variables"])
def test_symbolic_links(version, tmp_path, name):
    # Even to the same bytes: what a link points to can change without a trace in the directory.
    path, elsewhere = version / name, tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.write_bytes(b"x")
    path.symlink_to(elsewhere)
    with pytest.raises(zoo.IntegrityError, match=f"{name}: is a symbolic link"):
        manifest.verify(version)


def test_a_link_for_a_manifest(version, tmp_path):
    shutil.move(version / manifest.FILE, tmp_path / "elsewhere")
    (version / manifest.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(zoo.IntegrityError, match="manifest.json: is a symbolic link"):
        manifest.verify(version)


def test_a_pipe(version):
    os.mkfifo(version / "pipe")
    with pytest.raises(zoo.IntegrityError, match="pipe: is neither a file nor a directory"):
        manifest.verify(version)


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 100000, b'{"digest": "x"}', b"[" * 100000, b'{"a": NaN}']
)
def test_not_a_manifest(version, text):
    (version / manifest.FILE).write_bytes(text)
    with pytest.raises(zoo.IntegrityError, match="manifest.json"):
        manifest.read(version)


def test_a_later_format(version):
    manifest.write(version, {"format": 3})
    with pytest.raises(zoo.IntegrityError, match="has format 3"):
        manifest.read(version)


def test_every_kind_of_seeded_corruption_is_found(version, tmp_path):
    chance = random.Random(7)
    files = [*_FILES, manifest.FILE]
    for trial in range(300):
        copy = tmp_path / f"copy{trial}"
        shutil.copytree(version, copy)
        path = copy / chance.choice([name for name in files if name != "empty"])
        content = bytearray(path.read_bytes())
        kind = chance.choice(["flip", "truncate", "extend", "swap", "delete", "add"])
        if kind == "flip":
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
        elif kind == "truncate":
            path.write_bytes(content[: chance.randrange(len(content))])
        elif kind == "extend":
            path.write_bytes(content + chance.choice([b"\n", b" ", b"\0"]))
        elif kind == "swap":
            first, second = chance.sample(files, 2)
            (copy / first).rename(copy / "held")
            (copy / second).rename(copy / first)
            (copy / "held").rename(copy / second)
        elif kind == "delete":
            path.unlink()
        else:
            (copy / f"variables/extra{trial}").write_bytes(bytes(content))
        with pytest.raises(zoo.IntegrityError):
            manifest.verify(copy)
        shutil.rmtree(copy)


def test_a_number_changed_with_its_digest_left_is_found(version):
    record = json.loads((version / manifest.FILE).read_text())
    record["metrics"]["accuracy"] = 0.9
    (version / manifest.FILE).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    with pytest.raises(zoo.IntegrityError, match="was changed after publication"):
        manifest.read(version)


def test_the_digest_is_that_of_what_was_published(version):
    facts = {"metrics": {"accuracy": 0.5}, "handle": "a/b/1", "created": "now", "check": {"differences": {}}}
    first = manifest.write(version, facts)
    for name in manifest.EVIDENCE:
        (version / name).write_text("made on the way")
    again = manifest.write(version, {**facts, "handle": "a/b/2", "created": "later", "variants": {"folded": {}}})
    assert again["digest"] == first["digest"] and again["seal"] != first["seal"]
    others = [manifest.write(version, {**facts, "metrics": {"accuracy": 0.6}})["digest"]]
    (version / "saved_model.pb").write_bytes(b"another graph")
    others.append(manifest.write(version, facts)["digest"])
    assert len({first["digest"], *others}) == 3


def test_bytes_are_compared_once_and_again_after_a_change(version, monkeypatch):
    hashed = []
    sha256 = manifest._sha256
    monkeypatch.setattr(manifest, "_sha256", lambda path: (hashed.append(path.name), sha256(path))[1])
    manifest.verify(version, "once")
    assert len(hashed) == len(_FILES)
    manifest.verify(version, "once")
    assert len(hashed) == len(_FILES)
    manifest.verify(version)
    assert len(hashed) == 2 * len(_FILES)
    path = version / "variables" / "b"
    path.write_bytes(b"\3" * 50)
    with pytest.raises(zoo.IntegrityError, match="variables/b: its SHA-256 differs"):
        manifest.verify(version, "once")
    path.write_bytes(b"\1" * 50)
    os.utime(path, ns=(0, 0))
    manifest.verify(version, "once")
    assert len(hashed) > 3 * len(_FILES)
