"""Claim: near the data the generator of photographs is almost linear."""

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Measure how far G is from its derivative at one grey level."""
    outcome = street_maps.measure("plain", seed)
    return {"effect": outcome.linearity_error, **street_maps.numbers({"plain": outcome})}


CLAIM = Claim(
    id="near_linearity",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, local linearity",
        "almost linear near the data manifold",
    ),
    statement=(
        "Where maps are changed by one grey level in a random direction, the generator of photographs departs"
        " from its derivative by less than a fifth of what changes."
    ),
    effect="relative error |G(y + d) - G(y) - J d| / |G(y + d) - G(y)|, median over towns and directions",
    rule=Rule("less", threshold=0.2, margin=0.1),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
