"""Claim: blurring a drawn map by one pixel destroys what it tells more than the true map."""

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare the error through a blur with those of the drawn and of the true map."""
    outcome = street_maps.measure("plain", seed)
    gain = outcome.partner_error - outcome.own_error
    return {
        "effect": (outcome.low_pass_error - outcome.own_error) / gain,
        **street_maps.numbers({"plain": outcome}),
    }


CLAIM = Claim(
    id="code_in_fine_detail",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, steganography",
        "a high-frequency signal of low amplitude",
    ),
    statement=(
        "A Gaussian blur of one pixel takes at least half of what the map drawn by a CycleGAN tells its "
        "partner more than the true map."
    ),
    effect="share of the gain that is lost: (error after the blur - error) / (error from the true map - error)",
    rule=Rule("greater", threshold=0.5, margin=0.2),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
