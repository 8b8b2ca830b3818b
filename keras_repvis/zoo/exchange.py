"""Versions carried out of a zoo and into another: an archive with all of it, or a folder for TF Serving."""

import pathlib
import shutil

from keras_repvis import checks
from keras_repvis.zoo import archive, manifest, transaction
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.layout import FOLDED
from keras_repvis.zoo.resolving import Version, reading
from keras_repvis.zoo.root import find_root

_SERVABLE = (FOLDED, "reference")


def export_version(handle, file, root=None, overwrite=False):
    """Write a version, verified, to one archive; the same version gives the same bytes.

    Args:
        handle: As in `resolve`.
        file: Path that ends in `.tar` or `.tar.gz`.
        root: Root of the zoo; see `find_root`.
        overwrite: Whether to replace a file that exists. Default False.

    Returns:
        The exported `Version`.

    Raises:
        ValueError: If the handle means nothing or the name of the file is not accepted.
        IntegrityError: If the version is not what was published.
        FileExistsError: If `file` exists and is not to be replaced.

    Example:
        >>> import pathlib, tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
        ...     _ = zoo.publish(model, "me/tiny", here)
        ...     _ = zoo.export_version("me/tiny", pathlib.Path(here, "tiny.tar.gz"), here)
        ...     print(zoo.import_version(pathlib.Path(here, "tiny.tar.gz"), there).handle)
        me/tiny/1
    """
    with reading(handle, root) as version:
        version.verify()
        archive.pack(version.path, version.handle.replace("/", "-"), file, overwrite)
    return version


def import_version(file, root=None):
    """Put the version in an archive into a zoo, under the handle it had where it was exported.

    Nothing in the archive is trusted: see `keras_repvis.zoo.archive.unpack`. The version appears by one rename, after
    every byte of it was compared with its manifest.

    Args:
        file: Path of an archive that `export_version` wrote.
        root: Root of the zoo; see `find_root`. It is made if it does not exist.

    Returns:
        The `Version`; the one that is there already if it has the same content.

    Raises:
        IntegrityError: If the archive is refused, or what it holds is not what was published; nothing is left behind.
        VersionExistsError: If another version has its handle, or had it.

    Example:
        >>> import pathlib, tempfile
        >>> from keras_repvis import zoo
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     file = pathlib.Path(directory, "v1.tar")
        ...     _ = zoo.export_version("repvis/mobilenet_v1_digits", file, root=directory)
        ...     print(zoo.import_version(file, pathlib.Path(directory, "mine")).handle)
        repvis/mobilenet_v1_digits/1
    """
    root = find_root(root)
    # Whose it is stands in the manifest, which is inside: it is unpacked beside the publishers first.
    with transaction.incoming(root) as unpacked:
        archive.unpack(file, unpacked)
        record = manifest.verify(unpacked)
        parsed = _handle(record, file)
        with transaction.incoming(root / parsed.publisher / parsed.model) as directory:
            for path in unpacked.iterdir():
                path.rename(directory / path.name)

            def seal(number):
                """Nothing: the manifest carries the number already."""

            path, number = transaction.commit(
                directory, seal, record["digest"], number=parsed.version, event="imported"
            )
    return Version(str(parsed), path, number)


def export_for_serving(handle, directory, root=None, variant=None):
    """Copy the SavedModel of a version to `<directory>/<model>/<version>`, where TF Serving finds it.

    The model base path for TF Serving is then `<directory>/<model>`.

    Args:
        handle: As in `resolve`.
        directory: Path of a directory; it need not exist.
        root: Root of the zoo; see `find_root`.
        variant: "folded" or "reference"; None for the folded variant if the version has one, which is faster.

    Returns:
        `pathlib.Path` of the copy.

    Raises:
        ValueError: If the handle means nothing or the version has no such variant.
        IntegrityError: If the version is not what was published.
        FileExistsError: If there is such a version already.

    Example:
        >>> import pathlib, tempfile
        >>> from keras_repvis import zoo
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = zoo.export_for_serving("repvis/mobilenet_v1_digits/1", directory)
        ...     print(path.relative_to(directory), sorted(file.name for file in path.iterdir()))
        mobilenet_v1_digits/1 ['fingerprint.pb', 'saved_model.pb', 'variables']
    """
    with reading(handle, root) as version:
        variants = version.verify()["variants"]
        accepted = [name for name in _SERVABLE if name == "reference" or name in variants]
        variant = accepted[0] if variant is None else checks.one_of(f"variant of {version.handle}", variant, accepted)
        source = version.path if variant == "reference" else version.path / variants[variant]["file"]
        _, model, number = version.handle.split("/")
        target = pathlib.Path(directory, model, number)
        if target.exists():
            raise FileExistsError(f"{target} exists: remove it, or choose another directory.")
        with transaction.incoming(target.parent) as incoming:
            for name in ("saved_model.pb", "fingerprint.pb", "variables", "assets"):
                if (source / name).is_dir():
                    shutil.copytree(source / name, incoming / name)
                elif (source / name).exists():
                    shutil.copy(source / name, incoming / name)
            transaction.flush_tree(incoming)
            incoming.rename(target)
    return target


def _handle(record, file):
    try:
        parsed = handles.parse(record.get("handle"))
    except ValueError as error:
        raise manifest.IntegrityError(f"{file}: {manifest.FILE}: {error}") from None
    if parsed.version is None or parsed.alias is not None:
        raise manifest.IntegrityError(f"{file}: {manifest.FILE}: {record['handle']!r} names no version.")
    return parsed
