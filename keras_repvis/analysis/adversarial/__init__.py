"""Small perturbations that change what a classifier sees, and what maps tell about them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "examples": ["AdversarialExamples"],
        "fgsm": ["FGSM"],
        "pgd": ["PGD"],
        "random_perturbation": ["RandomPerturbation"],
        "saliency_detection": ["Detection", "detect", "map_features"],
        "telling_apart": ["Estimate", "Separation", "tell_apart"],
    },
)
