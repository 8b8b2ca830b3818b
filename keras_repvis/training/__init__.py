"""Learners and what they share: replicas, resuming, logs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classification": [
            "Classification",
            "TrainedClassifier",
            "build_classifier",
            "compile_classifier",
            "fit",
            "open_source",
            "open_stream",
            "open_test_stream",
            "train",
        ],
        "evaluation": ["Evaluation", "evaluate"],
        "optimizers": ["make_optimizer"],
        "progress": ["Progress"],
        "replicas": ["strategy", "synchronize_batch_norm"],
        "run_directory": ["Checkpointing", "RunDirectory"],
        "seeds": ["train_seeds"],
    },
)
