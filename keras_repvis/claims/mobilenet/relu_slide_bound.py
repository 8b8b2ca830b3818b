"""Claim: the share of inputs that ReLU(Wx) keeps is at least 1 - 2^(-m/2); at MobileNetV2's own expansion."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source

# Bottlenecks of MobileNetV2's blocks with expansion 6.
_BOTTLENECKS = (16, 24, 32, 64, 96, 160)
_EXPANSION = 6


def measure(seed):
    """Compare exponents, which are exact; the seed plays no part."""
    from keras_repvis.analysis import information

    del seed
    numbers, margins = {"effect": 0.0}, []
    for bottleneck in _BOTTLENECKS:
        expanded = _EXPANSION * bottleneck
        collapse = information.collapse_exponent(expanded, bottleneck)
        allowed = information.slide_bound_exponent(expanded)
        margins.append(allowed - collapse)
        numbers[f"log2 collapsed share, {expanded} over {bottleneck}"] = collapse
        numbers[f"log2 allowed by the bound, {expanded}"] = allowed
        numbers[f"log2 Chernoff bound, {expanded} over {bottleneck}"] = information.chernoff_exponent(
            expanded, bottleneck
        )
    numbers["smallest m/n at which the bound holds, n = 16"] = _first_ratio(information, 16)
    numbers["smallest m/n at which the bound holds, n = 160"] = _first_ratio(information, 160)
    if min(margins) > 0:
        numbers["effect"] = min(margins)
    elif max(margins) < 0:
        numbers["effect"] = max(margins)
    return numbers


def _first_ratio(information, bottleneck):
    expanded = 2 * bottleneck
    while not information.slide_bound_holds(expanded, bottleneck):
        expanded += 2
    return expanded / bottleneck


CLAIM = Claim(
    id="relu_slide_bound",
    source=Source(
        photo_training.TALK,
        "MobileNetV2, expansion layer; Sandler et al. 2018, appendix A",
        "for m >> n bounded by 1 - 2^(-m/2)",
    ),
    statement="At MobileNetV2's own expansion m/n = 6 the share of inputs that ReLU(Wx) keeps is at least "
    "1 - 2^(-m/2).",
    effect="bits by which the collapsed share stays below 2^(-m/2) over the six expansions of MobileNetV2: the least "
    "if it does at all of them, the greatest (a negative number) if at none, 0 if at some",
    rule=Rule("greater", threshold=0.0, margin=0.0),
    budget="exact integer arithmetic",
    measure=measure,
    seconds_per_seed=0.1,
    exact=True,
    limits="The talk asks for m much larger than n. The bound does become true at a larger expansion, from an m/n on "
    "that depends on n; the last rows say where.",
)
