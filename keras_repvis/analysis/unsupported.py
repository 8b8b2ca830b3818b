"""The error of an analysis that cannot be right for the model it was given."""


class UnsupportedModelError(ValueError):
    """Raised instead of returning a result that would look right and be wrong.

    Example:
        >>> isinstance(keras_repvis.analysis.UnsupportedModelError("why"), ValueError)
        True
    """
