"""Aliases: names such as `champion` that mean one version of a model now, and may mean another later."""

from keras_repvis.zoo import alias_file, history, transaction
from keras_repvis.zoo import handle as handles
from keras_repvis.zoo.resolving import resolve
from keras_repvis.zoo.root import find_root, roots

CHAMPION = "champion"
PREVIOUS = "previous"


def set_alias(handle, alias, root=None):
    """Let `alias` mean a version of its model from now on.

    Whoever resolves `publisher/model@alias` gets the old version or the new one. When `champion` moves, `previous`
    becomes what it meant before, so that `rollback` finds the way back.

    Args:
        handle: What the alias shall mean, as in `resolve`: "publisher/model/3", or "publisher/model" for the latest.
        alias: Name of lower-case letters, digits, `-` and `_`.
        root: Root of the zoo; see `find_root`.

    Returns:
        Dict of alias -> version number of the model after the change.

    Raises:
        ValueError: If the handle means nothing, or `alias` cannot be a name.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as root:
        ...     _ = zoo.publish(model, "me/tiny", root)
        ...     aliases = zoo.set_alias("me/tiny/1", "champion", root)
        ...     print(aliases, zoo.resolve("me/tiny@champion", root).handle)
        {'champion': 1} me/tiny/1
    """
    alias_file.check_name(alias)
    version = resolve(handle, root)

    def change(aliases):
        old = aliases.get(alias)
        if alias == CHAMPION and old not in (None, version.version):
            aliases[PREVIOUS] = old
        return {**aliases, alias: version.version}

    return _change(handles.parse(version.handle), root, change, must_exist=version.version)


def remove_alias(handle, alias, root=None):
    """Let `alias` mean nothing any more.

    Args:
        handle: "publisher/model".
        alias: Name of the alias.
        root: Root of the zoo; see `find_root`.

    Returns:
        Dict of alias -> version number of the model after the change.

    Raises:
        ValueError: If the model has no such alias.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.remove_alias("repvis/mobilenet_v2_digits", "stable", tempfile.mkdtemp())
        Traceback (most recent call last):
        ...
        ValueError: alias='stable' is not known. Accepted: none yet.
    """
    parsed = handles.parse(handle)
    aliases = list_aliases(handle, root)
    if alias not in aliases:
        raise ValueError(f"alias={alias!r} is not known. Accepted: {', '.join(sorted(aliases)) or 'none yet'}.")
    return _change(parsed, root, lambda aliases: {name: aliases[name] for name in aliases if name != alias})


def rollback(handle, root=None):
    """Let `champion` mean again what it meant before; `previous` becomes what it meant until now.

    Args:
        handle: "publisher/model".
        root: Root of the zoo; see `find_root`.

    Returns:
        Dict of alias -> version number of the model after the change.

    Raises:
        ValueError: If the model has no champion, or had none before.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from keras_repvis import zoo
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for units in (2, 3):
        ...         model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])
        ...         _ = zoo.set_alias(zoo.publish(model, "me/tiny", root).handle, "champion", root)
        ...     print(zoo.list_aliases("me/tiny", root), zoo.rollback("me/tiny", root))
        {'champion': 2, 'previous': 1} {'champion': 1, 'previous': 2}
    """
    parsed = handles.parse(handle)
    # Now, so that what is refused changes nothing; and again when the model is held.
    _check_can_roll_back(handle, list_aliases(handle, root))

    def change(aliases):
        _check_can_roll_back(handle, aliases)
        resolve(f"{parsed.publisher}/{parsed.model}/{aliases[PREVIOUS]}", root)
        return {**aliases, CHAMPION: aliases[PREVIOUS], PREVIOUS: aliases[CHAMPION]}

    return _change(parsed, root, change)


def list_aliases(handle, root=None):
    """Return what the aliases of a model mean now; the user's stand before those that ship with this package.

    Args:
        handle: "publisher/model".
        root: Root of the zoo; see `find_root`.

    Returns:
        Dict of alias -> version number; empty if there are none.

    Example:
        >>> import tempfile
        >>> from keras_repvis import zoo
        >>> zoo.list_aliases("me/my_model", tempfile.mkdtemp())
        {}
    """
    parsed = handles.parse(handle)
    found = {}
    for place in reversed(roots(root)):
        found.update(alias_file.read(place / parsed.publisher / parsed.model))
    return found


def _check_can_roll_back(handle, aliases):
    missing = [name for name in (CHAMPION, PREVIOUS) if name not in aliases]
    if missing:
        raise ValueError(f"handle={handle!r} cannot be rolled back: there is no {missing[0]!r} among its aliases.")


def _change(parsed, root, change, must_exist=None):
    model = find_root(root) / parsed.publisher / parsed.model
    if not model.is_dir():
        resolve(f"{parsed.publisher}/{parsed.model}", root)  # Raises if it does not ship with us either.
        model.mkdir(parents=True, exist_ok=True)
    with transaction.changing(model):
        if must_exist is not None:
            resolve(f"{parsed.publisher}/{parsed.model}/{must_exist}", root)  # Not collected since it was looked up.
        old = alias_file.read(model)
        new = change(dict(old))
        with alias_file.replacing(model, new):
            for alias in sorted(old.keys() | new.keys()):
                if old.get(alias) != new.get(alias):
                    history.tell_alias(model, alias, old.get(alias), new.get(alias))
        transaction.flush(model)
    return new
