"""Flags of --recipe=cyclegan, which trains two generators to translate between two domains of images."""

import dataclasses
import json

from absl import flags

_DOWN = flags.DEFINE_integer("decay_epochs", None, "Last epochs, in which the rate falls; half of them by default.")
_LOAD_SIZE = flags.DEFINE_integer(
    "load_size", None, "Side to stretch images to before cutting; 0: as they are. Default: 286/256 of --image_size."
)
_CHANNELS = flags.DEFINE_integer("channels", None, "1 or 3 to convert grey and colour; what images have by default.")
_SPLITS = flags.DEFINE_list("splits", ["trainA", "trainB"], "Parts of the data set that are A and B.")
_VALIDATION = flags.DEFINE_list("validation_splits", [], "Parts to evaluate after every epoch: testA,testB say.")
_GENERATOR = flags.DEFINE_string("generator", "resnet", "resnet or unet.")
_BLOCKS = flags.DEFINE_integer("blocks", None, "Residual blocks; by default 6, and 9 from 256 pixels on.")
_FILTERS = flags.DEFINE_integer("filters", 64, "Width of the generators' first convolution.")
_NORM = flags.DEFINE_string("norm", "instance", "instance, instance_affine, batch or none.")
_UPSAMPLING = flags.DEFINE_string("upsampling", "transposed", "transposed, or resize against checkerboards.")
_DISCRIMINATOR = flags.DEFINE_string("discriminator", "patch", "patch or pixel.")
_LAYERS = flags.DEFINE_integer("discriminator_layers", 3, "1 to 6: patches of 16, 34, 70, 142, 286 or 574 pixels.")
_WIDTH = flags.DEFINE_integer("discriminator_filters", 64, "Width of the discriminators' first convolution.")
_OBJECTIVE = flags.DEFINE_string("objective", "least_squares", "least_squares, vanilla or wasserstein.")
_CYCLE = flags.DEFINE_list("cycle_weight", ["10"], "Weight of the cycle loss: one number, or those of A and B.")
_IDENTITY = flags.DEFINE_float("identity_weight", 0.5, "Times the cycle weight; 0 saves a third of the time.")
_NOISE = flags.DEFINE_float("noise", 0.0, "Standard deviation of noise in the cycle, for images in [-1, 1].")
_GUESS = flags.DEFINE_float("guess_weight", 0.0, "Weight of the guess which image is a reconstruction.")
_PENALTY = flags.DEFINE_float("gradient_penalty_weight", 10.0, "Under wasserstein.")
_POOL = flags.DEFINE_integer("pool_size", 50, "Earlier images that each discriminator is shown.")
_BETA = flags.DEFINE_float("beta_1", 0.5, "Of both Adams.")

_OWN = (
    *(_DOWN, _LOAD_SIZE, _CHANNELS, _GENERATOR, _BLOCKS, _FILTERS, _NORM, _UPSAMPLING, _DISCRIMINATOR, _LAYERS, _WIDTH),
    *(_OBJECTIVE, _IDENTITY, _NOISE, _GUESS, _PENALTY, _POOL, _BETA),
)
_LISTS = (_SPLITS, _VALIDATION, _CYCLE)
NAMES = tuple(holder.name for holder in (*_OWN, *_LISTS))

# Flags of every recipe that have other defaults here, unless they are given.
DEFAULTS = {
    "dataset": "repvis_maps/64",
    "image_size": 64,
    "epochs": 200,
    "batch_size": 1,
    "learning_rate": 2e-4,
    "schedule": "stairs",
    "dropout": 0.0,
    "flip": True,
}
_SHARED = (
    *("image_size", "epochs", "batch_size", "learning_rate", "schedule", "dropout", "flip", "precision", "seed"),
    *("strategy", "devices", "batch_norm", "on_non_finite", "skip_corrupt", "data_dir"),
)


def other_defaults():
    """Return what flags of every recipe default to here, in words."""
    return ", ".join(f"{name} {value}" for name, value in DEFAULTS.items())


def flagfile():
    """Return the text of a flagfile that repeats this run; flags left at their defaults are written out too."""
    lines = ["--recipe=cyclegan"]
    for name in (*NAMES, "dataset", *_SHARED, "run_dir"):
        value = _value(name)
        if value is not None:
            lines.append(_line(name, value))
    return "".join(f"{line}\n" for line in lines)


def configuration():
    """Return the arguments of `training.Translation` that the flags give."""
    values = {name: _value(name) for name in (*(holder.name for holder in _OWN), *_SHARED)}
    values["domain_a"], values["domain_b"] = _one_or_two("dataset", _value("dataset").split(","))
    values["split_a"], values["split_b"] = _one_or_two("splits", _SPLITS.value)
    if _VALIDATION.value:
        both = _one_or_two("validation_splits", _VALIDATION.value)
        values["validation_split_a"], values["validation_split_b"] = both
    try:
        weights = [float(weight) for weight in _CYCLE.value]
    except ValueError:
        raise ValueError(f"cycle_weight={','.join(_CYCLE.value)!r} is not accepted: expected numbers.") from None
    values["cycle_weight_a"], values["cycle_weight_b"] = _one_or_two("cycle_weight", weights)
    return values


def main(run_options, callbacks):
    """Train, and write what a finished run leaves.

    Args:
        run_options: Dict of arguments of `training.train_translation` that say where and how often to save.
        callbacks: Function of the strategy that returns Keras callbacks.

    Returns:
        The result, a dict, or None in a worker that is not the first.
    """
    from keras_repvis import training

    config = training.Translation(**configuration())
    # Before anything is computed: afterwards TensorFlow no longer lets the CPU be split.
    strategy = training.strategy(config.strategy, config.devices)
    trained = training.train_translation(
        config,
        run_files={"flagfile.txt": flagfile(), "settings.json": json.dumps(config.settings(), indent=1)},
        callbacks=callbacks(strategy),
        **run_options,
    )
    result = _conclude(config, trained, run_options["run_dir"]) if training.is_chief(strategy) else None
    training.wait_for_workers(strategy)
    return result


def _conclude(config, trained, run_dir):
    from keras_repvis import report, training

    last = trained.history[-1]
    result = {"seed": config.seed, "epochs": config.epochs, "steps_per_epoch": trained.train.steps_per_epoch}
    result["skipped_images"] = len(trained.train.skipped)
    result |= {name: round(value, 6) for name, value in last.items() if name.removeprefix("val_").startswith("cycle_")}
    if run_dir:
        directory = training.RunDirectory(run_dir)
        for name in ("generator_ab", "generator_ba"):
            result[name] = str(directory.save_model(getattr(trained.model, name), f"{name}.keras"))
        saved = {**result, "configuration": dataclasses.asdict(config)}
        directory.write_text("result.json", json.dumps(saved))
        result["summary"] = str(report.write_run_page(run_dir))
    return result


def _value(name):
    """Return what a flag says, or this recipe's own default."""
    flag = flags.FLAGS[name]
    return DEFAULTS.get(name, flag.value) if flag.using_default_value else flag.value


def _line(name, value):
    if flags.FLAGS[name].boolean:
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={','.join(value) if isinstance(value, list) else value}"


def _one_or_two(name, values):
    if not 1 <= len(values) <= 2 or "" in values:
        raise ValueError(f"{name}={values!r} is not accepted: expected one, or those of A and B with a comma between.")
    return values[0], values[-1]
