"""Claim: a separable convolution costs 1/K + 1/(XY) of the full one."""

from keras_repvis.claims import convolution_twin, photo_training
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare every block of MobileNetV1 with the full convolution in its place; the seed plays no part."""
    del seed
    separable, full = (convolution_twin.blocks(cost) for cost in convolution_twin.costs())
    numbers = {"effect": 0.0, "blocks": len(separable)}
    for (filters, cheap), (_, dear) in zip(separable, full, strict=True):
        formula = 1 / filters + 1 / convolution_twin.KERNEL_AREA
        numbers["effect"] = max(numbers["effect"], abs(cheap / dear - formula) / formula)
        numbers[f"ratio counted at {filters} filters"] = cheap / dear
        numbers[f"ratio by the formula at {filters} filters"] = formula
    return numbers


CLAIM = Claim(
    id="separable_cost",
    source=Source(
        photo_training.TALK,
        "MobileNetV1, separable convolution",
        "WHXYKM operations → WHXYM + WHKM = WHXYKM [K^-1 + (XY)^-1]",
    ),
    statement="A separable convolution with K filters and an X by Y kernel costs 1/K + 1/(XY) of the multiply-adds of "
    "the full one.",
    effect="largest relative difference between the counted ratio and the formula over the blocks of MobileNetV1",
    rule=Rule("near", threshold=0.0, margin=1e-12),
    budget="the 13 blocks of MobileNetV1 at 224x224, and full convolutions in their place, counted layer by layer",
    measure=measure,
    seconds_per_seed=5.0,
    exact=True,
)
