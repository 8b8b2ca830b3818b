"""Leaving out the images that cannot be decoded, and saying so."""

import dataclasses
import warnings

from keras_repvis.data import decode
from keras_repvis.data import parallel

_LISTED = 5


@dataclasses.dataclass(frozen=True)
class Skipped:
    """An example that was left out: the name of its file or its id, and why."""

    name: str
    reason: str


def usable(described, indices, check):
    """Return which of the examples can be used, and the others as a list of `Skipped`; a warning counts these.

    Args:
        described: The data set and split, as they appear in messages.
        indices: int64 array, the numbers of the examples.
        check: Function that raises `CorruptImageError` if an example cannot be decoded; None to use all.

    Returns:
        Pair: int64 array, list.

    Raises:
        ValueError: If none can be used.
    """

    def reason_to_skip(index):
        try:
            check(index)
        except decode.CorruptImageError as error:
            return Skipped(error.name, error.reason)
        return None

    skipped = []
    if check is not None:
        reasons = parallel.in_parallel(reason_to_skip, indices)
        skipped = [reason for reason in reasons if reason is not None]
        indices = indices[[reason is None for reason in reasons]]
    if not len(indices):
        raise ValueError(f"{described} has no usable image. {_listing(skipped)}".rstrip())
    if skipped:
        warnings.warn(
            f"{described}: {len(skipped)} of {len(skipped) + len(indices)} images are left out because they cannot be "
            f"decoded. {_listing(skipped)}",
            stacklevel=3,
        )
    return indices, skipped


def _listing(skipped):
    lines = [f"{each.name}: {each.reason}" for each in skipped[:_LISTED]]
    more = len(skipped) - _LISTED
    return "; ".join(lines + ([f"and {more} more"] if more > 0 else []))
