"""Signatures of versions: who vouches for the bytes, not only that they are whole.

The package `model-signing` of the OpenSSF signs a list of (path, SHA-256) of every file of a version directory, its
manifest included: the same digests that the manifest has. The signature `<model>/<n>.sig` lies beside the directory,
because a file added to a version is a damage to it. The command `model_signing` writes and verifies the same files:

    model_signing sign key 3 --private_key key.pem --signature 3.sig
    model_signing verify key 3 --public_key key.pub --signature 3.sig

Here are keys on elliptic curves (NIST P-256, P-384 or P-521, as PEM files). For certificates, PKCS #11 and Sigstore's
identities use that command; it reads a version directory like any other.
"""

import base64
import hashlib
import json
import os
import pathlib
import tempfile

from keras_repvis.zoo import layout, manifest, transaction, whole_file
from keras_repvis.zoo.manifest import IntegrityError
from keras_repvis.zoo.resolving import Version, reading

SUFFIX = layout.SIGNATURE
# A signature lists some twenty files.
_MAX_BYTES = 16 << 20


def sign(version, key_file, root=None, password=None, overwrite=False):
    """Sign a published version with a private key.

    Every byte of the version is compared with its manifest first, and what was signed afterwards, so that a signature
    is always one of the published bytes. It appears whole or not at all.

    Args:
        version: A `Version`, or a handle or path as in `zoo.resolve`.
        key_file: Path of the private key, a PEM file.
        root: Root of the zoo; see `find_root`.
        password: String that decrypts the key, or None if it is not encrypted.
        overwrite: Whether to replace a signature that is there, for instance of another key. Default False.

    Returns:
        `pathlib.Path` of the signature.

    Raises:
        ValueError: If the package `model-signing` is not installed, or an argument is not accepted.
        IntegrityError: If the version is not what its manifest says.
        FileExistsError: If the version is signed already and `overwrite` is False.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.sign("me/tiny", "key.pem", tempfile.mkdtemp())
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    model_signing = _import_package()
    with reading(_handle(version), root) as found:
        record = found.verify()
        config = _with_key("key_file", key_file, lambda path: model_signing.signing.Config().use_elliptic_key_signer(
            private_key=path, password=None if password is None else password.encode()
        ))
        target = signature_path(found)
        with transaction.incoming(found.path.parent) as directory:
            temporary = directory / target.name
            config.sign(found.path, temporary)
            _check_list(temporary.read_bytes(), found, record, found.path)
            transaction.flush(temporary)
            whole_file.put(temporary, target, overwrite)
    return target


def verify_signature(version, public_key_file, root=None):
    """Check that a published version is, byte for byte, what the holder of a key signed.

    Args:
        version: A `Version`, or a handle or path as in `zoo.resolve`.
        public_key_file: Path of the public key, a PEM file.
        root: Root of the zoo; see `find_root`.

    Returns:
        The manifest as a dict.

    Raises:
        ValueError: If the package `model-signing` is not installed, or an argument is not accepted.
        IntegrityError: If the version is not what its manifest says, has no signature, or one of another key, of other
            files or of fewer files; the message names the file.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.verify_signature("me/tiny", "key.pub", tempfile.mkdtemp())
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    model_signing = _import_package()
    with reading(_handle(version), root) as found:
        record = found.verify()
        config = _with_key("public_key_file", public_key_file, lambda path: (
            model_signing.verifying.Config().use_elliptic_key_verifier(public_key=path)
        ))
        path = signature_path(found)
        signature = _read(path)
        with tempfile.TemporaryDirectory() as directory:
            # A copy: what is verified and what is compared below are the same bytes, whatever happens to the file.
            copy = pathlib.Path(directory, path.name)
            copy.write_bytes(signature)
            try:
                config.verify(found.path, copy)
            except Exception as error:
                # The package raises what its parts raise, from KeyError to the InvalidSignature of cryptography.
                reason = str(error) or "it is not a signature by this key"
                raise IntegrityError(f"{path}: does not hold for {found.handle}: {reason}") from error
        _check_list(signature, found, record, path)
    return record


def signature_path(version):
    """Return the `pathlib.Path` of the signature of a `Version`, whether it is there or not."""
    return version.path.with_name(version.path.name + SUFFIX)


def _import_package():
    try:
        import model_signing
        import model_signing.signing
        import model_signing.verifying
    except ImportError as error:
        # Its release 1.1.1 does not ask for pyOpenSSL although it imports it; the extra does.
        raise ValueError(
            f"signatures need the packages model-signing and pyOpenSSL: pip install 'keras-repvis[sign]' ({error})."
        ) from error
    return model_signing


def _handle(version):
    return version.path if isinstance(version, Version) else version


def _with_key(argument, key_file, use):
    """Return `use(path of the key)`; whatever goes wrong is about the key."""
    if not isinstance(key_file, (str, os.PathLike)):
        raise ValueError(f"{argument}={key_file!r} is not accepted: expected the path of a PEM file.")
    try:
        return use(pathlib.Path(key_file))
    except OSError as error:
        raise ValueError(f"{argument}='{key_file}' cannot be read: {error.strerror}.") from error
    except Exception as error:
        raise ValueError(
            f"{argument}='{key_file}' is not accepted: expected a key on the curve P-256, P-384 or P-521 in a PEM "
            f"file. {error}"
        ) from error


def _read(path):
    if path.is_symlink() or not path.is_file():
        raise IntegrityError(f"{path}: {'is a symbolic link' if path.is_symlink() else 'is missing: not signed'}.")
    with open(path, "rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise IntegrityError(f"{path}: is larger than any signature.")
    return content


def _check_list(signature, version, record, place):
    """Raise unless `signature` is about exactly the files of the version and their digests."""
    signed = _signed_files(signature, place)
    files = {name: file["sha256"] for name, file in record["files"].items()}
    files[manifest.FILE] = _digest_manifest(version, record)
    for name in sorted(files.keys() | signed.keys()):
        if name not in signed:
            raise IntegrityError(f"{place}: the signature does not cover {name}.")
        if name not in files:
            raise IntegrityError(f"{place}: the signature covers {name}, which is not in the manifest.")
        if files[name] != signed[name]:
            raise IntegrityError(f"{place}: the signature is of other bytes of {name}.")


def _digest_manifest(version, record):
    """Return the SHA-256 of the manifest, which is still the one that `record` was read from."""
    path = version.path / manifest.FILE
    content = path.read_bytes()
    if json.loads(content) != record:
        raise IntegrityError(f"{path}: was changed while it was read.")
    return hashlib.sha256(content).hexdigest()


def _signed_files(signature, place):
    """Return a dict of name -> SHA-256, what the statement inside a bundle lists; the caller has it verified."""
    try:
        envelope = json.loads(signature)["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        resources = statement["predicate"]["resources"]
        digests = {resource["name"]: resource["digest"] for resource in resources}
        kinds = {resource["algorithm"] for resource in resources}
        method = statement["predicate"]["serialization"]["method"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise IntegrityError(f"{place}: is not a signature of model-signing 1.0 or later.") from None
    if method != "files" or kinds != {"sha256"}:
        raise IntegrityError(
            f"{place}: the signature is of {method} by {', '.join(sorted(kinds))}; expected files by sha256."
        )
    return digests
