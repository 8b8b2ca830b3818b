"""Claim: a classifier on top of saliency maps tells adversarial from genuine images."""

from keras_repvis.claims import adversarial_digits
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Tell clean from attacked digits by their maps."""
    return adversarial_digits.numbers(adversarial_digits.measure(seed), "clean_or_attacked")


CLAIM = Claim(
    id="adversarial_from_saliency",
    source=Source(
        adversarial_digits.TALK,
        "Understandable, perturbation analysis; Fong and Vedaldi 2017, section 5.5",
        "recognize genuine vs adversarial images by learning a classifier on top of the saliency maps",
    ),
    statement="A classifier that has learned from saliency maps alone tells adversarial from genuine images.",
    effect="area under the ROC curve of telling clean from attacked digits that it has not seen; 0.5 is chance",
    rule=Rule("greater", threshold=0.5, margin=0.1),
    budget=adversarial_digits.BUDGET,
    measure=measure,
    seconds_per_seed=adversarial_digits.SECONDS,
    limits=adversarial_digits.LIMITS + " That maps of noisy images are told from clean ones as well, and what the "
    "pixels alone tell, stand among the numbers: `attack_or_noise_from_saliency` is the stricter question.",
)
