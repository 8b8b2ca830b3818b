"""Brings a data set of TensorFlow Datasets to this machine's disk, once."""

import contextlib
import io

import tensorflow_datasets as tfds

from keras_repvis.data import catalog


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
    builder = _builder(name, data_dir)
    try:
        with _quiet() if known.bundled else contextlib.nullcontext():
            builder.download_and_prepare()
    except Exception as error:
        won_by_another = _builder(name, data_dir)
        if won_by_another.is_prepared():
            return won_by_another
        raise OSError(_advice(known, builder, error)) from error
    return builder


def _builder(name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, AssertionError) as error:
        raise ValueError(f"dataset={name!r} is not known to TensorFlow Datasets: {error}") from error


def _advice(known, builder, error):
    reason = f"{type(error).__name__}: {error}"
    if known.bundled:
        return f"dataset {known.name!r} could not be written below {builder.data_dir!r}: {reason}"
    bundled = ", ".join(name for name in catalog.names() if catalog.entry(name).bundled)
    return (
        f"dataset {known.name!r} is not in {builder.data_dir!r} and could not be downloaded ({reason}). Where there is "
        f"a network, run `tfds build {known.name}`, copy the folder {known.name!r} of its data directory to "
        f"{builder.data_dir_root!s} and try again; or use a data set that needs no download: {bundled}."
    )


@contextlib.contextmanager
def _quiet():
    """Hide the progress bars and the notice about a download that a bundled data set does not need."""
    from tensorflow_datasets.core.utils import tqdm_utils

    shown = tqdm_utils._active
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(shown)
