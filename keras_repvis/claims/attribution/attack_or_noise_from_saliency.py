"""Claim: saliency maps tell an attack from random noise of the same size: what shows is not the noise alone."""

from keras_repvis.claims import adversarial_digits
from keras_repvis.claims.claim import Claim, Rule, Source


def measure(seed):
    """Tell noisy from attacked digits by their maps."""
    return adversarial_digits.numbers(adversarial_digits.measure(seed), "noisy_or_attacked")


CLAIM = Claim(
    id="attack_or_noise_from_saliency",
    source=Source(
        adversarial_digits.TALK,
        "Understandable, perturbation analysis; Fong and Vedaldi 2017, section 5.5",
        "recognize genuine vs adversarial images by learning a classifier on top of the saliency maps",
    ),
    statement="A classifier that has learned from saliency maps alone tells adversarial images from images with random "
    "noise of the same size.",
    effect="area under the ROC curve of telling noisy from attacked digits that it has not seen; 0.5 is chance",
    rule=Rule("greater", threshold=0.5, margin=0.1),
    budget=adversarial_digits.BUDGET + "; the noise adds or subtracts 16/255 at every pixel with equal probability",
    measure=measure,
    seconds_per_seed=adversarial_digits.SECONDS,
    limits=adversarial_digits.LIMITS + " The attack ends at most pixels where the noise does, at 16/255; at the others "
    "it is smaller.",
)
