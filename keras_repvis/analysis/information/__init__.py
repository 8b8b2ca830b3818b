"""What a representation keeps and what it loses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["expansion_recovery", "hyperplane_regions", "positive_activations", "relu_collapse", "relu_recovery"],
    submod_attrs={
        "expansion_recovery": ["ExpansionRecovery", "Recovery"],
        "hyperplane_regions": ["expected_preserved_regions", "half_space_probability", "region_count"],
        "positive_activations": ["PositiveActivations", "PositiveShare"],
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
    },
)
