"""Learners and what they share: replicas, resuming, logs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpointing": ["ChangedSettingsError", "Checkpointing"],
        "checkpoints": ["Checkpoint", "CheckpointError", "Checkpoints", "read_checkpoint"],
        "classification": ["Classification"],
        "classifier": [
            "TrainedClassifier",
            "build_classifier",
            "compile_classifier",
            "open_source",
            "open_stream",
            "open_test_stream",
            "train",
        ],
        "evaluation": ["Evaluation", "evaluate"],
        "freezing": ["freeze"],
        "global_gradient": ["GlobalGradientOptimizer"],
        "interruption": ["Interrupted", "Interruption"],
        "learner_state": ["LearnerState", "optimizers_of", "wrap_optimizers"],
        "loop": ["fit"],
        "non_finite": ["NonFiniteError", "NonFiniteWatch"],
        "optimizers": ["make_optimizer"],
        "progress": ["Progress"],
        "ramps": ["cosine_ramp_down", "linear_ramp_up", "sigmoid_ramp_down", "sigmoid_ramp_up"],
        "replica_state": ["set_batch_norm", "spread_seeds"],
        "replicas": ["is_chief", "is_multi_worker", "local_replicas", "strategy", "worker_index"],
        "run_directory": ["RunDirectory"],
        "schedules": ["make_schedule"],
        "seeds": ["train_seeds"],
        "weight_average": ["WeightAverage"],
    },
)
