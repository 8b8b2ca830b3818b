"""What a method returns: maps, and the numbers that tell whether to believe them."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Maps and the numbers that tell whether to believe them.

    Args:
        maps: float32 array (batch, height, width), raw: not normalised.
        diagnostics: Dict of arrays (batch, ...).

    Example:
        >>> import numpy as np
        >>> keras_repvis.analysis.attribution.Attribution(np.zeros((1, 8, 8)), {}).maps.shape
        (1, 8, 8)
    """

    maps: np.ndarray
    diagnostics: dict
