"""How well maps tell where the evidence is: protocols with a known answer, and the scores of chance beside them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "coco_instance_pairs": ["COCOInstancePairs"],
        "coco_pairs": ["COCOPairs", "COCOPanopticPairs"],
        "degradation": ["Degradation", "DegradationCurves"],
        "disagreement": ["Disagreement", "measure_disagreement"],
        "insertion_deletion": ["InsertionDeletion", "InsertionDeletionCurves"],
        "label_randomization": ["LabelRandomization", "PermutedLabels", "measure_label_randomization"],
        "map_similarity": ["compare_maps"],
        "mean_interval": ["MeanInterval"],
        "model_randomization": ["ModelRandomization", "measure_model_randomization"],
        "null_maps": ["centre_map", "random_maps"],
        "placed_digit_pairs": ["PlacedDigitPairs"],
        "pointing_game": ["PointingGame", "box_mask"],
        "pointing_pairs": ["PointingPair"],
        "pointing_scores": ["PointingScores", "play_pointing_game"],
        "salient_point": ["Smoothing", "most_salient", "resize_bilinear", "torchray_smoothing"],
        "sensitivity_n": ["Sensitivities", "SensitivityN"],
        "voc_pairs": ["VOCPairs"],
    },
)
