"""Checks of arguments at the boundary: each message names the argument, the value and what is accepted."""

import difflib
import numbers


def one_of(argument, value, accepted):
    """Return `value` if it is among `accepted`, else raise a `ValueError` that suggests the nearest name.

    Args:
        argument: Name of the argument or flag, as the user wrote it.
        value: What the user gave.
        accepted: Iterable of the accepted values.

    Returns:
        `value`.

    Raises:
        ValueError: If `value` is not among `accepted`.

    Example:
        >>> one_of("model", "mobilnet_v2", ["mobilenet_v1", "mobilenet_v2"])
        Traceback (most recent call last):
        ...
        ValueError: model='mobilnet_v2' is not known. Did you mean 'mobilenet_v2'? Accepted: mobilenet_v1, mobilenet_v2.
    """
    accepted = list(accepted)
    if value in accepted:
        return value
    near = difflib.get_close_matches(str(value), [str(name) for name in accepted], n=1, cutoff=0.5)
    suggestion = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"{argument}={value!r} is not known.{suggestion} Accepted: {', '.join(str(name) for name in accepted)}."
    )


def number(argument, value, low=None, high=None, integer=False, above=None):
    """Return `value` if it is a number with low <= value <= high (and > `above`), else raise.

    Args:
        argument: Name of the argument or flag.
        value: What the user gave.
        low: Smallest accepted value, or None.
        high: Largest accepted value, or None.
        integer: Whether only whole numbers are accepted.
        above: Largest value that is *not* accepted, or None.

    Returns:
        `value`.

    Raises:
        ValueError: If `value` is of another type or out of range.

    Example:
        >>> number("width_multiplier", -1, above=0)
        Traceback (most recent call last):
        ...
        ValueError: width_multiplier=-1 is not accepted: expected a number > 0.
    """
    kind = numbers.Integral if integer else numbers.Real
    limits = ((">=", low), (">", above), ("<=", high))
    bounds = [f"{sign} {limit}" for sign, limit in limits if limit is not None]
    fits = (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and (low is None or value >= low)
        and (above is None or value > above)
        and (high is None or value <= high)
    )
    if not fits:
        noun = "an integer" if integer else "a number"
        raise ValueError(f"{argument}={value!r} is not accepted: expected {noun} {' and '.join(bounds)}".rstrip() + ".")
    return value
