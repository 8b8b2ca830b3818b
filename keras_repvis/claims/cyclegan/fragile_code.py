"""Claim: noise too weak to be seen ends the reconstruction of a CycleGAN."""

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Find the noise that ends half of the gain."""
    outcome = street_maps.measure("plain", seed)
    return {"effect": outcome.half_amplitude, **street_maps.numbers({"plain": outcome})}


CLAIM = Claim(
    id="fragile_code",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, steganography",
        "noise that is just noticeable destroys the reconstruction",
    ),
    statement=(
        "White noise of a standard deviation below 3 grey levels on the map that a CycleGAN has drawn takes "
        "half of what it tells more than the true map."
    ),
    effect="standard deviation in grey levels of the white noise that takes half of the gain",
    rule=Rule("less", threshold=3.0, margin=1.0),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
