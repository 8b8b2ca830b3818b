"""Train an image classifier, or with --recipe=cyclegan translations between two domains of images.

Examples:
  repvis-train --model=mobilenet_v2 --dataset=repvis_digits --width_multiplier=0.35 --epochs=20 --run_dir=runs/digits
  repvis-train --dataset=cifar10 --image_size=32 --stem_strides=1 --flip --shift=4 --strategy=mirrored --devices=2
  repvis-train --dataset=photographs/ --image_size=96 --resize=crop --train_split=train --validation_split=test
  repvis-launch --workers=2 repvis-train --strategy=multi_worker --run_dir=runs/workers
  repvis-train --flagfile=runs/digits/flagfile.txt
  repvis-train --compare runs/digits runs/workers
  repvis-train --recipe=cyclegan --dataset=repvis_maps/64 --identity_weight=0 --noise=0.1 --run_dir=runs/maps
  repvis-train --recipe=cyclegan --dataset=summer/,winter/ --image_size=128 --run_dir=runs/seasons

The run directory receives flagfile.txt (the flags of this run), log.jsonl (one line an epoch), checkpoints, what was
trained (model.keras; of cyclegan generator_ab.keras, generator_ba.keras and images/), result.json and summary.html. The
same command goes on with a run that was interrupted, on one device to the same weights, bit for bit. SIGTERM and Ctrl-C
save first. Progress goes to stderr: a bar on a terminal, JSON lines elsewhere. The last line on stdout is a JSON object
with the result.
"""

import dataclasses
import json

from absl import app, flags

from keras_repvis import checks
from keras_repvis_tools import program, train_cyclegan

RECIPES = ("classification", "cyclegan")

_RECIPE = flags.DEFINE_string("recipe", "classification", "What to train: classification or cyclegan.")
_MODEL = flags.DEFINE_string("model", "mobilenet_v2", "Network, a name in keras_repvis.models.names().")
_DATASET = flags.DEFINE_string(
    "dataset",
    "repvis_digits",
    "Data set, or a folder with one sub-folder a class; of cyclegan one with two domains, or two folders A,B.",
)
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
_SCHEDULE = flags.DEFINE_string("schedule", "cosine", "constant, cosine, cyclegan, linear, rampdown, stairs or step.")
_WARMUP = flags.DEFINE_float("warmup_epochs", 0.0, "Epochs of linear warm-up.")
_MILESTONES = flags.DEFINE_list("milestones", ["0.5", "0.75"], "Under step: fractions of the run where the rate falls.")
_STEP_FACTOR = flags.DEFINE_float("step_factor", 0.1, "Under step: factor by which it falls.")
_WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.0, "Decoupled weight decay.")
_CLIP_NORM = flags.DEFINE_float("clip_norm", 0.0, "Largest norm of the whole gradient; 0 for no clipping.")
_ACCUMULATION = flags.DEFINE_integer("accumulation_steps", 1, "Batches whose gradients are averaged for one update.")
_SMOOTHING = flags.DEFINE_float("label_smoothing", 0.0, "Share of each label spread over all classes, in [0, 1).")
_PRECISION = flags.DEFINE_string("precision", "float32", "float32, mixed_bfloat16 or mixed_float16.")
_FREEZE = flags.DEFINE_list("freeze", [], "Shell-style patterns of layers that do not learn, for instance 'stem_*'.")
_EMA_DECAY = flags.DEFINE_float("ema_decay", 0.0, "Decay of the moving average of the weights; 0 for none.")
_EMA_NORM = flags.DEFINE_string("ema_batch_norm", "average", "Batch statistics in it: average or copy the newest.")
_FLIP = flags.DEFINE_bool("flip", False, "Mirror images at random.")
_SHIFT = flags.DEFINE_integer("shift", 0, "Largest random shift in pixels.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the weights, the order of the data and the augmentation.")
_STRATEGY = flags.DEFINE_string("strategy", "one_device", "one_device, mirrored, multi_worker (repvis-launch) or tpu.")
_DEVICES = flags.DEFINE_integer("devices", 2, "Replicas under --strategy=mirrored: GPUs, else logical CPU devices.")
_BATCH_NORM = flags.DEFINE_string("batch_norm", "synchronized", "Under replicas: synchronized, mean or per_replica.")
_NON_FINITE = flags.DEFINE_string("on_non_finite", "stop", "On NaN or Inf: stop, or skip the step and count it.")
_SELECT = flags.DEFINE_string("select", "last", "The model of the last epoch, or of the best on the validation split.")
_SKIP_CORRUPT = flags.DEFINE_bool("skip_corrupt", False, "Skip and report images that cannot be read; else stop.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data; its own default if unset.")
_RUN_DIR = flags.DEFINE_string("run_dir", None, "Directory of the run; nothing is written if unset.")
_SAVE_MINUTES = flags.DEFINE_float("save_minutes", 10.0, "Longest time between two checkpoints; one an epoch anyway.")
_SAVE_STEPS = flags.DEFINE_integer("save_steps", 0, "Steps between two checkpoints; 0 for none but those.")
_ACCEPT_CHANGES = flags.DEFINE_bool("accept_changes", False, "Go on with a run that began with other flags.")
_TENSORBOARD = flags.DEFINE_bool("tensorboard", False, "Write TensorBoard events to the run directory too.")
_COMPARE = flags.DEFINE_bool("compare", False, "Train nothing; plot the runs given as arguments side by side.")
_OUTPUT = flags.DEFINE_string("output", "comparison.html", "Under --compare: the page to write.")

# Of every recipe; the others of `_CONFIGURATION` are of classification.
_SHARED = (
    *("recipe", "dataset", "image_size", "epochs", "batch_size", "learning_rate", "schedule", "dropout", "flip"),
    *("precision", "seed", "strategy", "devices", "batch_norm", "on_non_finite", "skip_corrupt", "data_dir"),
)

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
    _MILESTONES,
    _STEP_FACTOR,
    _WEIGHT_DECAY,
    _CLIP_NORM,
    _ACCUMULATION,
    _SMOOTHING,
    _PRECISION,
    _FREEZE,
    _EMA_DECAY,
    _EMA_NORM,
    _FLIP,
    _SHIFT,
    _SEED,
    _STRATEGY,
    _DEVICES,
    _BATCH_NORM,
    _NON_FINITE,
    _SELECT,
    _SKIP_CORRUPT,
    _DATA_DIR,
)

_OF_CLASSIFICATION = tuple(
    holder.name for holder in (*_CONFIGURATION, _TEST_SPLIT) if holder.name not in _SHARED
)
FLAG_SECTIONS = {
    "Flags of --recipe=classification": _OF_CLASSIFICATION,
    f"Flags of --recipe=cyclegan (others default there to {train_cyclegan.other_defaults()})": train_cyclegan.NAMES,
}


def flagfile():
    """Return the text of a flagfile that repeats this run; flags left at their defaults are written out too."""
    holders = [*_CONFIGURATION, _TEST_SPLIT, _RUN_DIR]
    return "".join(f"{flags.FLAGS[holder.name].serialize()}\n" for holder in holders if holder.value is not None)


def configuration():
    """Return the arguments of `training.Classification` that the flags give."""
    values = {holder.name: holder.value for holder in _CONFIGURATION}
    try:
        values["milestones"] = tuple(float(number) for number in _MILESTONES.value)
    except ValueError:
        raise ValueError(f"milestones={','.join(_MILESTONES.value)!r} is not accepted: expected numbers.") from None
    return {**values, "freeze": tuple(_FREEZE.value)}


def main(argv):
    if _COMPARE.value:
        compare(argv[1:])
        return
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: everything is a flag, but under --compare.")
    check_recipe()
    program.import_tensorflow()
    run_options = {
        "run_dir": _RUN_DIR.value,
        "save_minutes": _SAVE_MINUTES.value,
        "save_steps": _SAVE_STEPS.value,
        "accept_changes": _ACCEPT_CHANGES.value,
    }
    train = train_cyclegan.main if _RECIPE.value == "cyclegan" else train_classifier
    result = train(run_options, callbacks)
    if result is not None:
        print(json.dumps(result))


def check_recipe():
    """Raise if the recipe is not known, or a flag was given that belongs to another one."""
    recipe = checks.one_of("recipe", _RECIPE.value, RECIPES)
    foreign = _OF_CLASSIFICATION if recipe == "cyclegan" else train_cyclegan.NAMES
    for name in foreign:
        if not flags.FLAGS[name].using_default_value:
            raise app.UsageError(f"--{name} is not accepted with --recipe={recipe}: it belongs to another recipe.")


def train_classifier(run_options, callbacks):
    """Train, evaluate and write what a finished run leaves; return the result, or None but in the first worker."""
    from keras_repvis import training

    config = training.Classification(**configuration())
    # Before anything is computed: afterwards TensorFlow no longer lets the CPU be split.
    strategy = training.strategy(config.strategy, config.devices)
    test = open_test(config)
    trained = training.train(
        config,
        run_files={"flagfile.txt": flagfile(), "settings.json": json.dumps(config.settings(), indent=1)},
        callbacks=callbacks(strategy),
        **run_options,
    )
    result = conclude(config, trained, test) if training.is_chief(strategy) else None
    training.wait_for_workers(strategy)
    return result


def open_test(config):
    """Return the test stream, or None; the data that select a model must not be those that judge it."""
    from keras_repvis import training

    if not _TEST_SPLIT.value:
        return None
    test = training.open_test_stream(config, _TEST_SPLIT.value)
    if config.select == "best" and test.source.overlaps(training.open_source(config, config.validation_split)):
        raise ValueError(
            f"validation_split={config.validation_split!r} selects the model and shares examples with "
            f"test_split={_TEST_SPLIT.value!r}: take a part of the training split, train[90%:] for instance."
        )
    return test


def callbacks(strategy):
    """Return the callbacks that the flags ask for."""
    from keras_repvis import training

    if not _TENSORBOARD.value or not training.is_chief(strategy):
        return []
    if not _RUN_DIR.value:
        raise ValueError("--tensorboard needs --run_dir, where the events go.")
    return [training.TensorBoardLog(_RUN_DIR.value)]


def conclude(config, trained, test):
    """Evaluate on the test split, write what a finished run leaves, and return the result, a dict."""
    from keras_repvis import report, training

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
        result["summary"] = str(report.write_run_page(_RUN_DIR.value))
    return result


def compare(paths):
    """Write the page that shows runs beside one another."""
    from keras_repvis import report

    report.write(_OUTPUT.value, report.compare_page(paths))
    print(json.dumps({"comparison": _OUTPUT.value}))


def run():
    program.run(main)


if __name__ == "__main__":
    run()
