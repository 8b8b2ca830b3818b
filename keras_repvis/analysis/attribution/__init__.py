"""Where the evidence is: maps from an output back to the image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "deconvnet": ["DeConvNet"],
        "deletion": ["DeletionGame"],
        "excitation_backprop": ["ExcitationBackprop"],
        "extremal_perturbation": ["ExtremalPerturbation"],
        "feature_statistics": ["FeatureStatistics", "estimate_statistics"],
        "grad_cam": ["GradCAM"],
        "grad_cam_plus_plus": ["GradCAMPlusPlus"],
        "gradient": ["Gradient"],
        "guided_backprop": ["GuidedBackprop"],
        "guided_grad_cam": ["GuidedGradCAM"],
        "information_bottleneck": ["InformationBottleneck"],
        "integrated_gradients": ["IntegratedGradients"],
        "layer_cam": ["LayerCAM"],
        "layer_wise_relevance": ["LRP"],
        "linear_approximation": ["LinearApproximation"],
        "meaningful_perturbation": ["MeaningfulPerturbation"],
        "method": ["Method"],
        "occlusion": ["Occlusion"],
        "readout_bottleneck": ["ReadoutBottleneck"],
        "relevance_composites": ["Composite"],
        "result": ["Attribution"],
        "rise": ["RISE"],
        "score_cam": ["ScoreCAM"],
        "selectivity": ["ChannelSelectivity", "measure_channel_selectivity"],
        "smooth_grad": ["SmoothGrad"],
    },
)
