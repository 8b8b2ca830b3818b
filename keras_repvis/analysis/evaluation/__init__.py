"""How well maps tell where the evidence is: protocols with a known answer, and the scores of chance beside them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "coco_instance_pairs": ["COCOInstancePairs"],
        "coco_pairs": ["COCOPairs", "COCOPanopticPairs"],
        "placed_digit_pairs": ["PlacedDigitPairs"],
        "pointing_game": ["PointingGame", "box_mask"],
        "pointing_pairs": ["PointingPair"],
        "salient_point": ["Smoothing", "most_salient", "resize_bilinear", "torchray_smoothing"],
        "voc_pairs": ["VOCPairs"],
    },
)
