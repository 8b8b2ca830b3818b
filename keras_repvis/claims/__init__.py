"""The talks' claims as experiments: one file a claim, in a folder per subject.

`names()` lists them, `get(name)` returns one, `Reproduction` measures some over several seeds and writes what came
out; the program `repvis-reproduce` does the same at a shell. To add a claim, add a file that defines `CLAIM` to one of
the folders; nothing else has to know of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "adversarial_digits",
        "attribution",
        "catalog",
        "claim",
        "convolution_twin",
        "decision",
        "mobilenet",
        "page",
        "photo_training",
        "record",
        "reproduction",
    ],
    submod_attrs={
        "catalog": ["get", "names"],
        "claim": ["Claim", "Rule", "Source"],
        "decision": ["Decision", "decide"],
        "reproduction": ["Reproduction", "Step"],
    },
)
