"""Datasets as TFDS builders, label splits and deterministic input pipelines."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "augment": ["Augment"],
        "catalog": ["names"],
        "decode": ["CorruptImageError"],
        "image_domain": ["ImageDomain"],
        "label_subset": ["LabelSubset"],
        "position": ["Position"],
        "source": ["Source"],
        "stream": ["Stream"],
        "unpaired_stream": ["UnpairedStream"],
    },
)
