"""Claim: training with noise makes the hidden code withstand larger noise."""

import numpy as np

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare the noise that ends half of the gain, with and without noise in training."""
    outcomes = {arm: street_maps.measure(arm, seed) for arm in street_maps.ARMS}
    ratio = outcomes["with noise"].half_amplitude / outcomes["plain"].half_amplitude
    return {"effect": float(np.log2(ratio)), **street_maps.numbers(outcomes)}


CLAIM = Claim(
    id="noise_strengthens_code",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, steganography, noise",
        "training with noise moves the hidden signal to larger amplitudes",
    ),
    statement=(
        "A CycleGAN that has learned with noise on its maps withstands noise of more than twice the amplitude"
        " before half of what its map tells more than the true one is gone."
    ),
    effect="base-2 logarithm of the ratio of the amplitudes, with noise over without",
    rule=Rule("greater", threshold=1.0, margin=0.5),
    budget=street_maps.BUDGET,
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
