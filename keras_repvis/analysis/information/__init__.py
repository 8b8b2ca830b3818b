"""What a representation keeps and what it loses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "expansion_recovery",
        "hyperplane_regions",
        "image_corruptions",
        "positive_activations",
        "relu_collapse",
        "relu_recovery",
    ],
    submod_attrs={
        "adversarial_code": ["AdversarialCodes", "AdversarialEncoding"],
        "corruption": ["ReconstructionSensitivity", "Sensitivity"],
        "edits": ["EditEffect", "EditEffects", "Edits", "replace_patch"],
        "expansion_recovery": ["ExpansionRecovery", "Recovery"],
        "hyperplane_regions": ["expected_preserved_regions", "half_space_probability", "region_count"],
        "image_corruptions": ["Corruption"],
        "jacobian": ["JacobianSpectra", "JacobianSpectrum"],
        "jacobian_distribution": ["JacobianDistribution", "JacobianShares"],
        "linearity": ["LinearityErrors", "LocalLinearity"],
        "median_interval": ["MedianInterval"],
        "positive_activations": ["PositiveActivations", "PositiveShare"],
        "reconstruction_scores": ["ReconstructionScores", "ScoredReconstruction"],
        "relu_collapse": [
            "chernoff_exponent",
            "collapse_exponent",
            "collapsed_share",
            "preserved_share",
            "slide_bound_exponent",
            "slide_bound_holds",
            "volume_bound_exponent",
        ],
        "relu_recovery": ["is_recoverable", "recover", "simulate_collapsed_share"],
        "sensitivity_curve": [
            "CorruptionEffect",
            "Reconstruction",
            "SensitivityCurve",
            "measure_curves",
        ],
        "spatial_frequency": ["RadialSpectrum", "keep_band", "radial_spectrum"],
        "steganography": ["HiddenCode", "HiddenSignal", "enhance_contrast", "residual"],
        "translated_images": ["EditExamples", "TranslationExamples", "edit_examples", "translate_examples"],
        "translation_pair": ["TranslationPair"],
    },
)
