"""A signature vouches for the published bytes, and the model_signing tool agrees in both directions."""

import base64
import errno
import json
import os
import shutil
import subprocess
import sys

import pytest

from keras_repvis import zoo
from keras_repvis.zoo import manifest, signing
from keras_repvis.zoo.resolving import Version, resolve

_FILES = {"saved_model.pb": b"graph" * 20, "variables/a": b"\0" * 50, "variables/b": b"\1" * 50, "empty": b""}
_ABSENT = "the extra `sign` (model-signing, pyOpenSSL) is not installed"


@pytest.fixture(name="package")
def package_fixture():
    """Skip where the extra is not installed."""
    pytest.importorskip("model_signing.signing", reason=_ABSENT)


@pytest.fixture(name="keys", scope="module")
def keys_fixture(tmp_path_factory):
    """Return a function of a name and a curve that returns the paths of a private and a public key."""
    serialization, ec, rsa = (
        pytest.importorskip(f"cryptography.hazmat.primitives.{name}", reason=_ABSENT)
        for name in ("serialization", "asymmetric.ec", "asymmetric.rsa")
    )
    directory, made = tmp_path_factory.mktemp("keys"), {}

    def make(name="mine", curve="SECP256R1", password=None):
        if name in made:
            return made[name]
        key = rsa.generate_private_key(65537, 2048) if curve == "rsa" else ec.generate_private_key(getattr(ec, curve)())
        cipher = serialization.NoEncryption()
        if password:
            cipher = serialization.BestAvailableEncryption(password.encode())
        private, public = directory / f"{name}.pem", directory / f"{name}.pub"
        pem = serialization.Encoding.PEM
        private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, cipher))
        public.write_bytes(
            key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return made.setdefault(name, (private, public))

    return make


def _make_version(root, handle, content=b"\1" * 50):
    directory = root / handle
    for name, text in {**_FILES, "variables/b": content}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    manifest.write(directory, {"handle": handle, "metrics": {"accuracy": 0.5}})
    return Version(handle, directory, int(handle.rpartition("/")[2]))


@pytest.fixture(name="version")
def version_fixture(tmp_path):
    return _make_version(tmp_path / "zoo", "me/net/3")


def _tool(*arguments):
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _names(version):
    return sorted(os.listdir(version.path.parent))


@pytest.mark.parametrize("function", [signing.sign, signing.verify_signature])
def test_without_the_package(version, monkeypatch, function):
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(ValueError, match=r"pip install 'keras-repvis\[sign\]'"):
        function(version, "key.pem")
    assert _names(version) == ["3"]


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_round_trip(package, keys, version, curve):
    private, public = keys(curve, curve)
    path = signing.sign(version, private)
    assert path == version.path.parent / "3.sig" == signing.signature_path(version)
    assert _names(version) == ["3", "3.sig"]
    assert signing.verify_signature(version, public) == version.manifest
    manifest.verify(version.path)


def test_takes_handles(package, keys, version):
    private, public = keys()
    root = version.path.parents[2]
    signing.sign("me/net", private, root)
    assert signing.verify_signature("me/net/3", str(public), root)["handle"] == "me/net/3"
    assert signing.verify_signature(str(version.path), public)["handle"] == "me/net/3"
    assert resolve("me/net", root).version == 3


def test_signs_the_digests_of_the_manifest(package, keys, version):
    import model_signing.hashing

    path = signing.sign(version, keys()[0])
    statement = json.loads(base64.b64decode(json.loads(path.read_bytes())["dsseEnvelope"]["payload"]))
    signed = {entry["name"]: entry["digest"] for entry in statement["predicate"]["resources"]}
    own = {entry.identifier: entry.digest.digest_hex
           for entry in model_signing.hashing.hash(version.path).resource_descriptors()}
    assert signed == own
    signed.pop("manifest.json")
    assert signed == {name: file["sha256"] for name, file in version.manifest["files"].items()}


def test_the_tool_verifies_ours(package, keys, version):
    private, public = keys()
    path = signing.sign(version, private)
    arguments = ("verify", "key", version.path, "--signature", path, "--public_key", public)
    answer = _tool(*arguments)
    assert (answer.returncode, "succeeded" in answer.stdout) == (0, True), answer.stderr
    (version.path / "variables/b").write_bytes(b"\2" * 50)
    answer = _tool(*arguments)
    assert answer.returncode == 1 and "variables/b" in answer.stderr


def test_we_verify_the_tools(package, keys, version):
    private, public = keys()
    path = signing.signature_path(version)
    answer = _tool("sign", "key", version.path, "--signature", path, "--private_key", private)
    assert answer.returncode == 0, answer.stderr
    assert signing.verify_signature(version, public)["handle"] == "me/net/3"
    (version.path / "variables/b").write_bytes(b"\2" * 50)
    with pytest.raises(zoo.IntegrityError, match="variables/b: its SHA-256 differs"):
        signing.verify_signature(version, public)


def test_who_rewrites_the_manifest_too_is_found(package, keys, version):
    # What a manifest cannot notice: it was made again for other bytes.
    private, public = keys()
    signing.sign(version, private)
    forged = _make_version(version.path.parents[2], "me/net/3", content=b"\2" * 50)
    manifest.verify(forged.path)
    with pytest.raises(zoo.IntegrityError, match=r"3.sig: does not hold for me/net/3: .*variables/b"):
        signing.verify_signature(forged, public)
    manifest.write(forged.path, {"handle": "me/net/3", "metrics": {"accuracy": 0.9}})
    with pytest.raises(zoo.IntegrityError, match=r"3.sig: does not hold for me/net/3"):
        signing.verify_signature(forged, public)


def test_an_added_file_is_found(package, keys, version):
    private, public = keys()
    signing.sign(version, private)
    # The package does not look at this one.
    (version.path / ".gitignore").write_bytes(b"")
    with pytest.raises(zoo.IntegrityError, match=".gitignore: is not in the manifest"):
        signing.verify_signature(version, public)
    manifest.write(version.path, {"handle": "me/net/3"})
    with pytest.raises(zoo.IntegrityError, match="the signature does not cover .gitignore"):
        signing.sign(version, private, overwrite=True)


def test_a_damaged_version_is_not_signed(package, keys, version):
    (version.path / "variables/b").write_bytes(b"\2" * 50)
    with pytest.raises(zoo.IntegrityError, match="variables/b: its SHA-256 differs"):
        signing.sign(version, keys()[0])
    assert _names(version) == ["3"]


def test_another_key(package, keys, version):
    signing.sign(version, keys()[0])
    for other in (keys("other"), keys("larger", "SECP384R1")):
        with pytest.raises(zoo.IntegrityError, match="3.sig: does not hold for me/net/3: Key mismatch"):
            signing.verify_signature(version, other[1])


def test_a_forged_statement(package, keys, version):
    private, public = keys()
    path = signing.sign(version, private)
    bundle = json.loads(path.read_bytes())
    payload = bytearray(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    payload[payload.index(b"variables")] ^= 1
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(bundle))
    with pytest.raises(zoo.IntegrityError, match="it is not a signature by this key"):
        signing.verify_signature(version, public)


def test_the_signature_of_another_version(package, keys, version):
    private, public = keys()
    other = _make_version(version.path.parents[2], "me/net/4")
    shutil.copy(signing.sign(version, private), signing.signature_path(other))
    with pytest.raises(zoo.IntegrityError, match="4.sig: does not hold for me/net/4: .*manifest.json"):
        signing.verify_signature(other, public)


def test_a_manifest_that_is_swapped_meanwhile(package, keys, version, monkeypatch):
    private, public = keys()
    signing.sign(version, private)
    verify = Version.verify
    monkeypatch.setattr(Version, "verify", lambda self: {**verify(self), "metrics": {"accuracy": 1.0}})
    with pytest.raises(zoo.IntegrityError, match="manifest.json: was changed while it was read"):
        signing.verify_signature(version, public)


def test_a_large_file_is_not_read(package, keys, version, monkeypatch):
    path = signing.sign(version, keys()[0])
    monkeypatch.setattr(signing, "_MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(zoo.IntegrityError, match="3.sig: is larger than any signature"):
        signing.verify_signature(version, keys()[1])


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b"[[", b"\xff", b'{"dsseEnvelope": {}}'])
def test_not_a_signature(package, keys, version, content):
    signing.signature_path(version).write_bytes(content)
    with pytest.raises(zoo.IntegrityError, match="3.sig: does not hold"):
        signing.verify_signature(version, keys()[1])


def test_no_signature(package, keys, version, tmp_path):
    with pytest.raises(zoo.IntegrityError, match="3.sig: is missing: not signed"):
        signing.verify_signature(version, keys()[1])
    path = signing.sign(version, keys()[0])
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(zoo.IntegrityError, match="3.sig: is a symbolic link"):
        signing.verify_signature(version, keys()[1])


def test_a_signature_of_some_files(package, keys, version):
    private, public = keys()
    ignored = version.path / "empty"
    path = signing.signature_path(version)
    answer = _tool(
        "sign", "key", version.path, "--signature", path, "--private_key", private, "--ignore-paths", ignored
    )
    assert answer.returncode == 0, answer.stderr
    with pytest.raises(zoo.IntegrityError, match="3.sig: the signature does not cover empty"):
        signing.verify_signature(version, public)


def test_a_signature_of_other_digests(package, keys, version):
    from model_signing import hashing
    from model_signing import signing as theirs

    private, public = keys()
    config = theirs.Config().use_elliptic_key_signer(private_key=private)
    config.set_hashing_config(hashing.Config().use_file_serialization(hashing_algorithm="blake3"))
    config.sign(version.path, signing.signature_path(version))
    with pytest.raises(zoo.IntegrityError, match="expected files by sha256"):
        signing.verify_signature(version, public)


def test_a_signature_stays_unless_told(package, keys, version):
    path = signing.sign(version, keys()[0])
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="3.sig"):
        signing.sign(version, keys("other")[0])
    assert path.read_bytes() == before
    assert _names(version) == ["3", "3.sig"]
    signing.sign(version, keys("other")[0], overwrite=True)
    signing.verify_signature(version, keys("other")[1])


def test_a_failed_write_leaves_nothing(package, keys, version, monkeypatch):
    def link(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="No space left"):
        signing.sign(version, keys()[0])
    assert _names(version) == ["3"]


def test_an_encrypted_key(package, keys, version):
    private, public = keys("encrypted", password="secret")
    with pytest.raises(ValueError, match="key_file=.*encrypted.pem' is not accepted"):
        signing.sign(version, private)
    with pytest.raises(ValueError, match="key_file=.*encrypted.pem' is not accepted"):
        signing.sign(version, private, password="guess")
    signing.sign(version, private, password="secret")
    signing.verify_signature(version, public)


@pytest.mark.parametrize("kind", ["absent", "directory", "none", "text", "rsa", "curve", "swapped"])
def test_keys_that_are_not_accepted(package, keys, version, tmp_path, kind):
    if kind in ("rsa", "curve"):
        private, public = keys(kind, {"rsa": "rsa", "curve": "SECP256K1"}[kind])
    elif kind == "swapped":
        public, private = keys()
    else:
        (tmp_path / "text").write_text("no key")
        private = public = {"absent": tmp_path / "absent", "directory": tmp_path, "text": tmp_path / "text"}.get(kind)
    with pytest.raises(ValueError, match="^key_file="):
        signing.sign(version, private)
    with pytest.raises(ValueError, match="^public_key_file="):
        signing.verify_signature(version, public)
    assert _names(version) == ["3"]
