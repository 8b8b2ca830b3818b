"""Brings a data set of TensorFlow Datasets to this machine's disk, once."""

import contextlib
import os
import threading

import tensorflow_datasets as tfds

from keras_repvis import checks
from keras_repvis.data import catalog

# A host that cannot be reached is given up after seconds; TensorFlow Datasets' ten attempts take three minutes.
_DOWNLOAD_ATTEMPTS = 4
_LOCK = threading.Lock()


def prepared_builder(name, data_dir=None):
    """Return the builder of the data set `name`, made or downloaded first if it is not on disk yet.

    Several processes may ask at once: each writes to a directory of its own and the first to finish gives it its name;
    the others then read that one.

    Args:
        name: A known name, with a configuration or version if wanted, as in "imagenette/160px-v2".
        data_dir: Where data sets lie. Default: the directory of TensorFlow Datasets (`~/tensorflow_datasets`, or the
            environment variable TFDS_DATA_DIR).

    Returns:
        `tfds.core.DatasetBuilder`, ready to read.

    Raises:
        ValueError: If the name, configuration or version is unknown.
        OSError: If the data set can be neither made nor downloaded; the message says what to do.
    """
    known = catalog.entry(name)
    builder = _builder(known, name, data_dir)
    try:
        with _LOCK, _hidden_progress(builder) if known.bundled else _few_attempts():
            builder.download_and_prepare()
    except Exception as error:
        written_by_another = _builder(known, name, data_dir)
        if written_by_another.is_prepared():
            return written_by_another
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(builder.data_dir_root, known.name))  # only if empty
        raise OSError(_advice(known, name, builder, error)) from error
    return builder


def _builder(known, name, data_dir):
    configurations = [config.name for config in tfds.builder_cls(known.name).BUILDER_CONFIGS]
    wanted = name.split(":")[0].partition("/")[2]
    if wanted and configurations:
        checks.one_of("configuration", wanted, configurations)
    try:
        return tfds.builder(name, data_dir=data_dir)
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"dataset={name!r} is not accepted by TensorFlow Datasets: {error}") from error


def _advice(known, name, builder, error):
    reason = f"{type(error).__name__}: {error}"
    if known.bundled:
        return f"dataset {known.name!r} could not be written below {builder.data_dir!r}: {reason}"
    entries = [catalog.entry(each) for each in catalog.names()]
    bundled = ", ".join(each.name for each in entries if each.bundled and each.one_label == known.one_label)
    return (
        f"dataset {known.name!r} is not in {builder.data_dir!r} and could not be downloaded ({reason}). Where there is "
        f"a network, run `tfds build {name}` and copy the folder {known.name!r} of its data directory to "
        f"{os.fspath(builder.data_dir_root)!r}; or use a data set that needs no download: {bundled}."
    )


@contextlib.contextmanager
def _hidden_progress(builder):
    """Hide the bars and notices about a download, which a bundled data set does not need."""
    from tensorflow_datasets.core.utils import tqdm_utils

    shown = tqdm_utils._active
    builder._log_download_bytes = builder._log_download_done = lambda: None
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.display_progress_bar(shown)


@contextlib.contextmanager
def _few_attempts():
    from tensorflow_datasets.core.download import downloader

    usual = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = _DOWNLOAD_ATTEMPTS
    try:
        yield
    finally:
        downloader.MAX_RETRIES = usual
