"""Train an image classifier.

Examples:
  repvis-train --model=mobilenet_v2 --dataset=repvis_digits --width_multiplier=0.35 --epochs=20 --run_dir=runs/digits
  repvis-train --dataset=cifar10 --image_size=32 --stem_strides=1 --flip --shift=4 --strategy=mirrored --devices=2
  repvis-train --dataset=photographs/ --image_size=96 --resize=crop --validation_split=test
  repvis-train --flagfile=runs/digits/flagfile.txt

The run directory receives flagfile.txt (the flags of this run), log.jsonl (one line an epoch), a checkpoint after every
epoch and model.keras. The same command goes on with a run that was interrupted. Progress goes to stderr: a bar on a
terminal, JSON lines elsewhere. The last line on stdout is a JSON object with the result.
"""

import dataclasses
import json

from absl import app, flags

from keras_repvis_tools import program

_MODEL = flags.DEFINE_string("model", "mobilenet_v2", "Network, a name in keras_repvis.models.names().")
_DATASET = flags.DEFINE_string("dataset", "repvis_digits", "Data set, or a folder with one sub-folder a class.")
_TRAIN_SPLIT = flags.DEFINE_string("train_split", "train", "Split to train on, for instance train[:80%].")
_VALIDATION_SPLIT = flags.DEFINE_string("validation_split", "", "Split to evaluate after every epoch; none if empty.")
_TEST_SPLIT = flags.DEFINE_string("test_split", "test", "Split to evaluate once, at the end; none if empty.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Height and width in pixels, at least 8.")
_RESIZE = flags.DEFINE_string("resize", "squash", "How images come to that size: squash, crop or pad.")
_WIDTH = flags.DEFINE_float("width_multiplier", 1.0, "Factor on every number of channels, above 0.")
_STEM_STRIDES = flags.DEFINE_integer("stem_strides", 2, "Stride of the first convolution: 1 (small images) or 2.")
_DROPOUT = flags.DEFINE_float("dropout", None, "Rate before the classifier, in [0, 1); the network's own by default.")
_MOMENTUM = flags.DEFINE_float("batch_norm_momentum", None, "In (0, 1); the network's own by default.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Passes over the training split.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Images a step, over all devices.")
_OPTIMIZER = flags.DEFINE_string("optimizer", "adam", "adam, adamw, rmsprop or sgd.")
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Peak learning rate, above 0.")
_SCHEDULE = flags.DEFINE_string("schedule", "cosine", "constant or cosine.")
_WARMUP = flags.DEFINE_float("warmup_epochs", 0.0, "Epochs of linear warm-up.")
_WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.0, "Decoupled weight decay.")
_FLIP = flags.DEFINE_bool("flip", False, "Mirror images at random.")
_SHIFT = flags.DEFINE_integer("shift", 0, "Largest random shift in pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the weights, the order of the data and the augmentation.")
_STRATEGY = flags.DEFINE_string("strategy", "one_device", "one_device or mirrored.")
_DEVICES = flags.DEFINE_integer("devices", 2, "Replicas under --strategy=mirrored: GPUs, else logical CPU devices.")
_SKIP_CORRUPT = flags.DEFINE_bool("skip_corrupt", False, "Skip and report images that cannot be read; else stop.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data; its own default if unset.")
_RUN_DIR = flags.DEFINE_string("run_dir", None, "Directory of the run; nothing is written if unset.")

_CONFIGURATION = (
    _MODEL,
    _DATASET,
    _TRAIN_SPLIT,
    _VALIDATION_SPLIT,
    _IMAGE_SIZE,
    _RESIZE,
    _WIDTH,
    _STEM_STRIDES,
    _DROPOUT,
    _MOMENTUM,
    _EPOCHS,
    _BATCH_SIZE,
    _OPTIMIZER,
    _LEARNING_RATE,
    _SCHEDULE,
    _WARMUP,
    _WEIGHT_DECAY,
    _FLIP,
    _SHIFT,
    _SEED,
    _STRATEGY,
    _DEVICES,
    _SKIP_CORRUPT,
    _DATA_DIR,
)


def flagfile():
    """Return the text of a flagfile that repeats this run; flags left at their defaults are written out too."""
    holders = [*_CONFIGURATION, _TEST_SPLIT, _RUN_DIR]
    return "".join(f"{flags.FLAGS[holder.name].serialize()}\n" for holder in holders if holder.value is not None)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag.")
    program.import_tensorflow()
    from keras_repvis import training

    config = training.Classification(**{holder.name: holder.value for holder in _CONFIGURATION})
    # Before anything is computed: afterwards TensorFlow no longer lets the CPU be split.
    training.strategy(config.strategy, config.devices)
    test = training.open_test_stream(config, _TEST_SPLIT.value) if _TEST_SPLIT.value else None
    trained = training.train(config, run_dir=_RUN_DIR.value, run_files={"flagfile.txt": flagfile()})

    result = {"seed": config.seed, "epochs": config.epochs, "steps_per_epoch": trained.train.steps_per_epoch}
    result["skipped_images"] = len(trained.train.skipped)
    if test:
        evaluation = training.evaluate(trained.model, test)
        result["test_accuracy"] = round(evaluation.accuracy, 6)
        result["test_loss"] = round(evaluation.loss, 6)
        result["skipped_test_images"] = len(test.skipped)
    if _RUN_DIR.value:
        directory = training.RunDirectory(_RUN_DIR.value)
        directory.save_model(trained.model)
        directory.write_text("result.json", json.dumps({**result, "configuration": dataclasses.asdict(config)}))
        result["model"] = str(directory.model_path)
    print(json.dumps(result))


def run():
    program.run(main)


if __name__ == "__main__":
    run()
