"""Claim: ReLU(Wx) keeps a random input with probability 2^-m sum_{k=0}^{m-n} C(m, k)."""

from keras_repvis.claims import photo_training
from keras_repvis.claims.claim import Claim, Rule, Source

# (m, n): chosen so that neither the kept nor the collapsed share is too rare to be simulated.
_SIZES = ((3, 2), (6, 3), (8, 4), (12, 4), (12, 6), (24, 8), (48, 16))
_SAMPLES = 100_000


def measure(seed):
    """Compare the simulated with the exact share at every size."""
    from keras_repvis.analysis import information

    numbers = {"effect": 0.0}
    for index, (expanded, bottleneck) in enumerate(_SIZES):
        exact = float(information.collapsed_share(expanded, bottleneck))
        simulated = information.simulate_collapsed_share(
            expanded, bottleneck, samples=_SAMPLES, seed=seed * len(_SIZES) + index
        )
        numbers[f"collapsed share, {expanded} over {bottleneck}, closed form"] = exact
        numbers[f"collapsed share, {expanded} over {bottleneck}, simulated"] = simulated
        numbers["effect"] = max(numbers["effect"], abs(simulated - exact))
    return numbers


CLAIM = Claim(
    id="relu_collapse_share",
    source=Source(
        photo_training.TALK,
        "MobileNetV2, expansion layer; Sandler et al. 2018, appendix A",
        "at initialization each input is not “collapsed” with probability 2^-m sum_{k=0}^{m-n} C(m, k)",
    ),
    statement="At initialisation ReLU(Wx), W of m rows and n columns, keeps an input with the binomial probability of "
    "the talk.",
    effect="largest difference between the simulated and the exact collapsed share over seven sizes (m, n)",
    # The largest of seven standard errors is 0.0016.
    rule=Rule("less", threshold=0.005, margin=0.0),
    budget=f"{len(_SIZES)} sizes, {_SAMPLES:,} pairs of a Gaussian matrix and a Gaussian input each, decided by the "
    "rank of the active rows",
    measure=measure,
    seconds_per_seed=10.0,
)
