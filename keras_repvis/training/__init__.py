"""Learners and what they share: replicas, resuming, logs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checkpoint": ["Checkpoint", "CheckpointError", "read_checkpoint"],
        "checkpointing": ["ChangedSettingsError"],
        "checkpoints": ["Checkpoints"],
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
        "cyclegan": ["CycleGAN"],
        "evaluation": ["Evaluation", "evaluate"],
        "fitting": ["fit"],
        "freezing": ["freeze"],
        "global_gradient": ["GlobalGradientOptimizer"],
        "image_grid": ["ImageGrid", "grid"],
        "image_pool": ["ImagePool"],
        "interruption": ["Interrupted"],
        "learner_state": ["LearnerState", "wrap_optimizers"],
        "non_finite": ["NonFiniteError"],
        "optimizers": ["make_optimizer"],
        "progress": ["Progress"],
        "ramps": ["cosine_ramp_down", "linear_ramp_up", "sigmoid_ramp_down", "sigmoid_ramp_up"],
        "replica_state": ["set_batch_norm", "spread_seeds"],
        "replicas": ["is_chief", "strategy", "wait_for_workers"],
        "run_directory": ["RunDirectory"],
        "schedules": ["make_schedule"],
        "seeds": ["train_seeds"],
        "tensorboard": ["TensorBoardLog"],
        "weight_average": ["WeightAverage"],
    },
)
