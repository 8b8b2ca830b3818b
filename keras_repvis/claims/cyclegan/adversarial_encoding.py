"""Claim: a few grey levels on an unrelated map make the generator draw a given photograph."""

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Search for y* near the map of another town."""
    outcome = street_maps.measure("plain", seed)
    return {"effect": outcome.search_end / outcome.search_start, **street_maps.numbers({"plain": outcome})}


CLAIM = Claim(
    id="adversarial_encoding",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, adversarial input",
        "y* = argmin |G(y) - x|_1",
    ),
    statement=(
        "Changes of at most 3 grey levels, stored in 8 bits, to the true map of another town halve the "
        "distance of what a CycleGAN draws of it from a given photograph."
    ),
    effect="error of G(y*) from x over that of G(y0), means over towns; y* within 3 grey levels of y0, in 8 bits",
    rule=Rule("less", threshold=0.5, margin=0.1),
    budget=f"{street_maps.BUDGET}; {street_maps.SEARCH_STEPS} steps of projected Adam on {street_maps.CLOSE_UPS} pairs",
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
