"""Claim: a map drawn by a CycleGAN tells more of the photograph than the true map does."""

from keras_repvis.claims import street_maps
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Compare decoders trained anew on drawn and on true maps."""
    errors = street_maps.fresh_decoders(seed)
    return {
        "effect": errors["true map"] / errors["F(x)"],
        **{f"error of the decoder given {name} (grey levels)": error for name, error in errors.items()},
    }


CLAIM = Claim(
    id="hidden_source",
    source=Source(
        f"{street_maps.TALK}; {street_maps.PAPER}",
        "CycleGAN, steganography",
        "information about the source image is hidden in the generated one",
    ),
    statement=(
        "A decoder that is trained anew finds more of a photograph in the map that a CycleGAN has drawn of it"
        " than in the true map, both stored in 8 bits."
    ),
    effect="error of the decoder given true maps, over that of the decoder given drawn maps, on test towns",
    rule=Rule("greater", threshold=1.0, margin=0.1),
    budget=f"{street_maps.BUDGET}; decoders of the same make as G, {street_maps.DECODER_STEPS} steps of batch "
    f"{street_maps.DECODER_BATCH}, Adam 0.002 falling to 0 by a cosine, mean absolute error",
    measure=measure,
    seconds_per_seed=street_maps.SECONDS,
    limits=street_maps.LIMITS,
)
