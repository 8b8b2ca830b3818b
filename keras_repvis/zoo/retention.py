"""Which versions to keep, in TensorFlow Serving's words, and the collection of the others.

A version is kept as well while anything refers to it: an alias, a kept version that was made from it (its lineage), or
a reader that holds it now. What is collected goes into the trash by one rename and is deleted then.
"""

import contextlib
import dataclasses
import itertools
import re

from keras_repvis.zoo import alias_file, locks, transaction
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.listing import list_versions
from keras_repvis.zoo.manifest import IntegrityError
from keras_repvis.zoo.root import find_root

_LATEST = re.compile(r"latest(?::([1-9][0-9]*))?")
_SPECIFIC = re.compile(r"specific:([1-9][0-9]*(?:,[1-9][0-9]*)*)")


@dataclasses.dataclass(frozen=True)
class Collection:
    """What `gc` did, or would do.

    Attributes:
        deleted: Tuple of handles.
        kept: Dict of handle -> reason, one of every version that stays.
    """

    deleted: tuple
    kept: dict


@dataclasses.dataclass(frozen=True)
class Policy:
    """Versions of every model to keep; TensorFlow Serving's `model_version_policy`.

    Attributes:
        all: Whether to keep every version.
        latest: Integer >= 0, how many of the greatest numbers to keep.
        specific: Tuple of version numbers to keep.
    """

    all: bool = False
    latest: int = 0
    specific: tuple = ()

    def reasons(self, numbers):
        """Return a dict of number -> reason, one of every number among the sorted `numbers` that is kept."""
        if self.all:
            return dict.fromkeys(numbers, "all")
        kept = {number: f"latest:{self.latest}" for number in numbers[-self.latest :] if self.latest}
        return {**kept, **{number: "specific" for number in numbers if number in self.specific}}


def parse_policy(words):
    """Return the `Policy` of a sequence of words: "all", "latest", "latest:2", "specific:1,4".

    Raises:
        ValueError: If a word is none of these, or there is none.

    Example:
        >>> from keras_repvis.zoo import retention
        >>> retention.parse_policy(["latest:2", "specific:1,4"])
        Policy(all=False, latest=2, specific=(1, 4))
    """
    policy = Policy()
    for word in words:
        latest, specific = _LATEST.fullmatch(word), _SPECIFIC.fullmatch(word)
        if word == "all":
            policy = dataclasses.replace(policy, all=True)
        elif latest:
            policy = dataclasses.replace(policy, latest=max(policy.latest, int(latest[1] or 1)))
        elif specific:
            policy = dataclasses.replace(policy, specific=policy.specific + tuple(map(int, specific[1].split(","))))
        else:
            raise ValueError(f"keep={word!r} is not accepted: expected all, latest, latest:2 or specific:1,4.")
    if policy == Policy():
        raise ValueError("keep=[] is not accepted: say what to keep, for instance latest:2.")
    return policy


def gc(keep, root=None, model=None, dry_run=False):
    """Collect the versions that a policy does not keep and nothing refers to.

    Args:
        keep: Sequence of words, see `parse_policy`. They hold for each model by itself.
        root: Root of the zoo; see `find_root`. What ships with this package is never collected.
        model: "publisher/model" to collect from, or None for all models.
        dry_run: Whether to only tell what would be deleted.

    Returns:
        `Collection`.

    Raises:
        ValueError: If a word or `model` is not accepted.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for units in (2, 3, 4):
        ...         net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
        ...         _ = zoo.publish(net, "me/tiny", root)
        ...     _ = zoo.set_alias("me/tiny/1", "champion", root)
        ...     collection = zoo.gc(["latest:1"], root)
        >>> collection.deleted, collection.kept
        (('me/tiny/2',), {'me/tiny/3': 'latest:1', 'me/tiny/1': 'alias champion'})
    """
    policy = parse_policy(keep)
    root = find_root(root)
    chosen = None if model is None else _model_name(model)
    kept, candidates = _apply(policy, list_versions(root, shipped=False), chosen)
    with contextlib.ExitStack() as stack:
        held = [version for version in candidates if _hold(version, kept, stack)]
        # Now, not before: who publishes a child holds its parent meanwhile, so no further child can appear.
        _keep_referred(held, kept, list_versions(root, shipped=False))
        doomed = [version for version in held if version.handle not in kept]
        if not dry_run:
            doomed = [version for version in doomed if _delete(version, kept)]
    return Collection(tuple(version.handle for version in doomed), kept)


def _model_name(model):
    parsed = handles.parse(model)
    if parsed.version is not None or parsed.alias is not None:
        raise ValueError(f"model={model!r} is not accepted: expected publisher/model.")
    return str(parsed)


def _apply(policy, versions, chosen):
    """Return (dict of handle -> reason of what the policy keeps, list of the other versions)."""
    kept, candidates = {}, []
    for name, group in itertools.groupby(versions, key=_model_of):
        group = list(group)
        reasons = policy.reasons([version.version for version in group])
        if chosen not in (None, name):
            reasons = {version.version: "another model" for version in group}
        kept.update({f"{name}/{number}": reason for number, reason in reasons.items()})
        candidates += [version for version in group if version.version not in reasons]
    return kept, candidates


def _hold(version, kept, stack):
    """Take the lock of a version for as long as `stack` is open; return whether it was free."""
    try:
        stack.enter_context(locks.hold(version.path, wait=False))
    except BlockingIOError:
        kept[version.handle] = "in use"
        return False
    except FileNotFoundError:
        return False  # Collected by someone else.
    return True


def _keep_referred(held, kept, versions):
    """Add to `kept` what an alias means, and all ancestors of what is kept."""
    for version in held:
        _keep_aliased(version, kept)
    parents = {version.handle: _parent(version) for version in versions}
    for handle in list(kept):
        child, parent = handle, parents.get(handle)
        while parent is not None and parent not in kept:
            kept[parent] = f"parent of {child}"
            child, parent = parent, parents.get(parent)


def _keep_aliased(version, kept):
    names = [alias for alias, number in alias_file.read(version.path.parent).items() if number == version.version]
    if names:
        kept[version.handle] = f"alias {', '.join(sorted(names))}"


def _parent(version):
    try:
        return version.manifest["parent"]
    except (IntegrityError, KeyError):
        return None


def _delete(version, kept):
    """Delete a version unless an alias means it by now; return whether it was deleted."""
    with transaction.changing(version.path.parent):
        _keep_aliased(version, kept)
        if version.handle in kept:
            return False
        transaction.remove(version.path.parent, version.version)
    return True


def _model_of(version):
    return version.handle.rpartition("/")[0]
