"""Losses and regularisers, one idea a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adversarial": ["AdversarialLoss"],
        "cycle_consistency": ["CycleConsistencyLoss"],
        "smoothed_crossentropy": ["SmoothedCrossentropy"],
        "wasserstein": ["gradient_penalty"],
    },
)
