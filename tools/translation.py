"""The work of repvis-translate: which files become which, each translated and written whole, and what is said of it."""

import collections
import dataclasses
import glob
import io
import os
import pathlib
import signal

from keras_repvis import checks
from keras_repvis.data import encoding, image_metadata, pixels
from keras_repvis.zoo import whole_file

_WORDS = {"exif": "EXIF", "icc": "colour profile", "xmp": "XMP", "dpi": "resolution", "alpha": "opacity"}
_BY_TILE = "in overlapping tiles, blended; normalisation over the image differs by tile, which changes the result"


@dataclasses.dataclass(frozen=True)
class Job:
    """One image: the file it is in, the file its answer goes to, and whether that is to be written."""

    source: str
    destination: pathlib.Path
    is_due: bool


@dataclasses.dataclass
class Outcome:
    """What became of all images.

    Attributes:
        translated: Number of files written.
        kept: Number of files that were there already.
        failures: List of (file, why it was not translated).
        sizes: Counter of how images came to the sizes of the model.
        lost: Counter of what the formats could not hold.
        converted: Counter of conversions between grey and colour.
    """

    translated: int = 0
    kept: int = 0
    failures: list = dataclasses.field(default_factory=list)
    sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    lost: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    converted: collections.Counter = dataclasses.field(default_factory=collections.Counter)


def plan(patterns, output, file_format=None, overwrite=False):
    """Return a list of `Job`, one for each image file that is meant, in the order of their names.

    Args:
        patterns: Files, folders (with their sub-folders), or patterns.
        output: `pathlib.Path` of the folder for the answers.
        file_format: Name of a format, or None for each file's own.
        overwrite: Whether files that exist are to be replaced.

    Raises:
        ValueError: If there is no such file, a folder has no image, two answers would have one name, or an answer would
            replace its source.
    """
    if output.exists() and not output.is_dir():
        raise ValueError(f"output={str(output)!r} is not accepted: it is a file.")
    places = {}
    for pattern in patterns:
        for source, relative in _find(os.path.expanduser(pattern), pattern, output):
            places[source] = relative
    jobs, taken = [], {}
    for source, relative in sorted(places.items()):
        if file_format is not None:
            relative = relative.with_suffix(encoding.FORMATS[file_format].suffixes[0])
        destination = output / relative
        if destination in taken:
            both = f"{taken[destination]} and {source}"
            raise ValueError(f"{both} would both become {destination}: translate them apart.")
        if os.path.realpath(destination) == os.path.realpath(source):
            raise ValueError(f"output={str(output)!r} is not accepted: {source} would be replaced by its answer.")
        taken[destination] = source
        jobs.append(Job(source, destination, overwrite or not os.path.lexists(destination)))
    return jobs


def check_quality(quality):
    """Raise a `ValueError` if it is not one of a JPEG."""
    checks.number("quality", quality, low=1, high=100, integer=True)


def origin(handle, root):
    """Return (full handle of a published version, size of its training images as a pair or None)."""
    from keras_repvis import zoo

    try:
        version = zoo.resolve(handle, root)
    except ValueError:  # A file, or a SavedModel from elsewhere.
        return handle, None
    size = version.manifest["training"].get("preprocessing", {}).get("image_size")
    return version.handle, size and tuple(size)


def run(jobs, translator, channels, file_format, quality, overwrite):
    """Translate the files of all jobs that are due, with a bar on stderr; return the `Outcome`.

    Args:
        jobs: List of `Job`.
        translator: `zoo.Translator`.
        channels: Number of channels of its answers, or None if that is not known.
        file_format: Name of a format, or None for each file's own.
        quality: Of JPEG files.
        overwrite: Whether files that exist are to be replaced.
    """
    import rich.console
    import rich.progress

    from keras_repvis.training.interruption import Interruption

    outcome = Outcome()
    columns = ("translating", rich.progress.BarColumn(), rich.progress.MofNCompleteColumn(),
               rich.progress.TimeRemainingColumn())
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True)) as bars:
        task = bars.add_task("", total=len(jobs))
        for index, job in enumerate(jobs):
            try:
                if job.is_due:
                    encoded, notes = _translate(
                        job.source, translator, channels, file_format, quality,
                        lambda share, done=index: bars.update(task, completed=done + share),
                    )
                    # Ctrl-C waits until the file that is written is counted.
                    interruption = Interruption()
                    try:
                        with interruption:
                            _write(job.destination, encoded, overwrite, notes, outcome)
                    finally:
                        if interruption.requested:
                            signal.raise_signal(interruption.requested)
                else:
                    outcome.kept += 1
            except KeyboardInterrupt:
                message = f"interrupted: {outcome.translated} of {len(jobs)} images are translated"
                raise KeyboardInterrupt(message) from None
            except _failures() as error:
                outcome.failures.append((job.source, _why(error)))
                bars.console.print(f"{job.source}: {_why(error)}", markup=False, highlight=False, soft_wrap=True)
            bars.update(task, completed=index + 1)
    return outcome


def report(outcome, output, name=None):
    """Print what became of all images; return the exit code."""
    if outcome.translated:
        print(f"translated: {outcome.translated} by {name}")
    for how, count in sorted(outcome.sizes.items()):
        print(f"sizes: {count} {how}")
    for how, count in sorted(outcome.converted.items()):
        print(f"channels: {count} {how}")
    for what, count in sorted(outcome.lost.items()):
        print(f"lost: {_WORDS.get(what, what)} of {count}, which the format or the channels of the answer cannot hold")
    if outcome.kept:
        print(f"kept: {outcome.kept} that were there already (--overwrite replaces them)")
    if outcome.failures:
        print(f"not translated: {len(outcome.failures)}, named above")
    print(f"output: {pathlib.Path(output).expanduser().resolve()}")
    return 1 if outcome.failures else 0


def _find(path, pattern, output):
    """Yield (file, where it is relative to what was named) of one file, folder or pattern."""
    if os.path.isfile(path):
        yield path, pathlib.Path(os.path.basename(path))
        return
    if os.path.isdir(path):
        base, found = path, list(_images_in(path, os.path.realpath(output)))
        if not found:
            raise ValueError(f"images={pattern!r}: the folder has no image ({', '.join(pixels.SUFFIXES)}).")
    else:
        base = os.path.dirname(_literal(path))
        found = [file for file in glob.glob(path, recursive=True) if os.path.isfile(file)]
        if not found:
            raise ValueError(f"images={pattern!r}: there is no such file.")
    for file in found:
        yield file, pathlib.Path(os.path.relpath(file, base or "."))


def _images_in(folder, output):
    for parent, folders, names in os.walk(folder):
        # The answers of an earlier run are no images to translate.
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(parent, name)) != output
        )
        for name in sorted(names):
            if not name.startswith(".") and name.lower().endswith(pixels.SUFFIXES):
                yield os.path.join(parent, name)


def _literal(pattern):
    """Return the part of a pattern before its first wildcard."""
    return pattern[: next((place for place, letter in enumerate(pattern) if letter in "*?["), len(pattern))]


def _translate(source, translator, channels, file_format, quality, progress):
    """Return (bytes of the answer of one file, notes on it: how its size, its channels and metadata fared)."""
    with open(source, "rb") as file:
        encoded = file.read()
    image = pixels.read(io.BytesIO(encoded), source)
    said = image_metadata.read(encoded, source)
    if channels is not None:
        encoding.check_fit(file_format or said.format, image.dtype.name, channels)
    image, conversion = _with_channels(image, translator.sizes.channels)
    how = translator.describe(*image.shape[:2])
    answer = encoding.to_type(translator(pixels.to_float(image), progress), image.dtype.name)
    encoded, lost = encoding.encode(image_metadata.turn_back(answer, said.orientation), said, file_format, quality)
    return encoded, {"sizes": [_kind(how, translator)], "converted": conversion, "lost": lost}


def _with_channels(image, wanted):
    """Return an image with the channels that a model takes, and a list of what was done."""
    given = image.shape[-1]
    if wanted in (None, given):
        return image, []
    if {given, wanted} != {1, 3}:
        raise ValueError(f"it has {given} channels, and the model takes {wanted}")
    done = "from grey to colour, by repetition" if given == 1 else "from colour to grey, by luma"
    return pixels.to_channels(image, wanted), [done]


def _write(destination, encoded, overwrite, notes, outcome):
    """Write an answer whole, and count in `outcome` what is said of it; a file that is there meanwhile is kept."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole_file.write(destination, overwrite) as file:
            file.write(encoded)
    except FileExistsError:
        outcome.kept += 1
        return
    outcome.translated += 1
    for name, found in notes.items():
        getattr(outcome, name).update(found)


def _kind(how, translator):
    """Return what of the words on one image is the same for all."""
    if how.startswith("in "):
        height, width = translator.tile
        return f"{_BY_TILE} ({height} x {width} pixels, overlap {translator.overlap} or more)"
    if how.startswith("padded"):
        return "padded by reflection to a size the model takes, and cut back"
    return "resized to a size the model takes, and back" if how.startswith("resized") else "as they are"


def _failures():
    """Return the exceptions by which one image fails and others need not."""
    import tensorflow as tf

    return (ValueError, ArithmeticError, OSError, MemoryError, tf.errors.OpError)


def _why(error):
    """Return the reason in one line, without the name of the file before it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__).splitlines()[0]
