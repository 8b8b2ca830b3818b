"""Claim: training with noise makes the fine structure of drawn maps stronger."""

import numpy as np

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare the fine structure of drawn maps, with and without noise in training."""
    outcomes = {arm: street_maps.measure(arm, seed) for arm in street_maps.ARMS}
    ratio = outcomes["with noise"].code / outcomes["plain"].code
    return {"effect": float(np.log2(ratio)), **street_maps.numbers(outcomes)}


CLAIM = Claim(
    id="noise_raises_code",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, steganography, noise",
        "the hidden signal has larger amplitude",
    ),
    statement=(
        "The fine structure of the maps drawn by a CycleGAN that has learned with noise is stronger than "
        "without."
    ),
    effect=(
        "base-2 logarithm of the ratio of the amplitudes, with noise over without; fine structure is what a "
        "median of the neighbours takes out"
    ),
    rule=Rule("greater", threshold=0.0, margin=0.25),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
