"""Which rule goes where: the composites of layer-wise relevance propagation as a table.

One rule for all of a network serves badly: near the image epsilon (like gradient x input) is noise, near the output
rules of positive parts lose what tells classes apart. A composite takes a rule for each kind of layer.
"""

import dataclasses

from keras_repvis import checks
from keras_repvis.analysis.attribution.relevance_rules import RULES

# It needs the bounds of pixels.
_ONLY_FIRST = "z_box"
# Rules of a shift on its own.
_SHIFTS = ("epsilon", "zero")


@dataclasses.dataclass(frozen=True)
class Composite:
    """A rule by name for each kind of operation; see `relevance_rules` for the rules.

    Args:
        convolution: Rule of convolutions, depthwise and transposed ones too.
        dense: Rule of dense layers.
        first: Rule of the first operations with weights after the image, of either kind; None for none of its own.
        pooling: Rule of averages and sums over positions. "zero" (default) shares in proportion to the contributions.
        sum: Rule of additions of tensors, in residual connections. "zero" (default) as for `pooling`.
        shift: What a shift of channels that follows no linear operation does, in a batch normalisation before a
            convolution for instance: "pass" (default) leaves relevance as it is, under "zero" and "epsilon" the shift
            takes the share of a bias by the rule of this name.

    Raises:
        ValueError: If a rule is not known, or "z_box" is not the first one.

    Example:
        >>> from keras_repvis.analysis.attribution import Composite
        >>> Composite(convolution="gamma", dense="epsilon", first="z_box").sum
        'zero'
    """

    convolution: str
    dense: str
    first: str | None = None
    pooling: str = "zero"
    sum: str = "zero"
    shift: str = "pass"

    def __post_init__(self):
        for kind in ("convolution", "dense", "pooling", "sum"):
            checks.one_of(kind, getattr(self, kind), sorted(set(RULES) - {_ONLY_FIRST}))
        if self.first is not None:
            checks.one_of("first", self.first, sorted(RULES))
        checks.one_of("shift", self.shift, ("pass", *_SHIFTS))


def _uniform(rule):
    shift = rule if rule in _SHIFTS else "pass"
    return Composite(convolution=rule, dense=rule, pooling=rule, sum=rule, shift=shift)


COMPOSITES = {
    "epsilon_alpha2_beta1": Composite(convolution="alpha2_beta1", dense="epsilon"),
    "epsilon_alpha2_beta1_flat": Composite(convolution="alpha2_beta1", dense="epsilon", first="flat"),
    "epsilon_gamma_box": Composite(convolution="gamma", dense="epsilon", first="z_box"),
    "epsilon_plus": Composite(convolution="z_plus", dense="epsilon"),
    "epsilon_plus_flat": Composite(convolution="z_plus", dense="epsilon", first="flat"),
    **{rule: _uniform(rule) for rule in RULES if rule != _ONLY_FIRST},
}


def get(composite):
    """Return the `Composite` that is given by its name, or as one.

    Raises:
        ValueError: If there is none of that name.

    Example:
        >>> get("epsilon_plus").convolution
        'z_plus'
    """
    if isinstance(composite, Composite):
        return composite
    return COMPOSITES[checks.one_of("composite", composite, sorted(COMPOSITES))]
