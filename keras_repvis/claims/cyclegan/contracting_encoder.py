"""Claim: from photographs to maps a CycleGAN shrinks all small changes."""

import numpy as np

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Measure the largest singular value of the Jacobian of F at photographs."""
    outcome = street_maps.measure("plain", seed)
    return {"effect": float(np.log10(outcome.encoder_gain)), **street_maps.numbers({"plain": outcome})}


CLAIM = Claim(
    id="contracting_encoder",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, Jacobian",
        "the other map contracts them, lambda << 1",
    ),
    statement="From photographs to maps all singular values of the Jacobian of a CycleGAN are below 1.",
    effect="decimal logarithm of the largest singular value of the Jacobian of F at x, median over towns",
    rule=Rule("less", threshold=0.0, margin=0.1),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
