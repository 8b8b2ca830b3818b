"""Claim: from maps to photographs a CycleGAN stretches small changes."""

import numpy as np

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Measure the largest singular value of the Jacobian of G at F(x)."""
    outcome = street_maps.measure("plain", seed)
    return {"effect": float(np.log10(outcome.decoder_gain)), **street_maps.numbers({"plain": outcome})}


CLAIM = Claim(
    id="expanding_decoder",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, Jacobian",
        "one map expands degrees of freedom, lambda >> 1",
    ),
    statement=(
        "From maps to photographs the largest singular value of the Jacobian of a CycleGAN is above 3 at the "
        "maps that it draws."
    ),
    effect="decimal logarithm of the largest singular value of the Jacobian of G at F(x), median over towns",
    rule=Rule("greater", threshold=0.4771, margin=0.1),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
